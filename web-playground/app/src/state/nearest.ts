import type { RequestSpec, Unmet } from "../engine/client.ts";

/** The request's field that a policy's field looks at, as in docs/formats.md: what the form focuses. */
export function fieldOf(policyField: string): string {
  const name = policyField.replace(/^(from\.source|to\.operation)\./, "").replace(/^not([A-Z])/, (_, first: string) => first.toLowerCase());
  const when = /^when\[(.+)\]$/.exec(name)?.[1] ?? name;
  if (when.startsWith("request.headers")) return "headers";
  if (when.startsWith("request.auth") || name === "requestPrincipals") return "claims";
  const fields: Record<string, string> = {
    methods: "method", paths: "path", hosts: "host", ports: "destination.port", principals: "source.principal",
    namespaces: "source.principal", serviceAccounts: "source.principal", trustDomains: "source.principal", ipBlocks: "source.ip",
    remoteIpBlocks: "remoteIp", "source.ip": "source.ip", "remote.ip": "remoteIp", "source.principal": "source.principal",
    "source.namespace": "source.principal", "source.serviceAccount": "source.principal", "destination.ip": "destination.ip",
    "destination.port": "destination.port", "connection.sni": "sni",
  };
  return fields[when] ?? "path";
}

/** A value that a pattern of Istio matches: `/api/*` gives `/api/x`, `*` gives `any`. */
export function example(pattern: string, any = "x"): string {
  return pattern.replaceAll("{**}", any).replaceAll("{*}", any).replaceAll("*", any);
}

function address(block: string): string {
  const [ip = "", bits] = block.split("/");
  if (bits === undefined || bits === "32" || bits === "128") return ip;
  return ip.includes(".") ? ip.replace(/\.0$/, ".1") : ip.replace(/::$/, "::1");
}

/**
 * The request changed so that this condition holds; `null` where no change that a form could make does it. What the
 * policy says is trusted only to propose: the verdict afterwards is the engine's.
 */
export function satisfied(request: RequestSpec, unmet: Unmet): RequestSpec | null {
  const field = unmet.field;
  const negated = /\.not[A-Z]/.test(field) || field.startsWith("when") && unmet.got !== null && unmet.expected.includes(unmet.got);
  const first = unmet.expected[0];
  if (first === undefined) return null;
  const where = fieldOf(field);
  if (negated) return avoided(request, where);
  const when = /^when\[(.+)\]$/.exec(field)?.[1] ?? field.replace(/^(from\.source|to\.operation)\./, "");
  const source = request.source ?? {};
  const [domain = "cluster.local", , namespace = "default", , account = "client"] = (source.principal ?? "").split("/").filter(Boolean);
  const identity = (d: string, n: string, a: string): RequestSpec => ({ ...request, source: { ...source, principal: `${d}/ns/${n}/sa/${a}` } });

  if (when.startsWith("request.headers[")) {
    const name = when.slice(16, -1);
    return { ...request, headers: { ...request.headers, [name]: example(first) } };
  }
  if (when === "requestPrincipals" || when === "request.auth.principal") {
    const cut = first.lastIndexOf("/");
    const claims = { ...request.claims };
    if (cut < 0) {
      claims.iss ??= "issuer@example.com";
      claims.sub ??= "someone";
    } else {
      claims.iss = example(first.slice(0, cut), "issuer");
      const subject = first.slice(cut + 1);
      if (subject !== "*" || claims.sub === undefined) claims.sub = example(subject, "someone");
    }
    return withClaims(request, claims);
  }
  if (when === "request.auth.audiences") return withClaims(request, { ...request.claims, aud: example(first) });
  if (when === "request.auth.presenter") return withClaims(request, { ...request.claims, azp: example(first) });
  if (when.startsWith("request.auth.claims[")) {
    const path = [...when.matchAll(/\[([^\]]*)\]/g)].map((part) => part[1]!);
    return withClaims(request, put(request.claims ?? {}, path, example(first)));
  }
  switch (where) {
    case "method": return { ...request, method: first === "*" ? "GET" : example(first) };
    case "path": return { ...request, path: first.startsWith("*") ? `/${example(first)}` : example(first) };
    case "host": return { ...request, host: example(first, first.startsWith("*.") ? "www" : first.endsWith(":*") ? "80" : "x") };
    case "destination.port": return { ...request, destination: { ...request.destination, port: Number(first) } };
    case "destination.ip": return { ...request, destination: { ...request.destination, ip: address(first) } };
    case "source.ip": return { ...request, source: { ...source, ip: address(first) } };
    case "remoteIp": return { ...request, remoteIp: address(first) };
    case "sni": return { ...request, sni: example(first, "www") };
    case "source.principal":
      if (/namespace/i.test(when)) return identity(domain, example(first), account);
      if (/serviceAccount/i.test(when)) {
        const [inNamespace, own] = first.includes("/") ? first.split("/") : [namespace, first];
        return identity(domain, inNamespace ?? namespace, own ?? account);
      }
      if (/trustDomain/i.test(when)) return identity(example(first), namespace, account);
      if (first === "*") return identity(domain, namespace, account);
      return { ...request, source: { ...source, principal: first.startsWith("*") ? `${domain}/ns/${namespace}/sa/${account}${first.slice(1)}` : example(first, first.endsWith("/*") ? `ns/${namespace}/sa/${account}` : "x") } };
    default: return null;
  }
}

/** What a `not` field must not see: taken away where it may be absent, else made something else. */
function avoided(request: RequestSpec, where: string): RequestSpec | null {
  const { source = {}, claims: _claims, token: _token, ...rest } = request;
  switch (where) {
    case "source.principal": return { ...request, source: source.ip === undefined ? {} : { ip: source.ip } };
    case "claims": return { ...rest, source };
    case "method": return { ...request, method: request.method === "GET" || request.method === undefined ? "POST" : "GET" };
    case "path": return { ...request, path: `${request.path ?? "/"}x` };
    case "host": return { ...request, host: `other.${request.host ?? "example.com"}` };
    case "destination.port": return { ...request, destination: { ...request.destination, port: (request.destination?.port ?? 8080) + 1 } };
    default: return null;
  }
}

function withClaims(request: RequestSpec, claims: Record<string, unknown>): RequestSpec {
  const { token: _, ...rest } = request;
  return { ...rest, claims };
}

function put(claims: Record<string, unknown>, path: string[], value: unknown): Record<string, unknown> {
  const [head, ...tail] = path;
  if (head === undefined) return claims;
  if (tail.length === 0) return { ...claims, [head]: value };
  const inner = claims[head];
  return { ...claims, [head]: put(typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>) : {}, tail, value) };
}

/** The request with all of these conditions met; `null` where one cannot be. */
export function meetAll(request: RequestSpec, unmet: readonly Unmet[]): RequestSpec | null {
  return unmet.reduce<RequestSpec | null>((so, one) => so && satisfied(so, one), request);
}
