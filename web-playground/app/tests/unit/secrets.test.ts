// Planted secrets: no link and no storage may hold them, in no encoding.
import { describe, expect, test } from "vitest";
import type { RequestSpec } from "../../src/engine/client.ts";
import { EMPTY, type Document } from "../../src/state/document.ts";
import { learn, placesOf, scanned } from "../../src/state/places.ts";
import { comparedHeaders, redacted, signingKeys, withoutSecretsAnywhere } from "../../src/state/secrets.ts";
import { serialize } from "../../src/state/share.ts";
import { isSecretName, looksLikeToken } from "../../src/state/tokenlike.ts";
import { random } from "./random.ts";

const url = (text: string) => Buffer.from(text).toString("base64url");
const SECRET = "S3cr3t-Val0e/of+Somebody";
const part = (value: object, spaces?: number) => url(JSON.stringify(value, null, spaces));
const TOKEN = `${part({ alg: "RS256", typ: "JWT" })}.${part({ iss: "https://i.example", sub: "somebody" })}.${url("a signature of some bytes")}`;

/** The text and what it looks like in other clothes. */
function clothes(secret: string): string[] {
  const base64 = Buffer.from(secret).toString("base64");
  return [secret, encodeURIComponent(secret), encodeURIComponent(encodeURIComponent(secret)), base64, base64.replaceAll("=", ""), url(secret), Buffer.from(secret).toString("hex"), JSON.stringify(secret).slice(1, -1)];
}
function doc(request: RequestSpec, over: Partial<Document> = {}): Document {
  return { ...EMPTY, requests: [{ id: "r1", name: "", request, target: 0, expect: null }], ...over };
}
const POLICY = `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: a}
spec:
  jwtRules:
  - issuer: i
    fromHeaders:
    - name: X-Team-Pass1
      prefix: "Team "
    - {name: x-other-place}
    fromParams: [ticket-of, q9]
    fromCookies:
    - crumb
    outputPayloadToHeader: x-what-it-said
`;
const PLACES = scanned(POLICY);

