// The engine lives in a worker: a panic ends the worker and never the page, and a large input never blocks typing.
import initialize, * as light from "../../engine/light/engine.js";

type Api = Pick<typeof light, "evaluate" | "explain" | "lint" | "runSuite" | "readSuite" | "parse" | "version" | "istioVersion">;
export type Method = keyof Api;
export interface Asked { id: number; method: Method; argument: unknown }
export type Answered = { id: number; value: unknown } | { id: number; crash: string };

// The small build answers until a signature has to be checked.
let api: Promise<Api> = initialize().then(() => light);
let whole: Promise<Api> | undefined;

function withSignatures(): Promise<Api> {
  whole ??= import("../../engine/full/signatures.js").then(async (full) => {
    await full.default();
    return full as unknown as Api;
  });
  return whole;
}

async function answer({ method, argument }: Asked): Promise<unknown> {
  const call = (from: Api) => (from[method] as (argument: unknown) => unknown)(argument);
  const value = call(await api);
  const wants = typeof value === "object" && value !== null && "needsSignatures" in value && value.needsSignatures;
  if (!wants) return value;
  api = withSignatures();
  return call(await api);
}

self.onmessage = async ({ data }: MessageEvent<Asked>) => {
  try {
    postMessage({ id: data.id, value: await answer(data) } satisfies Answered);
  } catch (error) {
    const told = error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error);
    postMessage({ id: data.id, crash: told } satisfies Answered);
  }
};
