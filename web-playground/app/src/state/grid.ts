import type { RequestSpec } from "../engine/client.ts";
import { caller, distinctions, trimmed, type Item } from "./document.ts";

/** One of the callers in a list of requests: everything about who asks. */
export interface Who { key: string; label: string; part: Pick<RequestSpec, "source" | "token" | "claims" | "remoteIp"> }
/** One of the operations: everything else. */
export interface What { key: string; label: string; part: RequestSpec; target: number }

/** The most that a grid has in a dimension. */
const MOST = 40;

/** The callers and the operations of a list, each once, in order. */
export function axes(items: readonly Item[]): { who: Who[]; what: What[] } {
  const who = new Map<string, Who>();
  const what = new Map<string, What>();
  for (const { request, target } of items) {
    const { source, token, claims, remoteIp, ...rest } = request;
    const one: Who = { key: "", label: caller(request), part: trimmed({ source, token, claims, remoteIp }) };
    one.key = JSON.stringify(one.part);
    if (!who.has(one.key)) who.set(one.key, one);
    const key = `${target} ${JSON.stringify(rest)}`;
    const label = request.protocol === "tcp" ? `TCP ${request.sni ?? ""}` : `${request.method ?? "GET"} ${request.path ?? "/"}`;
    if (!what.has(key)) what.set(key, { key, label, part: rest, target });
  }
  return { who: distinct([...who.values()].slice(0, MOST)), what: distinct([...what.values()].slice(0, MOST)) };
}

/** Labels that tell one from the other: by what differs, and where that is nothing, by a number. */
function distinct<T extends { key: string; label: string; part: RequestSpec; target?: number }>(all: T[]): T[] {
  const told = distinctions(all.map(({ key, part, target = 0 }) => ({ id: key, name: "", request: part, target, expect: null })));
  const seen = new Map<string, number>();
  return all.map((one) => {
    const label = [one.label, told.get(one.key)].filter(Boolean).join(" ");
    const count = (seen.get(label) ?? 0) + 1;
    seen.set(label, count);
    return { ...one, label: count === 1 ? label : `${label} (${count})` };
  });
}

export function crossed(who: Who, what: What): RequestSpec {
  return { ...what.part, ...who.part };
}
