// Sharing, imports, the gallery (points 8 and 9).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { read } from "../../build/gallery.ts";
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

async function link(): Promise<string> {
  const field = page.locator("dialog textarea");
  await expect.poll(() => field.inputValue()).toContain("#s=");
  return field.inputValue();
}

describe("links", () => {
  test("hold the page, without tokens unless ticked", async () => {
    page = await site.visit();
    await expect.poll(() => page.getByText("10 as expected").count()).toBe(1);
    const before = await verdicts(page);
    await page.getByRole("button", { name: "Share" }).click();
    const clean = await link();
    await page.getByLabel(/with the tokens/).check();
    expect(await page.locator("dialog [role=alert]").innerText()).toContain("Whoever has the link has the tokens");
    await expect.poll(() => page.locator("dialog textarea").inputValue()).not.toBe(clean);
    const whole = await link();

    page = await site.visit(new URL(whole).hash);
    await expect.poll(() => verdicts(page)).toEqual(before);
    expect(page.url()).toBe(whole);
    page = await site.visit(new URL(clean).hash);
    await expect.poll(() => verdicts(page)).toEqual([...before.slice(0, 6), "deny 403", "deny 403", "deny 403", "deny 403"]);
  });
});

test("a reload keeps everything, a new window all but tokens", async () => {
  page = await site.visit();
  await expect.poll(() => page.getByText("10 as expected").count()).toBe(1);
  const before = await verdicts(page);
  await page.getByLabel("Name of the request").fill("kept");
  await page.reload();
  await expect.poll(() => page.getByLabel("Name of the request").inputValue()).toBe("kept");
  await expect.poll(() => verdicts(page)).toEqual(before);
  const other = await page.context().newPage();
  site.watch(other);
  await other.goto(`${site.origin}/`);
  await expect.poll(() => other.getByLabel("Name of the request").inputValue()).toBe("kept");
  await expect.poll(() => verdicts(other)).toEqual([...before.slice(0, 6), "deny 403", "deny 403", "deny 403", "deny 403"]);
});

