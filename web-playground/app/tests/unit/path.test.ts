import { describe, expect, test } from "vitest";
import { ATTRIBUTES } from "../../src/editor/attributes.ts";
import { CONDITION_KEYS, fieldAt } from "../../src/editor/fields.ts";
import { whereIs } from "../../src/editor/path.ts";

/** `¦` is the cursor. */
function at(text: string) {
  const position = text.indexOf("¦");
  const { path, key, siblings } = whereIs(text.replace("¦", ""), position);
  return { path: path.join("."), key, siblings };
}

const POLICY = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: a\nspec:\n";

describe("where a position is", () => {
  const cases: [string, string, string | undefined, string[]][] = [
    ["¦", "", undefined, []],
    ["apiVersion: x\n¦", "", undefined, ["apiVersion"]],
    ["kind: ¦", "", "kind", []],
    [`${POLICY}  ¦`, "spec", undefined, []],
    [`${POLICY}  action: DENY\n  ¦`, "spec", undefined, ["action"]],
    [`${POLICY}  action: ¦`, "spec", "action", []],
    [`${POLICY}  rules:\n  - ¦`, "spec.rules", undefined, []],
    [`${POLICY}  rules:\n  - from:\n    - source:\n        ¦`, "spec.rules.from.source", undefined, []],
    [`${POLICY}  rules:\n  - from:\n    - source:\n        principals: [a]\n        ¦`, "spec.rules.from.source", undefined, ["principals"]],
    [`${POLICY}  rules:\n  - from:\n    - source:\n        principals: [a]\n    ¦`, "spec.rules", undefined, ["from"]],
    [`${POLICY}  rules:\n  - to:\n    - operation:\n        methods: [GET, ¦`, "spec.rules.to.operation", "methods", []],
    [`${POLICY}  rules:\n  - to: [{operation: {¦`, "spec.rules.to.operation", undefined, []],
    [`${POLICY}  rules:\n  - to: [{operation: {paths: ["/a{x}"], ¦`, "spec.rules.to.operation", undefined, ["paths"]],
    [`${POLICY}  rules:\n  - to: [{operation: {methods: [¦`, "spec.rules.to.operation", "methods", []],
    [`${POLICY}  rules:\n  - when:\n    - key: ¦`, "spec.rules.when", "key", []],
    [`${POLICY}  rules:\n  - when:\n    - key: a\n      values: [b]\n    - ¦`, "spec.rules.when", undefined, []],
    [`${POLICY}  rules: []\n---\n¦`, "", undefined, []],
    ["a: |\n  b: c\n¦", "", undefined, ["a"]],
    ["# kind: x\nmetadata: {¦", "metadata", undefined, []],
  ];
  test.each(cases)("%j", (text, path, key, siblings) => {
    expect(at(text)).toEqual({ path, key, siblings });
  });

  test("the kind is that of its own document", () => {
    const text = "kind: PeerAuthentication\n---\nkind: AuthorizationPolicy\n";
    expect(whereIs(text, 3).kind).toBe("PeerAuthentication");
    expect(whereIs(text, text.length).kind).toBe("AuthorizationPolicy");
  });

  test("every attribute is offered, as a field and as a key", () => {
    for (const { part, field, notField, writtenKey } of ATTRIBUTES) {
      const at = ["spec", "rules", part === "source" ? "from" : "to", part];
      for (const name of [field, notField]) {
        if (name !== null) expect(fieldAt("AuthorizationPolicy", [...at, name])?.doc).toBeTruthy();
      }
      if (writtenKey !== null) expect(Object.keys(CONDITION_KEYS)).toContain(writtenKey);
    }
    expect(fieldAt("AuthorizationPolicy", ["spec", "rules", "from", "source", "trustDomains"])?.list).toBe(true);
    expect(Object.keys(CONDITION_KEYS)).toContain("source.trustDomain");
  });

  test("fields are found through lists and port numbers", () => {
    expect(fieldAt("AuthorizationPolicy", ["spec", "action"])?.values).toContain("CUSTOM");
    expect(fieldAt("AuthorizationPolicy", ["spec", "rules", "from", "source", "notPrincipals"])?.list).toBe(true);
    expect(fieldAt("PeerAuthentication", ["spec", "portLevelMtls", "8080", "mode"])?.values).toContain("STRICT");
    expect(fieldAt("AuthorizationPolicy", ["spec", "nonsense"])).toBeUndefined();
  });
});
