import type { Outcome } from "../engine/client.ts";
import { caller, targetName, type Document } from "./document.ts";
import { stringify } from "./yaml.ts";

/** A suite of docs/formats.md, "Suite"; `policies` names files beside it, or `resources` holds them. */
export function suite(doc: Document, policies: { policies: string[] } | { resources: unknown[] }): string {
  const one = doc.targets.length === 1;
  const [first = {}] = doc.targets;
  const tests = doc.requests.map((item) => ({
    name: item.name || `${item.request.method ?? "GET"} ${item.request.path ?? "/"} by ${caller(item.request)}`,
    ...(item.description ? { description: item.description } : {}),
    ...(one ? {} : { ...doc.targets[item.target] }),
    request: item.request,
    expect: item.expect ?? "allow",
  }));
  return stringify({
    name: doc.title || "from the playground",
    ...(doc.look ? { description: doc.look } : {}),
    ...(doc.envoyConfig ? { envoyConfig: doc.envoyConfig.name, ...(doc.listener ? { listener: doc.listener } : {}) } : policies),
    ...(one ? { ...first } : {}),
    tests,
  });
}

/** Where nothing is expected yet, what comes out now: a suite pins what it finds. */
export function pinned(doc: Document, outcomes: ReadonlyMap<string, Outcome>): Document {
  const requests = doc.requests.map((item) => {
    const report = outcomes.get(item.id)?.report;
    if (item.expect !== null || !report) return item;
    const { verdict, status, stage } = report;
    return { ...item, expect: verdict === "deny" ? { verdict, status, stage } : verdict };
  });
  return { ...doc, requests };
}

/** The folder of a ZIP: the suite and its policies, ready for `gnomon test`. */
export function folder(doc: Document): { name: string; text: string }[] {
  const files = doc.policies.map(({ name, text }) => ({ name: `policies/${safe(name)}`, text }));
  const proxy = doc.envoyConfig ? [doc.envoyConfig] : [];
  return [{ name: "playground.gnomon.yaml", text: suite(doc, { policies: ["policies/"] }) }, ...(doc.envoyConfig ? proxy : files)];
}

function safe(name: string): string {
  const clean = name.replaceAll(/[^\w.-]+/g, "-");
  return /\.(ya?ml|json)$/.test(clean) ? clean : `${clean}.yaml`;
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const fence = (text: string) => "`".repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map((run) => run[0].length + 1)));

/** A report to paste into an issue or a review. */
export function markdown(doc: Document, outcomes: ReadonlyMap<string, Outcome>, baselines: ReadonlyMap<string, Outcome>, version: string): string {
  const compared = doc.baseline !== null;
  const word = (outcome: Outcome | undefined) => {
    const report = outcome?.report;
    return report ? `${report.verdict}${report.status === null ? "" : ` ${report.status}`}` : "–";
  };
  const rows = doc.requests.map((item) => {
    const outcome = outcomes.get(item.id);
    const { request } = item;
    const what = request.protocol === "tcp" ? `TCP ${request.sni ?? ""}` : `${request.method ?? "GET"} ${request.host ?? ""}${request.path ?? "/"}`;
    const expected = item.expect === null ? "" : outcome?.differences?.length ? "not as expected" : "as expected";
    const columns = [item.name, `\`${what}\``, caller(request), targetName(doc.targets[item.target] ?? {}), ...(compared ? [word(baselines.get(item.id))] : []), word(outcome), outcome?.report?.reason ?? "", expected];
    return `| ${columns.map(cell).join(" | ")} |`;
  });
  const head = ["", "request", "caller", "to", ...(compared ? ["baseline", "candidate"] : ["verdict"]), "why", "expected"];
  const blocks = doc.policies.map(({ name, text }) => `### ${name}\n\n${fence(text)}yaml\n${text.trimEnd()}\n${fence(text)}\n`);
  return [
    `# ${doc.title || "Verdicts"}\n`,
    ...(doc.look ? [`${doc.look}\n`] : []),
    `| ${head.join(" | ")} |\n|${"---|".repeat(head.length)}`,
    ...rows,
    `\n## Policies\n`,
    ...blocks,
    `Evaluated by Gnomon ${version}.\n`,
  ].join("\n");
}

/** Hands a file to the browser to save. */
export function save(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
