// The work area and the answer (points 2 and 3 of the page's contract).
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { headline, Site, verdicts, write, written, type Page } from "./page.ts";

let site: Site;
let page: Page;
beforeAll(async () => {
  site = await Site.open();
  page = await site.visit();
});
afterAll(async () => {
  await site.close();
  expect(site.problems).toEqual([]);
});

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: get-only, namespace: default}
spec:
  rules:
  - from:
    - source:
        principals: [cluster.local/ns/default/sa/client]
    to:
    - operation:
        methods: [GET]
        paths: ["/api/*"]
`;

/** A page with this policy and one plaintext `GET /`. */
async function fresh(policy = POLICY): Promise<void> {
  page = await site.visit();
  await page.getByRole("button", { name: "Scenario" }).click();
  await page.getByRole("button", { name: "Empty page" }).click();
  await expect.poll(() => headline(page)).toBe("no policy applies");
  await write(page, policy);
}

describe("first sight", () => {
  test("a scenario with its verdicts, and why", async () => {
    await expect.poll(() => verdicts(page)).toEqual(["allow", "deny 403", "allow", "allow", "allow", "deny 403", "allow", "allow", "deny 403", "allow"]);
    await page.locator(".row").nth(1).click();
    await expect.poll(() => headline(page)).toBe("403 denied");
    const answer = await page.locator(".answer").innerText();
    expect(answer).toContain("2 ALLOW policies apply to istio-system/istio-ingressgateway and no rule of theirs matched");
    expect(answer).toContain("rbac_access_denied_matched_policy[none]");
    const stages = await page.locator("[data-stage]").evaluateAll((all) => all.map((one) => `${one.getAttribute("data-stage")} ${one.getAttribute("data-result")}`));
    expect(stages).toEqual(["mtls absent", "custom absent", "jwt passed", "deny passed", "allow refused"]);
    expect(await page.locator('[data-stage="allow"]').innerText()).toMatch(/methods\s+GET\s+got POST/);
  });

  test("a token that is refused leaves the later stages grey, with the reason", async () => {
    await page.goto(`${site.origin}/#example=end-user-jwt/1-authentication`);
    await expect.poll(async () => (await verdicts(page)).filter((word) => word === "deny 401").length).toBeGreaterThan(0);
    await write(page, `${await written(page)}`);
    await page.goto(`${site.origin}/#example=end-user-jwt/2-require-a-token`);
    await expect.poll(() => page.locator("[data-stage=jwt]").count()).toBe(1);
    await page.locator(".row").first().click();
    await page.getByLabel("Claims, as YAML").or(page.getByRole("radio", { name: "claims" })).first().click();
    await page.getByRole("radio", { name: "claims" }).check();
    await page.getByLabel("Claims, as YAML").fill("iss: somebody-else\nsub: u1\n");
    await expect.poll(() => headline(page)).toBe("401 denied");
    expect(await page.locator("[data-stage=deny]").getAttribute("data-result")).toBe("notReached");
    expect(await page.locator("[data-stage=deny]").innerText()).toContain("not reached, refused by JWT");
  });
});

