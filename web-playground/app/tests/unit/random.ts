/** Random numbers that are the same in every run (mulberry32). */
export function random(seed: number): { below(most: number): number; pick<T>(all: readonly T[]): T; chance(share: number): boolean } {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (most: number) => Math.floor(next() * most);
  return { below, pick: (all) => all[below(all.length)]!, chance: (share) => next() < share };
}
