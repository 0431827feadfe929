import { Crash, Engine } from "./client.ts";

/** How long a question that nobody wants any more may keep the others waiting. */
const GRACE = 300;

interface Job { kind: string; ask: (engine: Engine) => Promise<unknown>; done: (answer: unknown) => void; failed: (error: unknown) => void; since: number }

/**
 * An engine for questions about all requests at once, in a worker of its own: no verdict waits for them. One question is
 * answered at a time. A later one of the same kind takes the place of an earlier one, which then never gets an answer:
 * where it is being computed already, the worker is stopped.
 */
export class PatientEngine {
  readonly #engine = new Engine();
  #queue: Job[] = [];
  #running: Job | null = null;

  /** `null`: a later question took the place of this one. Rejected with a {@link Crash} as those of {@link Engine}. */
  ask<T>(kind: string, ask: (engine: Engine) => Promise<T>): Promise<T | null> {
    this.drop(kind);
    return new Promise((resolve, reject) => {
      this.#queue.push({ kind, ask, done: (answer) => resolve(answer as T | null), failed: reject, since: 0 });
      this.#next();
    });
  }

  /** Nobody wants the answer to the last question of this kind any more. */
  drop(kind: string): void {
    for (const job of this.#queue.filter((job) => job.kind === kind)) job.done(null);
    this.#queue = this.#queue.filter((job) => job.kind !== kind);
    const running = this.#running;
    if (running?.kind !== kind) return;
    running.kind = "";
    running.done(null);
    const stop = () => {
      if (this.#running !== running) return;
      this.#engine.abandon();
      this.#running = null;
      this.#next();
    };
    setTimeout(stop, Math.max(0, running.since + GRACE - performance.now()));
  }

  #next(): void {
    const job = this.#running ? undefined : this.#queue.shift();
    if (!job) return;
    this.#running = job;
    job.since = performance.now();
    const over = () => {
      if (this.#running !== job) return;
      this.#running = null;
      this.#next();
    };
    job.ask(this.#engine).then(job.done, job.failed).finally(over);
  }
}

/** Why there was no answer, for people. */
export function whyNone(error: unknown): string {
  if (!(error instanceof Crash)) throw error;
  return error.late ? `${error.message}: too large for this page; the command line has no such limit` : `internal error: ${error.message}`;
}
