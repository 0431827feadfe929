// What holds everywhere (point 10), and the corpus through the page's own wasm.
import axe from "axe-core";
import { spawn } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { headline, Site, verdicts, write, type Page } from "./page.ts";

let site: Site;
beforeAll(async () => {
  site = await Site.open();
});
afterAll(async () => {
  await site.close();
  expect(site.problems).toEqual([]);
});

async function started(options: Parameters<Site["visit"]>[1] = {}): Promise<Page> {
  const page = await site.visit("", options);
  await expect.poll(() => page.locator(".row").count()).toBe(10);
  await expect.poll(() => page.getByText("10 as expected").count()).toBe(1);
  return page;
}

/** What axe finds; its script is evaluated by the browser's debugger, which no policy forbids. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] }));
  // A line between panes is thin by nature; its width is also moved with the arrow keys.
  const thin = (id: string, target: string) => id === "target-size" && target.includes(".splitter");
  return found.violations.flatMap((one) => one.nodes.filter((node) => !thin(one.id, node.target.join(" "))).map((node) => `${one.id}: ${node.target.join(" ")} ${node.failureSummary}`));
}

describe("axe is clean", () => {
  test.each(["light", "dark"] as const)("%s", async (colorScheme) => {
    const page = await started({ colorScheme });
    expect(await violations(page)).toEqual([]);
    await page.locator(".row").nth(1).click();
    await expect.poll(() => headline(page)).toBe("403 denied");
    await page.locator(".form summary", { hasText: "more" }).click();
    await page.getByText("workload and mesh").click();
    await page.getByText("problems (").click();
    expect(await violations(page)).toEqual([]);
    for (const view of ["token", "variants"]) {
      await page.getByRole("button", { name: view, exact: true }).click();
      expect(await violations(page)).toEqual([]);
    }
    await page.getByRole("button", { name: "grid" }).click();
    await page.getByRole("button", { name: "Compare" }).click();
    expect(await violations(page)).toEqual([]);
    for (const name of ["Import", "Share", "Export", "Keys and help"]) {
      await page.getByRole("button", { name, exact: true }).click();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press("Escape");
    }
    await page.getByRole("button", { name: "Scenario" }).click();
    expect(await violations(page)).toEqual([]);
  });

  test("on a telephone", async () => {
    const page = await started({ viewport: { width: 400, height: 800 } });
    for (const pane of ["Policies", "Why"]) {
      await page.getByRole("button", { name: pane, exact: true }).click();
      expect(await violations(page)).toEqual([]);
    }
  });
});

describe("widths", () => {
  test.each([400, 720, 1100, 2560])("%i px: nothing reaches beyond the edge, the verdict is in sight", async (width) => {
    const page = await started({ viewport: { width, height: 900 } });
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(beyond).toBeLessThanOrEqual(0);
    const sight = width < 700 ? page.locator(".now .verdict") : page.getByTestId("verdict");
    expect(await sight.isVisible()).toBe(true);
    if (width < 700) {
      await page.getByRole("button", { name: "Why", exact: true }).click();
      expect(await page.getByTestId("verdict").isVisible()).toBe(true);
      expect(await page.locator(".now .verdict").isVisible()).toBe(true);
    }
  });

  test("panes are drawn with the mouse or the arrow keys, and stay so", async () => {
    const page = await started();
    const width = () => page.locator("section.policies").evaluate((element) => element.clientWidth);
    const before = await width();
    await page.getByRole("button", { name: "Width of the policies" }).focus();
    for (let times = 0; times < 3; times++) await page.keyboard.press("ArrowRight");
    await expect.poll(width).toBeGreaterThan(before + 60);
    const after = await width();
    await page.reload();
    await expect.poll(width).toBe(after);
  });
});

test("the keyboard alone: from the address to a changed verdict", async () => {
  const page = await started();
  for (let times = 0; times < 40 && !(await page.evaluate(() => document.activeElement?.getAttribute("role") === "listbox")); times++) {
    // The editor keeps Tab for itself until Escape.
    await page.keyboard.press("Escape");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("ArrowDown");
  await expect.poll(() => headline(page)).toBe("403 denied");
  for (let times = 0; times < 10 && !(await page.evaluate(() => document.activeElement?.getAttribute("data-field") === "method")); times++) await page.keyboard.press("Tab");
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("GET");
  await expect.poll(() => headline(page)).toBe("allowed");
  await page.getByRole("listbox").focus();
  await page.keyboard.press("?");
  expect(await page.getByRole("dialog", { name: "Keys" }).isVisible()).toBe(true);
  await page.keyboard.press("Escape");
  await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
});

test("themes: as the system has it, until chosen", async () => {
  const page = await started({ colorScheme: "dark" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await page.getByRole("button", { name: "Light theme" }).click();
  expect(await background()).not.toBe(dark);
  await page.reload();
  expect(await background()).not.toBe(dark);
});

test("without a network, right after the first visit", async () => {
  const page = await started();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.context().setOffline(true);
  await page.reload();
  // Signatures too: their engine was kept before anybody asked for it.
  await expect.poll(() => page.getByText("10 as expected").count()).toBe(1);
  await page.getByRole("button", { name: "Scenario" }).click();
  expect(await page.locator("#scenarios li").count()).toBeGreaterThan(10);
});

test("nothing is sent anywhere", async () => {
  const context = await site.browser.newContext();
  const page = await context.newPage();
  site.watch(page);
  const asked: string[] = [];
  context.on("request", (request) => asked.push(`${request.method()} ${request.url()}`));
  await page.goto(site.origin);
  await expect.poll(() => page.getByText("10 as expected").count()).toBe(1);
  await write(page, "kind: AuthorizationPolicy");
  await expect.poll(() => page.locator(".answer .badge").count()).toBe(1);
  expect(asked.filter((one) => !one.startsWith(`GET ${site.origin}/`))).toEqual([]);
});

test("the engine panics: the verdicts stay, there is a report, and the page goes on", async () => {
  const context = await site.browser.newContext();
  const page = await context.newPage();
  site.watch(page);
  let first = true;
  // The first worker's engine traps on its third question; the ones after it are as built.
  await page.route("**/worker-*.js", async (route) => {
    const answer = await route.fetch();
    const trap = `
      const start = WebAssembly.instantiateStreaming;
      WebAssembly.instantiateStreaming = async (...given) => {
        const made = await start(...given);
        const exports = { ...made.instance.exports };
        let calls = 0;
        const evaluate = exports.evaluate;
        exports.evaluate = (...asked) => {
          if (++calls === 3) throw new WebAssembly.RuntimeError("unreachable");
          return evaluate(...asked);
        };
        return { module: made.module, instance: { exports } };
      };
    `;
    const body = first ? trap + (await answer.text()) : await answer.text();
    first = false;
    await route.fulfill({ response: answer, body });
  });
  await page.goto(`${site.origin}/#example=service-to-service/3-from-default-namespace`);
  await expect.poll(() => verdicts(page)).toEqual(["deny 403", "allow", "deny 403", "allow"]);
  for (let times = 0; times < 4 && (await page.locator(".crash").count()) === 0; times++) {
    await page.getByLabel("path", { exact: true }).fill(`/${times}`);
    await page.waitForTimeout(100);
  }
  await expect.poll(() => page.locator(".crash").count()).toBe(1);
  expect(await verdicts(page)).toEqual(["deny 403", "allow", "deny 403", "allow"]);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy the report" }).click();
  const report = await page.evaluate(() => navigator.clipboard.readText());
  expect(report).toContain("unreachable");
  expect(report).toContain("webapp-allow-view-default-ns");
  await page.getByLabel("path", { exact: true }).fill("/after");
  await expect.poll(() => page.locator(".crash").count()).toBe(0);
  await expect.poll(() => verdicts(page)).toEqual(["deny 403", "allow", "deny 403", "allow"]);
});

