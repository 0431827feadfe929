// Every suite of the corpus and the examples, taken apart for the forms and exported again: it must mean the same.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import initialize, { checkSignaturesWith, readSuite, runSuite } from "../../engine/engine/engine.js";
import signatures, { verify } from "../../engine/signatures/signatures.js";
import type { Source } from "../../src/engine/client.ts";
import { folder } from "../../src/state/exports.ts";
import { documentOf } from "../../src/state/suites.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");
const NOW = 1_795_000_000;

beforeAll(async () => {
  const wasm = (name: string) => readFileSync(resolve(import.meta.dirname, `../../engine/${name}/${name}_bg.wasm`));
  await initialize({ module_or_path: wasm("engine") });
  await signatures({ module_or_path: wasm("signatures") });
  checkSignaturesWith(verify);
});

function below(path: string): string[] {
  return statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => below(join(path, name))) : [path];
}

function texts(path: string): Source[] {
  return below(path).filter((name) => /\.(ya?ml|json)$/.test(name)).map((name) => ({ name: relative(path, name), text: readFileSync(name, "utf8") }));
}

/** What comes out of a suite, and what was expected of it, case by case. */
function run(files: Source[], path: string) {
  const { cases, diagnostics } = runSuite({ files, path, now: NOW });
  expect(diagnostics.filter((found) => found.severity === "error")).toEqual([]);
  return cases.map(({ report, differences }) => ({ report, differences }));
}

let seen = 0;
describe.each(["host-tests/corpus", "examples"])("%s", (name) => {
  const files = texts(join(ROOT, name));
  test.each(files.map((file) => file.name).filter((path) => path.endsWith(".gnomon.yaml")))("%s", (path) => {
    const { parts } = readSuite({ files, path, now: NOW });
    const all = run(files, path);
    const again: typeof all = [];
    for (const [part] of parts.entries()) {
      const contents = readSuite({ files, path, now: NOW, part });
      const exported = folder(documentOf(contents));
      const back = readSuite({ files: exported, path: "playground.gnomon.yaml", now: NOW });
      expect(back.parts).toEqual([{ name: "", cases: contents.requests.length }]);
      const without = ({ requests }: typeof contents) => requests.map(({ request, expect }) => ({ request, expect }));
      expect(without(back)).toEqual(without(contents));
      again.push(...run(exported, "playground.gnomon.yaml"));
    }
    const sorted = (cases: typeof all) => cases.map((one) => JSON.stringify(one)).sort();
    expect(sorted(again)).toEqual(sorted(all));
    seen += all.length;
  });
});

test("that was the whole corpus, dry runs and nearest misses among it", () => {
  expect(seen).toBeGreaterThan(1_000);
  const written = ["host-tests/corpus", "examples"].flatMap((name) => texts(join(ROOT, name))).map((file) => file.text).join("\n");
  expect(written).toMatch(/expect: .*dryRun: \{/);
  expect(written).toMatch(/^ +nearest:/m);
});
