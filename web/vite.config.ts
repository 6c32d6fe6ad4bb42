import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const SERVER = process.env["LONGSHORE_DEV_SERVER"] ?? "http://127.0.0.1:8000";
const FIRST = "src/theme/first.js";

/**
 * Puts the theme's script into the head, where it runs before anything is painted. A script of its own, because the
 * Content-Security-Policy allows none in the page, and no module, because those run after the first paint.
 */
function themeFirst(): Plugin {
  return {
    name: "theme-first",
    buildStart() {
      if (this.environment.mode !== "build") return;
      const path = fileURLToPath(new URL(FIRST, import.meta.url));
      const source = readFileSync(path, "utf8").replace(/\/\*.*?\*\//gs, "").trim();
      this.emitFile({ type: "asset", name: "first.js", source });
    },
    transformIndexHtml(_html, { bundle }) {
      const built = Object.keys(bundle ?? {}).find((name) => /\bfirst-[^/]*\.js$/.test(name));
      return [{ tag: "script", attrs: { src: built ? `./${built}` : `/${FIRST}` }, injectTo: "head-prepend" }];
    },
  };
}

export default defineConfig({
  // Relative, so that the client works below whatever path the server is mounted at.
  base: "./",
  plugins: [svelte(), themeFirst()],
  build: {
    target: ["chrome123", "firefox121", "safari17.5"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
    reportCompressedSize: false,
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
  server: {
    proxy: {
      "^/(files|auth|api)(/|$)": { target: SERVER },
      "/events": { target: SERVER, ws: true },
    },
  },
  resolve: process.env["VITEST"] ? { conditions: ["browser"] } : {},
  test: { include: ["src/**/*.test.ts"], restoreMocks: true },
});