describe("a secret at any place where something may look for it", () => {
  const places: [string, (secret: string) => RequestSpec][] = [
    ["token", (token) => ({ token })],
    ...["Authorization", "authorization", "AUTHORIZATION", "Proxy-Authorization", "cookie", "Set-Cookie", "x-api-key", "X-API-Key", "apikey", "x-auth-token", "x-access-token", "x-amzn-oidc-data",
      "x-goog-iap-jwt-assertion", "cf-access-jwt-assertion", "x-id-token", "x-forwarded-access-token", "x-csrf-token", "x-vault-token", "private-token", "x-session-id", "x-amz-security-token",
      "ocp-apim-subscription-key", "x-functions-key", "x-client-secret", "x-hub-signature-256", "x-forwarded-client-cert", "accessToken", "x-user-password", "X-Team-Pass1", "x-TEAM-pass1", "x-other-place", "x-what-it-said"]
      .flatMap((name): [string, (secret: string) => RequestSpec][] => [
        [`header ${name}`, (secret) => ({ headers: { [name]: secret } })],
        [`header ${name}, twice`, (secret) => ({ headers: { [name]: ["a", secret] } })],
      ]),
    ["a header with a scheme", (secret) => ({ headers: { "x-plain": `Bearer ${secret}` } })],
    ["a header with Basic", (secret) => ({ headers: { "x-plain": `basic ${Buffer.from(secret).toString("base64")}` } })],
    ["an address in a header", (secret) => ({ headers: { referer: `https://a.example/x?access_token=${encodeURIComponent(secret)}&y=1` } })],
    ...["access_token", "ACCESS_TOKEN", "%61ccess_token", "access%5Ftoken", "token", "id_token", "jwt", "api_key", "apikey", "client_secret", "password", "sig", "code", "X-Amz-Signature", "ticket-of", "q9", "%71%39"]
      .flatMap((name): [string, (secret: string) => RequestSpec][] => [
        [`parameter ${name}`, (secret) => ({ path: `/a?x=1&${name}=${encodeURIComponent(secret)}&y=2` })],
        [`path parameter ${name}`, (secret) => ({ path: `/a;${name}=${encodeURIComponent(secret)};v=2/b` })],
        [`parameter ${name} behind %3F`, (secret) => ({ path: `/a%3Fx=1%26${name}%3D${encodeURIComponent(secret)}` })],
        [`parameter ${name} behind %253f`, (secret) => ({ path: `/a%253f${name}%253d${encodeURIComponent(secret)}` })],
        [`fragment ${name}`, (secret) => ({ path: `/a#${name}=${encodeURIComponent(secret)}` })],
      ]),
    ["somebody's password in the target", (secret) => ({ path: `https://user:${encodeURIComponent(secret)}@a.example/` })],
    ["somebody's password in the host", (secret) => ({ host: `user:${encodeURIComponent(secret)}@a.example` })],
    ["a field that no request has", (secret) => ({ authToken: secret }) as RequestSpec],
    ["metadata", (secret) => ({ metadata: { "envoy.filters.http.jwt_authn": { access_token: secret } } })],
  ];
  test.each(places)("%s", (_, plant) => {
    const planted = doc(plant(SECRET));
    planted.requests[0]!.name = `GET ${planted.requests[0]!.request.path ?? ""} with ${SECRET}`;
    const { doc: clean, requests } = redacted(planted, PLACES);
    expect(requests).toBe(1);
    for (const form of clothes(SECRET)) expect(serialize(clean)).not.toContain(form);
  });

  const tokens: [string, string][] = [
    ["a token", TOKEN],
    ["without its signature", TOKEN.split(".").slice(0, 2).join(".")],
    ["its claims alone", TOKEN.split(".")[1]!],
    ["cut off", TOKEN.slice(0, 60)],
    ["written with spaces", `${part({ alg: "none" }, 2)}.${part({ sub: "x" }, 2)}.`],
    ["percent-encoded dots", TOKEN.replaceAll(".", "%2E")],
    ["percent-encoded twice", TOKEN.replaceAll(".", "%252e")],
    ["percent-encoded letters", TOKEN.replace("eyJ", "%65%79J")],
    ["in base64", Buffer.from(TOKEN).toString("base64")],
    ["in base64, after a letter", Buffer.from(`x${TOKEN}`).toString("base64")],
    ["behind letters", `prefix-${TOKEN}`],
    ["encrypted, with five parts", `${part({ alg: "RSA-OAEP", enc: "A256GCM" })}.a.b.c.d`],
  ];
  const holders: [string, (secret: string) => Partial<Document> & { request?: RequestSpec }][] = [
    ["a header", (secret) => ({ request: { headers: { "x-plain": secret } } })],
    ["the middle of a header", (secret) => ({ request: { headers: { "x-plain": `a, ${secret}; b` } } })],
    ["a path", (secret) => ({ request: { path: `/reset/${secret}/now` } })],
    ["a parameter", (secret) => ({ request: { path: `/x?next=${secret}` } })],
    ["a claim", (secret) => ({ request: { claims: { act: { nested: [secret] } } } })],
    ["the host", (secret) => ({ request: { host: `${secret}.example` } })],
    ["metadata", (secret) => ({ request: { metadata: { m: { k: [secret] } } } })],
    ["a field that no request has", (secret) => ({ request: { other: [{ deep: secret }] } as RequestSpec })],
    ["a title", (secret) => ({ title: `for ${secret}` })],
    ["a description", (secret) => ({ look: `see\n${secret}\nand so on` })],
    ["a label", (secret) => ({ targets: [{ workload: { labels: { a: secret } } }] })],
    ["the listener", (secret) => ({ listener: secret })],
  ];
  test.each(holders.flatMap(([where, hold]) => tokens.map(([what, token]): [string, string, string, typeof hold] => [what, where, token, hold])))("%s, in %s", (_what, _where, token, hold) => {
    const { request = {}, ...over } = hold(token);
    const { doc: clean } = redacted(doc(request, over), new Set());
    expect(serialize(clean)).not.toContain(token.slice(4, 40));
    expect(serialize(clean)).not.toContain(token.slice(-24));
    expect(looksLikeToken(serialize(clean))).toBe(false);
  });

  test("broken into lines", () => {
    const lines = TOKEN.replaceAll(/(.{40})/g, "$1\n  ");
    const { doc: clean } = redacted(doc({ headers: { "x-plain": lines } }), new Set());
    for (const line of TOKEN.match(/.{20}/g)!) expect(serialize(clean)).not.toContain(line);
  });

  test("annotations of manifests, baselines and what a proxy has loaded", () => {
    const text = `metadata:\n  annotations:\n    note: curl -H "Authorization: Bearer ${TOKEN}"\n    other: '${TOKEN.replaceAll(".", "%2e")}'\nspec: {}\n`;
    const { doc: clean, files } = redacted(doc({}, { policies: [{ name: "a", text }], baseline: [{ name: "a", text }], envoyConfig: { name: "a", text } }), new Set());
    expect(files).toBe(3);
    expect(serialize(clean)).not.toContain(TOKEN.slice(0, 40));
    expect(clean.policies[0]!.text).toContain("spec: {}");
  });

  test("random places and random secrets", () => {
    const seed = random(27);
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~+/=:@!$%\"'\\ é";
    for (let times = 0; times < 3_000; times++) {
      const secret = Array.from({ length: 16 + seed.below(30) }, () => seed.pick([...letters])).join("").trim().replaceAll(/[\s,]/g, "x") + "Q7";
      const [where, plant] = seed.pick(places);
      const request = { ...plant(secret), method: "GET", claims: { sub: "u" } };
      const planted = doc(request, { title: `with ${secret}` });
      planted.requests.push({ id: "r2", name: `like ${secret}`, request: { path: "/" }, target: 0, expect: null });
      const { doc: clean } = redacted(planted, PLACES);
      const text = serialize(clean);
      for (const form of clothes(secret)) if (text.includes(form)) throw new Error(`${where}: ${form} is in ${text}`);
    }
  });
});

