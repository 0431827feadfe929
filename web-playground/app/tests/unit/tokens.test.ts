import { describe, expect, test } from "vitest";
import { readKeySet, withKeySet } from "../../src/state/keyset.ts";
import { tokenText } from "../../src/state/tokentext.ts";

describe("a pasted token", () => {
  const TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl";
  test.each([
    TOKEN, `Bearer ${TOKEN}`, `bearer ${TOKEN}`, `  Bearer   ${TOKEN}\n`, `Authorization: Bearer ${TOKEN}`, `authorization: bearer ${TOKEN}`, `"${TOKEN}"`, `'${TOKEN}',`, `-H "Authorization: Bearer ${TOKEN}"`,
    `TOKEN=${TOKEN}`, `export TOKEN="${TOKEN}"`, `access_token=${TOKEN}`, `x-jwt-assertion: ${TOKEN}`, TOKEN.replace(/(.{20})/g, "$1\n"), TOKEN.replace(/(.{20})/g, "$1\r\n  "), `Bearer\n${TOKEN}`, `\ufeff${TOKEN}`,
  ])("%j", (pasted) => expect(tokenText(pasted)).toBe(TOKEN));
  test.each([["", ""], ["x", "x"], ["Bearer", ""], ["a.b", "a.b"]])("%j stays %j", (pasted, text) => expect(tokenText(pasted)).toBe(text));
});

describe("a key set in place of its address", () => {
  const KEYS = `{"keys":[{"kty":"oct","k":"it's"}]}`;
  const BLOCK = "spec:\n  jwtRules:\n  - issuer: a\n    jwksUri: https://a/keys # the keys\n    audiences: [x]\n  - issuer: b\n    jwksUri: https://b/keys\n";
  const QUOTED = `jwks: '{"keys":[{"kty":"oct","k":"it''s"}]}'`;
  test("in a block", () => {
    expect(withKeySet(BLOCK, 3, KEYS)).toBe(BLOCK.replace("jwksUri: https://a/keys", QUOTED));
    expect(withKeySet(BLOCK, 6, KEYS)).toBe(BLOCK.replace("jwksUri: https://b/keys", QUOTED));
  });
  test("in a flow, quoted or not", () => {
    const flow = `spec: \n  jwtRules:\n  - {issuer: "a, b", jwksUri: "https://a/{keys}"}\n  - {issuer: b, jwks_uri: https://b/keys}\n`;
    expect(withKeySet(flow, 3, KEYS)).toBe(flow.replace('jwksUri: "https://a/{keys}"', QUOTED));
    expect(withKeySet(flow, 4, KEYS)).toBe(flow.replace("jwks_uri: https://b/keys", QUOTED));
  });
  test("in JSON", () => {
    const json = JSON.stringify({ spec: { jwtRules: [{ issuer: "a", jwksUri: "https://a/keys" }] } }, null, 2);
    expect(JSON.parse(withKeySet(json, 4, KEYS)!)).toEqual({ spec: { jwtRules: [{ issuer: "a", jwks: KEYS }] } });
  });
  test("where the issuer's own discovery has it", () => {
    expect(withKeySet("jwtRules:\n- issuer: https://a\n  audiences: [x]\n", 2, KEYS)).toBe(`jwtRules:\n- issuer: https://a\n  ${QUOTED}\n  audiences: [x]\n`);
    expect(withKeySet("jwtRules:\n- {issuer: https://a, audiences: [x]}\n", 2, KEYS)).toBe(`jwtRules:\n- {issuer: https://a, ${QUOTED}, audiences: [x]}\n`);
  });
  test.each([0, 1, 2, 99])("no rule on line %i", (line) => expect(withKeySet("a: 1\nb: 2\n", line, KEYS)).toBeNull());
  test.each([
    ["{}", "the field `keys`"], ["[]", "the field `keys`"], ["x", "no JSON"], ['{"keys":[]}', "no key"], ['{"keys":[{"kty":"EC","d":"x"}]}', "private key"], ["-----BEGIN PUBLIC KEY-----", "PEM"],
  ])("%s is none: %s", (text, wrong) => expect(readKeySet(text)).toEqual({ wrong: expect.stringContaining(wrong) }));
  test("one key alone", () => expect(readKeySet(' {"kty":"RSA","n":"x"}\n')).toEqual({ keys: '{"keys":[{"kty":"RSA","n":"x"}]}' }));
});
