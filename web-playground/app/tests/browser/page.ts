import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize, resolve } from "node:path";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

const DIST = resolve(import.meta.dirname, "../../dist");
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm",
  ".json": "application/json", ".svg": "image/svg+xml",
};

/** The built page behind a plain server, and a Chromium. */
export class Site {
  readonly problems: string[] = [];
  readonly origin: string;
  private constructor(readonly server: Server, readonly browser: Browser) {
    this.origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  }

  static async open(): Promise<Site> {
    if (!existsSync(join(DIST, "index.html"))) throw new Error("the page is not built: `cargo xtask playground --build`");
    const path = [process.env.GNOMON_CHROMIUM, process.env.CHROMIUM, "/usr/bin/chromium"].find((one) => one && existsSync(one));
    if (!path) throw new Error("there is no Chromium: `apt-get install chromium`, or say where one is with GNOMON_CHROMIUM=<path>");
    const server = createServer(async (request, response) => {
      const name = normalize(decodeURIComponent((request.url ?? "/").split("?")[0]!)).replace(/\/$/, "/index.html");
      try {
        const content = await readFile(join(DIST, name));
        response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream" }).end(content);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    return new Site(server, await chromium.launch({ executablePath: path, args }));
  }

  /** A visitor without a past. Whatever the browser complains about is kept in `problems`. */
  async visit(hash = "", options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
    const page = await context.newPage();
    this.watch(page);
    await page.goto(`${this.origin}/${hash}`);
    return page;
  }

  watch(page: Page): void {
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.problems.push(message.text());
    });
    page.on("pageerror", (error) => this.problems.push(String(error)));
  }

  async close(): Promise<void> {
    await this.browser.close();
    await new Promise((done) => this.server.close(done));
  }
}

export type { BrowserContext, Page };

/** The verdict of the chosen request, in words: `403 denied`. */
export async function headline(page: Page): Promise<string> {
  return (await page.getByTestId("verdict").locator(".headline strong").innerText()).trim();
}

/** The verdict words of the list, in order. */
export async function verdicts(page: Page): Promise<string[]> {
  return page.locator(".row").evaluateAll((rows) => rows.map((row) => row.querySelector(".verdict:not(.before) .verdict")?.textContent?.trim().replace(/\s+/g, " ") ?? ""));
}

/** All of the editor's text made another one, as pasting does. */
export async function write(page: Page, text: string): Promise<void> {
  await page.locator(".policies .cm-content").click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText(text);
}

/** The editor's text as the browser has it; long texts are drawn in part only. */
export async function written(page: Page): Promise<string> {
  return page.locator(".policies .cm-content").evaluate((element) => [...element.querySelectorAll(".cm-line")].map((line) => line.textContent).join("\n"));
}

/** All of the editor's text made another one, by the event that the browser sends for Ctrl+V. */
export async function paste(page: Page, text: string): Promise<void> {
  await page.locator(".policies .cm-content").click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.locator(".policies .cm-content").evaluate((element, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, text);
}