test("lines between panes move, by mouse and by key, and stay where they were put", async () => {
  const page = await started();
  const height = (selector: string) => page.locator(selector).evaluate((element) => element.getBoundingClientRect().height);
  const width = (selector: string) => page.locator(selector).evaluate((element) => element.getBoundingClientRect().width);
  const drag = async (label: string, x: number, y: number) => {
    const box = (await page.getByLabel(label).boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 + x, box.y + box.height / 2 + y, { steps: 4 });
    await page.mouse.up();
  };
  const [list, editor, policies] = [await height(".requests .list"), await height(".policies > .editor"), await width(".policies")];
  await drag("Height of the list", 0, 80);
  await drag("Height of the editor", 0, -100);
  await drag("Width of the policies", 60, 0);
  const moved = async () => [(await height(".requests .list")) - list, (await height(".policies > .editor")) - editor, (await width(".policies")) - policies];
  const [first, second, third] = await moved();
  expect(first).toBeGreaterThan(60);
  expect(second).toBeLessThan(-80);
  expect(third).toBeGreaterThan(40);
  await page.reload();
  await expect.poll(() => page.locator(".row").count()).toBe(10);
  await expect.poll(async () => (await moved()).map(Math.round)).toEqual([first, second, third].map((by) => Math.round(by!)));
  await page.getByLabel("Height of the list").focus();
  await page.keyboard.press("ArrowUp");
  await expect.poll(() => height(".requests .list")).toBeLessThan(list + first!);
  await page.keyboard.press("Home");
  await expect.poll(async () => Math.round(await height(".requests .list"))).toBe(Math.round(list));
  await page.setViewportSize({ width: 900, height: 900 });
  const above = await height(".policies");
  await drag("Height of the policies", 0, 120);
  expect(await height(".policies")).toBeGreaterThan(above + 100);
});

