// What a link may hold: everything that the page makes, and nothing that would break it.
import { describe, expect, test } from "vitest";
import { caller, distinctions, EMPTY, targetName, trimmed, type Document } from "../../src/state/document.ts";
import { folder, markdown } from "../../src/state/exports.ts";
import { axes, crossed } from "../../src/state/grid.ts";
import { tokenOf } from "../../src/state/jwt.ts";
import { meetAll } from "../../src/state/nearest.ts";
import { LIMITS, readRequest } from "../../src/state/read.ts";
import { redacted } from "../../src/state/secrets.ts";
import { deserialize, fromFragment, serialize, toFragment } from "../../src/state/share.ts";
import { variants } from "../../src/state/variants.ts";
import { stringify } from "../../src/state/yaml.ts";
import { random } from "./random.ts";

const DOC: Document = {
  ...EMPTY,
  title: "a title",
  policies: [{ name: "a.yaml", text: "kind: X\n" }, { name: "b.yaml", text: "" }],
  baseline: [{ name: "a.yaml", text: "" }],
  envoyConfig: { name: "dump.json", text: "{}" },
  listener: "15006",
  targets: [
    { workload: { namespace: "shop", name: "web", labels: { app: "web" }, proxy: "waypoint", services: ["web"], serviceAccount: "web" }, mesh: { trustDomainAliases: ["old"], extensionProviders: ["a", { name: "b", envoyExtAuthzHttp: {} }], numTrustedProxies: 1, istioVersion: "1.30" } },
    {},
  ],
  requests: [
    { id: "r1", name: "one", description: "why", request: { path: "/a", host: "h", headers: { a: "1", b: ["1", "2"] }, claims: { iss: "i", groups: ["x"], n: { deep: [1] } }, source: { principal: "td/ns/a/sa/b", ip: "::1" }, time: 5 }, target: 1, expect: "allow" },
    { id: "r2", name: "two", request: { protocol: "tcp", sni: "s", destination: { ip: "10.0.0.1", port: 443 }, extAuthz: { p: "error" }, metadata: { m: { k: [true] } }, time: "2026-01-01T00:00:00Z" }, target: 0, expect: { verdict: "deny", status: null, details: null, missing: [], dryRun: null, nearest: null } },
    { id: "r3", name: "", request: { token: "t", method: "GET", remoteIp: "::1" }, target: 0, expect: null },
  ],
};

/** Everything that the page computes of a document while it draws it. */
function draw(doc: Document): void {
  distinctions(doc.requests);
  doc.targets.map(targetName);
  const { who, what } = axes(doc.requests);
  for (const one of who) for (const other of what) crossed(one, other);
  for (const { request } of doc.requests) {
    caller(request);
    tokenOf(request);
    variants(request);
    trimmed(request);
    stringify(request);
    meetAll(request, [{ field: "from.source.principals", expected: ["a/*"], got: null }]);
  }
  folder(doc);
  markdown(doc, new Map(), new Map(), "1");
  redacted(doc, new Set());
}

/** A value that is of another type than the one that stands there, or nearly the same. */
function other(value: unknown, seed: ReturnType<typeof random>): unknown {
  const deep = Array.from({ length: 200 }).reduce<unknown>((inner) => (seed.chance(0.5) ? [inner] : { a: inner }), 1);
  const all: unknown[] = [null, true, -1, 0, 1.5, 1e300, 99, "", "x", "%", [], [null], [[]], {}, { a: null }, { __proto__: 1 }, [1, "a", {}], { constructor: "x" }, { name: 1 }, { 0: "a" }, deep, "x".repeat(3000)];
  return seed.chance(0.1) ? [value] : seed.pick(all);
}

/** The same value with one to three places changed. */
function broken(value: unknown, seed: ReturnType<typeof random>): unknown {
  const copy = structuredClone(value) as Record<string, unknown>;
  for (let times = 1 + seed.below(3); times > 0; times--) {
    let at: Record<string, unknown> = copy;
    for (;;) {
      const keys = Object.keys(at);
      const key = seed.chance(0.05) || keys.length === 0 ? "extra" : seed.pick(keys);
      const inner = at[key];
      if (typeof inner === "object" && inner !== null && seed.chance(0.8)) at = inner as Record<string, unknown>;
      else {
        if (seed.chance(0.15)) delete at[key];
        else at[key] = other(inner, seed);
        break;
      }
    }
  }
  return copy;
}

