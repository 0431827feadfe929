import { Crash, Engine, type Diagnostic, type Explained, type Input, type Outcome, type Source } from "../engine/client.ts";
import { EMPTY, freshId, freshName, type Document, type Item } from "./document.ts";
import { redacted, serialize } from "./share.ts";

/** How long changes to the same field count as one for undo. */
const ONE_CHANGE = 800;
const STEPS = 500;
const SESSION = "gnomon-session";
const KEPT = "gnomon-kept";

/** A place to show in the editor. */
export interface Place { file: string; line: number; column: number; /** Make a click on the same place new. */ nonce: number }

/** What the page shows, and the one way to change it. */
export class Store {
  readonly engine = new Engine();

  doc: Document = $state.raw(EMPTY);
  /** The request that form and explanation are about. */
  selectedId: string = $state("r1");
  /** The file in the editor. */
  fileName: string = $state("policies.yaml");
  /** Whose policies the editor shows, where two sets are compared. */
  side: "candidate" | "baseline" = $state("candidate");
  /** Where the editor should go. */
  place: Place | null = $state.raw(null);
  /** A field of the form that wants the focus: the request's field as formats has it. */
  wanted: { field: string; nonce: number } | null = $state.raw(null);

  /** By request id: the last verdicts that could be had. */
  outcomes: ReadonlyMap<string, Outcome> = $state.raw(new Map());
  baselines: ReadonlyMap<string, Outcome> = $state.raw(new Map());
  diagnostics: Diagnostic[] = $state.raw([]);
  baselineDiagnostics: Diagnostic[] = $state.raw([]);
  /** The verdicts are those of an earlier text: the present one has errors. */
  stale = $state(false);
  explained: Explained | null = $state.raw(null);
  crash: Crash | null = $state.raw(null);
  /** The first verdicts are there. */
  ready = $state(false);
  /** One sentence for everybody, screen readers too. */
  notice = $state("");

  #past: Document[] = $state.raw([]);
  #future: Document[] = $state.raw([]);
  #lastKey = "";
  #lastTime = 0;
  #asking = false;
  #again = false;
  #nonce = 0;
  #saving = 0;

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
    const now = performance.now();
    const joins = key !== "" && key === this.#lastKey && now - this.#lastTime < ONE_CHANGE;
    if (!joins) this.#past = [...this.#past.slice(-STEPS), this.doc];
    this.#future = [];
    this.#lastKey = key;
    this.#lastTime = now;
    this.#set({ ...this.doc, ...next });
  }

  /** Another document in place of this one; undo brings this one back. */
  open(doc: Document): void {
    this.side = "candidate";
    this.change(doc);
    this.selectedId = doc.requests[0]?.id ?? "";
    this.fileName = doc.policies[0]?.name ?? "";
    this.outcomes = new Map();
    this.baselines = new Map();
    this.explained = null;
    this.ready = false;
  }

  /** The document that the page begins with: nothing to undo. */
  begin(doc: Document): void {
    this.open(doc);
    this.#past = [];
  }

  undo(): void {
    const last = this.#past.at(-1);
    if (!last) return;
    this.#past = this.#past.slice(0, -1);
    this.#future = [...this.#future, this.doc];
    this.#lastKey = "";
    this.#set(last);
    this.notice = "Undone";
  }

  redo(): void {
    const next = this.#future.at(-1);
    if (!next) return;
    this.#future = this.#future.slice(0, -1);
    this.#past = [...this.#past, this.doc];
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

  show(file: string, line: number, column = 1): void {
    if (line === 0) return;
    if (this.side === "baseline") this.side = "candidate";
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

  #set(doc: Document): void {
    this.doc = doc;
    if (!doc.requests.some((item) => item.id === this.selectedId)) this.selectedId = doc.requests[0]?.id ?? "";
    if (this.side === "baseline" && !doc.baseline) this.side = "candidate";
    if (!this.files.some((file) => file.name === this.fileName)) this.fileName = this.files[0]?.name ?? "";
    this.#save();
    this.#ask();
  }

  /** The session keeps everything; what stays when the browser is closed has no tokens. */
  #save(): void {
    clearTimeout(this.#saving);
    this.#saving = window.setTimeout(() => this.saveNow(), 250);
  }

  saveNow(): void {
    try {
      sessionStorage.setItem(SESSION, serialize(this.doc));
      localStorage.setItem(KEPT, serialize(redacted(this.doc).doc));
    } catch {
      // Full or forbidden: the page works without.
    }
  }

  static kept(): string | null {
    try {
      return sessionStorage.getItem(SESSION) ?? localStorage.getItem(KEPT);
    } catch {
      return null;
    }
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
    try {
      const [answer, explained, baseline] = await Promise.all([
        this.engine.evaluate(input),
        item ? this.engine.explain({ ...input, requests: one }) : null,
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
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.crash = error;
      this.stale = true;
    }
    this.ready = true;
  }
}

export const store = new Store();