describe("imports", () => {
  const DENY = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: deny-all\n  namespace: istio-system\nspec: {}\n";
  async function paste(text: string): Promise<void> {
    page = await site.visit();
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    await page.getByRole("button", { name: "Import" }).click();
    await page.getByLabel("or paste").fill(text);
    await page.getByRole("button", { name: "Import what is pasted" }).click();
  }

  test("what kubectl prints: policies stay, other kinds and bookkeeping go", async () => {
    const items = [
      { apiVersion: "v1", kind: "Service", metadata: { name: "s" } },
      { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", metadata: { name: "deny-all", namespace: "istio-system", uid: "1", managedFields: [{}] }, spec: {}, status: {} },
    ];
    await paste(JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    await expect.poll(() => page.locator(".tab").allInnerTexts()).toEqual(["deny-all.yaml"]);
    expect((await written(page)).trim()).toBe(DENY.trim().replace("spec: {}", "spec: {}"));
    await expect.poll(async () => new Set(await verdicts(page))).toEqual(new Set(["deny 403"]));
  });

  test("what a proxy has loaded", async () => {
    const rules = { action: "DENY", policies: { "ns[a]-policy[no-post]-rule[0]": { permissions: [{ header: { name: ":method", string_match: { exact: "POST" } } }], principals: [{ any: true }] } } };
    const filter = { name: "envoy.filters.http.rbac", typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", rules } };
    await paste(JSON.stringify(filter));
    await expect.poll(() => verdicts(page)).toEqual(["allow"]);
    await page.locator("[data-field=method]").fill("POST");
    await expect.poll(() => verdicts(page)).toEqual(["deny 403"]);
    await expect.poll(() => page.locator(".answer code").innerText()).toContain("ns[a]-policy[no-post]-rule[0]");
    await page.getByRole("button", { name: "Back to policies" }).click();
    await expect.poll(() => page.locator(".policies .empty").count()).toBe(1);
  });

  test("what is neither is said", async () => {
    await paste("kind: Service\nmetadata: {name: a}\n");
    await expect.poll(() => page.locator("dialog [role=alert]").innerText()).toContain("No AuthorizationPolicy");
  });

  test("files and folders, a suite with its policies among them", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gnomon-"));
    try {
      mkdirSync(join(folder, "policies"));
      writeFileSync(join(folder, "policies/deny.yaml"), DENY);
      writeFileSync(join(folder, "a.gnomon.yaml"), "name: a suite\npolicies: [policies/]\ntests:\n- name: one\n  matrix: {method: [GET, POST]}\n  expect: {verdict: deny, status: 403}\n");
      page = await site.visit();
      await expect.poll(() => page.locator(".row").count()).toBe(10);
      await page.getByRole("button", { name: "Import" }).click();
      await page.getByLabel("Folder…").setInputFiles(folder);
      await expect.poll(() => page.locator(".row").count()).toBe(2);
      await expect.poll(() => page.getByText("2 as expected").count()).toBe(1);
      await page.getByRole("button", { name: "Import" }).click();
      await page.getByLabel("add to the policies that are here").check();
      await page.getByLabel("Files…").setInputFiles({ name: "more.yaml", mimeType: "application/yaml", buffer: Buffer.from(DENY.replace("deny-all", "more")) });
      await expect.poll(() => page.locator(".tab").allInnerTexts()).toEqual(["deny.yaml", "more.yaml"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a suite whose tests have policies of their own", () => {
  test("asks which of them", async () => {
    page = await site.visit();
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    await page.getByRole("button", { name: "Import" }).click();
    const policy = (name: string, method: string) => `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: ${name}}, spec: {rules: [{to: [{operation: {methods: [${method}]}}]}]}}`;
    const text = `name: two\ntests:\n- name: reads\n  resources: [${policy("a", "GET")}]\n  expect: allow\n- name: writes\n  resources: [${policy("b", "POST")}]\n  matrix: {method: [GET, PUT]}\n  expect: deny\n`;
    await page.getByLabel("or paste").fill(text);
    await page.getByRole("button", { name: "Import what is pasted" }).click();
    await expect.poll(() => page.locator(".parts li").allInnerTexts()).toEqual(["reads 1 request", "writes 2 requests"]);
    await page.getByRole("button", { name: "writes" }).click();
    await expect.poll(() => verdicts(page)).toEqual(["deny 403", "deny 403"]);
    await expect.poll(() => page.getByText("2 as expected").count()).toBe(1);
    expect(await written(page)).toContain("name: b");
  });
});

describe("the gallery", () => {
  const { scenarios } = read();
  test("has every suite of the examples, each with a sentence on what to look at", async () => {
    page = await site.visit();
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    await page.getByRole("heading", { name: "Requests" }).click();
    await page.keyboard.press("/");
    await expect.poll(() => page.locator("#scenarios h3").count()).toBeGreaterThan(3);
    expect(await page.locator("#scenarios li").count()).toBe(scenarios.length + 1);
    for (const scenario of scenarios) expect(scenario.look.length, scenario.id).toBeGreaterThan(20);
    await page.keyboard.type("plaintext mutual");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator(".look").innerText()).toContain("STRICT");
  });

  test.each(scenarios.map((scenario) => scenario.id))("%s: everything as expected", async (id) => {
    page = await site.visit(`#example=${id}`);
    await expect.poll(() => page.locator(".row").count()).toBeGreaterThan(0);
    await expect.poll(() => page.getByText(/^\d+ as expected$/).count()).toBe(1);
    await page.context().close();
  });
});

test("an empty policy pane teaches", async () => {
  page = await site.visit();
  await expect.poll(() => headline(page)).not.toBe("");
  await write(page, "");
  await page.getByRole("button", { name: "Scenario" }).click();
  await page.getByRole("button", { name: "Empty page" }).click();
  await expect.poll(() => page.locator(".policies .empty").innerText()).toContain("everything is allowed");
  await expect.poll(() => page.locator(".why").innerText()).toContain("No policy applies to this workload");
});
