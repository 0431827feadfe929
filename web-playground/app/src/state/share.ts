// A document as text: behind the `#` of a link, and in the browser's storage.
import type { Document } from "./document.ts";
import { LIMITS, Malformed, readDocument, within } from "./read.ts";

/** The largest state that a link may unpack to, in bytes. */
const MOST = 16 * 1024 * 1024;

/** What came of a text: a document, or a sentence that says what is wrong. */
export type Opened = { doc: Document; problem?: undefined } | { doc?: undefined; problem: string };

class TooLarge extends Error {}

async function through(bytes: Uint8Array, stream: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  const reader = new Blob([bytes as BlobPart]).stream().pipeThrough(stream).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.length;
    if (size > MOST) throw new TooLarge();
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

/**
 * The fragment of a link, without `#`. Compressed; browsers do not send it to servers.
 *
 * @throws {Malformed} where no link would be taken that holds so much.
 */
export async function toFragment(doc: Document): Promise<string> {
  within(doc);
  const text = new TextEncoder().encode(serialize(doc));
  if (text.length > MOST) throw new Malformed(`${Math.ceil(text.length / 1024 / 1024)} MB, a link holds at most ${MOST / 1024 / 1024} MB`);
  return `s=${toBase64(await through(text, new CompressionStream("deflate-raw")))}`;
}

/** The document of the fragment of a link, which begins with `s=`. */
export async function fromFragment(fragment: string): Promise<Opened> {
  const damaged = "The link is cut off or damaged: copy all of it, from http to its last character.";
  const packed = /^#?s=([\w-]+)$/.exec(fragment)?.[1];
  if (!packed) return { problem: damaged };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await through(fromBase64(packed), new DecompressionStream("deflate-raw")));
  } catch (error) {
    return { problem: error instanceof TooLarge ? `The link holds more than ${MOST / 1024 / 1024} MB, which is not opened.` : damaged };
  }
  const opened = deserialize(text);
  return opened.problem === undefined ? opened : { problem: `The link cannot be opened. ${opened.problem}` };
}

export function serialize(doc: Document): string {
  return JSON.stringify({ v: 1, doc });
}

/** Whatever was stored, made a document. */
export function deserialize(text: string): Opened {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    return { problem: "It holds no JSON." };
  }
  const given = typeof stored === "object" && stored !== null ? (stored as { doc?: unknown }).doc : undefined;
  try {
    return { doc: readDocument(given) };
  } catch (error) {
    if (error instanceof Malformed) return { problem: `${error.message}.` };
    // Objects in objects, thousands deep.
    if (error instanceof RangeError) return { problem: `It nests deeper than ${LIMITS.depth}.` };
    throw error;
  }
}
