import type { Expectation, Report, RequestSpec, Source, Target, WorkloadSpec } from "../engine/client.ts";

/** One line of the list of requests. */
export interface Item {
  id: string;
  name: string;
  description?: string;
  request: RequestSpec;
  /** Index in {@link Document.targets}. */
  target: number;
  expect: Expectation | null;
}

/** Let through because nothing applies: no rule has allowed it. */
export function isOpen(report: Report | null | undefined, applying: number | null | undefined): boolean {
  return report?.verdict === "allow" && applying === 0;
}

/** Everything that undo, sharing and exports are about. Never changed in place. */
export interface Document {
  title: string;
  /** What to look at. */
  look: string;
  policies: Source[];
  /** The policies to compare with; `null`: no comparison. */
  baseline: Source[] | null;
  /** In place of policies: what a proxy has loaded. */
  envoyConfig: Source | null;
  listener: string | null;
  targets: Target[];
  requests: Item[];
}

export const EMPTY: Document = {
  title: "",
  look: "",
  policies: [{ name: "policies.yaml", text: "" }],
  baseline: null,
  envoyConfig: null,
  listener: null,
  targets: [{ workload: { namespace: "default", labels: { app: "web" } }, mesh: {} }],
  requests: [{ id: "r1", name: "", request: { method: "GET", path: "/" }, target: 0, expect: null }],
};

/** An id that no item has. */
export function freshId(items: readonly Item[]): string {
  const numbers = items.map((item) => Number(item.id.slice(1))).filter(Number.isFinite);
  return `r${Math.max(0, ...numbers) + 1}`;
}

/** A name that no file has: `policy.yaml`, `policy-2.yaml`. */
export function freshName(files: readonly Source[], wanted: string): string {
  const taken = new Set(files.map((file) => file.name));
  if (!taken.has(wanted)) return wanted;
  const [, stem = wanted, ending = ""] = /^(.*?)(\.[^.]*)?$/.exec(wanted) ?? [];
  for (let number = 2; ; number++) {
    const name = `${stem}-${number}${ending}`;
    if (!taken.has(name)) return name;
  }
}

/** A workload as people call it. */
export function targetName({ workload = {} }: Target): string {
  const { name, namespace = "default", labels = {} } = workload;
  const own = name ?? labels.app ?? labels["app.kubernetes.io/name"] ?? labels["gateway.networking.k8s.io/gateway-name"] ?? labels.istio ?? "";
  return own ? `${namespace}/${own}` : namespace;
}

/** What makes two workloads the same, whatever order their fields have. */
export function sameWorkload(one: WorkloadSpec | undefined, other: WorkloadSpec | undefined): boolean {
  const key = ({ name, namespace = "default", labels = {}, serviceAccount, proxy = "sidecar", services = [], peerVerification, connectionSettings }: WorkloadSpec) =>
    JSON.stringify([name ?? "", namespace, Object.entries(labels).sort(), serviceAccount ?? "", proxy, services, peerVerification, connectionSettings]);
  return key(one ?? {}) === key(other ?? {});
}

/** Two targets are the same workload in the same mesh. */
export function sameTarget(one: Target, other: Target): boolean {
  return sameWorkload(one.workload, other.workload) && canonical(one.mesh ?? {}) === canonical(other.mesh ?? {});
}

/** A value as text, whatever order its fields have and whether or not it states what is so by default. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => {
    if (key === "method" && inner === "GET") return undefined;
    return typeof inner === "object" && inner !== null && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner;
  });
}

/** Who asks, in a few characters: the service account, then the token. */
export function caller(request: RequestSpec): string {
  const { source, claims, token } = request;
  const account = source?.principal?.split("/").at(-1) ?? "";
  const subject = claims ? String(claims.sub ?? claims.iss ?? "claims") : "";
  const parts = [account, subject, token ? "jwt" : ""].filter(Boolean);
  return parts.length > 0 ? parts.join(" + ") : "—";
}

/** What a request is for, in a line of the list: its path, or where it has none, the host of a CONNECT or the SNI. */
export function aim({ protocol, method, path, host, sni }: RequestSpec): string {
  if (protocol === "tcp") return sni ?? "";
  return path ?? (method === "CONNECT" ? (host ?? "") : "/");
}

/** Seconds since 1970 as `2026-01-01T00:00:00Z`; as a number where the calendar does not reach. */
export function instant(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace(".000Z", "Z");
}

/** What a line of the list says of a request beside method, path and caller, by name. */
function traits({ host, source, remoteIp, destination, headers, extAuthz, claims, time, protocol, sni }: RequestSpec): Map<string, string> {
  const found = new Map<string, string>();
  const put = (name: string, text: string | undefined) => {
    if (text) found.set(name, text);
  };
  put("port", destination?.port === undefined ? undefined : `:${destination.port}`);
  put("source", source?.ip && `from ${source.ip}`);
  put("client", remoteIp && `client ${remoteIp}`);
  put("namespace", source?.principal && `of ${source.principal.split("/").slice(-3, -2)[0] ?? ""}`);
  put("trust domain", source?.principal && `in ${source.principal.replace("spiffe://", "").split("/")[0] ?? ""}`);
  for (const [name, value] of Object.entries(headers ?? {})) put(`header ${name}`, `${name}: ${[value].flat().join(", ")}`);
  for (const [name, answer] of Object.entries(extAuthz ?? {})) put(`provider ${name}`, `${name} ${answer}`);
  for (const [name, value] of Object.entries(claims ?? {})) if (name !== "sub") put(`claim ${name}`, `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`);
  put("destination", destination?.ip && `to ${destination.ip}`);
  if (protocol !== "tcp") put("sni", sni && `SNI ${sni}`);
  put("host", host);
  put("time", time === undefined ? undefined : `at ${typeof time === "number" ? instant(time) : time}`);
  return found;
}

/** What tells requests apart whose lines in the list are alike: by id, only what differs among them. */
export function distinctions(items: readonly Item[]): Map<string, string> {
  const alike = new Map<string, Item[]>();
  for (const item of items) {
    const { request, target } = item;
    const line = JSON.stringify([target, request.protocol, request.method ?? "GET", request.path ?? "/", request.protocol === "tcp" ? request.sni : "", caller(request)]);
    alike.set(line, [...(alike.get(line) ?? []), item]);
  }
  const found = new Map<string, string>();
  for (const group of alike.values()) {
    const all = group.map((item) => ({ id: item.id, own: traits(item.request) }));
    const names = new Set(all.flatMap(({ own }) => [...own.keys()]));
    const differs = new Set([...names].filter((name) => new Set(all.map(({ own }) => own.get(name))).size > 1));
    for (const { id, own } of all) {
      const text = [...own].filter(([name]) => differs.has(name)).map(([, text]) => text).join(" · ");
      if (text) found.set(id, text);
    }
  }
  return found;
}

/** The same object with `undefined`, empty texts and empty objects left out, all the way down. */
export function trimmed<T>(value: T): T {
  if (Array.isArray(value) || typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value)
    .map(([key, inner]) => [key, trimmed(inner)] as const)
    .filter(([, inner]) => {
      if (inner === undefined || inner === "" || inner === null) return false;
      return typeof inner !== "object" || Array.isArray(inner) || Object.keys(inner as object).length > 0;
    });
  return Object.fromEntries(kept) as T;
}
