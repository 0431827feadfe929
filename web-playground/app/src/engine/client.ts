import type {
  Answer, Compared, Diagnostic, Documents, Explained, Input, Inventory, Lint, Source, SuiteContents, SuiteInput, SuiteRun, Suggested,
} from "../../engine/engine/engine.js";
import type { Answered, Asked, Method } from "./worker.ts";

export type * from "../../engine/engine/engine.js";

/** The engine panicked: what it was asked, and what it said. */
export class Crash extends Error {
  /** `late`: it was stopped because it took too long. */
  constructor(readonly method: Method, readonly argument: unknown, readonly told: string, readonly late = false) {
    super(told.split("\n")[0]);
  }
}

interface Waiting { asked: Asked; resolve(value: unknown): void; reject(error: Error): void }

/** Longer than any honest question takes. */
const PATIENCE = 20_000;

/**
 * The engine in its worker. After a panic, or where it does not answer, the worker is replaced, and the question that
 * did it is rejected with a {@link Crash}; others that waited are asked again.
 */
export class Engine {
  /** Started by the first question. */
  #worker: Worker | undefined;
  #next = 0;
  #waiting = new Map<number, Waiting>();
  #timer = 0;

  evaluate(input: Input): Promise<Answer> {
    return this.#ask("evaluate", input) as Promise<Answer>;
  }
  explain(input: Input): Promise<Explained> {
    return this.#ask("explain", input) as Promise<Explained>;
  }
  inventory(input: Input): Promise<Inventory> {
    return this.#ask("inventory", input) as Promise<Inventory>;
  }
  lint(policies: Source[]): Promise<Lint> {
    return this.#ask("lint", policies) as Promise<Lint>;
  }
  runSuite(input: SuiteInput): Promise<SuiteRun> {
    return this.#ask("runSuite", input) as Promise<SuiteRun>;
  }
  readSuite(input: SuiteInput): Promise<SuiteContents> {
    return this.#ask("readSuite", input) as Promise<SuiteContents>;
  }
  compare(input: Input): Promise<Compared> {
    return this.#ask("compare", input) as Promise<Compared>;
  }
  whoCan(input: Input): Promise<Compared> {
    return this.#ask("whoCan", input) as Promise<Compared>;
  }
  idleRules(policies: Source[]): Promise<Diagnostic[]> {
    return this.#ask("idleRules", policies) as Promise<Diagnostic[]>;
  }
  suggest(input: Input): Promise<Suggested> {
    return this.#ask("suggest", input) as Promise<Suggested>;
  }
  parse(text: string): Promise<Documents> {
    return this.#ask("parse", text) as Promise<Documents>;
  }
  version(): Promise<string> {
    return this.#ask("version", undefined) as Promise<string>;
  }
  istioVersion(): Promise<string> {
    return this.#ask("istioVersion", undefined) as Promise<string>;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Answered>) => this.#answered(data);
    worker.onerror = (event) => this.#replace(event.message || "the worker did not start");
    return worker;
  }

  #ask(method: Method, argument: unknown): Promise<unknown> {
    const asked = { id: this.#next++, method, argument };
    return new Promise((resolve, reject) => {
      this.#waiting.set(asked.id, { asked, resolve, reject });
      this.#worker ??= this.#start();
      this.#worker.postMessage(asked);
      this.#watch();
    });
  }

  /** Ends what is being computed: nobody wants the answers any more, and none comes. */
  abandon(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#waiting.clear();
    this.#watch();
  }

  #answered(data: Answered): void {
    const waiting = this.#waiting.get(data.id);
    if (!waiting) return;
    if ("crash" in data) return this.#replace(data.crash, data.id);
    this.#waiting.delete(data.id);
    this.#watch();
    waiting.resolve(data.value);
  }

  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#waiting.size > 0) {
      this.#timer = window.setTimeout(() => this.#replace(`no answer after ${PATIENCE / 1000} s`, undefined, true), PATIENCE);
    }
  }

  /** A new worker in place of one that cannot be trusted any more. */
  #replace(told: string, id = this.#waiting.keys().next().value, late = false): void {
    this.#worker?.terminate();
    const worker = (this.#worker = this.#start());
    const culprit = id === undefined ? undefined : this.#waiting.get(id);
    if (culprit && id !== undefined) {
      this.#waiting.delete(id);
      culprit.reject(new Crash(culprit.asked.method, culprit.asked.argument, told, late));
    }
    for (const { asked } of this.#waiting.values()) worker.postMessage(asked);
    this.#watch();
  }
}
