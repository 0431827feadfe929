import type { Documents, Source } from "../engine/client.ts";
import { EMPTY, freshName, targetName, type Document } from "./document.ts";
import { LIMITS } from "./read.ts";
import { store } from "./store.svelte.ts";
import { documentOf } from "./suites.ts";
import { stringify } from "./yaml.ts";

/** The largest file that is taken. */
const MOST = 32 * 1024 * 1024;
/** How many objects of a list become files of their own; more become a file for each namespace. */
const SINGLE = 400;
const KINDS = new Set(["AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication"]);

/** One of the sets of policies that a suite has; the page shows one at a time. */
export interface Part { name: string; cases: number; open(): Promise<Imported> }

/** `doc` is null where there is nothing, which `said` explains, or where somebody has to choose one of `parts`. */
export interface Imported { doc: Document | null; said: string; parts: Part[] }

const nothing = (said: string): Imported => ({ doc: null, said, parts: [] });

/** Files as dropped or chosen, folders included, by their paths. */
export async function texts(files: Iterable<File>): Promise<Source[]> {
  const read: Source[] = [];
  for (const file of files) {
    const name = file.webkitRelativePath || file.name;
    if (/\.(ya?ml|json|txt)$/i.test(name) && file.size <= MOST) read.push({ name, text: await file.text() });
  }
  return read;
}

type Manifest = { apiVersion?: unknown; kind?: unknown; items?: unknown; metadata?: { name?: unknown; namespace?: unknown } };

function isProxy(documents: unknown[]): boolean {
  const [first] = documents;
  const looks = (value: unknown) => typeof value === "object" && value !== null && !("kind" in value) &&
    ["configs", "filterChains", "filter_chains", "name", "typedConfig", "typed_config", "rules", "listener"].some((key) => key in value);
  return Array.isArray(first) ? first.length > 0 && looks(first[0]) && !("request" in (first[0] as object)) : looks(first) && !("tests" in (first as object));
}

/** What decides, and what the lints read beside it. */
function isRead({ apiVersion, kind }: Manifest): boolean {
  if (typeof kind !== "string" || typeof apiVersion !== "string") return false;
  return KINDS.has(kind) || (apiVersion.startsWith("networking.istio.io/") && ["Gateway", "DestinationRule"].includes(kind));
}

/** All of `kind: List` as single manifests. */
function flat(document: unknown): Manifest[] {
  const manifest = (document ?? {}) as Manifest;
  return Array.isArray(manifest.items) ? manifest.items.flatMap(flat) : [manifest];
}

