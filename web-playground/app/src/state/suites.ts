import type { Source, SuiteContents } from "../engine/client.ts";
import { freshName, type Document, type Item } from "./document.ts";
import { stringify } from "./yaml.ts";

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
