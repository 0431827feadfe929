import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Plugin } from "vite";

/**
 * Writes the service worker: it keeps every file of the build, so that the page works without a network from its first
 * visit on, and lets go of older builds.
 */
export function offline(): Plugin {
  return {
    name: "gnomon-offline",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      const files = Object.keys(bundle).filter((name) => !name.endsWith(".map"));
      const hash = createHash("sha256");
      for (const name of files.sort()) {
        const file = bundle[name]!;
        hash.update(name).update(file.type === "chunk" ? file.code : file.source);
      }
      const template = readFileSync(resolve(import.meta.dirname, "service-worker.js"), "utf8");
      const source = template
        .replace('"BUILD"', JSON.stringify(hash.digest("hex").slice(0, 16)))
        .replace('["FILES"]', JSON.stringify(["./", "./icon.svg", ...files.map((name) => `./${name}`)]));
      this.emitFile({ type: "asset", fileName: "service-worker.js", source });
    },
  };
}
