import type { RequestSpec } from "../engine/client.ts";
import { trimmed } from "./document.ts";

/** A neighbour of a request: what somebody would try who wants past a policy, or who only types differently. */
export interface Variant { name: string; request: RequestSpec }

/** All neighbours that differ from the request. */
export function variants(request: RequestSpec): Variant[] {
  const found: Variant[] = [];
  const add = (name: string, next: Partial<RequestSpec>) => {
    const changed = trimmed({ ...request, ...next });
    if (JSON.stringify(changed) !== JSON.stringify(trimmed(request))) found.push({ name, request: changed });
  };
  const tcp = request.protocol === "tcp";
  if (!tcp) {
    if (request.method !== "CONNECT") ofPath(request.path ?? "/", (name, path) => add(name, { path }));
    if (request.host) ofHost(request.host, (name, host) => add(name, { host }));
    const method = request.method ?? "GET";
    for (const other of ["GET", "HEAD", "POST", "OPTIONS"]) if (other !== method) add(`method ${other}`, { method: other });
    if (method !== method.toLowerCase()) add("method in lower case", { method: method.toLowerCase() });
  } else if (request.sni) {
    add("SNI in capitals", { sni: request.sni.toUpperCase() });
    add("no SNI", { sni: undefined });
  }
  const { principal, ...rest } = request.source ?? {};
  if (principal !== undefined) {
    add("plaintext instead of mutual TLS", { source: rest });
    const [domain, , , , account = "client"] = principal.replace("spiffe://", "").split("/");
    add("the same account in another namespace", { source: { ...rest, principal: `${domain}/ns/other/sa/${account}` } });
    add("another trust domain", { source: { ...rest, principal: principal.replace(/^(spiffe:\/\/)?[^/]+/, "$1other.example") } });
  } else {
    add("mutual TLS instead of plaintext", { source: { ...rest, principal: "cluster.local/ns/default/sa/default" } });
  }
  if (request.claims) {
    const { sub, aud, iss, ...others } = request.claims;
    const known = { ...(iss === undefined ? {} : { iss }), ...(aud === undefined ? {} : { aud }), ...others };
    if (sub !== undefined) add("token without sub", { claims: known });
    if (aud !== undefined) add("token without aud", { claims: { iss, sub, ...others } });
    if (typeof iss === "string") add("issuer with a slash more", { claims: { ...request.claims, iss: `${iss}/` } });
    add("expired token", { claims: { ...request.claims, exp: 1 } });
  }
  if (request.claims || request.token !== undefined) add("no token", { claims: undefined, token: undefined });
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    add(`${name} sent twice`, { headers: { ...request.headers, [name]: [...(Array.isArray(value) ? value : [value]), "x"] } });
    add(`without ${name}`, { headers: Object.fromEntries(Object.entries(request.headers ?? {}).filter(([other]) => other !== name)) });
  }
  if (!tcp) add("an X-Forwarded-For of its own", { headers: { ...request.headers, "x-forwarded-for": "127.0.0.1" } });
  return found;
}

function ofPath(target: string, add: (name: string, path: string) => void): void {
  const cut = target.search(/[?#]/);
  const path = cut < 0 ? target : target.slice(0, cut);
  const query = cut < 0 ? "" : target.slice(cut);
  const put = (name: string, next: string) => add(name, next + query);
  const last = path.lastIndexOf("/");
  const letter = path.search(/[a-z]/i);
  put("doubled slash in front", `/${path}`);
  if (last > 0) {
    put("doubled slash inside", `${path.slice(0, last)}/${path.slice(last)}`);
    put("%2F for the last slash", `${path.slice(0, last)}%2F${path.slice(last + 1)}`);
    put("%5C (backslash) for the last slash", `${path.slice(0, last)}%5C${path.slice(last + 1)}`);
  }
  if (letter >= 0) {
    const code = path.charCodeAt(letter).toString(16).toUpperCase();
    put("a letter percent-encoded", `${path.slice(0, letter)}%${code}${path.slice(letter + 1)}`);
    put("path in capitals", path.toUpperCase());
  }
  put("dot segments: /x/..", `/x/..${path}`);
  put("dot segments, encoded: /x/%2e%2e", `/x/%2e%2e${path}`);
  put("/. in front", `/.${path}`);
  put(path.endsWith("/") ? "no slash at the end" : "slash at the end", path.endsWith("/") ? path.slice(0, -1) || "/" : `${path}/`);
  put("dot at the end", `${path}.`);
  put("a semicolon parameter", `${path};x=1`);
  if (query) add("without its query", path);
  else add("with a query", `${path}?x=1`);
  add("with a fragment", `${path}#x`);
}

function ofHost(host: string, add: (name: string, host: string) => void): void {
  const [, name = host, port = ""] = /^(.*?)(:\d+)?$/.exec(host) ?? [];
  add("host in capitals", name.toUpperCase() + port);
  add("dot after the host", `${name}.${port}`);
  if (port) add("host without its port", name);
  else {
    add("host with :80", `${name}:80`);
    add("host with :443", `${name}:443`);
  }
  add("a sub-domain", `x.${host}`);
}
