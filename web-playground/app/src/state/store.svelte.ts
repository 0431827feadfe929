import { Crash, Engine, type Diagnostic, type Explained, type Input, type Inventory, type Outcome, type RequestSpec, type Source, type Target, type WorkloadSpec } from "../engine/client.ts";
import { PatientEngine } from "../engine/patient.ts";
import { canonical, EMPTY, freshId, freshName, sameTarget, sameWorkload, targetName, type Document, type Item } from "./document.ts";
import { learn, placesOf } from "./places.ts";
import { redacted } from "./secrets.ts";
import { deserialize, serialize } from "./share.ts";

/** How long changes to the same field count as one for undo. */
const ONE_CHANGE = 800;
const STEPS = 500;
const SESSION = "gnomon-session";
const KEPT = "gnomon-kept";

/** A place to show in the editor. */
export interface Place { file: string; line: number; column: number; /** Make a click on the same place new. */ nonce: number }

/** What undo brings back: the document, the link that it was opened by, and the work that was put aside for it. */
interface State { doc: Document; link: string; mine: Document | null }

/** What the page shows, and the one way to change it. */
export class Store {
  readonly engine = new Engine();
  /** For questions about all requests at once. */
  readonly patient = new PatientEngine();

  doc: Document = $state.raw(EMPTY);
  /** The fragment of the address by which the document was opened, with its `#`; empty: by none. */
  link = $state("");
  /** One's own work, while something that a link held is shown beside it. */
  mine: Document | null = $state.raw(null);
  /** The request that form and explanation are about. */
  selectedId: string = $state("r1");
  /** The file in the editor. */
  fileName: string = $state("policies.yaml");
  /** Whose policies the editor shows, where two sets are compared. */
  side: "candidate" | "baseline" = $state("candidate");
  /** Where the editor should go. */
  place: Place | null = $state.raw(null);
  /** A field of the form that wants the focus: the request's field as in docs/formats.md. */
  wanted: { field: string; nonce: number } | null = $state.raw(null);

  /** By request id: the last verdicts that could be had. */
  outcomes: ReadonlyMap<string, Outcome> = $state.raw(new Map());
  baselines: ReadonlyMap<string, Outcome> = $state.raw(new Map());
  diagnostics: Diagnostic[] = $state.raw([]);
  baselineDiagnostics: Diagnostic[] = $state.raw([]);
  /** The verdicts are those of an earlier text: the present one has errors. */
  stale = $state(false);
  explained: Explained | null = $state.raw(null);
  /** Whom the policies are about. */
  inventory: Inventory = $state.raw({ workloads: [], policies: [] });
  crash: Crash | null = $state.raw(null);
  /** The first verdicts are there. */
  ready = $state(false);
  /** How many sentences were said: the same one may be said again. */
  noticed = $state(0);
  #notice = $state("");
  #said = 0;

  /** What is wrong with a link, in sight until it is dismissed. */
  problem = $state("");

  #past: State[] = $state.raw([]);
  #future: State[] = $state.raw([]);
  /** Somebody did something to the document: it is worth keeping. */
  #worked = false;
  #lastKey = "";
  #lastTime = 0;
  #asking = false;
  #again = false;
  #nonce = 0;
  #saving = 0;
  /** What {@link inventory} was made of. */
  #counted: { policies: readonly Source[]; mesh: string } | null = null;
  /** The workload that was found in the policies and taken. */
  #taken: WorkloadSpec | null = null;

  /** One sentence for everybody, screen readers too. */
  get notice(): string { return this.#notice; }
  set notice(said: string) {
    this.#notice = said;
    this.noticed = ++this.#said;
  }
  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }
  get selected(): Item | undefined {
    return this.doc.requests.find((item) => item.id === this.selectedId) ?? this.doc.requests[0];
  }
  get files(): Source[] {
    return (this.side === "baseline" ? this.doc.baseline : this.doc.policies) ?? [];
  }
  get file(): Source | undefined {
    return this.files.find((file) => file.name === this.fileName) ?? this.files[0];
  }

  /** Changes the document. Changes with the same key in quick succession are undone together. */
  change(next: Partial<Document>, key = ""): void {
    this.#step({ ...this.#state, doc: { ...this.doc, ...next } }, key);
    this.#worked = true;
  }

