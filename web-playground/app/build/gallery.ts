import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import type { Plugin } from "vite";

const EXAMPLES = resolve(import.meta.dirname, "../../../examples");

/** One scenario of the gallery: a suite below `examples/`. */
export interface Scenario {
  /** The suite's path below `examples/`, without `.gnomon.yaml`. */
  id: string;
  /** The folder's title, out of its README. */
  group: string;
  title: string;
  /** What to look at: the suite's `description`, else what the folder's README says about it. */
  look: string;
}

export interface Gallery {
  scenarios: Scenario[];
  /** All texts below `examples/` that suites may name. */
  files: { name: string; text: string }[];
}

function below(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? below(path) : [path];
    });
}

/** The text of a top-level YAML field that stands on one line. */
function field(text: string, name: string): string {
  const line = new RegExp(`^${name}: *(.*)$`, "m").exec(text)?.[1] ?? "";
  return line.trim().replace(/^(["'])(.*)\1$/, "$2");
}

/** Markdown to words. */
const plain = (text: string) => text.replaceAll("**", "").replaceAll("`", "").replaceAll(/\s+/g, " ").trim();

/** What a README says about a suite: the cell beside its name in a table, else its first paragraph. */
function said(readme: string, suite: string): string {
  const rows = readme.split("\n").filter((line) => line.startsWith("|"));
  const row = rows.find((line) => line.split("|")[1]?.includes(`\`${suite}\``));
  const cell = row?.split("|").slice(2, -1).map(plain).filter(Boolean).at(-1);
  const paragraph = readme.split("\n\n")[1] ?? "";
  return cell && cell.length > 24 ? cell : plain(paragraph);
}

export function read(): Gallery {
  // Folders with suites; what else stands there is not for the page.
  const folders = readdirSync(EXAMPLES).map((name) => join(EXAMPLES, name)).filter((path) => statSync(path).isDirectory());
  const shown = folders.map(below).filter((paths) => paths.some((path) => path.endsWith(".gnomon.yaml")));
  const paths = shown.flat().filter((path) => /\.(ya?ml|json)$/.test(path));
  const files = paths.map((path) => ({
    name: relative(EXAMPLES, path).split(sep).join("/"),
    text: readFileSync(path, "utf8"),
  }));
  const suites = files.filter((file) => file.name.endsWith(".gnomon.yaml"));
  const scenarios = suites.map(({ name, text }) => {
    const folder = name.split("/")[0]!;
    const suite = name.split("/").at(-1)!.replace(".gnomon.yaml", "");
    const readme = readFileSync(join(EXAMPLES, folder, "README.md"), "utf8");
    return {
      id: name.replace(".gnomon.yaml", ""),
      group: plain(readme.split("\n")[0]!.replace("# ", "")),
      title: field(text, "name"),
      look: field(text, "description") || said(readme, suite),
    };
  });
  return { scenarios, files };
}

/** Writes `gallery.json` out of the folder `examples/`, the one place where scenarios are written. */
export function gallery(): Plugin {
  return {
    name: "gnomon-gallery",
    configureServer(server) {
      server.middlewares.use("/gallery.json", (_, response) => {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(read()));
      });
    },
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "gallery.json", source: JSON.stringify(read()) });
    },
  };
}