describe("policies", () => {
  test("verdicts follow the text, and undo takes it back", async () => {
    await fresh();
    await expect.poll(() => headline(page)).toBe("403 denied");
    await page.keyboard.press("ControlOrMeta+z");
    await expect.poll(() => headline(page)).toBe("no policy applies");
    await page.keyboard.press("ControlOrMeta+Shift+z");
    await expect.poll(() => headline(page)).toBe("403 denied");
  });

  test("what admission would refuse is underlined at its place, and the last verdicts stay, stale", async () => {
    await fresh(POLICY.replace("methods: [GET]", "metods: [GET]\n        ports: [http]"));
    const underline = page.locator(".cm-lintRange-error");
    await expect.poll(() => underline.allInnerTexts()).toEqual(["http"]);
    await expect.poll(() => page.locator(".cm-lintRange-warning").allInnerTexts()).toEqual(["metods"]);
    expect(await headline(page)).toBe("no policy applies");
    expect(await page.locator(".answer .badge").innerText()).toBe("stale");
    await expect.poll(() => page.getByText("problems (2)").count()).toBe(1);
    await page.locator(".problem").filter({ hasText: "error" }).click();
    await page.keyboard.press("Shift+End");
    await page.keyboard.insertText('"8080"]');
    await expect.poll(() => page.locator(".cm-lintRange-error").count()).toBe(0);
    await expect.poll(() => headline(page)).toBe("403 denied");
    expect(await page.locator(".answer .badge").count()).toBe(0);
  });

  test("field names and their words are completed", async () => {
    await fresh("kind: AuthorizationPolicy\nspec:\n  act");
    await page.keyboard.press("Control+Space");
    await page.locator(".cm-tooltip-autocomplete li", { hasText: "action" }).waitFor();
    // The list takes Enter only after a moment, so that nobody takes a word by mistake.
    await page.waitForTimeout(200);
    await page.keyboard.press("Enter");
    await expect.poll(() => written(page)).toContain("  action: ");
    await page.keyboard.type("DE");
    await page.locator(".cm-tooltip-autocomplete li", { hasText: "DENY" }).waitFor();
    await page.waitForTimeout(200);
    await page.keyboard.press("Enter");
    await expect.poll(() => written(page)).toContain("  action: DENY");
  });

  test("a field says what it does", async () => {
    await fresh();
    await page.locator(".cm-line", { hasText: "principals" }).getByText("principals").hover();
    await expect.poll(() => page.locator(".cm-field-doc").innerText().catch(() => "")).toContain("needs mutual TLS");
  });

  test("several files as tabs: added, renamed, removed, brought back", async () => {
    await fresh();
    await page.getByRole("button", { name: "Add a file" }).click();
    await expect.poll(() => page.locator(".tab").allInnerTexts()).toEqual(["policies.yaml", "policy.yaml"]);
    await page.getByRole("button", { name: "policy.yaml", exact: true }).press("F2");
    await page.getByLabel("Name of the file").fill("deny.yaml");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator(".tab").allInnerTexts()).toEqual(["policies.yaml", "deny.yaml"]);
    await page.getByRole("button", { name: "Remove policies.yaml" }).click();
    await expect.poll(() => headline(page)).toBe("no policy applies");
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => headline(page)).toBe("403 denied");
  });

  test("workload and mesh", async () => {
    await fresh();
    await page.getByText("workload and mesh").click();
    await page.getByLabel("namespace", { exact: true }).first().fill("bank");
    await expect.poll(() => headline(page)).toBe("no policy applies");
    await expect.poll(() => page.locator(".not-applied summary").innerText()).toContain("The only policy does not apply to bank/web");
    expect(await page.locator(".not-applied li").innerText()).toContain("it is in the namespace default; the workload is in bank, the root namespace is istio-system");
  });
});

describe("the request", () => {
  test("the nearest miss is met with one click", async () => {
    await fresh();
    await expect.poll(() => page.locator(".nearest").innerText()).toContain("get-only rule 0 would match if principals were cluster.local/ns/default/sa/client and paths were /api/*");
    await page.getByRole("button", { name: "change the request so" }).click();
    await expect.poll(() => headline(page)).toBe("allowed");
    expect(await page.getByLabel("Identity of the caller").inputValue()).toBe("cluster.local/ns/default/sa/client");
    expect(await page.getByLabel("path", { exact: true }).inputValue()).toBe("/api/x");
    // The rule that decided is marked in the policy.
    await expect.poll(() => page.locator(".cm-deciding").count()).toBe(7);
    expect(await page.locator(".cm-deciding-first").innerText()).toContain("- from:");
    expect(await page.locator(".rule.deciding").innerText()).toContain("matched, decided");
  });

  test("values in the explanation lead to the policy and to the form", async () => {
    await fresh();
    await page.locator(".check", { hasText: "paths" }).getByRole("button", { name: "paths" }).click();
    expect(await page.evaluate(() => document.activeElement?.shadowRoot?.querySelector(".cm-activeLine")?.textContent)).toContain('paths: ["/api/*"]');
    await page.locator(".check", { hasText: "principals" }).getByRole("button", { name: "sa/client" }).click();
    expect(await page.evaluate(() => document.activeElement?.shadowRoot?.querySelector(".cm-activeLine")?.textContent)).toContain("principals:");
    await page.locator(".check", { hasText: "paths" }).getByRole("button", { name: "got" }).click();
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("data-field"))).toBe("path");
    await page.locator(".check", { hasText: "methods" }).getByRole("button", { name: "GET" }).click();
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("data-field"))).toBe("method");
  });

  test("every field of the form counts", async () => {
    const condition = (key: string, value: string) => `  - when: [{key: "${key}", values: ["${value}"]}]\n`;
    const head = POLICY.slice(0, POLICY.indexOf("  - from"));
    const conditions: [string, string, () => Promise<void>][] = [
      ["request.headers[x-a]", "1", () => page.getByLabel("headers").fill("x-a: 1").then(() => page.keyboard.press("Tab"))],
      ["source.ip", "10.0.0.1", () => page.getByLabel("source IP").fill("10.0.0.1")],
      ["remote.ip", "10.0.0.2", () => page.getByLabel("client IP").fill("10.0.0.2")],
      ["destination.ip", "10.0.0.3", () => page.getByLabel("destination IP").fill("10.0.0.3")],
      ["destination.port", "8080", () => page.getByLabel("its port").fill("8080")],
      ["connection.sni", "a.example", () => page.getByLabel("SNI").fill("a.example")],
    ];
    for (const [key, value, fill] of conditions) {
      await fresh(head + condition(key, value));
      await expect.poll(() => headline(page), { message: key }).toBe("403 denied");
      await page.locator(".form summary", { hasText: "more" }).click();
      await fill();
      await expect.poll(() => headline(page), { message: key }).toBe("allowed");
    }
  });

  test("as YAML, both ways", async () => {
    await fresh();
    await page.getByRole("button", { name: "YAML", exact: true }).click();
    const raw = page.locator(".raw .cm-content");
    await raw.click();
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.insertText("path: /api/orders\nsource: {principal: cluster.local/ns/default/sa/client}\n");
    await expect.poll(() => headline(page)).toBe("allowed");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.insertText("path: [");
    await expect.poll(() => page.locator(".form p.deny").count()).toBeGreaterThan(0);
    expect(await headline(page)).toBe("allowed");
    await page.getByRole("button", { name: "YAML", exact: true }).click();
    expect(await page.getByLabel("path", { exact: true }).inputValue()).toBe("/api/orders");
  });

  test("what the provider answers", async () => {
    await page.goto(`${site.origin}/#example=ext-authz/1-one-provider`);
    await expect.poll(async () => (await verdicts(page)).some((word) => word === "unknown")).toBe(true);
    await page.locator(".row", { hasText: "unknown" }).first().click();
    await expect.poll(() => page.locator(".answer").innerText()).toContain("extAuthz.sample-ext-authz-http");
    await page.locator(".form summary", { hasText: "more" }).click();
    await page.getByLabel("sample-ext-authz-http answers").selectOption("deny");
    await expect.poll(() => headline(page)).toBe("403 denied");
    expect(await page.locator(".answer code").innerText()).toBe("ext_authz_denied");
  });
});

