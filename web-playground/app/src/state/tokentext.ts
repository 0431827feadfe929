/** A token as somebody pasted it: without `Authorization:`, `Bearer`, quotes, and the line breaks of a terminal. */
export function tokenText(pasted: string): string {
  const joined = pasted.replaceAll(/[\s\u200b\ufeff]+/g, " ").trim();
  const bare = joined
    .replace(/^["'`]+|["'`,;]+$/g, "")
    .replace(/^(?:-H\s*["']?)?(?:[\w-]*authorization|x-[\w-]+)["']?\s*:\s*["']?/i, "")
    .replace(/^(?:bearer|jwt|token)(?:\s+|$|%20)/i, "")
    .replace(/^(?:export\s+)?(?:access_|id_)?token\s*=\s*["']?/i, "");
  return bare.replace(/^["'`]+|["'`,;]+$/g, "").replaceAll(" ", "");
}
