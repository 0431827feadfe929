const KEY = "gnomon-theme";
export type Theme = "light" | "dark";

function wanted(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept === "light" || kept === "dark") return kept;
  } catch {
    // No storage: as the system has it.
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function startTheme(): void {
  document.documentElement.dataset.theme = wanted();
}

/** The other one; it stays. */
export function switchTheme(): Theme {
  const next: Theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // It holds until the page is left.
  }
  return next;
}
