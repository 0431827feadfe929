import { describe, expect, test } from "vitest";
import { ATTRIBUTES } from "../../src/editor/attributes.ts";
import { conditionOf, example, fieldOf, meetAll, satisfied } from "../../src/state/nearest.ts";

const unmet = (field: string, expected: string[], got: string | null = null) => ({ field, expected, got });

describe("changing a request so that a condition holds", () => {
  const cases: [string, string[], object, object][] = [
    ["to.operation.methods", ["GET"], { method: "POST" }, { method: "GET" }],
    ["to.operation.paths", ["/api/*"], { path: "/" }, { path: "/api/x" }],
    ["to.operation.paths", ["*.html"], { path: "/" }, { path: "/x.html" }],
    ["to.operation.hosts", ["*.example.com"], {}, { host: "www.example.com" }],
    ["to.operation.ports", ["8080"], {}, { destination: { port: 8080 } }],
    ["from.source.namespaces", ["shop"], {}, { source: { principal: "cluster.local/ns/shop/sa/client" } }],
    ["from.source.namespaces", ["shop"], { source: { principal: "td/ns/a/sa/b" } }, { source: { principal: "td/ns/shop/sa/b" } }],
    ["from.source.principals", ["cluster.local/ns/a/sa/b"], { source: { ip: "10.0.0.1" } }, { source: { ip: "10.0.0.1", principal: "cluster.local/ns/a/sa/b" } }],
    ["from.source.serviceAccounts", ["shop/web"], {}, { source: { principal: "cluster.local/ns/shop/sa/web" } }],
    ["from.source.trustDomains", ["td"], {}, { source: { principal: "td/ns/default/sa/client" } }],
    ["when[source.trustDomain]", ["td"], { path: "/a" }, { path: "/a", source: { principal: "td/ns/default/sa/client" } }],
    ["when[source.namespace].notValues", ["shop"], { source: { principal: "td/ns/shop/sa/b" } }, { source: {} }],
    ["when[request.auth.audiences]", ["web"], {}, { claims: { aud: "web" } }],
    ["from.source.requestPrincipals", ["https://i/x/*"], { token: "t" }, { claims: { iss: "https://i/x", sub: "someone" } }],
    ["from.source.ipBlocks", ["192.168.1.0/24"], {}, { source: { ip: "192.168.1.1" } }],
    ["from.source.remoteIpBlocks", ["10.1.2.3"], {}, { remoteIp: "10.1.2.3" }],
    ["when[request.auth.claims[realm][role]]", ["admin"], { claims: { iss: "a" } }, { claims: { iss: "a", realm: { role: "admin" } } }],
    ["when[request.headers[x-a]]", ["v*"], {}, { headers: { "x-a": "vx" } }],
    ["when[connection.sni]", ["*.example.com"], {}, { sni: "www.example.com" }],
    ["from.source.notPrincipals", ["*"], { source: { principal: "a", ip: "10.0.0.1" } }, { source: { ip: "10.0.0.1" } }],
    ["to.operation.notMethods", ["GET"], { method: "GET" }, { method: "POST" }],
  ];
  test.each(cases)("%s %j", (field, expected, request, changed) => {
    expect(satisfied(request, unmet(field, expected))).toEqual(changed);
  });

  test("all at once, or not at all", () => {
    expect(meetAll({}, [unmet("to.operation.methods", ["PUT"]), unmet("to.operation.paths", ["/a"])])).toEqual({ method: "PUT", path: "/a" });
    expect(meetAll({}, [unmet("rules", [])])).toBeNull();
  });

  test.each(ATTRIBUTES)("$field $writtenKey changes what it looks at", (attribute) => {
    const { part, field, notField, writtenKey, requestField } = attribute;
    const prefix = part === "source" ? "from.source" : "to.operation";
    const key = writtenKey === null ? null : `when[${writtenKey.replace("FILTER", "f").replace("NAME", "n")}]`;
    for (const path of [field && `${prefix}.${field}`, notField && `${prefix}.${notField}`, key, key && `${key}.notValues`]) {
      if (path === null) continue;
      expect(conditionOf(path)?.attribute).toBe(attribute);
      expect(fieldOf(path)).toBe(requestField);
    }
    const path = field ? `${prefix}.${field}` : key!;
    const value = attribute.kind === "cidr" ? "192.0.2.1" : attribute.kind === "port" ? "81" : "v";
    // The form has no field for what other filters leave behind.
    if (attribute.kind === "metadata") expect(satisfied({}, unmet(path, [value]))).toBeNull();
    else expect(Object.keys(satisfied({}, unmet(path, [value])) ?? {})).toEqual([requestField.split(".")[0]]);
  });

  test("templates and fields", () => {
    expect(example("/a/{*}/b/{**}")).toBe("/a/x/b/x");
    expect(fieldOf("from.source.notIpBlocks")).toBe("source.ip");
    expect(fieldOf("when[request.headers[x]]")).toBe("headers");
  });
});
