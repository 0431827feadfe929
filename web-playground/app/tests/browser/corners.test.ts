// Places where the page once broke: full and empty, narrow, stale, beside other work.
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

async function empty(options: Parameters<Site["visit"]>[1] = {}): Promise<Page> {
  const page = await site.visit("", options);
  await expect.poll(() => page.locator(".row").count()).toBe(10);
  await page.getByRole("button", { name: "Scenario" }).click();
  await page.getByRole("button", { name: "Empty page" }).click();
  await expect.poll(() => page.locator(".row").count()).toBe(1);
  return page;
}

describe("completion on an empty page", () => {
  test.each([{ width: 1440, height: 900 }, { width: 400, height: 700 }])("opens where it can be seen, at $width px", async (viewport) => {
    page = await empty({ viewport });
    if (viewport.width < 700) await page.getByRole("button", { name: "Policies", exact: true }).click();
    await page.locator(".policies .cm-content").click();
    await page.keyboard.press("Control+Space");
    const list = page.locator(".cm-tooltip-autocomplete");
    await list.locator("li", { hasText: "AuthorizationPolicy" }).waitFor();
    const box = (await list.boundingBox())!;
    expect(box.y).toBeGreaterThan(0);
    expect(box.y + box.height).toBeLessThanOrEqual(viewport.height);
    expect(box.x).toBeGreaterThanOrEqual(0);
    expect(box.x + box.width).toBeLessThanOrEqual(viewport.width);
    await list.locator("li", { hasText: "AuthorizationPolicy" }).click();
    await expect.poll(() => written(page)).toContain("kind: AuthorizationPolicy");
  });
});

test("2,500 policies with a warning each have verdicts, and their warnings are counted", async () => {
  page = await empty();
  const policy = (index: number) => `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p${index}, namespace: default}\nspec:\n  selectr: {}\n  rules: [{to: [{operation: {methods: [GET]}}]}]\n`;
  await paste(page, Array.from({ length: 2_500 }, (_, index) => policy(index)).join("---\n"));
  await expect.poll(() => page.getByText(/problems \(\d+\)/).innerText(), { timeout: 30_000 }).toMatch(/problems \(\d{4}\)/);
  expect(await page.locator(".stale, .badge").count()).toBe(0);
  await expect.poll(() => verdicts(page)).toEqual(["allow"]);
  await page.locator('[data-field=method]').fill("POST");
  await expect.poll(() => verdicts(page), { timeout: 30_000 }).toEqual(["deny 403"]);
  await page.locator(".problems summary").click();
  expect(await page.locator(".problem").count()).toBeLessThanOrEqual(200);
  expect(await page.locator(".problems").innerText()).toContain("more of them");
});

test("stages behind one that is not known are not reached, and nothing is said to be refused", async () => {
  page = await site.visit("#example=ext-authz/1-one-provider");
  await expect.poll(() => page.locator(".row", { hasText: "unknown" }).count()).toBeGreaterThan(0);
  await page.locator(".row", { hasText: "unknown" }).first().click();
  await expect.poll(() => headline(page)).toBe("unknown");
  const said = (await page.locator("[data-stage]").allInnerTexts()).join("\n");
  expect(said).not.toContain("refused by");
});

describe("nothing lies over anything else", () => {
  test.each([400, 720, 1100, 1440])("workload and mesh, at %i px", async (width) => {
    page = await site.visit("#example=end-user-jwt/3-who-may-do-what", { viewport: { width, height: 900 } });
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    if (width < 700) await page.getByRole("button", { name: "Policies", exact: true }).click();
    await page.getByText("workload and mesh").click();
    const over = await page.locator(".target").evaluate((target) => {
      const all = [...target.querySelectorAll<HTMLElement>("summary, .which, .line > button, .fields label, .fields label > *, .line select")].filter((one) => one.checkVisibility());
      // Texts reach beyond their boxes where they wrap: what is drawn counts.
      const drawn = all.map((one) => {
        const range = document.createRange();
        range.selectNodeContents(one);
        const [box, text] = [one.getBoundingClientRect(), one.tagName === "SUMMARY" ? range.getBoundingClientRect() : one.getBoundingClientRect()];
        return { one, top: Math.min(box.top, text.top), bottom: Math.max(box.bottom, text.bottom), left: box.left, right: box.right };
      });
      return drawn.flatMap((a, index) =>
        drawn.slice(index + 1).filter((b) => !a.one.contains(b.one) && !b.one.contains(a.one) && a.top < b.bottom - 1 && b.top < a.bottom - 1 && a.left < b.right - 1 && b.left < a.right - 1).map((b) => `${a.one.textContent} | ${b.one.textContent}`),
      );
    });
    expect(over).toEqual([]);
    await page.context().close();
  });
});

describe("axe is clean", () => {
  async function violations(): Promise<string[]> {
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] }));
    const thin = (id: string, target: string) => id === "target-size" && target.includes(".splitter");
    return found.violations.flatMap((one) => one.nodes.filter((node) => !thin(one.id, node.target.join(" "))).map((node) => `${one.id}: ${node.target.join(" ")} ${node.failureSummary}`));
  }
  test.each(["light", "dark"] as const)("while two sets are compared, stale, beside other work, with a notice and a problem, %s", async (colorScheme) => {
    page = await site.visit("", { colorScheme });
    await expect.poll(() => page.getByText("10 as expected").count()).toBe(1);
    await page.getByRole("button", { name: "Compare" }).click();
    await expect.poll(() => page.locator(".before .verdict").count()).toBe(10);
    expect(await page.getByRole("status").isVisible()).toBe(true);
    expect(await violations()).toEqual([]);
    await write(page, "spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}\nkind: AuthorizationPolicy\n");
    await expect.poll(() => page.getByLabel("changed", { exact: true }).count().catch(() => 0)).toBeGreaterThanOrEqual(0);
    expect(await violations()).toEqual([]);
    await write(page, "kind: AuthorizationPolicy\nspec: {rules: [{to: [{operation: {ports: [a]}}]}]}\n");
    await expect.poll(() => page.locator(".stale").count()).toBeGreaterThan(0);
    expect(await violations()).toEqual([]);
    await page.evaluate(() => (location.hash = "#example=service-to-service/3-from-default-namespace"));
    await expect.poll(() => page.locator(".row").count()).toBe(4);
    await page.evaluate(() => (location.hash = "#example=nope"));
    await expect.poll(() => page.locator("[role=alert]").count()).toBe(1);
    expect(await violations()).toEqual([]);
    await page.getByRole("button", { name: "variants" }).click();
    await page.getByLabel("show all").check();
    expect(await violations()).toEqual([]);
  });
});
