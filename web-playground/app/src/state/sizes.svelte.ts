/** How the panes share the window; remembered by the browser, and no part of the document. */
interface Sizes {
  /** Of the width: policies, requests, why. */
  columns: [number, number, number];
  /** Of the height of the requests: the list; the form has the rest. */
  list: number;
  /** Of the height of the policies: what stands below the editor; `null`: as much as it needs. */
  below: number | null;
  /** Of the height of the window, where the panes are in two rows: the upper one. */
  upper: number;
}

const DEFAULT: Sizes = { columns: [0.36, 0.32, 0.32], list: 0.42, below: null, upper: 0.45 };
const KEY = "gnomon-sizes";
/** No pane gets smaller than these. */
const LEAST = { columns: 0.16, list: 0.15, below: 0.1, upper: 0.2 };

const clamp = (share: number, least: number) => Math.min(1 - least, Math.max(least, share));
const isShare = (value: unknown): value is number => typeof value === "number" && value > 0 && value < 1;

/** What was remembered, as far as it makes sense. */
export function restored(text: string | null): Sizes {
  let kept: Partial<Record<keyof Sizes, unknown>>;
  try {
    kept = (JSON.parse(text ?? "{}") ?? {}) as typeof kept;
  } catch {
    return DEFAULT;
  }
  const { columns, list, below, upper } = kept;
  const three = Array.isArray(columns) && columns.length === 3 && columns.every((share) => isShare(share) && share >= LEAST.columns);
  return {
    columns: three ? (columns as Sizes["columns"]) : DEFAULT.columns,
    list: isShare(list) ? clamp(list, LEAST.list) : DEFAULT.list,
    below: isShare(below) ? clamp(below, LEAST.below) : DEFAULT.below,
    upper: isShare(upper) ? clamp(upper, LEAST.upper) : DEFAULT.upper,
  };
}

function read(): Sizes {
  try {
    return restored(localStorage.getItem(KEY));
  } catch {
    return DEFAULT;
  }
}

class Kept {
  #sizes: Sizes = $state.raw(read());

  get now(): Sizes {
    return this.#sizes;
  }
  #set(next: Partial<Sizes>): void {
    this.#sizes = { ...this.#sizes, ...next };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#sizes));
    } catch {
      // It holds until the page is left.
    }
  }

  /** Moves the line behind a column. */
  column(index: 0 | 1, by: number): void {
    const next: Sizes["columns"] = [...this.#sizes.columns];
    next[index] += by;
    next[index + 1]! -= by;
    if (next.every((share) => share >= LEAST.columns)) this.#set({ columns: next });
  }
  list(by: number): void {
    this.#set({ list: clamp(this.#sizes.list + by, LEAST.list) });
  }
  /** `now`: the share that it has while none is set. */
  below(by: number, now: number): void {
    this.#set({ below: clamp((this.#sizes.below ?? now) - by, LEAST.below) });
  }
  upper(by: number): void {
    this.#set({ upper: clamp(this.#sizes.upper + by, LEAST.upper) });
  }
  /** As it was before somebody moved lines. */
  reset(name: keyof Sizes): void {
    this.#set({ [name]: DEFAULT[name] });
  }
}

export const sizes = new Kept();
