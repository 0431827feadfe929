// The pictures in the documentation: `npm run screenshots`, after a build.
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { headline, Site, write, written, type Page } from "./browser/page.ts";
import { reduced } from "./png.ts";

const FOLDER = resolve(import.meta.dirname, "../../../docs/playground");

test("pictures", async () => {
  mkdirSync(FOLDER, { recursive: true });
  const site = await Site.open();
  const visit = async (example: string, options: Parameters<Site["visit"]>[1] = {}) => {
    const page = await site.visit(`#example=${example}`, { viewport: { width: 1280, height: 760 }, ...options });
    await expect.poll(() => page.getByText(/^\d+ as expected$/).count()).toBe(1);
    return page;
  };
  const picture = async (page: Page, name: string) => {
    // What was said goes after some seconds.
    await page.locator(".notice.gone").waitFor({ state: "attached" });
    writeFileSync(resolve(FOLDER, `${name}.png`), await reduced(site.browser, await page.screenshot()));
  };
  const choose = async (page: Page, row: number, words: string) => {
    await page.locator(".row").nth(row).click();
    await expect.poll(() => headline(page)).toBe(words);
  };

  const denied = await visit("end-user-jwt/3-who-may-do-what");
  await choose(denied, 1, "403 denied");
  await denied.getByTestId("suggested").waitFor();
  await picture(denied, "denied");

  const dark = await visit("service-to-service/5-catalog-viewer", { colorScheme: "dark" });
  await choose(dark, 0, "allowed");
  await picture(dark, "allowed-dark");

  const grid = await visit("end-user-jwt/3-who-may-do-what", { viewport: { width: 1440, height: 760 } });
  await choose(grid, 6, "allowed");
  await grid.getByRole("button", { name: "grid" }).click();
  await grid.getByRole("button", { name: "token", exact: true }).click();
  await expect.poll(() => grid.locator(".token").innerText()).toContain("signature are good");
  await picture(grid, "grid-and-token");

  const variants = await visit("end-user-jwt/2-require-a-token", { colorScheme: "dark" });
  await variants.getByRole("button", { name: "Compare" }).click();
  await expect.poll(() => variants.locator(".before .verdict").count()).toBe(4);
  await write(variants, (await written(variants)).replace("notRequestPrincipals", "requestPrincipals"));
  await expect.poll(() => variants.getByLabel("changed", { exact: true }).count()).toBeGreaterThan(0);
  await expect.poll(() => variants.getByTestId("difference").getAttribute("data-done")).toBe("true");
  await variants.getByRole("button", { name: "variants" }).click();
  await expect.poll(() => variants.locator(".why li").count()).toBeGreaterThan(0);
  await picture(variants, "compare-and-variants-dark");

  const narrow = await visit("end-user-jwt/3-who-may-do-what", { viewport: { width: 400, height: 760 } });
  await narrow.locator(".row").nth(1).click();
  await narrow.getByRole("button", { name: "Why", exact: true }).click();
  await expect.poll(() => headline(narrow)).toBe("403 denied");
  await picture(narrow, "narrow");
  await site.close();
});