/** What somebody gave, as a document: a suite, policies, what kubectl printed, or what a proxy has loaded. */
export async function take(files: Source[], add: boolean): Promise<Imported> {
  if (files.length === 0) return nothing("There was no YAML or JSON in it.");
  const suites = files.filter((file) => file.name.endsWith(".gnomon.yaml"));
  if (suites.length > 0) return suite(files, suites[0]!, suites.length);
  const parsed = new Map<Source, Documents>();
  for (const file of files) parsed.set(file, await store.engine.parse(file.text));
  const [[only, documents] = [undefined, undefined]] = [...parsed];
  if (only && documents && files.length === 1) {
    const [first] = documents.documents;
    if (typeof first === "object" && first !== null && "tests" in first) return suite([{ ...only, name: "pasted.gnomon.yaml" }], { ...only, name: "pasted.gnomon.yaml" }, 1);
    if (documents.diagnostics.length === 0 && isProxy(documents.documents)) {
      const said = `${only.name} is evaluated in place of policies.`;
      return { doc: { ...EMPTY, envoyConfig: only }, said, parts: [] };
    }
  }
  const policies: Source[] = add ? [...store.doc.policies.filter((file) => file.text.trim() !== "")] : [];
  let taken = 0;
  let others = 0;
  for (const [file, { documents, diagnostics }] of parsed) {
    const manifests = documents.flatMap(flat);
    const ours = manifests.filter(isRead);
    others += manifests.length - ours.length;
    taken += ours.filter(({ kind }) => KINDS.has(kind as string)).length;
    const isList = documents.some((document) => typeof document === "object" && document !== null && "items" in document);
    // A text stays as it is, unless most of it is about other things or it is a list, which would be one huge tab.
    if (diagnostics.length > 0 || (ours.length === manifests.length && !isList)) {
      policies.push({ name: freshName(policies, file.name.split("/").at(-1)!), text: file.text });
    } else if (ours.length <= SINGLE) {
      for (const manifest of ours) {
        const name = `${String(manifest.metadata?.name ?? "policy")}.yaml`;
        policies.push({ name: freshName(policies, name), text: stringify(clean(manifest)) });
      }
    } else {
      const byNamespace = new Map<string, Manifest[]>();
      for (const manifest of ours) {
        const namespace = String(manifest.metadata?.namespace ?? "default");
        byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), manifest]);
      }
      for (const [namespace, manifests] of byNamespace) {
        policies.push({ name: freshName(policies, `${namespace}.yaml`), text: manifests.map((manifest) => stringify(clean(manifest))).join("---\n") });
      }
    }
  }
  const broken = [...parsed.values()].some(({ diagnostics }) => diagnostics.length > 0);
  if (taken === 0 && !broken) return nothing("No AuthorizationPolicy, RequestAuthentication or PeerAuthentication was found in it.");
  const said = `${taken} ${taken === 1 ? "policy" : "policies"}${others > 0 ? `, ${others} of other kinds left out` : ""}.`;
  if (add) return { doc: { ...store.doc, policies, envoyConfig: null }, said, parts: [] };
  // A document of its own: the workloads are those of its manifests, and what was asked before is not about them.
  const { targets, about } = await targetsOf([...parsed.keys()]);
  return { doc: { ...EMPTY, policies, targets }, said: `${said}${about}`, parts: [] };
}

/** The workloads that files are about, those first that most policies reach. */
async function targetsOf(files: Source[]): Promise<{ targets: Document["targets"]; about: string }> {
  const { workloads, policies } = await store.engine.inventory({ policies: files, now: 0 });
  const count = workloads.map((_, index) => policies.filter((policy) => policy.workloads.includes(index)).length);
  const order = [...workloads.keys()].sort((a, b) => count[b]! - count[a]!);
  const targets = order.slice(0, LIMITS.targets).map((index) => ({ workload: workloads[index]!.workload, mesh: {} }));
  if (!targets[0]) return { targets: EMPTY.targets, about: "" };
  const others = targets.length > 1 ? `; ${targets.length - 1} more ${targets.length === 2 ? "workload is" : "workloads are"} in the list` : "";
  return { targets, about: ` The request goes to ${targetName(targets[0])}${others}.` };
}

/** Without what the cluster adds and nobody reads. */
function clean(manifest: Manifest): object {
  const { status: _, ...rest } = manifest as Record<string, unknown>;
  const { managedFields: _fields, resourceVersion: _version, uid: _uid, generation: _generation, annotations, ...metadata } = (rest.metadata ?? {}) as Record<string, unknown>;
  const kept = Object.entries((annotations ?? {}) as Record<string, string>).filter(([name]) => name !== "kubectl.kubernetes.io/last-applied-configuration");
  return { ...rest, metadata: { ...metadata, ...(kept.length > 0 ? { annotations: Object.fromEntries(kept) } : {}) } };
}

async function suite(files: Source[], file: Source, count: number, part?: number): Promise<Imported> {
  const contents = await store.engine.readSuite({ files, path: file.name, now: Date.now() / 1000, part: part ?? 0 });
  const errors = contents.diagnostics.filter((found) => found.severity === "error");
  if (errors[0]) return nothing(`${errors[0].file}${errors[0].line ? `:${errors[0].line}` : ""}: ${errors[0].message}${errors[0].help ? `; ${errors[0].help}` : ""}`);
  const more = count > 1 ? ` The first of ${count} suites.` : "";
  if (part === undefined && contents.parts.length > 1) {
    const parts = contents.parts.map(({ name, cases }, index): Part => ({ name: name || contents.name, cases, open: () => suite(files, file, count, index) }));
    return { doc: null, said: `Tests of this suite have policies of their own.${more}`, parts };
  }
  return { doc: documentOf(contents), said: `${contents.requests.length} requests.${more}`, parts: [] };
}
