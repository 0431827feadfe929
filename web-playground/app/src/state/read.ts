// What comes from outside (a link, the browser's storage, YAML that somebody types) becomes a document or a request here,
// or a sentence that says what is wrong with it. Everything behind relies on the types.
import type { Expectation, RequestSpec, Source, Target } from "../engine/client.ts";
import type { Document, Item } from "./document.ts";

/** What a document from outside may hold; more would keep the page busy at every visit. */
export const LIMITS = { requests: 2_000, files: 3_000, targets: 200, text: 12 * 1024 * 1024, depth: 48 };

/** What is wrong, with its place: `requests[3].target: a whole number from 0 to 1 is expected, this is -1`. */
export class Malformed extends Error {}

type Reader<T> = (value: unknown, path: string) => T;

function shown(value: unknown): string {
  if (value === undefined) return "there is none";
  if (value === null) return "this is null";
  if (Array.isArray(value)) return "this is a list";
  if (typeof value === "object") return "this is an object";
  const text = JSON.stringify(value);
  return `this is ${text.length > 40 ? `${text.slice(0, 40)}…` : text}`;
}
function refuse(path: string, wanted: string, value: unknown): never {
  throw new Malformed(`${path || "the document"}: ${wanted} is expected, ${shown(value)}`);
}
const at = (path: string, key: string) => (path ? `${path}.${key}` : key);

const text: Reader<string> = (value, path) => (typeof value === "string" ? value : refuse(path, "text", value));
const truth: Reader<boolean> = (value, path) => (typeof value === "boolean" ? value : refuse(path, "true or false", value));
const whole = (least: number, most: number): Reader<number> => (value, path) =>
  typeof value === "number" && Number.isInteger(value) && value >= least && value <= most ? value : refuse(path, `a whole number from ${least} to ${most}`, value);
/** Anything that JSON has, if it does not nest too deep. */
const any: Reader<unknown> = (value, path) => {
  if (deeper(value, LIMITS.depth)) throw new Malformed(`${path}: it nests deeper than ${LIMITS.depth}`);
  return value;
};
function deeper(value: unknown, most: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return most === 0 || Object.values(value).some((inner) => deeper(inner, most - 1));
}
const word = <T extends string>(...words: T[]): Reader<T> => (value, path) =>
  words.includes(value as T) ? (value as T) : refuse(path, words.map((one) => `\`${one}\``).join(" or "), value);
const nullable = <T>(reader: Reader<T>): Reader<T | null> => (value, path) => (value === null ? null : reader(value, path));
const either = <T, U>(is: (value: unknown) => boolean, first: Reader<T>, second: Reader<U>): Reader<T | U> => (value, path) => (is(value) ? first(value, path) : second(value, path));
const list = <T>(reader: Reader<T>, most = Infinity, what = "entries"): Reader<T[]> => (value, path) => {
  if (!Array.isArray(value)) refuse(path, "a list", value);
  if (value.length > most) throw new Malformed(`${path}: ${value.length} ${what}, at most ${most} are taken`);
  return value.map((one, index) => reader(one, `${path}[${index}]`));
};
const object = (value: unknown, path: string): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : refuse(path, "an object", value);
const map = <T>(reader: Reader<T>): Reader<Record<string, T>> => (value, path) =>
  Object.fromEntries(Object.entries(object(value, path)).map(([key, inner]) => [key, reader(inner, at(path, key))]));
/** An object whose known fields have their types. Others stay as they are: what they mean is the engine's to say. */
const fields = <T>(known: Record<string, Reader<unknown>>, must: string[] = []): Reader<T> => (value, path) => {
  const given = object(value, path);
  for (const name of must) if (given[name] === undefined) refuse(at(path, name), "a value", undefined);
  const read = Object.entries(given).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(read.map(([key, inner]) => [key, (Object.hasOwn(known, key) ? known[key]! : any)(inner, at(path, key))])) as T;
};

