// Links never destroy work, and never carry tokens; what is wrong with one is said.
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

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: mine, namespace: default}
spec:
  rules:
  - to: [{operation: {methods: [GET]}}]
`;
async function packed(doc: unknown): Promise<string> {
  const stream = new Blob([JSON.stringify({ v: 1, doc })]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return `#s=${Buffer.from(await new Response(stream).arrayBuffer()).toString("base64url")}`;
}
/** The document of a link, as text. */
async function unpacked(link: string): Promise<string> {
  const bytes = Buffer.from(link.slice(link.indexOf("#s=") + 3), "base64url");
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
}
const SHARED = { title: "shared", policies: [{ name: "shared.yaml", text: POLICY.replace("mine", "shared").replace("GET", "PUT") }], requests: [{ request: { method: "POST", path: "/shared" } }] };
const kept = (from: Page) => from.evaluate(() => localStorage.getItem("gnomon-kept") ?? "");
const alert = (from: Page) => from.locator(".problem[role=alert]");

/** A page with a policy of one's own and a request that one sees again. */
async function mine(): Promise<Page> {
  const page = await site.visit();
  await page.getByRole("button", { name: "Scenario" }).click();
  await page.getByRole("button", { name: "Empty page" }).click();
  await write(page, POLICY);
  await page.getByLabel("path", { exact: true }).fill("/mine");
  await expect.poll(() => headline(page)).toBe("allowed");
  await expect.poll(() => kept(page)).toContain("/mine");
  return page;
}

describe("a link beside one's own work", () => {
  test("in the same window: back to mine, in every way", async () => {
    page = await mine();
    const hash = await packed(SHARED);
    await page.evaluate((hash) => (location.hash = hash), hash);
    await expect.poll(() => headline(page)).toBe("403 denied");
    expect(page.url()).toBe(`${site.origin}/${hash}`);
    // What is changed there stays there, over a reload too.
    await page.getByLabel("path", { exact: true }).fill("/changed");
    await page.waitForTimeout(500);
    expect(await kept(page)).toContain("/mine");
    expect(await kept(page)).not.toContain("/changed");
    await page.reload();
    await expect.poll(() => page.getByLabel("path", { exact: true }).inputValue()).toBe("/changed");
    await page.getByRole("button", { name: "Back to mine" }).click();
    await expect.poll(() => page.getByLabel("path", { exact: true }).inputValue()).toBe("/mine");
    expect(page.url()).toBe(`${site.origin}/`);
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => page.getByLabel("path", { exact: true }).inputValue()).toBe("/changed");
    expect(page.url()).toBe(`${site.origin}/${hash}`);
    await page.goto(`${site.origin}/`);
    await expect.poll(() => page.getByLabel("path", { exact: true }).inputValue()).toBe("/mine");
  });

  test("in another window, and an example", async () => {
    page = await mine();
    for (const hash of [await packed(SHARED), "#example=service-to-service/3-from-default-namespace"]) {
      const other = await page.context().newPage();
      site.watch(other);
      await other.goto(`${site.origin}/${hash}`);
      await expect.poll(() => headline(other)).toBe("403 denied");
      await other.getByLabel("Name of the request").fill("changed");
      await other.waitForTimeout(500);
      expect(await kept(page)).toContain("/mine");
      expect(other.url()).toBe(`${site.origin}/${hash}`);
      await other.getByRole("button", { name: "Back to mine" }).click();
      await expect.poll(() => other.getByLabel("path", { exact: true }).inputValue()).toBe("/mine");
      await other.close();
    }
  });

  test("becomes one's own on demand, and undo brings the other back", async () => {
    page = await mine();
    await page.evaluate((hash) => (location.hash = hash), await packed(SHARED));
    await expect.poll(() => headline(page)).toBe("403 denied");
    await page.getByRole("button", { name: "Keep this in place of mine" }).click();
    await expect.poll(() => kept(page)).toContain("/shared");
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => page.getByLabel("path", { exact: true }).inputValue()).toBe("/mine");
    await expect.poll(() => kept(page)).toContain("/mine");
  });

  test("where there was nothing, what is changed is kept", async () => {
    page = await site.visit(await packed(SHARED));
    await expect.poll(() => headline(page)).toBe("403 denied");
    expect(await page.getByRole("button", { name: "Back to mine" }).count()).toBe(0);
    expect(await kept(page)).toBe("");
    await page.getByLabel("path", { exact: true }).fill("/changed");
    await expect.poll(() => kept(page)).toContain("/changed");
    const other = await page.context().newPage();
    await other.goto(`${site.origin}/`);
    await expect.poll(() => other.getByLabel("path", { exact: true }).inputValue()).toBe("/changed");
  });
});