  get #state(): State {
    return { doc: this.doc, link: this.link, mine: this.mine };
  }

  #step(next: State, key = ""): void {
    const now = performance.now();
    const joins = key !== "" && key === this.#lastKey && now - this.#lastTime < ONE_CHANGE;
    if (!joins) this.#past = [...this.#past.slice(-STEPS), this.#state];
    this.#future = [];
    this.#lastKey = key;
    this.#lastTime = now;
    this.#set(next);
  }

  /** Another document in place of this one; undo brings this one back. */
  open(doc: Document): void {
    this.#show({ doc, link: "", mine: this.mine });
    this.#worked = true;
  }

  /** What a link holds, beside one's own work. */
  visit(doc: Document, link: string): void {
    this.#show({ doc, link, mine: this.mine ?? (this.#worked ? this.doc : null) });
    if (this.mine) this.#keep(this.mine);
  }

  /** One's own work again, in place of what a link held. */
  back(): void {
    if (this.mine) this.#show({ doc: this.mine, link: "", mine: null });
  }

  /** What a link held becomes one's own work, in place of what was. */
  adopt(): void {
    this.#step({ ...this.#state, mine: null });
    this.#worked = true;
    this.notice = "This is your work now; undo brings back what was";
  }

  #show(state: State): void {
    this.side = "candidate";
    this.#step(state);
    this.selectedId = state.doc.requests[0]?.id ?? "";
    this.fileName = state.doc.policies[0]?.name ?? "";
    this.outcomes = new Map();
    this.baselines = new Map();
    this.explained = null;
    this.ready = false;
  }

  /** The document that the page begins with: nothing to undo. `worked`: it is somebody's work, not an example. */
  begin(doc: Document, worked: boolean): void {
    this.#show({ doc, link: this.link, mine: this.mine });
    this.#past = [];
    this.#worked = worked;
  }

  /** What this tab, or else an earlier one, held. False: there is nothing, or nothing that can be read. */
  restore(hash: string): boolean {
    const session = read("sessionStorage", SESSION);
    // The plain address asks for one's own work.
    const left = session?.doc && hash === "" && session.link !== "";
    const found = left ? ownOf(session) : session?.doc ? session : null;
    const kept = found ?? read("localStorage", KEPT);
    if (kept?.problem) this.problem = `What was kept from last time cannot be read. ${kept.problem}`;
    if (!kept?.doc) return false;
    this.link = kept.link;
    this.mine = kept.mine;
    this.begin(kept.doc, kept.worked);
    return true;
  }

  undo(): void {
    const last = this.#past.at(-1);
    if (!last) return;
    this.#past = this.#past.slice(0, -1);
    this.#future = [...this.#future, this.#state];
    this.#lastKey = "";
    this.#set(last);
    this.notice = "Undone";
  }

  redo(): void {
    const next = this.#future.at(-1);
    if (!next) return;
    this.#future = this.#future.slice(0, -1);
    this.#past = [...this.#past, this.#state];
    this.#lastKey = "";
    this.#set(next);
    this.notice = "Done again";
  }

  changeFile(text: string): void {
    const files = this.files.map((file) => (file.name === this.file?.name ? { ...file, text } : file));
    this.#changeFiles(files, `file ${this.side} ${this.file?.name}`);
  }

  addFile(wanted = "policy.yaml", text = ""): void {
    const name = freshName(this.files, wanted);
    this.#changeFiles([...this.files, { name, text }]);
    this.fileName = name;
  }

  renameFile(from: string, wanted: string): void {
    const name = freshName(this.files.filter((file) => file.name !== from), wanted.trim() || from);
    this.#changeFiles(this.files.map((file) => (file.name === from ? { ...file, name } : file)));
    this.fileName = name;
  }

  removeFile(name: string): void {
    const files = this.files.filter((file) => file.name !== name);
    this.#changeFiles(files);
    if (this.fileName === name) this.fileName = files[0]?.name ?? "";
  }

  #changeFiles(files: Source[], key = ""): void {
    this.change(this.side === "baseline" ? { baseline: files } : { policies: files }, key);
  }

  changeItem(id: string, next: Partial<Item>, key = ""): void {
    const requests = this.doc.requests.map((item) => (item.id === id ? { ...item, ...next } : item));
    this.change({ requests }, key && `${id} ${key}`);
  }

  addItem(from: Partial<Item> = this.selected ?? {}): void {
    const { request = { method: "GET", path: "/" }, target = 0 } = from;
    const item: Item = { id: freshId(this.doc.requests), name: "", target, expect: null, request };
    this.change({ requests: [...this.doc.requests, { ...item, ...("name" in from && from !== this.selected ? from : {}), id: item.id }] });
    this.select(item.id);
  }

  /** A request of which something is known, put into the list unless it is there, and chosen. */
  addWitness(name: string, request: RequestSpec, target: Target): void {
    const known = this.itemOf(request, target);
    if (known) return this.select(known.id);
    const at = this.doc.targets.findIndex((one) => sameTarget(one, target));
    const item: Item = { id: freshId(this.doc.requests), name, target: at < 0 ? this.doc.targets.length : at, expect: null, request };
    this.change({ requests: [...this.doc.requests, item], targets: at < 0 ? [...this.doc.targets, target] : this.doc.targets });
    this.select(item.id);
  }

  /** The line of the list that is this request to this target. */
  itemOf(request: RequestSpec, target: Target): Item | undefined {
    const text = canonical(request);
    return this.doc.requests.find((item) => canonical(item.request) === text && sameTarget(this.doc.targets[item.target] ?? {}, target));
  }

  removeItem(id: string): void {
    const index = this.doc.requests.findIndex((item) => item.id === id);
    const requests = this.doc.requests.filter((item) => item.id !== id);
    this.change({ requests });
    this.select(requests[Math.min(index, requests.length - 1)]?.id ?? "");
  }

  select(id: string): void {
    this.selectedId = id;
    this.#ask();
  }

  /** Sends the chosen request to this workload; all requests, where they go to one that nobody has chosen. */
  reach(workload: WorkloadSpec): void {
    const { targets, requests } = this.doc;
    const known = targets.findIndex((target) => sameWorkload(target.workload, workload));
    const at = known >= 0 ? known : targets.length === 1 && this.#unchosen() ? 0 : targets.length;
    const next = { ...(targets[at] ?? targets[this.selected?.target ?? 0]), workload };
    const items = requests.map((item) => (item.id === this.selected?.id ? { ...item, target: at } : item));
    this.change({ targets: known >= 0 ? targets : [...targets.slice(0, at), next, ...targets.slice(at + 1)], requests: items });
    this.notice = `The request goes to ${targetName(next)}`;
  }

  /** The only workload is the one of an empty page, or was found by itself. */
  #unchosen(): boolean {
    const [target, ...others] = this.doc.targets;
    return others.length === 0 && (sameWorkload(target?.workload, EMPTY.targets[0]?.workload) || (this.#taken !== null && sameWorkload(target?.workload, this.#taken)));
  }

  /** Where no policy reaches a workload that nobody has chosen, and the policies are about one, that one is meant. */
  #take(policies: readonly Source[], reached: boolean): void {
    const [found, ...others] = this.inventory.workloads;
    if (reached || !found || others.length > 0 || this.doc.policies !== policies || !this.#unchosen()) return;
    const target = { ...this.doc.targets[0], workload: found.workload };
    this.#taken = found.workload;
    this.notice = `The request goes to ${targetName(target)}, which ${found.origin} says`;
    this.#set({ ...this.#state, doc: { ...this.doc, targets: [target] } });
  }

  show(file: string, line: number, column = 1, side: "candidate" | "baseline" = "candidate"): void {
    if (line === 0) return;
    this.side = side;
    this.fileName = file;
    this.place = { file, line, column, nonce: ++this.#nonce };
  }

  focus(field: string): void {
    this.wanted = { field, nonce: ++this.#nonce };
  }

  input(over: Partial<Input> = {}): Input {
    const { policies, envoyConfig, listener, targets, requests } = this.doc;
    const questions = requests.map(({ request, target, expect }) => ({ request, target, expect }));
    return { policies, envoyConfig, listener, targets, requests: questions, now: Date.now() / 1000, ...over };
  }

  #set({ doc, link, mine }: State): void {
    this.doc = doc;
    this.link = link;
    this.mine = mine;
    if (!doc.requests.some((item) => item.id === this.selectedId)) this.selectedId = doc.requests[0]?.id ?? "";
    if (this.side === "baseline" && !doc.baseline) this.side = "candidate";
    if (!this.files.some((file) => file.name === this.fileName)) this.fileName = this.files[0]?.name ?? "";
    this.#save();
    this.#ask();
  }

  #save(): void {
    clearTimeout(this.#saving);
    this.#saving = window.setTimeout(() => void learn(this.doc, (text) => this.engine.parse(text)).catch(() => undefined).then(() => this.saveNow()), 250);
  }

  /** The session keeps everything; what stays when the browser is closed has no tokens, and nothing that a link held. */
  saveNow(): void {
    const { doc, link, mine } = this.#state;
    keep("sessionStorage", SESSION, JSON.stringify({ v: 1, doc, link, mine, worked: this.#worked }));
    if (!mine && this.#worked) this.#keep(doc);
  }

  /** Only what is known to hold no secret: where tokens are looked for must have been read. */
  #keep(doc: Document): void {
    const { places, sure } = placesOf(doc);
    if (sure) keep("localStorage", KEPT, serialize(redacted(doc, places).doc));
  }

  /** Asks about the document as it is. While an answer is awaited, later calls become one. */
  #ask(): void {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    void this.#answer().finally(() => {
      this.#asking = false;
      if (this.#again) {
        this.#again = false;
        this.#ask();
      }
    });
  }

  async #answer(): Promise<void> {
    const doc = this.doc;
    const item = this.selected;
    const one = item ? [{ request: item.request, target: item.target }] : [];
    const input = this.input();
    const mesh = JSON.stringify(doc.targets[0]?.mesh ?? {});
    const count = doc.policies !== this.#counted?.policies || mesh !== this.#counted.mesh;
    try {
      const [answer, explained, inventory, baseline] = await Promise.all([
        this.engine.evaluate(input),
        item ? this.engine.explain({ ...input, requests: one }) : null,
        count ? this.engine.inventory({ ...input, requests: [], targets: doc.targets.slice(0, 1) }) : null,
        doc.baseline ? this.engine.evaluate({ ...input, policies: doc.baseline, envoyConfig: null }) : null,
      ]);
      const byId = (outcomes: Outcome[]) => new Map(doc.requests.map((item, index) => [item.id, outcomes[index]!]));
      this.diagnostics = answer.diagnostics;
      this.stale = answer.diagnostics.some((found) => found.severity === "error");
      if (!this.stale) {
        this.outcomes = byId(answer.results);
        this.explained = explained;
      }
      this.baselineDiagnostics = baseline?.diagnostics ?? [];
      if (!baseline) this.baselines = new Map();
      else if (baseline.results.length > 0 || doc.requests.length === 0) this.baselines = byId(baseline.results);
      this.crash = null;
      if (inventory && !this.stale) {
        const changed = doc.policies !== this.#counted?.policies;
        this.inventory = inventory;
        this.#counted = { policies: doc.policies, mesh };
        if (changed) this.#take(doc.policies, answer.results.some((outcome) => outcome.applying !== 0));
      }
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.crash = error;
      this.stale = true;
    }
    this.ready = true;
  }
}

type Where = "sessionStorage" | "localStorage";

function keep(where: Where, key: string, text: string): void {
  try {
    window[where].setItem(key, text);
  } catch {
    // Full or forbidden: the page works without.
  }
}

interface Kept { doc: Document | null; link: string; mine: Document | null; worked: boolean; problem: string }

function read(where: Where, key: string): Kept | null {
  let text: string | null = null;
  try {
    text = window[where].getItem(key);
  } catch {
    // Forbidden.
  }
  if (text === null) return null;
  const { doc, problem } = deserialize(text);
  if (!doc) return { doc: null, link: "", mine: null, worked: false, problem };
  const { link, mine, worked } = JSON.parse(text) as Record<string, unknown>;
  return {
    doc,
    link: typeof link === "string" ? link : "",
    mine: mine ? (deserialize(JSON.stringify({ doc: mine })).doc ?? null) : null,
    worked: worked !== false,
    problem: "",
  };
}

/** One's own work in what a tab held, where it showed something else. */
function ownOf({ doc, mine, worked }: Kept): Kept | null {
  const own = mine ?? (worked ? doc : null);
  return own && { doc: own, link: "", mine: null, worked: true, problem: "" };
}

export const store = new Store();
