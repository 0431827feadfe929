import type { Source, SuiteContents } from "../engine/client.ts";
import { freshName, type Document, type Item } from "./document.ts";
import { store } from "./store.svelte.ts";
import { stringify } from "./yaml.ts";

export interface Scenario { id: string; group: string; title: string; look: string }
export interface Gallery { scenarios: Scenario[]; files: Source[] }

/** What somebody sees who comes for the first time. */
export const FIRST = "end-user-jwt/3-who-may-do-what";

export async function loadGallery(): Promise<Gallery> {
  const answer = await fetch("./gallery.json");
  if (!answer.ok) throw new Error(`gallery.json: ${answer.status}`);
  return (await answer.json()) as Gallery;
}

export async function openScenario(gallery: Gallery, id: string, begin = false): Promise<void> {
  const scenario = gallery.scenarios.find((scenario) => scenario.id === id) ?? gallery.scenarios[0];
  if (!scenario) return;
  const contents = await store.engine.readSuite({ files: gallery.files, path: `${scenario.id}.gnomon.yaml`, now: Date.now() / 1000 });
  const doc = documentOf(contents, scenario.look);
  // Whoever was quicker than the network keeps what they did.
  if (begin && !store.canUndo) store.begin(doc);
  else if (!begin) store.open(doc);
}

/** A suite as a document of the page. */
export function documentOf(contents: SuiteContents, look = ""): Document {
  const policies: Source[] = [];
  for (const { name, text } of contents.policies) {
    policies.push({ name: freshName(policies, shortName(name, contents.policies)), text });
  }
  if (contents.resources.length > 0) {
    const text = contents.resources.map((resource) => stringify(resource)).join("---\n");
    policies.push({ name: freshName(policies, "policies.yaml"), text });
  }
  if (policies.length === 0 && !contents.envoyConfig) policies.push({ name: "policies.yaml", text: "" });
  const requests = contents.requests.map((test, index): Item => ({
    id: `r${index + 1}`,
    name: test.name,
    ...(test.description ? { description: test.description } : {}),
    request: test.request,
    target: test.target,
    expect: test.expect,
  }));
  return {
    title: contents.name,
    look: contents.description || look,
    policies,
    baseline: null,
    envoyConfig: contents.envoyConfig,
    listener: contents.listener,
    targets: contents.targets.length > 0 ? contents.targets : [{ workload: { namespace: "default" }, mesh: {} }],
    requests,
  };
}

/** The last part of a path, unless another file ends the same. */
function shortName(path: string, all: Source[]): string {
  const last = (name: string) => name.split("/").at(-1)!;
  const alone = all.filter(({ name }) => last(name) === last(path)).length === 1;
  return alone ? last(path) : path.split("/").slice(-2).join("-");
}
