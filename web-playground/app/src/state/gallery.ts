import type { Source } from "../engine/client.ts";
import { store } from "./store.svelte.ts";
import { documentOf } from "./suites.ts";

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
