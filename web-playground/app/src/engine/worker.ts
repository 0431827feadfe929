// The engine lives in a worker: a panic ends the worker and never the page, and a large input never blocks typing.
import initialize, * as engine from "../../engine/engine/engine.js";

type Api = Pick<typeof engine, "evaluate" | "explain" | "inventory" | "lint" | "compare" | "whoCan" | "idleRules" | "suggest" | "runSuite" | "readSuite" | "parse" | "version" | "istioVersion">;
export type Method = keyof Api;
export interface Asked { id: number; method: Method; argument: unknown }
export type Answered = { id: number; value: unknown } | { id: number; crash: string };

const api: Promise<Api> = initialize().then(() => engine);
let signatures: Promise<void> | undefined;

/** What checks signatures comes when there is one to check. */
function withSignatures(): Promise<void> {
  signatures ??= import("../../engine/signatures/signatures.js").then(async (module) => {
    await module.default();
    engine.checkSignaturesWith(module.verify);
  });
  return signatures;
}

async function answer({ method, argument }: Asked): Promise<unknown> {
  const call = ((await api)[method] as (argument: unknown) => unknown).bind(null, argument);
  const value = call();
  const wants = typeof value === "object" && value !== null && "needsSignatures" in value && value.needsSignatures;
  if (!wants) return value;
  await withSignatures();
  return call();
}

self.onmessage = async ({ data }: MessageEvent<Asked>) => {
  try {
    postMessage({ id: data.id, value: await answer(data) } satisfies Answered);
  } catch (error) {
    const told = error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error);
    postMessage({ id: data.id, crash: told } satisfies Answered);
  }
};