describe("what is wrong with a link is said, and nothing is changed", () => {
  const whole = packed(SHARED);
  const bad: [string, () => Promise<string> | string, RegExp][] = [
    ["cut off", async () => (await whole).slice(0, -20), /cut off or damaged/],
    ["cut off to nothing", () => "#s=", /cut off or damaged/],
    ["cut off before that", () => "#s", /cut off or damaged/],
    ["with a full stop behind it", async () => `${await whole}.`, /cut off or damaged/],
    ["encoded once more", async () => (await whole).replace("=", "%3D"), /cut off or damaged/],
    ["an example that is none", () => "#example=nope", /There is no example "nope"/],
    ["no example's name", () => "#example=", /There is no example ""/],
    ["a % that does not decode", () => "#example=a%", /a % stands before what is no character's code/],
    ["a % that does not decode, in UTF-8", () => "#example=%E0%A4", /a % stands before what is no character's code/],
    ["something else", () => "#exmaple=1", /says nothing to this page/],
    ["labels that are null", () => packed({ targets: [{ workload: { labels: null } }] }), /targets\[0\]\.workload\.labels: an object is expected, this is null/],
    ["services in one text", () => packed({ targets: [{ workload: { services: "web" } }] }), /services: a list is expected/],
    ["a negative target", () => packed({ requests: [{ target: -1 }] }), /requests\[0\]\.target: a whole number/],
    ["two files of a name", () => packed({ policies: [{ name: "a", text: "" }, { name: "a", text: "" }] }), /two files are called "a"/],
    ["values in values", () => packed({ requests: [{ request: { claims: { a: JSON.parse(`${"[".repeat(500)}${"]".repeat(500)}`) } } }] }), /it nests deeper than 48/],
    ["a principal that is a number", () => packed({ requests: [{ request: { source: { principal: 5 } } }] }), /source\.principal: text is expected, this is 5/],
    ["a time beyond all calendars", () => packed({ requests: [{ request: { time: 1e300 } }] }), /time: a whole number/],
    ["20,000 requests", () => packed({ requests: Array.from({ length: 20_000 }, () => ({ request: { path: "/" } })) }), /20000 requests, at most 2000 are taken/],
    ["a list", () => packed([]), /an object is expected, this is a list/],
  ];
  test("one after the other, in a page with work", async () => {
    page = await mine();
    for (const [what, hash, message] of bad) {
      const now = await hash();
      await page.evaluate((hash) => (location.hash = hash), now);
      await expect.poll(() => alert(page).innerText().catch(() => ""), { message: what }).toMatch(message);
      expect(await page.getByLabel("path", { exact: true }).inputValue(), what).toBe("/mine");
      expect(new URL(page.url()).hash, what).toBe(now);
    }
    await page.getByRole("button", { name: "Dismiss" }).click();
    await expect.poll(() => alert(page).count()).toBe(0);
    expect(await kept(page)).toContain("/mine");
  });
  test.each(bad.filter((_, index) => index % 4 === 0))("%s, at the first visit", async (_, hash, message) => {
    page = await site.visit(await hash());
    await expect.poll(() => alert(page).innerText().catch(() => "")).toMatch(message);
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    await page.context().close();
  });
  test("what was kept and cannot be read is said too", async () => {
    page = await site.visit();
    await expect.poll(() => page.locator(".row").count()).toBe(10);
    const hold = await page.context().newPage();
    await hold.goto(`${site.origin}/icon.svg`);
    await page.close();
    await hold.evaluate(() => localStorage.setItem("gnomon-kept", '{"v":1,"doc":{"requests":7}}'));
    const next = await hold.context().newPage();
    site.watch(next);
    await next.goto(`${site.origin}/`);
    await expect.poll(() => alert(next).innerText().catch(() => "")).toContain("requests: a list is expected, this is 7");
    await expect.poll(() => next.locator(".row").count()).toBe(10);
  });
  test("2,000 requests are drawn, and stay usable", async () => {
    page = await site.visit(await packed({ policies: SHARED.policies, requests: Array.from({ length: 2_000 }, (_, index) => ({ request: { path: `/${index}` } })) }));
    await expect.poll(() => page.locator(".row").count()).toBe(2_000);
    await expect.poll(() => headline(page)).toBe("403 denied");
    await page.getByLabel("path", { exact: true }).fill("/changed");
    await expect.poll(() => page.locator(".row").first().innerText()).toContain("/changed");
  });
});

describe("tokens", () => {
  const SECRET = "s3cret-that-nobody-may-see";
  const JWT = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from('{"sub":"a-secret-subject"}').toString("base64url")}.c2ln`;
  const AUTHENTICATION = `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata:
  name: places
  namespace: default
  annotations: {note: "${JWT}"}
spec:
  jwtRules:
  - {issuer: i, fromHeaders: [{name: "x-our\\u002dplace"}]}
  - {issuer: j, fromParams: [our_param], jwks: '{"keys":[]}'}
  - {issuer: k, fromCookies: [our_cookie], jwks: '{"keys":[]}'}
`;
  test("are in no link and in no storage that outlives the browser", async () => {
    page = await site.visit();
    await page.getByRole("button", { name: "Scenario" }).click();
    await page.getByRole("button", { name: "Empty page" }).click();
    await write(page, AUTHENTICATION);
    await page.getByRole("button", { name: "YAML", exact: true }).click();
    await page.locator(".raw .cm-content").click();
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.insertText(
      `path: /x/${JWT}?our_param=${SECRET}&%6Fur_param=${SECRET}&q=1\nhost: "u:${SECRET}@shop.example"\nheaders:\n  x-our-place: ${SECRET}\n  X-API-Key: ${SECRET}\n  authorization: [Bearer ${SECRET}]\n  cookie: our_cookie=${SECRET}\n  x-note: ${JWT}\n  x-plain: visible\ntoken: ${JWT}\n`,
    );
    await expect.poll(() => page.locator(".row").innerText()).toContain("/x/");
    await page.getByLabel("Name of the request").fill(`GET with ${SECRET}`);
    const clean = (text: string) => {
      for (const secret of [SECRET, JWT, JWT.split(".")[1]!]) {
        for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64").replaceAll("=", ""), Buffer.from(secret).toString("hex")]) expect(text).not.toContain(form);
      }
      expect(text).toContain("visible");
      expect(text).toContain("q=1");
    };
    await expect.poll(() => kept(page)).toContain("visible");
    await page.waitForTimeout(600);
    clean(await kept(page));
    await page.evaluate(() => dispatchEvent(new Event("pagehide")));
    clean(await kept(page));
    await page.getByRole("button", { name: "Share" }).click();
    const field = page.locator("dialog textarea");
    await expect.poll(() => field.inputValue()).toContain("#s=");
    clean(await unpacked(await field.inputValue()));
    await page.getByLabel(/with the tokens/).check();
    await expect.poll(async () => unpacked(await field.inputValue())).toContain(SECRET);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Export" }).click();
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Suite", exact: true }).click()]);
    clean(readFileSync((await file.path())!, "utf8"));
  });
});

test("a request with values of wrong types, typed as YAML, is refused with a message and breaks nothing", async () => {
  page = await mine();
  await page.getByRole("button", { name: "YAML", exact: true }).click();
  const raw = page.locator(".raw .cm-content");
  for (const [text, message] of [
    ["source: {principal: 5}", "source.principal: text is expected, this is 5"],
    ["headers: [a]", "headers: an object is expected, this is a list"],
    ["time: 999999999999999999999999", "time: a whole number"],
    ["destination: {port: x}", "destination.port: a whole number"],
    ["- a", "write fields"],
  ] as const) {
    await raw.click();
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.insertText(text);
    await expect.poll(() => page.locator(".form p.deny").allInnerTexts()).toEqual([expect.stringContaining(message)]);
    expect(await headline(page)).toBe("allowed");
  }
  await raw.click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText("time: 9007199254740991\npath: /later");
  await expect.poll(() => page.locator(".row").innerText()).toContain("/later");
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText("time: 99999999999999999999-01-01T00:00:00Z\npath: /latest");
  await expect.poll(() => page.locator(".row").innerText()).toContain("/latest");
  await expect.poll(() => page.locator(".why").innerText()).toContain("The request cannot be evaluated");
  expect(await written(page)).toContain("name: mine");
  expect(await verdicts(page)).toHaveLength(1);
});
