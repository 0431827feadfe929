import type { Source } from "../engine/client.ts";
import type { Document } from "./document.ts";
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

/** The document of a scenario; `null`: there is none with this id. */
export async function scenarioOf(gallery: Gallery, id: string): Promise<Document | null> {
  const scenario = gallery.scenarios.find((scenario) => scenario.id === id);
  if (!scenario) return null;
  const contents = await store.engine.readSuite({ files: gallery.files, path: `${scenario.id}.gnomon.yaml`, now: Date.now() / 1000 });
  return documentOf(contents, scenario.look);
}
