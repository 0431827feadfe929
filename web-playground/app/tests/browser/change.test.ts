// Questions about all requests at once: what a change changes, who may send a request, what would let one pass.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { headline, Site, verdicts, write, written, type Page } from "./page.ts";

let site: Site;
let page: Page;
beforeAll(async () => {
  site = await Site.open();
});
afterAll(async () => {
  await site.close();
  expect(site.problems).toEqual([]);
});

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: reports, namespace: default}
spec:
  rules:
  - from: [{source: {principals: [cluster.local/ns/jobs/sa/batch]}}]
    to: [{operation: {methods: [GET], paths: ["/reports/*"], notPaths: [/reports/secret]}}]
`;

/** A page with this policy. */
async function fresh(policy = POLICY): Promise<void> {
  page = await site.visit();
  await page.getByRole("button", { name: "Scenario" }).click();
  await page.getByRole("button", { name: "Empty page" }).click();
  await expect.poll(() => headline(page)).toBe("no policy applies");
  await write(page, policy);
  await expect.poll(() => headline(page)).toBe("403 denied");
}
const difference = () => page.getByTestId("difference");
const settled = () => expect.poll(() => difference().getAttribute("data-done")).toBe("true");

describe("the difference for all requests", () => {
  test("names an issuer whose tokens are checked with other keys, which no request can show", async () => {
    const keys = (name: string) => `${POLICY}---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: users, namespace: default}
