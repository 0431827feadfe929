// Many requests, two policy sets, variants, tokens (points 4 to 7).
import { readFileSync } from "node:fs";
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

async function visit(example: string): Promise<void> {
  page = await site.visit(`#example=${example}`);
  await expect.poll(() => headline(page)).not.toBe("");
}

async function download(name: string): Promise<string> {
  await page.getByRole("button", { name: "Export" }).click();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name, exact: true }).click()]);
  return readFileSync((await file.path())!, name === "ZIP" ? "latin1" : "utf8");
}

async function paste(text: string): Promise<void> {
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByLabel("or paste").fill(text);
  await page.getByRole("button", { name: "Import what is pasted" }).click();
}

describe("the list", () => {
  test("moves with the arrow keys, and shows what is expected", async () => {
    await visit("service-to-service/3-from-default-namespace");
    await expect.poll(() => verdicts(page)).toEqual(["deny 403", "allow", "deny 403", "allow"]);
    await page.getByRole("listbox").focus();
    await page.keyboard.press("ArrowDown");
    await expect.poll(() => headline(page)).toBe("allowed");
    await page.keyboard.press("End");
    expect(await page.locator(".row").nth(3).getAttribute("aria-selected")).toBe("true");
    expect(await page.getByText("4 as expected").count()).toBe(1);
    await page.getByLabel("expect", { exact: true }).selectOption("deny");
    await expect.poll(() => page.getByText("1 of 4 not as expected").count()).toBe(1);
    expect(await page.locator(".expect").innerText()).toContain("verdict: deny, got allow");
  });

  test("grows with Ctrl+Enter and shrinks with Delete", async () => {
    await page.keyboard.press("ControlOrMeta+Enter");
    await expect.poll(() => page.locator(".row").count()).toBe(5);
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("data-field"))).toBe("path");
    await page.getByRole("listbox").focus();
    await page.keyboard.press("Delete");
    await expect.poll(() => page.locator(".row").count()).toBe(4);
  });

  test("as a grid of callers and operations", async () => {
    await visit("end-user-jwt/3-who-may-do-what");
    await page.getByRole("button", { name: "grid" }).click();
    const row = page.getByRole("row", { name: /^u1/ });
    await expect.poll(() => row.innerText()).toMatch(/allow\s+deny\s+403/);
    expect(await page.getByRole("columnheader").allInnerTexts()).toEqual(expect.arrayContaining(["GET /api/catalog", "DELETE /api/catalog"]));
    await page.getByRole("button", { name: "u1, DELETE /api/catalog" }).click();
    await page.getByRole("button", { name: "grid" }).click();
    await expect.poll(() => page.locator(".row").count()).toBe(11);
    await expect.poll(() => headline(page)).toBe("403 denied");
  });
});

describe("suites", () => {
  test("go out and come in with the same verdicts", async () => {
    await visit("service-to-service/3-from-default-namespace");
    await expect.poll(() => verdicts(page)).toEqual(["deny 403", "allow", "deny 403", "allow"]);
    const suite = await download("Suite");
    expect(suite).toContain("resources:");
    page = await site.visit();
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    await paste(suite);
    await expect.poll(() => verdicts(page)).toEqual(["deny 403", "allow", "deny 403", "allow"]);
    await expect.poll(() => page.getByText("4 as expected").count()).toBe(1);
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => page.locator(".row").count()).toBe(10);
  });

  test("ZIP and Markdown", async () => {
    await visit("service-to-service/3-from-default-namespace");
    await expect.poll(() => page.locator(".row").count()).toBe(4);
    const zip = await download("ZIP");
    expect(zip.startsWith("PK")).toBe(true);
    expect(zip).toContain("playground.gnomon.yaml");
    expect(zip).toContain("policies/deny-all.yaml");
    const report = await download("Markdown");
    expect(report).toContain("| deny 403 | 2 ALLOW policies apply to istioinaction/webapp and no rule of theirs matched | as expected |");
  });
});

