import { describe, expect, test } from "vitest";
import { stringify } from "../../src/state/yaml.ts";

describe("YAML for people", () => {
  const cases: [unknown, string][] = [
    [{ method: "GET", path: "/api/*" }, "method: GET\npath: /api/*\n"],
    [{ a: "yes", b: "1.30", c: "null", d: "", e: "*", f: "x: y", g: "a #b", h: " a" }, 'a: "yes"\nb: "1.30"\nc: "null"\nd: ""\ne: "*"\nf: "x: y"\ng: "a #b"\nh: " a"\n'],
    [{ source: { ip: "10.0.0.1" }, headers: {}, list: [] }, 'source:\n  ip: "10.0.0.1"\nheaders: {}\nlist: []\n'],
    [{ methods: ["GET", "a, b"] }, 'methods: [GET, "a, b"]\n'],
    [{ tests: [{ name: "one", request: { path: "/" } }, { name: "two" }] }, "tests:\n  - name: one\n    request:\n      path: /\n  - name: two\n"],
    [{ jwks: '{"keys": []}' }, 'jwks: "{\\"keys\\": []}"\n'],
    [{ text: "one\ntwo\n" }, "text: |\n  one\n  two\n"],
    [{ num: 1, t: true, z: null, n: 2 }, "num: 1\nt: true\nz: null\n\"n\": 2\n"],
    [{ "auth@x/y": "cluster.local/ns/a/sa/b" }, "auth@x/y: cluster.local/ns/a/sa/b\n"],
  ];
  test.each(cases)("%j", (value, text) => {
    expect(stringify(value)).toBe(text);
  });
});
