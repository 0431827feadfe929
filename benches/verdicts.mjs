// Verdicts in V8: `node verdicts.mjs MODULE`; lines as the native benchmark prints them.

import { readFileSync } from 'node:fs';

const SAMPLES = 41;
const SAMPLE_MS = 4;

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]));
const { choose, ask } = instance.exports;

function milliseconds(times) {
  const start = process.hrtime.bigint();
  const allowed = ask(times);
  const taken = Number(process.hrtime.bigint() - start) / 1e6;
  if (allowed !== times) throw new Error(`${allowed} of ${times} verdicts allow`);
  return taken;
}

for (const count of [0, 10, 100, 1000, 10000]) {
  const rules = choose(count);
  // V8 compiles anew what runs often, in the background.
  for (const until = Date.now() + 300; Date.now() < until; ) ask(1000);
  let times = 1;
  while (milliseconds(times) < SAMPLE_MS) times *= 2;
  const samples = Array.from({ length: SAMPLES }, () => (milliseconds(times) * 1e6) / times);
  samples.sort((a, b) => a - b);
  console.log(['gnomon in V8', count ? 'worst' : 'realistic', rules, samples[Math.floor(SAMPLES / 10)].toFixed(1), 'ns'].join('\t'));
}