describe("undo", () => {
  test("brings back whatever it was, in the editor and everywhere else", async () => {
    await fresh();
    const state = () => page.evaluate(() => {
      dispatchEvent(new Event("pagehide"));
      return sessionStorage.getItem("gnomon-session");
    });
    await expect.poll(() => headline(page)).toBe("403 denied");
    const states = [await state()];
    const changes: [string, () => Promise<unknown>][] = [
      ["a file more", () => page.getByRole("button", { name: "Add a file" }).click()],
      ["a request more", () => page.getByRole("button", { name: "request", exact: true }).click()],
      ["its name", () => page.getByLabel("Name of the request").fill("named")],
      ["its path", () => page.getByLabel("path", { exact: true }).fill("/api/y")],
      ["its caller", () => page.getByRole("radio", { name: "mutual TLS" }).check()],
      ["its token", () => page.getByRole("radio", { name: "claims" }).check()],
      ["what is expected", () => page.getByLabel("expect", { exact: true }).selectOption("deny")],
      ["a workload more", () => page.getByRole("button", { name: "Another workload for this request" }).click()],
      ["a comparison", () => page.getByRole("button", { name: "Compare" }).click()],
      ["a request less", () => page.getByRole("button", { name: "Remove this request" }).click()],
      ["another scenario", async () => {
        await page.getByRole("button", { name: "Scenario" }).click();
        await page.getByRole("button", { name: "Empty page" }).click();
      }],
    ];
    for (const [what, change] of changes) {
      await change();
      await expect.poll(async () => (await state()) !== states.at(-1), { message: what }).toBe(true);
      states.push(await state());
    }
    for (const [index, [what]] of [...changes.entries()].reverse()) {
      await page.getByRole("button", { name: "Undo" }).click();
      await expect.poll(async () => (await state()) === states[index], { message: what }).toBe(true);
    }
    for (const [index] of changes.entries()) await page.getByRole("button", { name: "Redo" }).click().then(() => expect.poll(async () => (await state()) === states[index + 1]).toBe(true));
  });
});

describe("what teaches", () => {
  test("traps that Istio takes are underlined, with what to do", async () => {
    page = await site.visit("#example=internal-network/1-ip-blocks");
    await expect.poll(() => page.locator(".cm-lintRange-warning").allInnerTexts()).toEqual(['"192.168.1.0/24"']);
    await page.locator(".problems summary").click();
    expect(await page.locator(".problem").innerText()).toContain("keep the client's address with `externalTrafficPolicy: Local`");
  });

  test("a (?) beside a term opens two sentences and a link", async () => {
    page = await site.visit("#example=end-user-jwt/3-who-may-do-what");
    await expect.poll(() => page.locator(".help").count()).toBeGreaterThan(6);
    for (const button of await page.locator("button.help").all()) {
      const box = page.locator(`[id="${await button.getAttribute("popovertarget")}"]`);
      const text = (await box.textContent())!;
      expect(text.replace("Read on", "").split(/[.;] /).length, text).toBeGreaterThanOrEqual(2);
      expect(await box.locator("a").getAttribute("href"), text).toMatch(/^https:\/\/istio\.io\//);
    }
    await page.getByRole("button", { name: "What is JWT in Istio?" }).click();
    expect(await page.getByText("A request without a token passes, unidentified").isVisible()).toBe(true);
  });
});