spec: {jwtRules: [{issuer: "https://i.test", jwksUri: "https://i.test/${name}"}]}
`;
    await fresh(keys("old"));
    await page.getByRole("button", { name: "Compare" }).click();
    await settled();
    await write(page, keys("new"));
    await expect.poll(() => difference().locator("summary").innerText()).toContain("other keys");
    const told = await difference().locator(".line").first().innerText();
    expect(told).toContain("tokens of issuer https://i.test are checked with other keys");
    expect(told).toContain("before: https://i.test/old → now: https://i.test/new");
  });

  test("is none until there is one, is told in words, and its witness goes into the list by a click", async () => {
    await fresh();
    await page.getByRole("button", { name: "Compare" }).click();
    await settled();
    expect(await difference().locator("summary").innerText()).toContain("equivalent");

    await write(page, POLICY.replace(", notPaths: [/reports/secret]", ""));
    await expect.poll(() => difference().locator("summary").innerText()).toContain("1 newly allowed");
    await settled();
    expect(await difference().locator(".workload").allInnerTexts()).toEqual(["to default/web and any other workload of default"]);
    const line = difference().locator(".line");
    expect(await line.count()).toBe(1);
    expect(await line.innerText()).toContain("newly allowed GET /reports/secret from cluster.local/ns/jobs/sa/batch");
    expect(await line.innerText()).toContain("before: no ALLOW rule matches → now: ALLOW default/reports rule 0");
    expect(await line.innerText()).toContain("no longer has notPaths (/reports/secret)");

    await line.getByRole("button", { name: /^Add a request/ }).click();
    await expect.poll(() => verdicts(page)).toEqual(["deny 403", "allow"]);
    expect(await headline(page)).toBe("allowed");
    expect(await page.getByLabel("path", { exact: true }).inputValue()).toBe("/reports/secret");
    expect(await page.getByLabel("Identity of the caller").inputValue()).toBe("cluster.local/ns/jobs/sa/batch");
    expect(await page.getByLabel("changed", { exact: true }).count()).toBe(1);
    // It is there now: another click does not add it again, and undo takes it away.
    await expect.poll(() => line.getByRole("button", { name: /^Show a request/ }).isDisabled()).toBe(true);
    await page.locator(".row").first().click();
    await line.getByRole("button", { name: /^Show a request/ }).click();
    await expect.poll(() => page.locator(".row").nth(1).getAttribute("aria-selected")).toBe("true");
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => page.locator(".row").count()).toBe(1);
  });

  test("leads to the deciding rules, of the baseline too", async () => {
    await fresh();
    await page.getByRole("button", { name: "Compare" }).click();
    await write(page, POLICY.replace("[GET]", "[POST]"));
    await expect.poll(() => difference().locator("summary").innerText()).toContain("1 newly denied");
    await settled();
    const active = () => page.evaluate(() => document.activeElement?.shadowRoot?.querySelector(".cm-activeLine")?.textContent);
    const denied = difference().locator(".line", { hasText: "newly denied" });
    await denied.getByRole("button", { name: "ALLOW default/reports rule 0" }).click();
    await expect.poll(active).toContain("- from");
    expect(await page.getByRole("button", { name: "baseline", exact: true }).getAttribute("aria-pressed")).toBe("true");
    expect(await written(page)).toContain("[GET]");
    const allowed = difference().locator(".line", { hasText: "newly allowed" });
    await allowed.getByRole("button", { name: "ALLOW default/reports rule 0" }).click();
    await expect.poll(() => written(page)).toContain("[POST]");
  });

  test("is told for workloads that no request of the list goes to", async () => {
    const other = POLICY.replace("name: reports, namespace: default", "name: billing, namespace: bank");
    await fresh(`${POLICY}---\n${other}`);
    await page.getByRole("button", { name: "Compare" }).click();
    await settled();
    // Without the policy everything there is allowed.
    await write(page, POLICY);
    await expect.poll(() => difference().locator(".workload").allInnerTexts()).toEqual(["to any other workload of bank"]);
    await settled();
    await difference().getByRole("button", { name: /^Add a request/ }).first().click();
    await expect.poll(() => verdicts(page)).toEqual(["deny 403", "no policy"]);
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => page.locator(".row").count()).toBe(1);
  });

  test("a change of the words alone is none, and what cannot be compared is said by name", async () => {
    await fresh();
    await page.getByRole("button", { name: "Compare" }).click();
    await write(page, `# reviewed\n${POLICY.replace("[GET]", "[\"GET\"]")}`);
    await settled();
    expect(await difference().innerText()).toMatch(/equivalent[\s\S]*Every request to each of 2 workloads fares as before/);
    await page.getByText("workload and mesh").click();
    await page.getByLabel("proxy").first().selectOption("agentgateway");
    await expect.poll(() => difference().innerText()).toContain("not covered: agentgateway");
  });

  test("typing is never held up by it", async () => {
    const rules = Array.from({ length: 300 }, (_, index) => `  - from: [{source: {principals: [cluster.local/ns/a/sa/c${index}]}}]\n    to: [{operation: {methods: [GET], paths: ["/p/${index}/*", "*/end${index}"], hosts: ["*.h${index}.example"]}}]\n`);
    await fresh(POLICY + rules.join(""));
    await page.getByRole("button", { name: "Compare" }).click();
    await write(page, `${POLICY}${rules.slice(1).join("")}`);
    // While it is asked, verdicts follow what is typed.
    await page.getByLabel("path", { exact: true }).fill("/reports/a");
    await page.getByRole("radio", { name: "mutual TLS" }).check();
    await page.getByLabel("Identity of the caller").fill("cluster.local/ns/jobs/sa/batch");
    await expect.poll(() => headline(page)).toBe("allowed");
    await settled();
    expect(await difference().locator("summary").innerText()).toContain("newly denied");
  });
});