describe("what is no secret stays", () => {
  test.each<[RequestSpec]>([
    [{ method: "POST", path: "/api/catalog/items/0123456789abcdef0123456789abcdef?page=2&sort=name#top", host: "shop.example:8080" }],
    [{ path: "/v1/projects/a:list;v=1/b//c/%2e%2e/d%2Fe?next=%2Fhome" }],
    [{ path: "/users/someone@example.com/orders//x@y" }],
    [{ headers: { "x-tenant": "a", "user-agent": "curl/8", "x-ext-authz": "allow", "x-author": "somebody", "x-request-id": "6f1c1a4e-58b4-4d4c-9a4f-3c1f1e2d3c4b", traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" } }],
    [{ claims: { iss: "https://issuer.example.com/", sub: "u", auth_time: 5, sid: "a", groups: ["token-readers"] }, source: { principal: "cluster.local/ns/auth/sa/token-service" } }],
    [{ extAuthz: { "my-auth-service": "deny" }, sni: "outbound_.80_._.session.auth.svc.cluster.local" }],
  ])("%#", (request) => {
    const given = doc(request, { title: "Tokens: who may do what", look: "A request without a token passes: see `authorization`" });
    expect(redacted(given, PLACES)).toEqual({ doc: given, requests: 0, files: 0 });
  });
  test("policies with key sets stay as they are", () => {
    const keys = url('{"keys":[{"kty":"RSA","n":"abc","e":"AQAB"}]}');
    const text = `spec: {jwtRules: [{issuer: i, jwks: '{"keys":[{"kty":"RSA","e":"AQAB","n":"${"x".repeat(300)}"}]}'}]}\ninline_bytes: ${keys}\n`;
    const given = doc({}, { policies: [{ name: "a", text }] });
    expect(redacted(given, PLACES)).toEqual({ doc: given, requests: 0, files: 0 });
    expect(signingKeys(given)).toEqual([]);
    expect(signingKeys(doc({}, { policies: [{ name: "a", text: `jwks: '{"keys":[{"kty":"oct","k":"AyM1"}]}'` }, { name: "b", text: String.raw`"jwks": "{\"keys\":[{\"kty\":\"EC\",\"d\":\"abcdefghijklmnopqrstuvwxyz\"}]}"` }] }))).toEqual(["a", "b"]);
  });
  test.each(["host", "path", "x-forwarded-for", "keys", "x-passenger", "author", "x-authority", "authorship", "monkey", "x-tokenizer-less"])("%s is the name of no secret", (name) => {
    expect(isSecretName(name)).toBe(false);
  });
});

describe("where the policies look", () => {
  const parsed = (documents: unknown[]) => async () => ({ documents, diagnostics: [] });
  test("as the parser has it, whatever it is written in", async () => {
    const rule = { fromHeaders: [{ name: "X-One" }], fromParams: ["two"], fromCookies: ["three"], outputPayloadToHeader: "four" };
    const given = doc({}, { policies: [{ name: "a", text: "one text" }], envoyConfig: { name: "e", text: "another" } });
    expect(placesOf(given).sure).toBe(false);
    const places = await learn(given, parsed([{ kind: "List", items: [{ spec: { jwtRules: [rule] } }] }, { providers: { p: { from_headers: [{ name: "five" }], from_cookies: ["six"], forward_payload_header: "seven" } } }]));
    expect([...places].sort()).toEqual(["five", "four", "seven", "six", "three", "two", "x-one"]);
    expect(placesOf(given)).toEqual({ places, sure: true });
    expect(placesOf({ ...given, baseline: [{ name: "b", text: "a third" }] }).sure).toBe(false);
  });
  test.each([POLICY, POLICY.replaceAll("\n", "\r\n"), `${POLICY}  broken: [`, JSON.stringify({ fromHeaders: [{ name: "x-team-pass1" }], fromParams: ["q9"], from_cookies: ["crumb"], fromParams2: 1 }, null, 2)])("%#: texts that do not parse are scanned", (text) => {
    const found = scanned(text);
    for (const name of ["x-team-pass1", "q9", "crumb"]) expect(found).toContain(name);
    expect(found).not.toContain("issuer");
  });
});

test("values in policies that stand for a secret are warned of", () => {
  const text = "when:\n- key: request.headers[x-api-key]\n  values: [abc]\n- {key: 'request.headers[X-Tenant]', values: [a]}\n";
  expect(comparedHeaders(doc({}, { policies: [{ name: "a", text }] }))).toEqual(["x-api-key"]);
});

test("a report of a crash holds no secrets", () => {
  const asked = { policies: [{ name: "a", text: `# ${TOKEN}\nkind: X` }], requests: [{ request: { token: SECRET, headers: { authorization: `Bearer ${SECRET}` }, path: `/a?access_token=${SECRET}` } }] };
  for (const one of [asked, `token: ${SECRET}\npath: /a`, `headers: {x-api-key: ${SECRET}}`, `curl -H "Authorization: Bearer ${SECRET}"`]) {
    const text = JSON.stringify(withoutSecretsAnywhere(one, PLACES));
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(TOKEN.slice(0, 40));
  }
});
