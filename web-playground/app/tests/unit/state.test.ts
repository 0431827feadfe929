import { describe, expect, test } from "vitest";
import type { RequestSpec } from "../../src/engine/client.ts";
import { aim, distinctions, EMPTY, freshName, instant, type Document, type Item } from "../../src/state/document.ts";
import { folder, markdown, suite } from "../../src/state/exports.ts";
import { axes, crossed } from "../../src/state/grid.ts";
import { decode, sample, time, tokenOf } from "../../src/state/jwt.ts";
import { restored } from "../../src/state/sizes.svelte.ts";
import { variants } from "../../src/state/variants.ts";
import { zip } from "../../src/state/zip.ts";

const DOC: Document = {
  ...EMPTY,
  title: "a title",
  policies: [{ name: "a.yaml", text: "kind: X\n" }],
  requests: [
    { id: "r1", name: "one", request: { path: "/a", token: "secret" }, target: 0, expect: "allow" },
    { id: "r2", name: "two", request: { path: "/b?access_token=secret", headers: { Cookie: "secret", x: "1" } }, target: 0, expect: { verdict: "deny", status: 403 } },
    { id: "r3", name: "three", request: { path: "/b", source: { principal: "td/ns/a/sa/b" } }, target: 0, expect: null },
  ],
};

describe("lines of the list", () => {
  const item = (id: string, request: RequestSpec): Item => ({ id, name: "", request, target: 0, expect: null });
  test("that look alike say what tells them apart, and only that", () => {
    const told = distinctions([
      item("a", { host: "a.com", destination: { port: 80 }, headers: { x: "1" } }),
      item("b", { host: "b.com", destination: { port: 80 }, extAuthz: { p: "allow" } }),
      item("c", { host: "a.com", destination: { port: 80 }, source: { ip: "10.0.0.1" } }),
      item("d", { host: "c.com", claims: { sub: "u", group: "dev" } }),
      item("e", { host: "c.com", claims: { sub: "u", group: "ops" } }),
      item("f", { host: "c.com", method: "POST" }),
    ]);
    expect([...told]).toEqual([["a", "x: 1 · a.com"], ["b", "p allow · b.com"], ["c", "from 10.0.0.1 · a.com"], ["d", "group dev"], ["e", "group ops"]]);
  });
  test("that are not alike say nothing more", () => {
    expect(distinctions([item("a", { host: "a.com" }), item("b", { host: "b.com", method: "POST" })]).size).toBe(0);
  });
  test("label the grid", () => {
    const { who, what } = axes([item("a", { host: "a.com", source: { ip: "10.0.0.1" } }), item("b", { host: "b.com", source: { ip: "10.0.0.2" } })]);
    expect(who.map((one) => one.label)).toEqual(["— from 10.0.0.1", "— from 10.0.0.2"]);
    expect(what.map((one) => one.label)).toEqual(["GET / a.com", "GET / b.com"]);
  });
});

test("a line shows what a request is for", () => {
  expect([{}, { path: "/a" }, { method: "CONNECT", host: "a:443" }, { protocol: "tcp" as const, sni: "s" }].map(aim)).toEqual(["/", "/a", "a:443", "s"]);
});

describe("sizes of panes", () => {
  test("what makes no sense is as if nothing was remembered", () => {
    const usual = restored(null);
    for (const text of ["", "x", "null", "[1,2]", '{"columns":[1,2,3],"list":7,"below":"a","upper":-1}']) expect(restored(text), text).toEqual(usual);
    expect(restored('{"columns":[0.2,0.3,0.5],"list":0.01,"below":0.3,"upper":0.99}')).toEqual({ columns: [0.2, 0.3, 0.5], list: 0.15, below: 0.3, upper: 0.8 });
  });
});

