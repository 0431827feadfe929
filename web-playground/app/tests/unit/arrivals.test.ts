import { describe, expect, test } from "vitest";
import { arrival } from "../../src/state/arrivals.ts";
import { curl } from "../../src/state/curl.ts";

describe("a curl command", () => {
  test.each<[string, object]>([
    ["curl http://shop.example/api/orders", { method: "GET", path: "/api/orders", host: "shop.example" }],
    ["$ curl -sS -o /dev/null -w '%{http_code}' shop.example:8080", { method: "GET", path: "/", host: "shop.example:8080" }],
    [`curl -H "Authorization: Bearer a.b.c" -H 'x-a: 1' -H x-a:2 "https://shop.example/a?b=c&d=%20"`, { method: "GET", path: "/a?b=c&d=%20", host: "shop.example", headers: { authorization: "Bearer a.b.c", "x-a": ["1", "2"] } }],
    ["curl -XPOST --data '{\"a\": \"b\"}' -H 'content-type: application/json' \\\n  http://shop.example/a", { method: "POST", path: "/a", host: "shop.example", headers: { "content-type": "application/json" } }],
    ["curl -d a=b http://s/x", { method: "POST", path: "/x", host: "s", headers: { "content-type": "application/x-www-form-urlencoded" } }],
    ["curl -G -d a=b -d c=d http://s/x?y=z", { method: "GET", path: "/x?y=z&a=b&c=d", host: "s" }],
    ["curl -I http://s/x#frag", { method: "HEAD", path: "/x", host: "s" }],
    ["curl -sIk http://s/x | head -1", { method: "HEAD", path: "/x", host: "s" }],
    ["curl --request=DELETE --url http://s/x -H 'Host: other.example'", { method: "DELETE", path: "/x", host: "other.example" }],
    ["curl -u me:pw http://s/", { method: "GET", path: "/", host: "s", headers: { authorization: "Basic bWU6cHc=" } }],
    ["curl --path-as-is http://s/a/../b//c", { method: "GET", path: "/a/../b//c", host: "s" }],
    ["kubectl exec deploy/sleep -n default -- curl -s http://orders.shop/api", { method: "GET", path: "/api", host: "orders.shop" }],
    ["curl -b 'a=1; b=2' -A agent -e http://r/ http://s/", { method: "GET", path: "/", host: "s", headers: { cookie: "a=1; b=2", "user-agent": "agent", referer: "http://r/" } }],
  ])("%s", (line, request) => expect(curl(line)?.request).toEqual(request));
  test.each(["curl", "curl -H", "curl -X POST", "curl 'http://[broken'", "curl \"unfinished"])("%s is no request, and breaks nothing", (line) => {
    expect(["object", "undefined"]).toContain(typeof curl(line)?.request);
  });
});

describe("what is pasted into an empty page", () => {
  const TOKEN = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from('{"sub":"u"}').toString("base64url")}.`;
  test.each<[string, string | undefined]>([
    ["apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n", undefined],
    ['{"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"}', undefined],
    ["curl http://s/x", "request"],
    [TOKEN, "token"],
    [`Authorization: Bearer ${TOKEN}`, "token"],
    ['{"configs": []}', "import"],
    ['[{"name": "virtualInbound", "filterChains": []}]', "import"],
    ["name: a\ntests:\n- name: b\n", "import"],
    ["apiVersion: v1\nitems:\n- kind: X\nkind: List\n", "import"],
    ["rbac_access_denied_matched_policy[none]", "line"],
    ["[2026-01-01T00:00:00Z] \"GET /x HTTP/1.1\" 403 - rbac_access_denied_matched_policy[ns[shop]-policy[no-delete]-rule[0]] - \"-\" 0 19", "line"],
    ["RBAC: access denied", "line"],
    ["jwt_authn_access_denied{Jwt_is_expired}", "line"],
    ["some words", undefined],
  ])("%s: %s", (text, kind) => expect(arrival(text)?.kind).toBe(kind));
  test("a line names the policy", () => {
    const said = arrival("x rbac_access_denied_matched_policy[ns[shop]-policy[no-delete]-rule[2]] y");
    expect(said).toEqual({ kind: "line", said: expect.stringContaining("rule 2 of no-delete in the namespace shop") });
  });
});
