import { brotliCompressSync, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/**
 * Compressed sizes as servers send them; the build fails beyond. There are two wasm modules: every visitor loads the
 * engine, and what checks signatures comes when there is one to check. Each keeps to the limit.
 */
const LIMITS = { wasm: 640_000, script: 250_000 };

/** Checks what a visitor loads. */
export function sizes(): Plugin {
  return {
    name: "gnomon-sizes",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      let script = 0;
      const lines: string[] = [];
      for (const file of Object.values(bundle)) {
        const content = Buffer.from(file.type === "chunk" ? file.code : file.source);
        const gzip = gzipSync(content, { level: 9 }).length;
        const brotli = brotliCompressSync(content).length;
        const is = (ending: string) => file.fileName.endsWith(ending);
        if (is(".js") && !is("service-worker.js")) script += gzip;
        if (is(".wasm")) {
          lines.push(`  ${file.fileName}: ${content.length} bytes, gzip ${gzip}, brotli ${brotli}`);
          if (gzip > LIMITS.wasm) this.error(`${file.fileName}: ${gzip} bytes compressed, the limit is ${LIMITS.wasm}`);
        }
      }
      lines.push(`  all JavaScript: gzip ${script}`);
      if (script > LIMITS.script) this.error(`${script} bytes of compressed JavaScript, the limit is ${LIMITS.script}`);
      console.log(`\nwhat a visitor loads\n${lines.join("\n")}`);
    },
  };
}
