import { scenarioOf, type Gallery } from "./gallery.ts";
import { fromFragment, type Opened } from "./share.ts";
import { store } from "./store.svelte.ts";

/** What an address names: a document in a link, or an example. */
async function read(hash: string, gallery: Gallery | Promise<Gallery>): Promise<Opened> {
  if (/^#s(=|%3d|$)/i.test(hash)) return fromFragment(hash);
  const named = /^#example=(.*)$/.exec(hash)?.[1];
  const shown = JSON.stringify(hash.length > 60 ? `${hash.slice(0, 60)}…` : hash);
  if (named === undefined) return { problem: `The address ends in ${shown}, which says nothing to this page: links begin with #s= or #example=.` };
  let id: string;
  try {
    id = decodeURIComponent(named);
  } catch {
    return { problem: `The address ends in ${shown}, in which a % stands before what is no character's code.` };
  }
  const doc = await scenarioOf(await gallery, id);
  return doc ? { doc } : { problem: `There is no example ${JSON.stringify(id.slice(0, 60))}; the list under “Scenario” has those that there are.` };
}

/** Opens what an address names, beside one's own work; where that cannot be, says why and changes nothing. */
export async function openAddress(hash: string, gallery: Gallery | Promise<Gallery>): Promise<boolean> {
  let opened: Opened;
  try {
    opened = await read(hash, gallery);
  } catch {
    opened = { problem: "The examples could not be loaded." };
  }
  if (hash !== location.hash) return false;
  if (opened.doc) store.visit(opened.doc, hash);
  store.problem = opened.problem === undefined ? "" : `${opened.problem} Nothing here was changed.`;
  return opened.doc !== undefined;
}