async function packed(doc: unknown): Promise<string> {
  const stream = new Blob([typeof doc === "string" ? doc : JSON.stringify({ v: 1, doc })]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return `#s=${Buffer.from(await new Response(stream).arrayBuffer()).toString("base64url")}`;
}
const problem = async (doc: unknown) => (await fromFragment(await packed(doc))).problem;
const withRequest = (request: unknown) => ({ requests: [{ request }] });

describe("links", () => {
  test("hold everything", async () => {
    expect(await fromFragment(`#${await toFragment(DOC)}`)).toEqual({ doc: DOC });
    expect(deserialize(serialize(DOC))).toEqual({ doc: DOC });
    draw(DOC);
  });

  test("cut off at any place, or with a character changed, say so", async () => {
    const whole = `#${await toFragment(DOC)}`;
    const seed = random(28);
    for (let length = 0; length < whole.length; length++) expect((await fromFragment(whole.slice(0, length))).problem, String(length)).toMatch(/cut off or damaged|cannot be opened/);
    for (let times = 0; times < 200; times++) {
      const at = 3 + seed.below(whole.length - 3);
      const changed = whole.slice(0, at) + seed.pick([..."AZaz09-_%.=!é "]) + whole.slice(at + 1);
      const opened = await fromFragment(changed);
      if (opened.doc) draw(opened.doc);
      else expect(opened.problem).toMatch(/cut off or damaged|cannot be opened/);
    }
  });

  test.each([
    [{ targets: [{ workload: { labels: null } }] }, "targets[0].workload.labels: an object is expected, this is null"],
    [{ targets: [{ workload: { labels: { app: null } } }] }, "targets[0].workload.labels.app: text is expected, this is null"],
    [{ targets: [{ workload: { services: "web" } }] }, "targets[0].workload.services: a list is expected, this is \"web\""],
    [{ targets: [{ mesh: { extensionProviders: [{}] } }] }, "targets[0].mesh.extensionProviders[0].name: a value is expected, there is none"],
    [{ requests: [{ target: -1 }] }, "requests[0].target: a whole number from 0 to 0 is expected, this is -1"],
    [{ requests: [{ target: 1 }], targets: [{}] }, "requests[0].target: a whole number from 0 to 0 is expected, this is 1"],
    [{ requests: [{ target: "0" }] }, "requests[0].target: a whole number from 0 to 0 is expected, this is \"0\""],
    [{ requests: {} }, "requests: a list is expected, this is an object"],
    [{ requests: [null] }, "requests[0]: an object is expected, this is null"],
    [{ requests: [{ expect: 7 }] }, "requests[0].expect: an object is expected, this is 7"],
    [{ requests: [{ expect: "maybe" }] }, "requests[0].expect: `allow` or `deny` or `redirect` or `unknown` is expected, this is \"maybe\""],
    [withRequest({ source: { principal: 5 } }), "requests[0].request.source.principal: text is expected, this is 5"],
    [withRequest({ headers: { a: { b: 1 } } }), "requests[0].request.headers.a: text is expected, this is an object"],
    [withRequest({ headers: [] }), "requests[0].request.headers: an object is expected, this is a list"],
    [withRequest({ time: 1e300 }), "requests[0].request.time: a whole number from"],
    [withRequest({ destination: { port: 70_000 } }), "requests[0].request.destination.port: a whole number from 0 to 65535 is expected, this is 70000"],
    [withRequest({ claims: JSON.parse(`${"[".repeat(60)}${"]".repeat(60)}`) }), "requests[0].request.claims: it nests deeper than 48"],
    [withRequest({ unheardOf: JSON.parse(`${"[".repeat(60)}${"]".repeat(60)}`) }), "requests[0].request.unheardOf: it nests deeper than 48"],
    [{ policies: [{ name: "a", text: "" }, { name: "a", text: "" }] }, "policies: two files are called \"a\""],
    [{ policies: [{ name: "a" }] }, "policies[0].text: a value is expected, there is none"],
    [{ baseline: [{ name: "a", text: 1 }] }, "baseline[0].text: text is expected, this is 1"],
    [{ envoyConfig: "x" }, "envoyConfig: an object is expected, this is \"x\""],
    [{ title: {} }, "title: text is expected, this is an object"],
    [[], "the document: an object is expected, this is a list"],
    [null, "the document: an object is expected, this is null"],
    [{ requests: Array.from({ length: 20_000 }, () => ({})) }, `requests: 20000 requests, at most ${LIMITS.requests} are taken`],
    [{ targets: Array.from({ length: 2_000 }, () => ({})) }, `targets: 2000 workloads, at most ${LIMITS.targets} are taken`],
    [{ policies: Array.from({ length: 13 }, (_, index) => ({ name: String(index), text: "x".repeat(1024 * 1024) })) }, "policies: 13 MB of text, at most 12 MB are taken"],
  ])("%# are refused with a message", async (doc, message) => {
    expect(await problem(doc)).toContain(message);
  });

  test("that unpack to very much, or nest very deep, are refused", async () => {
    expect(await problem({ title: "x".repeat(20 * 1024 * 1024) })).toBe("The link holds more than 16 MB, which is not opened.");
    const deep = `{"v":1,"doc":{"requests":[{"request":{"claims":${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}}}]}}`;
    expect((await fromFragment(await packed(deep))).problem).toMatch(/nests deeper than 48|holds no JSON/);
    await expect(toFragment({ ...DOC, requests: Array.from({ length: 3_000 }, (_, index) => ({ ...DOC.requests[0]!, id: `r${index}` })) })).rejects.toThrow("3000 requests, at most 2000 are taken");
  });

  test("with wrong types anywhere are refused, or can be drawn", () => {
    const seed = random(2028);
    let refused = 0;
    for (let times = 0; times < 4_000; times++) {
      const given = broken(DOC, seed);
      const opened = deserialize(JSON.stringify({ v: 1, doc: given }));
      if (opened.problem !== undefined) {
        refused++;
        expect(opened.problem.length).toBeGreaterThan(10);
      } else {
        try {
          draw(opened.doc);
        } catch (error) {
          throw new Error(`${JSON.stringify(given)}: ${String(error)}`);
        }
      }
    }
    expect(refused).toBeGreaterThan(1_000);
    expect(refused).toBeLessThan(3_900);
  }, 60_000);
});

test.each([[{ source: { principal: 5 } }, "source.principal: text is expected"], [7, "an object is expected"], [{ time: {} }, "time: a whole number"]])("%j is no request", (given, message) => {
  expect(readRequest(given)).toContain(message);
});
