// Where the policies of a document look for tokens.
import type { Documents } from "../engine/client.ts";
import type { Document } from "./document.ts";

/** Names in lower case, of headers, parameters and cookies alike. */
export type Places = ReadonlySet<string>;

/** Where a policy says from where tokens are taken, and where it puts what they hold: Istio's fields, and Envoy's. */
const FIELD = "from_?(?:headers|params|cookies)|output_?payload_?to_?header|forward_?payload_?header|key_?sources";
const IS_FIELD = new RegExp(`^(?:${FIELD})$`, "i");
const HAS_FIELD = new RegExp(`["']?\\b(?:${FIELD})["']?\\s*:`, "i");

function collect(value: unknown, within: boolean, into: Set<string>): void {
  if (typeof value === "string") {
    if (within && value.trim() !== "") into.add(value.trim().toLowerCase());
  } else if (Array.isArray(value)) {
    for (const one of value) collect(one, within, into);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, inner] of Object.entries(value)) collect(inner, within || IS_FIELD.test(name), into);
  }
}

/** The places that a text names, read without a parser, for texts that do not parse yet: rather too many than too few. */
export function scanned(text: string): Set<string> {
  const found = new Set<string>();
  const lines = text.split("\n");
  for (const [number, line] of lines.entries()) {
    const key = HAS_FIELD.exec(line);
    if (!key) continue;
    const indent = line.search(/[^\s-]/);
    const rest = [line.slice(key.index + key[0].length)];
    for (const next of lines.slice(number + 1, number + 100)) {
      if (next.trim() !== "" && next.search(/\S/) < indent) break;
      rest.push(next);
    }
    for (const [name] of rest.join("\n").matchAll(/[\w.-]{2,100}/g)) found.add(name.toLowerCase());
  }
  return found;
}

/** What the engine's parser found, by text. */
const read = new Map<string, Set<string>>();

function texts(doc: Document): string[] {
  return [...doc.policies, ...(doc.baseline ?? []), ...(doc.envoyConfig ? [doc.envoyConfig] : [])].map((file) => file.text);
}

/** The places of the document's policies; `sure`: all of its texts were read by {@link learn}. */
export function placesOf(doc: Document): { places: Places; sure: boolean } {
  const places = new Set<string>();
  let sure = true;
  for (const text of texts(doc)) {
    const known = read.get(text);
    sure &&= known !== undefined;
    for (const one of known ?? scanned(text)) places.add(one);
  }
  return { places, sure };
}

/** Reads the document's texts, so that {@link placesOf} is sure of them. */
export async function learn(doc: Document, parse: (text: string) => Promise<Documents>): Promise<Places> {
  if (read.size > 10_000) read.clear();
  for (const text of texts(doc)) {
    if (read.has(text)) continue;
    const { documents, diagnostics } = await parse(text);
    const found = diagnostics.length > 0 ? scanned(text) : new Set<string>();
    collect(documents, false, found);
    read.set(text, found);
  }
  return placesOf(doc).places;
}