describe("two policy sets", () => {
  test("changed verdicts are marked and can be filtered", async () => {
    await visit("service-to-service/4-without-identity");
    await expect.poll(() => page.locator(".row").count()).toBeGreaterThan(1);
    const before = await verdicts(page);
    await page.getByRole("button", { name: "Compare" }).click();
    await expect.poll(() => page.locator(".before .verdict").count()).toBe(before.length);
    expect(await page.getByLabel("changed", { exact: true }).count()).toBe(0);
    await page.getByRole("button", { name: "webapp-allow-unauthenticated-view-default-ns.yaml", exact: true }).click();
    await write(page, (await written(page)).replace("GET", "PUT"));
    await expect.poll(() => page.getByLabel("changed", { exact: true }).count()).toBeGreaterThan(0);
    await page.getByLabel(/changed only/).check();
    await expect.poll(() => page.locator(".row").count()).toBe(await page.getByLabel("changed", { exact: true }).count());
    await page.locator(".row").first().click();
    await expect.poll(() => page.locator(".answer").innerText()).toContain("baseline: allow 200");
    await page.getByRole("button", { name: "baseline", exact: true }).click();
    await expect.poll(() => written(page)).toContain("GET");
  });
});

describe("variants", () => {
  test("neighbours with another verdict are found, and become requests", async () => {
    page = await site.visit();
    await page.getByRole("button", { name: "Scenario" }).click();
    await page.getByRole("button", { name: "Empty page" }).click();
    await write(page, 'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: no-admin, namespace: default}\nspec:\n  action: DENY\n  rules:\n  - to: [{operation: {paths: ["/admin/*"]}}]\n');
    await page.getByLabel("path", { exact: true }).fill("/admin/users");
    await expect.poll(() => headline(page)).toBe("403 denied");
    await page.getByRole("button", { name: "variants" }).click();
    const names = page.locator(".why li .name");
    await expect.poll(() => names.allInnerTexts()).toEqual(expect.arrayContaining([expect.stringContaining("path in capitals"), expect.stringContaining("doubled slash in front")]));
    expect((await names.allInnerTexts()).join()).not.toContain("slash at the end");
    await page.getByRole("button", { name: "Add “doubled slash in front” to the requests" }).click();
    await expect.poll(() => verdicts(page)).toEqual(["deny 403", "allow"]);
    await page.getByLabel("show all").check();
    await expect.poll(() => names.count()).toBeGreaterThan(15);
  });
});

describe("tokens", () => {
  test("a signed token is taken apart and checked", async () => {
    await visit("end-user-jwt/3-who-may-do-what");
    await page.locator(".row").nth(6).click();
    await page.getByRole("button", { name: "token", exact: true }).click();
    await expect.poll(() => page.locator(".token").innerText()).toContain("signature are good");
    expect(await page.locator(".token pre").nth(1).innerText()).toContain('"iss": "auth@istioinaction.io"');
    expect(await page.locator(".token dl").innerText()).toContain("2100-01-01");
    // One letter of the signature changed.
    const box = page.getByLabel("JSON Web Token");
    const token = await box.inputValue();
    const at = token.lastIndexOf(".") + 10;
    await box.fill(token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1));
    await expect.poll(() => headline(page)).toBe("401 denied");
    expect(await page.locator(".token").innerText()).toContain("Jwt verification fails");
    await page.locator(".form summary", { hasText: "more" }).click();
    await box.fill(token);
    await page.getByLabel("clock").fill("2101-01-01T00:00:00Z");
    await page.keyboard.press("Tab");
    await expect.poll(() => page.locator(".token").innerText()).toContain("Jwt is expired");
  });

  test.each(["ES256", "RS256"])("a sample with %s, and a policy that trusts it", async (algorithm) => {
    page = await site.visit();
    await page.getByRole("button", { name: "Scenario" }).click();
    await page.getByRole("button", { name: "Empty page" }).click();
    await page.getByRole("button", { name: "token", exact: true }).click();
    await page.getByLabel("algorithm").selectOption(algorithm);
    await page.getByRole("button", { name: "make it" }).click();
    await page.getByRole("button", { name: "trust its key in a policy" }).click();
    await expect.poll(() => page.locator(".token").innerText()).toContain("signature are good");
    expect(await page.locator(".tab").allInnerTexts()).toContain("sample-issuer.yaml");
  });
});
