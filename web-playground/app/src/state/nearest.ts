import { ATTRIBUTES, type Attribute } from "../editor/attributes.ts";
import type { RequestSpec, Unmet } from "../engine/client.ts";

/** A condition of a rule, by the path that explanations have: `from.source.notPrincipals`, `when[request.headers[x]]`. */
interface Condition {
  attribute: Attribute;
  negated: boolean;
  /** What its key has in brackets: a header, the path to a claim. */
  names: string[];
}

export function conditionOf(field: string): Condition | undefined {
  const [, key, not] = /^when\[(.+)\](\.notValues)?$/.exec(field) ?? [];
  if (key !== undefined) {
    const attribute = ATTRIBUTES.find((one) => one.key !== null && (one.brackets ? key.startsWith(one.key) : key === one.key));
    const names = [...key.matchAll(/\[([^\]]*)\]/g)].map((part) => part[1]!);
    return attribute && { attribute, negated: not !== undefined, names };
  }
  const [, part, name] = /^(?:from|to)\.(source|operation)\.(\w+)$/.exec(field) ?? [];
  const attribute = ATTRIBUTES.find((one) => one.part === part && (one.field === name || one.notField === name));
  return attribute && { attribute, negated: attribute.notField === name, names: [] };
}

/** The request's field that a policy's field looks at, as in docs/formats.md: what the form focuses. */
export function fieldOf(policyField: string): string {
  return conditionOf(policyField)?.attribute.requestField ?? "path";
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
  const condition = conditionOf(unmet.field);
  const first = unmet.expected[0];
  if (first === undefined || condition === undefined) return null;
  const { attribute, names, negated } = condition;
  if (negated) return avoided(request, fieldOf(unmet.field));
  const source = request.source ?? {};
  const [domain = "cluster.local", , namespace = "default", , account = "client"] = (source.principal ?? "").split("/").filter(Boolean);
  const identity = (d: string, n: string, a: string): RequestSpec => ({ ...request, source: { ...source, principal: `${d}/ns/${n}/sa/${a}` } });

  switch (attribute.kind) {
    case "header": {
      if (attribute.requestField === "method") return { ...request, method: first === "*" ? "GET" : example(first) };
      const name = attribute.name || names[0];
      return name ? { ...request, headers: { ...request.headers, [name]: example(first) } } : null;
    }
    case "requestPrincipal": return withClaims(request, principalClaims(request, first));
    case "claim": return withClaims(request, put(request.claims ?? {}, attribute.name ? [attribute.name] : names, example(first)));
    case "path": return { ...request, path: first.startsWith("*") ? `/${example(first)}` : example(first) };
    case "host": return { ...request, host: example(first, first.startsWith("*.") ? "www" : first.endsWith(":*") ? "80" : "x") };
    case "port": return { ...request, destination: { ...request.destination, port: Number(first) } };
    case "cidr": return withAddress(request, attribute.requestField, address(first));
    case "text": return attribute.requestField === "sni" ? { ...request, sni: example(first, "www") } : null;
    case "namespace": return identity(domain, example(first), account);
    case "serviceAccount": {
      const [inNamespace, own] = first.includes("/") ? first.split("/") : [namespace, first];
      return identity(domain, inNamespace ?? namespace, own ?? account);
    }
    case "trustDomain": return identity(example(first), namespace, account);
    case "principal":
      if (first === "*") return identity(domain, namespace, account);
      return { ...request, source: { ...source, principal: first.startsWith("*") ? `${domain}/ns/${namespace}/sa/${account}${first.slice(1)}` : example(first, first.endsWith("/*") ? `ns/${namespace}/sa/${account}` : "x") } };
    case "metadata": return null;
  }
}

function withAddress(request: RequestSpec, field: string, ip: string): RequestSpec | null {
  switch (field) {
    case "source.ip": return { ...request, source: { ...request.source, ip } };
    case "destination.ip": return { ...request, destination: { ...request.destination, ip } };
    case "remoteIp": return { ...request, remoteIp: ip };
    default: return null;
  }
}

function principalClaims(request: RequestSpec, pattern: string): Record<string, unknown> {
  const cut = pattern.lastIndexOf("/");
  const claims = { ...request.claims };
  if (cut < 0) {
    claims.iss ??= "issuer@example.com";
    claims.sub ??= "someone";
  } else {
    claims.iss = example(pattern.slice(0, cut), "issuer");
    const subject = pattern.slice(cut + 1);
    if (subject !== "*" || claims.sub === undefined) claims.sub = example(subject, "someone");
  }
  return claims;
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
