// The first minute: from what people have in hand to an answer that does not mislead.
import axe from "axe-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { headline, paste, Site, verdicts, write, written, type Page } from "./page.ts";

let site: Site;
let page: Page;
beforeAll(async () => {
  site = await Site.open();
});
afterAll(async () => {
  await site.close();
  expect(site.problems).toEqual([]);
});

const policy = (name: string, namespace = "shop", app = name, more = "rules: [{to: [{operation: {methods: [GET]}}]}]") =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec:\n  selector: {matchLabels: {app: ${app}}}\n  ${more}\n`;

async function empty(): Promise<void> {
  page = await site.visit();
  await expect.poll(() => page.locator(".row").count()).toBe(10);
  await page.getByRole("button", { name: "Scenario" }).click();
  await page.getByRole("button", { name: "Empty page" }).click();
  await expect.poll(() => headline(page)).toBe("no policy applies");
}
async function imported(text: string, name = "pasted"): Promise<void> {
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByLabel("or paste").fill(text);
  await page.getByRole("button", { name: "Import what is pasted" }).click();
  await expect.poll(() => page.getByRole("dialog", { name: "Import" }).count(), { message: name }).toBe(0);
}
const reaches = () => page.getByLabel("The workload that the request reaches").locator("option:checked").innerText();
const notice = () => page.getByRole("status").innerText();

describe("workloads are found in the policies", () => {
  test("the only one is taken, and the verdict is about it", async () => {
    await empty();
    await paste(page, policy("orders"));
    await expect.poll(() => headline(page)).toBe("allowed");
    expect(await reaches()).toBe("shop/orders");
    expect(await notice()).toContain("The request goes to shop/orders, which the selector of AuthorizationPolicy shop/orders says");
    expect(await page.getByRole("status").isVisible()).toBe(true);
    await page.getByLabel("path", { exact: true }).fill("/x");
    await page.locator("[data-field=method]").fill("POST");
    await expect.poll(() => headline(page)).toBe("403 denied");
  });

  test("and followed while the selector is typed, until somebody chooses another", async () => {
    await empty();
    await paste(page, policy("orders"));
    await expect.poll(reaches).toBe("shop/orders");
    await paste(page, policy("orders", "shop", "orders-v2"));
    await expect.poll(reaches).toBe("shop/orders-v2");
    await page.getByText("workload and mesh").click();
    await page.getByLabel("labels").fill("app=mine");
    await page.keyboard.press("Tab");
    await expect.poll(() => headline(page)).toBe("no policy applies");
    await paste(page, policy("orders", "shop", "orders-v3"));
    await expect.poll(() => page.locator(".not-applied").innerText()).toContain("orders-v3");
    expect(await reaches()).toBe("shop/mine");
  });

  test("undo takes it back with the policy", async () => {
    await empty();
    await paste(page, policy("orders"));
    await expect.poll(reaches).toBe("shop/orders");
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(reaches).toBe("default/web");
    expect((await written(page)).trim()).toBe("");
  });

  test("a policy that reaches the workload of the page leaves it", async () => {
    await empty();
    await paste(page, policy("web", "default", "web"));
    await expect.poll(() => headline(page)).toBe("allowed");
    expect(await reaches()).toBe("default/web");
  });

  test("of several, each is one click away", async () => {
    await empty();
    await paste(page, [policy("orders"), policy("pay", "bank"), policy("orders-deny", "shop", "orders", "action: DENY\n  rules: [{to: [{operation: {methods: [PUT]}}]}]")].join("---\n"));
    await expect.poll(() => page.locator(".not-applied summary").innerText()).toContain("None of the 3 policies applies to default/web");
    expect(await page.locator(".not-applied li").allInnerTexts()).toEqual([
      expect.stringContaining("in the namespace shop"), expect.stringContaining("in the namespace bank"), expect.stringContaining("in the namespace shop"),
    ]);
    await page.locator(".not-applied li").nth(1).getByRole("button", { name: "ask about bank/pay" }).click();
    await expect.poll(() => headline(page)).toBe("allowed");
    expect(await reaches()).toBe("bank/pay");
    // What does not reach that one is said in amber too, with its way.
    await page.locator(".not-applied summary").click();
    await page.locator(".not-applied").getByRole("button", { name: "ask about shop/orders" }).first().click();
    await expect.poll(reaches).toBe("shop/orders");
    await expect.poll(() => headline(page)).toBe("allowed");
  });
});

describe("that nothing applies does not look like a rule that allowed", () => {
  test("in the answer, in the list, in the grid, and on a telephone", async () => {
    await empty();
    await paste(page, [policy("orders"), policy("pay", "bank")].join("---\n"));
    await expect.poll(() => page.locator(".not-applied").count()).toBe(1);
    expect(await headline(page)).toBe("no policy applies");
    expect(await page.locator(".answer.allow").count()).toBe(0);
    expect(await verdicts(page)).toEqual(["no policy"]);
    await page.getByRole("button", { name: "grid" }).click();
    await expect.poll(() => page.locator("td").allInnerTexts()).toEqual([expect.stringContaining("no policy")]);
    await page.getByRole("button", { name: "grid" }).click();
    await page.setViewportSize({ width: 400, height: 800 });
    expect(await page.locator(".now").innerText()).toContain("no policy");
  });
});

describe("an import is a document of its own", () => {
  test("no request, banner or expectation of the example stays", async () => {
    page = await site.visit();
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    await imported(policy("orders"));
    await expect.poll(() => page.locator(".row").count()).toBe(1);
    expect(await page.locator(".look").count()).toBe(0);
    expect(await page.getByText(/as expected/).count()).toBe(0);
    expect(await page.locator(".tab").allInnerTexts()).toEqual(["pasted.yaml"]);
    await expect.poll(() => headline(page)).toBe("allowed");
    expect(await reaches()).toBe("shop/orders");
    expect(await notice()).toContain("The request goes to shop/orders");
  });

  test("workloads are those of its manifests, though these are not kept", async () => {
    page = await site.visit();
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    const pods = (name: string, labels: string) => `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ${name}, namespace: shop}\nspec: {template: {metadata: {labels: ${labels}}, spec: {containers: []}}}\n`;
    await imported([pods("web", "{app: web}"), pods("orders", "{app: orders, tier: back}"), policy("orders")].join("---\n"));
    await expect.poll(reaches).toBe("shop/orders");
    expect(await page.getByLabel("The workload that the request reaches").locator("option").allInnerTexts()).toEqual(["shop/orders", "shop/web"]);
    expect(await page.locator("summary", { hasText: "workload and mesh" }).innerText()).toContain("tier=back");
    expect(await page.locator(".tab").allInnerTexts()).toEqual(["orders.yaml"]);
  });

  test("two hundred policies are a tree by namespace and kind, which can be searched", async () => {
    page = await site.visit();
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    const items = Array.from({ length: 200 }, (_, index) => ({
      apiVersion: "security.istio.io/v1",
      kind: index % 4 === 0 ? "PeerAuthentication" : "AuthorizationPolicy",
      metadata: { name: `p${index}`, namespace: `team-${index % 5}` },
      spec: index % 4 === 0 ? { mtls: { mode: "STRICT" } } : { action: index % 2 ? "DENY" : "ALLOW", selector: { matchLabels: { app: `a${index}` } }, rules: [{}] },
    }));
    await imported(JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    await expect.poll(() => page.locator(".tree .namespaces > li > details > summary").allInnerTexts()).toEqual(["team-0 40", "team-1 40", "team-2 40", "team-3 40", "team-4 40"]);
    await page.getByLabel("Search policies").fill("team-3 deny p13");
    await expect.poll(() => page.locator(".tree ul ul button").allInnerTexts()).toEqual([expect.stringMatching(/^p13\s*DENY$/), expect.stringMatching(/^p133\s*DENY$/)]);
    await page.locator(".tree ul ul button").first().click();
    await expect.poll(() => written(page)).toContain("name: p13\n");
    expect(await page.locator(".tab[aria-current]").innerText()).toBe("p13.yaml");
    await page.getByRole("button", { name: "200 policies" }).click();
    expect(await page.locator(".tree").count()).toBe(0);
  });
});

test("two thousand policies of one list are a file for each namespace", async () => {
  page = await site.visit();
  await expect.poll(() => page.locator(".row").count()).toBe(10);
  const items = Array.from({ length: 2_000 }, (_, index) => ({ apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", metadata: { name: `p${index}`, namespace: `team-${index % 4}` }, spec: { rules: [{}] } }));
  await imported(JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  await expect.poll(() => page.locator(".tab").allInnerTexts()).toEqual(["team-0.yaml", "team-1.yaml", "team-2.yaml", "team-3.yaml"]);
  await expect.poll(() => headline(page)).toBe("allowed");
  await page.getByRole("button", { name: "2000 policies" }).click();
  await page.getByLabel("Search policies").fill("p1999");
  await page.locator(".tree ul ul button").click();
  await expect.poll(() => written(page)).toContain("name: p1999\n");
});

test("axe is clean where nothing applies, in the tree, beside unknown keys, and on the empty page", async () => {
  const violations = async () => {
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] }));
    return found.violations.flatMap((one) => one.nodes.filter((node) => !(one.id === "target-size" && node.target.join().includes(".splitter"))).map((node) => `${one.id}: ${node.target.join(" ")} ${node.failureSummary}`));
  };
  await empty();
  expect(await violations()).toEqual([]);
  const tokens = "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: shop}\nspec:\n  jwtRules: [{issuer: i, jwksUri: https://i/keys}]\n";
  await paste(page, [...Array.from({ length: 12 }, (_, index) => policy(`p${index}`)), tokens].join("---\n"));
  await expect.poll(() => page.locator(".not-applied").count()).toBe(1);
  await page.getByRole("button", { name: "13 policies", exact: true }).click();
  expect(await violations()).toEqual([]);
  await page.locator(".not-applied .others button").first().click();
  await page.getByRole("radio", { name: "jwt" }).check();
  await page.getByLabel("JSON Web Token").fill(`${Buffer.from('{"alg":"RS256"}').toString("base64url")}.${Buffer.from('{"iss":"i","sub":"u"}').toString("base64url")}.c2ln`);
  await expect.poll(() => headline(page)).toBe("unknown");
  await page.getByRole("button", { name: "paste the key set" }).click();
  expect(await violations()).toEqual([]);
  for (const width of [400, 720, 1100]) {
    await page.setViewportSize({ width, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), String(width)).toBeLessThanOrEqual(0);
  }
});

describe("an empty page asks for what people have", () => {
  const TOKEN = `${Buffer.from('{"alg":"RS256"}').toString("base64url")}.${Buffer.from('{"iss":"https://issuer.example","sub":"u"}').toString("base64url")}.c2ln`;
  test("a curl command", async () => {
    await empty();
    expect(await page.locator(".policies .empty").innerText()).toMatch(/Paste here what you have: policies.*curl command.*token.*refused/s);
    await paste(page, "curl -XPOST -H 'x-a: 1' https://shop.example/api/orders?x=1");
    await expect.poll(() => page.getByLabel("path", { exact: true }).inputValue()).toBe("/api/orders?x=1");
    expect(await page.getByLabel("host", { exact: true }).inputValue()).toBe("shop.example");
    expect(await notice()).toContain("what curl sends");
    expect(await page.locator(".policies .empty").count()).toBe(1);
  });
  test("a token, with what is around it", async () => {
    await empty();
    await paste(page, `Authorization: Bearer ${TOKEN.replace(/(.{30})/g, "$1\n")}\n`);
    await expect.poll(() => page.getByLabel("JSON Web Token").inputValue()).toBe(TOKEN);
  });
  test("what Envoy wrote", async () => {
    await empty();
    await paste(page, "rbac_access_denied_matched_policy[ns[shop]-policy[no-delete]-rule[0]]");
    await expect.poll(notice).toContain("rule 0 of no-delete in the namespace shop");
  });
  test("a proxy's configuration, and a list of policies", async () => {
    await empty();
    await paste(page, JSON.stringify({ apiVersion: "v1", kind: "List", items: [JSON.parse('{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"orders","namespace":"shop"},"spec":{"selector":{"matchLabels":{"app":"orders"}}}}')] }, null, 2));
    await expect.poll(() => page.locator(".tab").allInnerTexts()).toEqual(["orders.yaml"]);
    await expect.poll(reaches).toBe("shop/orders");
  });
  test("and has the examples and the import at hand", async () => {
    await empty();
    await page.locator(".policies .empty").getByRole("button", { name: "Examples…" }).click();
    expect(await page.locator("#scenarios").isVisible()).toBe(true);
    await page.keyboard.press("Escape");
    await page.locator(".policies .empty").getByRole("button", { name: "Files or a folder…" }).click();
    expect(await page.getByRole("dialog", { name: "Import" }).isVisible()).toBe(true);
  });
});

describe("tokens", () => {
  test("`Bearer` and line breaks in a pasted token do not count", async () => {
    page = await site.visit("#example=end-user-jwt/3-who-may-do-what");
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    await page.locator(".row").nth(6).click();
    await expect.poll(() => headline(page)).toBe("allowed");
    const box = page.getByLabel("JSON Web Token");
    const token = await box.inputValue();
    await box.fill("");
    await expect.poll(() => headline(page)).not.toBe("allowed");
    await box.fill(`Bearer ${token.replace(/(.{60})/g, "$1\r\n")}\n`);
    await expect.poll(() => headline(page)).toBe("allowed");
    expect(await box.inputValue()).toBe(token);
  });

  test("where keys are at an address: paste them, or take the token as signed", async () => {
    await empty();
    await page.getByRole("button", { name: "token", exact: true }).click();
    await page.getByRole("button", { name: "make it" }).click();
    await page.getByRole("button", { name: "trust its key in a policy" }).click();
    await expect.poll(() => page.locator(".token").innerText()).toContain("signature are good");
    await page.getByRole("button", { name: "sample-issuer.yaml", exact: true }).click();
    const trusted = await written(page);
    const keys = (/jwks: (.*)/.exec(trusted)![1]!).replace(/^'|'$/g, "").replace(/^"|"$/g, "").replaceAll('\\"', '"');
    const address = trusted.replace(/jwks: .*/, "jwksUri: https://issuer.example/keys");
    const remote = `${address.trimEnd()}\n---\n${policy("web", "default", "web", "rules: [{from: [{source: {requestPrincipals: ['*']}}]}]")}`;
    await write(page, remote);
    await page.getByRole("button", { name: "path", exact: true }).click();
    await expect.poll(() => headline(page)).toBe("unknown");
    await page.getByRole("button", { name: "paste the key set" }).click();
    await page.getByLabel(/key set \(JWKS\)/).fill("{}");
    await page.getByRole("button", { name: "put it into the policy" }).click();
    await expect.poll(() => page.locator(".keys [role=alert]").innerText()).toContain("the field `keys`");
    await page.getByLabel(/key set \(JWKS\)/).fill(keys);
    await page.getByRole("button", { name: "put it into the policy" }).click();
    await expect.poll(() => headline(page)).toBe("allowed");
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => headline(page)).toBe("unknown");
    await page.getByRole("button", { name: "take it as signed by this issuer" }).click();
    await expect.poll(() => headline(page)).toBe("allowed");
    expect(await page.getByLabel("Claims, as YAML").inputValue()).toContain("sub: someone");
  });
});

test("the list has headings and shows names", async () => {
  page = await site.visit();
  await expect.poll(() => page.locator(".row").count()).toBe(10);
  expect((await page.locator(".heading").innerText()).split(/\s*\n\s*/)).toEqual(["method", "path, name", "caller", "verdict"]);
  expect(await page.locator(".row").first().innerText()).toContain("a user reads");
  await page.getByLabel("Name of the request").fill("renamed");
  await expect.poll(() => page.locator(".row").first().innerText()).toContain("renamed");
});
