// Comparisons in V8: `node compare_plans.mjs MODULE`; lines as the native program prints them.

import { readFileSync } from 'node:fs';

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]));
const { pair, compare } = instance.exports;

for (const count of [100, 1000, 10000]) {
  for (const [number, change] of ['one', 'each tenth', 'a first RequestAuthentication'].entries()) {
    pair(count, number);
    let best = Infinity;
    for (let times = count < 5000 ? 20 : 3; times > 0; times--) {
      const start = process.hrtime.bigint();
      if (compare() === 0) throw new Error(`${count} policies, ${change}: no difference was found`);
      best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e6);
    }
    console.log(['V8', change, count, best.toFixed(2), 'ms'].join('\t'));
  }
}
