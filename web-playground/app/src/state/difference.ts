// What a change of policies changes for all requests at once: asked for one workload after the other.
import { Crash, type Compared, type Source, type Target, type WorkloadSpec } from "../engine/client.ts";
import { whyNone, type PatientEngine } from "../engine/patient.ts";
import { sameTarget, targetName } from "./document.ts";

/** A workload and what changes for it. */
export interface Asked { target: Target; compared: Compared }

/** Workloads for which the same changes, and how people call them together. */
export interface Alike extends Asked { names: string }

/** How many of them are named. */
const NAMED = 4;

/** What changes alike is told once. */
export function alike(asked: readonly Asked[]): Alike[] {
  const groups = new Map<string, Asked[]>();
  for (const one of asked) {
    // Reasons name the workload.
    const { problem, changes } = one.compared;
    const key = JSON.stringify([problem, changes?.equivalent, changes?.summary, changes?.complete]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((group) => {
    const names = [...new Set(group.map(({ target }) => nameOf(target)))];
    const named = names.length > NAMED ? [...names.slice(0, NAMED - 1), `${names.length - NAMED + 1} others`] : names;
    return { ...group[0]!, names: named.length > 1 ? `${named.slice(0, -1).join(", ")} and ${named.at(-1)}` : named.join() };
  });
}

/** A workload without labels stands for those that no selector selects. */
function nameOf(target: Target): string {
  const { name, namespace = "default", labels = {}, proxy = "sidecar" } = target.workload ?? {};
  const any = !name && Object.keys(labels).length === 0 && proxy === "sidecar";
  return any ? `any other workload of ${namespace}` : targetName(target);
}

/** No more workloads than this are compared. */
const MOST = 100;

/**
 * Compares, first for the targets of the document, then for every other workload that either side is about. `told` gets
 * what is known so far. It ends where `wanted` says no.
 */
export async function differenceOf(
  engine: PatientEngine,
  { policies, baseline, targets }: { policies: Source[]; baseline: Source[]; targets: Target[] },
  told: (found: Asked[], all: number, done: boolean) => void,
  wanted: () => boolean,
): Promise<void> {
  const now = Date.now() / 1000;
  const mesh = targets[0]?.mesh;
  const asked: Target[] = [];
  const add = (target: Target) => {
    const known = asked.some((one) => sameTarget(one, target));
    if (!known && asked.length < MOST) asked.push(target);
  };
  targets.forEach(add);
  const found: Asked[] = [];
  const compare = async (target: Target): Promise<void> => {
    let compared: Compared | null;
    try {
      compared = await engine.ask("compare", (engine) => engine.compare({ policies, baseline, targets: [target], now }));
    } catch (error) {
      compared = { problem: whyNone(error), changes: null };
    }
    if (compared && wanted()) found.push({ target, compared });
  };
  for (const target of [...asked]) {
    if (!wanted()) return;
    await compare(target);
  }
  if (!wanted()) return;
  told([...found], asked.length, false);
  for (const side of [policies, baseline]) {
    try {
      const inventory = await engine.ask("compare", (engine) => engine.inventory({ policies: side, targets: [{ mesh }], now }));
      inventory?.workloads.forEach(({ workload }: { workload: WorkloadSpec }) => add({ workload, mesh }));
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
    if (!wanted()) return;
  }
  for (const target of asked.slice(found.length)) {
    await compare(target);
    if (!wanted()) return;
    told([...found], asked.length, false);
  }
  told([...found], asked.length, true);
}