describe("exports", () => {
  test("a suite", () => {
    const text = suite({ ...DOC, requests: DOC.requests.slice(0, 1) }, { policies: ["policies/"] });
    expect(text).toBe('name: a title\npolicies: [policies/]\nworkload:\n  namespace: default\n  labels:\n    app: web\nmesh: {}\ntests:\n  - name: one\n    request:\n      path: /a\n      token: secret\n    expect: allow\n');
  });
  test("files have safe names", () => {
    const files = folder({ ...DOC, policies: [{ name: "../x y", text: "" }] });
    expect(files.map((file) => file.name)).toEqual(["playground.gnomon.yaml", "policies/..-x-y.yaml"]);
  });
  test("Markdown escapes what would break its table", () => {
    const text = markdown({ ...DOC, policies: [{ name: "a", text: "```" }], requests: [{ ...DOC.requests[0]!, name: "a|b" }] }, new Map(), new Map(), "1");
    expect(text).toContain("| a\\|b | `GET /a` |");
    expect(text).toContain("````yaml");
  });
  test("a ZIP that others can read", async () => {
    const bytes = new Uint8Array(await zip([{ name: "a.txt", text: "hello" }]).arrayBuffer());
    const view = new DataView(bytes.buffer);
    expect(view.getUint32(0, true)).toBe(0x04034b50);
    expect(view.getUint32(14, true)).toBe(0x3610a686);
    expect(view.getUint32(bytes.length - 22, true)).toBe(0x06054b50);
    expect(view.getUint32(view.getUint32(bytes.length - 6, true), true)).toBe(0x02014b50);
  });
  test("fresh names", () => {
    expect(freshName([{ name: "a.yaml", text: "" }, { name: "a-2.yaml", text: "" }], "a.yaml")).toBe("a-3.yaml");
  });
});

describe("the grid", () => {
  test("crosses callers with operations", () => {
    const { who, what } = axes(DOC.requests);
    expect(who.map((one) => one.label)).toEqual(["jwt", "—", "b"]);
    expect(what.map((one) => one.label)).toEqual(["GET /a", "GET /b?access_token=secret", "GET /b"]);
    expect(crossed(who[2]!, what[0]!)).toEqual({ path: "/a", source: { principal: "td/ns/a/sa/b" } });
  });
});

describe("tokens", () => {
  test("are read", async () => {
    const { token, jwks } = await sample({ iss: "i", exp: 5 }, "ES256");
    const decoded = decode(token);
    expect(decoded).toMatchObject({ header: { alg: "ES256" }, claims: { iss: "i", exp: 5 }, signed: true });
    expect(JSON.parse(jwks)).toMatchObject({ keys: [{ kty: "EC", crv: "P-256", alg: "ES256" }] });
    expect(jwks).not.toContain('"d"');
  });
  test.each([["a.b", "three parts"], ["a.b.c", "base64url"], ["W10.W10.x", "base64url"]])("%s: %s", (token, wrong) => {
    expect(decode(token)).toContain(wrong);
  });
  test("are found where they are sent", () => {
    expect(tokenOf({ headers: { Authorization: ["Bearer x.y.z", "b"] } })).toBe("x.y.z");
    expect(tokenOf({ headers: { authorization: "Basic x" } })).toBeNull();
  });
  test("times", () => {
    expect(time(86_400, 0)).toBe("1970-01-02 00:00:00 UTC, in 24 hours");
    expect(time(0, 90)).toBe("1970-01-01 00:00:00 UTC, 90 seconds ago");
    expect(time("x", 0)).toBe("no time");
    expect(time(0, Number.NaN)).toBe("1970-01-01 00:00:00 UTC");
    expect(instant(0)).toBe("1970-01-01T00:00:00Z");
    expect(instant(1e300)).toBe("1e+300");
  });
});

describe("variants", () => {
  const names = (request: object) => variants(request).map((one) => one.name);
  test("the neighbours that the issue names", () => {
    const all = variants({ path: "/api/catalog", host: "h", source: { principal: "td/ns/a/sa/b" }, claims: { iss: "i", sub: "s" }, headers: { x: "1" } });
    const paths = all.map((one) => one.request.path);
    for (const path of ["//api/catalog", "/api//catalog", "/api%2Fcatalog", "/API/CATALOG", "/x/../api/catalog", "/api/catalog/", "/api/catalog."]) expect(paths).toContain(path);
    const hosts = all.map((one) => one.request.host);
    for (const host of ["H", "h.", "h:80", "h:443"]) expect(hosts).toContain(host);
    for (const name of ["token without sub", "plaintext instead of mutual TLS", "x sent twice"]) expect(all.map((one) => one.name)).toContain(name);
    expect(all.find((one) => one.name === "token without sub")?.request.claims).toEqual({ iss: "i" });
  });
  test("none is the request itself", () => {
    const request = { method: "GET", path: "/" };
    expect(variants(request).every((one) => JSON.stringify(one.request) !== JSON.stringify(request))).toBe(true);
    expect(names({ protocol: "tcp", sni: "a" })).toContain("SNI in capitals");
    expect(variants({ method: "CONNECT", host: "a:443" }).some((one) => one.request.path !== undefined)).toBe(false);
  });
  test("a query stays behind the path", () => {
    expect(variants({ path: "/a?b=/c" }).map((one) => one.request.path)).toContain("//a?b=/c");
  });
});
