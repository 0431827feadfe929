import type { Item, Document } from "./document.ts";
import { EMPTY, withoutTokens } from "./document.ts";

/** What a link or the browser's storage holds. */
interface Stored { v: 1; doc: Partial<Document> }

/** The largest state that a link may unpack to. */
const MOST = 16 * 1024 * 1024;

async function through(bytes: Uint8Array, stream: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  const reader = new Blob([bytes as BlobPart]).stream().pipeThrough(stream).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.length;
    if (size > MOST) throw new Error("too large");
    chunks.push(next.value);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}

/** The document without what is secret; how many requests had something. */
export function redacted(doc: Document): { doc: Document; had: number } {
  let had = 0;
  const requests = doc.requests.map((item) => {
    const clean = withoutTokens(item.request);
    if (!clean.had) return item;
    had++;
    return { ...item, request: clean.request };
  });
  return { doc: had > 0 ? { ...doc, requests } : doc, had };
}

/** The fragment of a link, without `#`. Compressed where the browser can; it never leaves the browser. */
export async function toFragment(doc: Document): Promise<string> {
  const text = new TextEncoder().encode(serialize(doc));
  return `s=${toBase64(await through(text, new CompressionStream("deflate-raw")))}`;
}

/** The document of a link; `null`: it holds none. */
export async function fromFragment(fragment: string): Promise<Document | null> {
  const packed = /^#?s=([\w-]+)$/.exec(fragment)?.[1];
  if (!packed) return null;
  try {
    const text = await through(fromBase64(packed), new DecompressionStream("deflate-raw"));
    return deserialize(new TextDecoder().decode(text));
  } catch {
    return null;
  }
}

export function serialize(doc: Document): string {
  return JSON.stringify({ v: 1, doc } satisfies Stored);
}

/** Whatever was stored, made a document; `null` where it is none. What is missing or of a wrong type is as in an empty one. */
export function deserialize(text: string): Document | null {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    return null;
  }
  const given = (stored as Stored | null)?.doc;
  if (typeof given !== "object" || given === null) return null;
  const isSource = (value: unknown): value is { name: string; text: string } =>
    typeof value === "object" && value !== null &&
    typeof (value as { name: unknown }).name === "string" && typeof (value as { text: unknown }).text === "string";
  const sources = (value: unknown) => (Array.isArray(value) ? value.filter(isSource) : []);
  const text_ = (value: unknown) => (typeof value === "string" ? value : "");
  const isObject = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);
  const targets = Array.isArray(given.targets) ? given.targets.filter(isObject) : [];
  const items = Array.isArray(given.requests) ? given.requests.filter(isObject) : [];
  const requests = items.map((item: Partial<Item>, index): Item => ({
    id: `r${index + 1}`,
    name: text_(item.name),
    ...(item.description ? { description: text_(item.description) } : {}),
    request: isObject(item.request) ? item.request : {},
    target: typeof item.target === "number" && item.target < targets.length ? item.target : 0,
    expect: typeof item.expect === "string" || isObject(item.expect) ? item.expect : null,
  }));
  return {
    title: text_(given.title),
    look: text_(given.look),
    policies: sources(given.policies),
    baseline: Array.isArray(given.baseline) ? sources(given.baseline) : null,
    envoyConfig: isSource(given.envoyConfig) ? given.envoyConfig : null,
    listener: typeof given.listener === "string" ? given.listener : null,
    targets: targets.length > 0 ? targets : EMPTY.targets,
    requests,
  };
}
