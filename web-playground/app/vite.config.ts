import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { gallery } from "./build/gallery.ts";
import { offline } from "./build/offline.ts";
import { sizes } from "./build/sizes.ts";

// Relative addresses: the folder works at any path of any static server.
export default defineConfig({
  base: "./",
  plugins: [svelte(), gallery(), offline(), sizes()],
  worker: { format: "es" },
  build: { target: "es2022", modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  test: {
    // How long a verdict may take to appear on a busy machine; nothing waits for it.
    expect: { poll: { timeout: 15_000 } },
    projects: [
      { extends: true, test: { name: "unit", include: ["tests/unit/**/*.test.ts"], testTimeout: 60_000 } },
      {
        extends: true,
        test: {
          name: "browser",
          include: ["tests/browser/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      { extends: true, test: { name: "measure", include: ["tests/measure.ts"], testTimeout: 120_000 } },
      { extends: true, test: { name: "screenshots", include: ["tests/screenshots.ts"], testTimeout: 120_000 } },
    ],
  },
});
