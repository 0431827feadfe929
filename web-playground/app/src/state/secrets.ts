// What must not leave by a link, and must not stay in the browser: tokens, wherever they are.
import type { RequestSpec, Source } from "../engine/client.ts";
import { freshName, type Document, type Item } from "./document.ts";
import type { Places } from "./places.ts";
import { decodings, fileWithoutTokens, fromBase64, isSecretName, looksLikeToken, saidWithoutSecrets, SCHEME, withoutSecrets } from "./tokenlike.ts";

/** Takes secrets out of the values of one document. */
class Cleaner {
  constructor(readonly places: Places) {}

  #isPlace = (name: string) => this.places.has(name.trim().toLowerCase());
  #isSecret = (name: string) => this.#isPlace(name) || isSecretName(name);
  text = (text: string) => withoutSecrets(text, this.#isPlace);
  said = (text: string) => saidWithoutSecrets(text, this.#isPlace);

  /** All texts in a value; `named`: its fields are named as headers and parameters are, and go by their names too. */
  value(value: unknown, named: boolean): unknown {
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) return value.map((one) => this.value(one, named));
    if (typeof value !== "object" || value === null) return value;
    const kept = Object.entries(value).filter(([name, inner]) => !named || !(this.#isSecret(name) || this.#authenticates(inner)));
    return Object.fromEntries(kept.map(([name, inner]) => [this.text(name), this.value(inner, named)]));
  }

  /** A value that is a secret as a whole, as `Bearer …` is. */
  #authenticates(value: unknown): boolean {
    const lines = [value].flat().filter((line) => typeof line === "string");
    return lines.some((line) => SCHEME.test(line) || looksLikeToken(line));
  }

  request(request: RequestSpec): RequestSpec {
    const kept: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(request)) {
      if (name === "host" && typeof value === "string") kept[name] = this.text(value.replace(/^[^/?#]*@/, ""));
      // What the names of claims and of providers say is no secret.
      else if (name === "claims" || name === "extAuthz") kept[name] = this.value(value, false);
      else if (!isSecretName(name)) kept[name] = this.value(value, true);
    }
    return kept as RequestSpec;
  }
}

const encoded = (text: string) => encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, ""));
const BETWEEN = /[\s&?;#]|%(?:25)*(?:3f|26|23|3b)/i;
const EQUALS = /^.*?(?:=|%(?:25)*3d)/i;
const utf8 = (bytes: string) => new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));

/** Texts that a request lost, long enough to be looked for elsewhere. */
function lost(request: RequestSpec, kept: RequestSpec): string[] {
  const found: string[] = [];
  const now = JSON.stringify(kept);
  const collect = (value: unknown): void => {
    if (typeof value === "string") {
      const parts = decodings(value).flatMap((one) => [one, ...one.split(/[\s&?;,=:#@]+/), ...one.split(BETWEEN).map((part) => part.replace(EQUALS, ""))]);
      const all = parts.flatMap((part) => [part, encoded(part), utf8(fromBase64(part))]);
      for (const part of new Set(all)) if (part.length >= 6 && !now.includes(JSON.stringify(part).slice(1, -1))) found.push(part);
    } else if (typeof value === "object" && value !== null) Object.values(value).forEach(collect);
  };
  collect(request);
  return found.sort((a, b) => b.length - a.length);
}

/** A document without what is secret; how many requests and how many files had something. */
export interface Redacted { doc: Document; requests: number; files: number }

/** What came of one request: the same object where it had no secret. */
interface Cleaned { request: RequestSpec; gone: string[] }
/** By the request, which is never changed in place: the page asks again after every change of the document. */
const cleaned = new WeakMap<RequestSpec, { places: Places; of: Cleaned }>();
const files = new WeakMap<Source, string>();

function cleanedOf(request: RequestSpec, cleaner: Cleaner): Cleaned {
  const known = cleaned.get(request);
  if (known && same(known.places, cleaner.places)) return known.of;
  const kept = cleaner.request(request);
  const of = JSON.stringify(kept) === JSON.stringify(request) ? { request, gone: [] } : { request: kept, gone: lost(request, kept) };
  cleaned.set(request, { places: cleaner.places, of });
  return of;
}
const same = (one: Places, other: Places) => one === other || (one.size === other.size && [...one].every((place) => other.has(place)));
function fileOf(source: Source): string {
  const text = files.get(source) ?? fileWithoutTokens(source.text);
  files.set(source, text);
  return text;
}

/** How many secrets are looked for in every name; of more, whole words only. */
const MANY = 300;

/** Leaves tokens and other secrets out. The names of what is left out stay where they cannot be told from the rest. */
export function redacted(doc: Document, places: Places): Redacted {
  const cleaner = new Cleaner(places);
  const all = doc.requests.map((item) => cleanedOf(item.request, cleaner));
  const gone = new Set(all.flatMap((one) => one.gone));
  // Names that the page made of a request hold what was in it.
  const longest = gone.size <= MANY ? [...gone].sort((a, b) => b.length - a.length) : [];
  const said = (text: string, own: readonly string[] = []) => {
    if (text === "") return text;
    const without = [...own, ...longest].reduce((now, secret) => now.replaceAll(secret, "…"), text);
    const words = gone.size > MANY ? without.split(/([\s&?;,=:#@]+)/).map((word) => (gone.has(word) ? "…" : word)).join("") : without;
    return cleaner.said(words);
  };
  const items = doc.requests.map((item, index): Item => ({
    ...item,
    request: all[index]!.request,
    name: said(item.name, all[index]!.gone),
    ...(item.description === undefined ? {} : { description: said(item.description, all[index]!.gone) }),
    expect: cleaner.value(item.expect, false) as Item["expect"],
  }));
  let changed = 0;
  const clean = (sources: readonly Source[]): Source[] => {
    const names = new Set<string>();
    return sources.map((source) => {
      const text = fileOf(source);
      if (text !== source.text) changed++;
      const wanted = said(source.name);
      const name = names.has(wanted) ? freshName([...names].map((name) => ({ name, text: "" })), wanted) : wanted;
      names.add(name);
      return { name, text };
    });
  };
  return {
    doc: {
      title: said(doc.title),
      look: said(doc.look),
      policies: clean(doc.policies),
      baseline: doc.baseline && clean(doc.baseline),
      envoyConfig: doc.envoyConfig && clean([doc.envoyConfig])[0]!,
      listener: doc.listener === null ? null : said(doc.listener),
      targets: doc.targets.map((target) => cleaner.value(target, false) as typeof target),
      requests: items,
    },
    requests: all.filter((one, index) => one.request !== doc.requests[index]!.request).length,
    files: changed,
  };
}

/** What the engine was asked, for a report: every text as {@link redacted} has the texts of requests and files. */
export function withoutSecretsAnywhere(asked: unknown, places: Places): unknown {
  const cleaner = new Cleaner(places);
  const walk = (value: unknown): unknown => {
    if (typeof value === "string") return cleaner.said(value);
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => {
        if (name === "request" && typeof inner === "object" && inner !== null) return [name, cleaner.request(inner as RequestSpec)];
        return [name, name === "text" && typeof inner === "string" ? fileWithoutTokens(inner) : walk(inner)];
      }),
    );
  };
  return walk(asked);
}

/** Headers with a secret's name that policies compare with values: these stand in the policies, which say them to whoever has the link. */
export function comparedHeaders(doc: Document): string[] {
  const names = [...doc.policies, ...(doc.baseline ?? [])].flatMap((file) => [...file.text.matchAll(/request\.headers\[([^\]\n]{1,200})\]/g)].map((found) => found[1]!));
  return [...new Set(names)].filter(isSecretName);
}

/** Files with a key that signs: `oct`, or a private part. Whoever has one can make tokens. */
export function signingKeys(doc: Document): string[] {
  const holds = /\bkty\\?["']?\s*:\s*\\?["']?oct\b|\\?["']d\\?["']\s*:\s*\\?["'][\w-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY/;
  return [...doc.policies, ...(doc.baseline ?? []), ...(doc.envoyConfig ? [doc.envoyConfig] : [])].filter((file) => holds.test(file.text)).map((file) => file.name);
}