describe("the corpus, in Chromium", () => {
  const ROOT = resolve(import.meta.dirname, "../../../..");
  function below(folder: string): string[] {
    return readdirSync(folder).flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? below(path) : [path];
    });
  }

  test("every suite passes through the page's own worker", async () => {
    const page = await started();
    const worker = await page.evaluate(() => performance.getEntriesByType("resource").map((one) => one.name).find((name) => /worker-.*\.js$/.test(name)));
    expect(worker).toBeTruthy();
    let cases = 0;
    const failed: string[] = [];
    for (const folder of ["host-tests/corpus", "examples"]) {
      const files = below(join(ROOT, folder))
        .filter((path) => /\.(ya?ml|json)$/.test(path))
        .map((path) => ({ name: relative(join(ROOT, folder), path), text: readFileSync(path, "utf8") }));
      const paths = files.map((file) => file.name).filter((name) => name.endsWith(".gnomon.yaml"));
      expect(paths.length).toBeGreaterThan(5);
      const runs = await page.evaluate(
        async ([worker, files, paths]) => {
          const engine = new Worker(worker, { type: "module" });
          const ask = (id: number, path: string) =>
            new Promise<{ value?: { passed: number; cases: { test: string; variant: string; differences: unknown[] }[]; diagnostics: { message: string; severity: string }[] }; crash?: string }>((done) => {
              engine.onmessage = ({ data }) => done(data);
              engine.postMessage({ id, method: "runSuite", argument: { files, path, now: 1_795_000_000 } });
            });
          const all = [];
          for (const [id, path] of paths.entries()) all.push({ path, ...(await ask(id, path)) });
          engine.terminate();
          return all;
        },
        [worker!, files, paths] as const,
      );
      for (const { path, value, crash } of runs) {
        if (!value || value.cases.length === 0) failed.push(`${path}: ${crash ?? JSON.stringify(value?.diagnostics)}`);
        else {
          cases += value.cases.length;
          failed.push(...value.cases.filter((one) => one.differences.length > 0).map((one) => `${path}: ${one.test} ${one.variant} ${JSON.stringify(one.differences)}`));
        }
      }
    }
    expect(failed).toEqual([]);
    expect(cases).toBeGreaterThan(500);
  });
});

test("`gnomon playground` serves the same page", async () => {
  const program = process.env.GNOMON_BIN;
  expect(program, "GNOMON_BIN: `cargo xtask test` sets it").toBeTruthy();
  const child = spawn(program!, ["playground", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const address = await new Promise<string>((done, fail) => {
      child.stdout.on("data", (data: Buffer) => done(/http:\S+/.exec(data.toString())![0]));
      child.on("exit", (code) => fail(new Error(`${program} ended with ${code}: was it built with the feature playground?`)));
    });
    const context = await site.browser.newContext();
    const page = await context.newPage();
    site.watch(page);
    await page.goto(address);
    await expect.poll(() => page.getByText("10 as expected").count()).toBe(1);
    const answer = await page.request.get(address);
    expect(answer.headers()["content-security-policy"]).toContain("script-src 'self' 'wasm-unsafe-eval'");
    expect((await page.request.get(`${address}../Cargo.toml`)).status()).toBe(404);
    expect((await page.request.post(address)).status()).toBe(405);
  } finally {
    child.kill();
  }
});