test("`gnomon diff --link` prints a link that opens the comparison", async () => {
  const program = process.env.GNOMON_BIN;
  expect(program, "GNOMON_BIN: `cargo xtask test` sets it").toBeTruthy();
  const folder = await mkdtemp(join(tmpdir(), "gnomon-link-"));
  try {
    const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n---\n";
    await writeFile(join(folder, "old.yaml"), `${secret}${POLICY}`);
    await writeFile(join(folder, "new.yaml"), `${secret}${POLICY.replace("[GET]", "[GET, PUT]")}`);
    const { stdout } = await promisify(execFile)(program!, ["diff", join(folder, "old.yaml"), join(folder, "new.yaml"), `--link=${site.origin}/`]);
    const link = /http:\S+#s=[\w-]+/.exec(stdout)![0];
    page = await site.visit(new URL(link).hash);
    await settled();
    expect(await difference().locator("summary").innerText()).toContain("1 newly allowed");
    await expect.poll(() => verdicts(page)).toEqual(["allow"]);
    expect(await page.locator(".row .name").innerText()).toContain("newly allowed: PUT /reports/*");
    expect(await page.evaluate(() => sessionStorage.getItem("gnomon-session") ?? "")).not.toContain("hunter2");
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe("who may", () => {
  test("send the request at hand: all callers, the rule that lets them, and one of them by a click", async () => {
    await fresh(POLICY.replace("rules:", "rules:\n  - to: [{operation: {methods: [GET], paths: [/health]}}]"));
    await page.getByLabel("path", { exact: true }).fill("/reports/a");
    await page.getByRole("button", { name: "who", exact: true }).click();
    const who = page.locator(".why li");
    await expect.poll(() => who.allInnerTexts()).toEqual([expect.stringMatching(/^GET \/reports\/a from cluster.local\/ns\/jobs\/sa\/batch\s+by ALLOW default\/reports rule 1\s+add$/)]);
    await page.getByRole("button", { name: "ALLOW default/reports rule 1" }).click();
    await expect.poll(() => page.evaluate(() => document.activeElement?.shadowRoot?.querySelector(".cm-activeLine")?.textContent)).toContain("- from");
    await who.getByRole("button", { name: /^Add/ }).click();
    await expect.poll(() => verdicts(page)).toEqual(["deny 403", "allow"]);
    // Another request, another answer; the path is the one that rules see.
    await page.getByLabel("path", { exact: true }).fill("/x/../health?x=1");
    await expect.poll(() => who.allInnerTexts()).toEqual([expect.stringContaining("/health")]);
    expect(await who.innerText()).toContain("rule 0");
    await page.getByLabel("path", { exact: true }).fill("/reports/secret");
    await expect.poll(() => who.allInnerTexts()).toEqual(["Nobody."]);
    await page.getByLabel("path", { exact: true }).fill("/reports/*");
    await expect.poll(() => page.locator(".why").innerText()).toContain("Not answered: its path or host, written in a rule, would mean others too");
  });
});

describe("rules that can never matter", () => {
  test("are underlined with what covers them, and can be excused", async () => {
    const idle = "  - to: [{operation: {methods: [GET], paths: [/api/orders]}}]";
    const policy = POLICY.replace(/ {2}- from[\s\S]*/, `  - to: [{operation: {paths: ["/api/*"]}}]\n${idle}\n`);
    await fresh(policy);
    await expect.poll(() => page.locator(".cm-lintRange-hint").allInnerTexts()).toEqual(["to"]);
    await page.locator(".problems summary").click();
    await expect.poll(() => page.locator(".problem").allInnerTexts()).toContainEqual(expect.stringContaining("all that this rule matches is matched by rule 0 already"));
    await write(page, policy.replace(idle, `  # gnomon-ignore: idle-rule kept for the reader\n${idle}`));
    await expect.poll(() => page.locator(".cm-lintRange-hint").count()).toBe(0);
    await page.waitForTimeout(1_500);
    expect(await page.locator(".cm-lintRange-hint").count()).toBe(0);
  });
});

describe("the change that would let a refused request pass", () => {
  test("is shown as a patch with what it lets in, made by a click, and undone", async () => {
    const policy = POLICY.replace(/ {2}- from[\s\S]*/, "  - to: [{operation: {methods: [GET]}}]\n");
    page = await site.visit();
    await page.getByRole("button", { name: "Scenario" }).click();
    await page.getByRole("button", { name: "Empty page" }).click();
    await write(page, policy);
    await page.getByLabel("method", { exact: true }).fill("POST");
    await expect.poll(() => headline(page)).toBe("403 denied");
    const suggested = page.getByTestId("suggested");
    await expect.poll(() => suggested.locator(".added").allInnerTexts()).toEqual(["+  - to: [{operation: {methods: [GET, POST]}}]\n"]);
    expect(await suggested.locator(".removed").allInnerTexts()).toEqual(["-  - to: [{operation: {methods: [GET]}}]\n"]);
    expect(await suggested.locator("li").allInnerTexts()).toEqual(["POST"]);
    await suggested.getByRole("button", { name: "change the policy so" }).click();
    await expect.poll(() => headline(page)).toBe("allowed");
    expect(await written(page)).toContain("methods: [GET, POST]");
    expect(await suggested.count()).toBe(0);
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => headline(page)).toBe("403 denied");
    expect(await written(page)).toBe(policy);
  });
});
