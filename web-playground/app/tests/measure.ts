// What the page costs: `npm run measure`, after a build. Figures, no verdict on them: they depend on the machine.
import { test } from "vitest";
import { Site } from "./browser/page.ts";

const median = (all: number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]!;

test("figures", async () => {
  const site = await Site.open();
  const cold: number[] = [];
  for (let times = 0; times < 7; times++) {
    const context = await site.browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(() => {
      new MutationObserver((_, observer) => {
        if (!document.querySelector("[data-testid=verdict]")) return;
        observer.disconnect();
        requestAnimationFrame(() => ((window as unknown as { first: number }).first = performance.now()));
      }).observe(document, { childList: true, subtree: true });
    });
    await page.goto(site.origin);
    const first = await page.waitForFunction(() => (window as unknown as { first?: number }).first);
    cold.push((await first.jsonValue())!);
    await context.close();
  }
  console.log(`first verdict after a cold load: ${median(cold).toFixed(0)} ms (median of ${cold.length})`);

  const page = await site.visit();
  await page.locator(".row").first().waitFor();
  const policies = Array.from({ length: 100 }, (_, index) => ({
    name: `p${index}.yaml`,
    text: `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: p${index}\n  namespace: shop\nspec:\n  selector:\n    matchLabels:\n      app: web\n  action: ALLOW\n  rules:\n  - from:\n    - source:\n        principals: [cluster.local/ns/shop/sa/client-${index}]\n    to:\n    - operation:\n        methods: [GET, POST]\n        paths: ["/api/${index}/*"]\n`,
  }));
  const targets = [{ workload: { namespace: "shop", labels: { app: "web" } } }];
  for (const count of [50, 1_000]) {
    const requests = Array.from({ length: count }, (_, index) => ({ request: { path: `/api/${index * 2}/x`, source: { principal: `cluster.local/ns/shop/sa/client-${index}` } } }));
    const times = await page.evaluate(
      async ([policies, requests, targets]) => {
        const script = performance.getEntriesByType("resource").map((one) => one.name).find((name) => /worker-.*\.js$/.test(name))!;
        const engine = new Worker(script, { type: "module" });
        const ask = (method: string, argument: unknown) =>
          new Promise<number>((done) => {
            const start = performance.now();
            engine.onmessage = () => done(performance.now() - start);
            engine.postMessage({ id: 0, method, argument });
          });
        const typed: number[] = [];
        const clicked: number[] = [];
        for (let times = 0; times < 40; times++) {
          const changed = policies.with(50, { name: "p50.yaml", text: `${policies[50]!.text}# ${times}\n` });
          typed.push(await ask("evaluate", { policies: changed, requests, targets, now: 0 }));
          clicked.push(await ask("evaluate", { policies: changed, requests: requests.with(0, { request: { path: `/${times}`, source: { principal: "x" } } }), targets, now: 0 }));
        }
        return { typed: typed.slice(10), clicked: clicked.slice(10) };
      },
      [policies, requests, targets] as const,
    );
    console.log(`100 policies and ${count} requests, a letter typed in a policy: ${median(times.typed).toFixed(1)} ms; in a request: ${median(times.clicked).toFixed(1)} ms (medians of 30)`);
  }
  await site.close();
});