const isText = (value: unknown) => typeof value === "string";
const REQUEST = fields<RequestSpec>({
  protocol: word("http", "tcp"),
  method: text,
  path: text,
  host: text,
  headers: map(either(Array.isArray, list(text), text)),
  token: text,
  claims: (value, path) => object(any(value, path), path),
  source: fields({ principal: text, ip: text }),
  remoteIp: text,
  destination: fields({ ip: text, port: whole(0, 65_535) }),
  sni: text,
  time: either(isText, text, whole(-(2 ** 53), 2 ** 53)),
  extAuthz: map(word("allow", "deny", "error")),
  metadata: map((value, path) => object(any(value, path), path)),
});
const TARGET = fields<Target>({
  workload: fields({ name: text, namespace: text, labels: map(text), serviceAccount: text, proxy: text, services: list(text) }),
  mesh: fields({
    rootNamespace: text,
    trustDomain: text,
    trustDomainAliases: list(text),
    extensionProviders: list(either(isText, text, fields({ name: text }, ["name"]))),
    pathNormalization: text,
    numTrustedProxies: whole(0, 2 ** 32 - 1),
    istioVersion: text,
  }),
});
const VERDICT = word("allow", "deny", "redirect", "unknown");
const EXPECT = nullable(either<Expectation, Expectation>(isText, VERDICT, fields({
  verdict: VERDICT, status: nullable(whole(0, 999)), stage: text, details: nullable(text), policy: nullable(text), reason: text, audit: truth, missing: list(text),
})));
const SOURCE = fields<Source>({ name: text, text }, ["name", "text"]);

const FILES: Reader<Source[]> = (value, path) => {
  const files = list(SOURCE, LIMITS.files, "files")(value, path);
  const seen = new Set<string>();
  for (const { name } of files) {
    if (seen.has(name)) throw new Malformed(`${path}: two files are called ${JSON.stringify(name)}`);
    seen.add(name);
  }
  return files.map(({ name, text }) => ({ name, text }));
};

/** A document, whatever was given. What is missing is as in an empty one; what has a wrong type is {@link Malformed}. */
export function readDocument(value: unknown): Document {
  const given = object(value, "");
  const field = <T>(name: string, reader: Reader<T>, without: T): T => (given[name] === undefined ? without : reader(given[name], name));
  const doc: Document = {
    title: field("title", text, ""),
    look: field("look", text, ""),
    policies: field("policies", FILES, []),
    baseline: field("baseline", nullable(FILES), null),
    envoyConfig: field("envoyConfig", nullable(SOURCE), null),
    listener: field("listener", nullable(text), null),
    targets: field("targets", list(TARGET, LIMITS.targets, "workloads"), []),
    requests: [],
  };
  const targets = Math.max(doc.targets.length, 1);
  if (doc.targets.length === 0) doc.targets = [{ workload: { namespace: "default", labels: { app: "web" } }, mesh: {} }];
  const item: Reader<Item> = (value, path) => {
    const { name = "", description, request = {}, target = 0, expect = null } = fields<Partial<Item>>({
      id: text, name: text, description: text, request: REQUEST, target: whole(0, targets - 1), expect: EXPECT,
    })(value, path);
    return { id: "", name, ...(description ? { description } : {}), request, target, expect };
  };
  doc.requests = field("requests", list(item, LIMITS.requests, "requests"), []).map((one, index) => ({ ...one, id: `r${index + 1}` }));
  return within(doc);
}

/** The document, if it is not too large to be shown at every visit; `most`: characters of its texts. */
export function within(doc: Document, most = LIMITS.text): Document {
  const { requests, policies, baseline, envoyConfig } = doc;
  if (requests.length > LIMITS.requests) throw new Malformed(`requests: ${requests.length} requests, at most ${LIMITS.requests} are taken`);
  const length = [...policies, ...(baseline ?? []), ...(envoyConfig ? [envoyConfig] : [])].reduce((sum, file) => sum + file.text.length, 0);
  if (length > most) throw new Malformed(`policies: ${Math.ceil(length / 1024 / 1024)} MB of text, at most ${most / 1024 / 1024} MB are taken`);
  return doc;
}

/** A request as somebody typed it, or what is wrong with it. */
export function readRequest(value: unknown): RequestSpec | string {
  try {
    return REQUEST(value, "");
  } catch (error) {
    if (error instanceof Malformed) return error.message;
    throw error;
  }
}
