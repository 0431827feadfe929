// A key set put into a policy, where its text names only the address of one.

const VALUE = `"(?:[^"\\\\]|\\\\.)*"|'(?:[^']|'')*'|[^\\s,{}\\[\\]#"'][^,}\\]#\\n]*`;
const ADDRESS = new RegExp(`(["']?)(?:jwksUri|jwks_uri)\\1(\\s*):(\\s*)(?:${VALUE})`);
const ISSUER = new RegExp(`(["']?)issuer\\1\\s*:\\s*(?:${VALUE})`);

/** Where a rule ends that begins on this line: behind its closing brace, or before the next line that stands as far left. */
function endOf(text: string, start: number): number {
  const line = text.slice(start, text.indexOf("\n", start) < 0 ? undefined : text.indexOf("\n", start));
  const first = line.search(/[^\s-]/);
  if (line[first] === "{") {
    let depth = 0;
    let quote = "";
    for (let at = start + first; at < text.length; at++) {
      const char = text[at]!;
      if (quote) {
        if (char === "\\" && quote === '"') at++;
        else if (char === quote) quote = "";
      } else if (char === '"' || char === "'") quote = char;
      else if (char === "{") depth++;
      else if (char === "}" && --depth === 0) return at + 1;
    }
    return text.length;
  }
  const dash = line.search(/\S/);
  let at = start + line.length + 1;
  while (at < text.length) {
    const end = text.indexOf("\n", at) < 0 ? text.length : text.indexOf("\n", at);
    const next = text.slice(at, end);
    if (next.trim() !== "" && next.search(/\S/) <= dash) return at;
    at = end + 1;
  }
  return text.length;
}

/** The text with `jwks` in the rule that begins on this line, in place of its `jwksUri`; `null`: no rule is there. */
export function withKeySet(text: string, line: number, keys: string): string | null {
  let start = 0;
  for (let number = 1; number < line; number++) {
    const next = text.indexOf("\n", start);
    if (next < 0) return null;
    start = next + 1;
  }
  // In a flow of rules on one line, the rule's own place is not known by its line alone.
  const end = endOf(text, start);
  const rule = text.slice(start, end);
  const entry = (quote: string) => (quote === '"' ? `"jwks": ${JSON.stringify(keys)}` : `jwks: '${keys.replaceAll("'", "''")}'`);
  const address = ADDRESS.exec(rule);
  if (address) {
    const at = start + address.index;
    return text.slice(0, at) + entry(address[1]!) + text.slice(at + address[0].trimEnd().length);
  }
  const issuer = ISSUER.exec(rule);
  if (!issuer) return null;
  const at = start + issuer.index + issuer[0].trimEnd().length;
  const column = start + issuer.index - (text.lastIndexOf("\n", start + issuer.index) + 1);
  const flow = /[{,]\s*$/.test(text.slice(0, start + issuer.index));
  return text.slice(0, at) + (flow ? ", " : `\n${" ".repeat(column)}`) + entry(issuer[1]!) + text.slice(at);
}

/** A key set as somebody pasted it: the set, or one key of it, on one line; or what is wrong with it. */
export function readKeySet(text: string): { keys: string } | { wrong: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { wrong: text.includes("BEGIN ") ? "This is PEM: Istio takes a JSON Web Key Set." : "This is no JSON." };
  }
  const isObject = (one: unknown): one is Record<string, unknown> => typeof one === "object" && one !== null && !Array.isArray(one);
  if (isObject(value) && typeof value.kty === "string") value = { keys: [value] };
  if (!isObject(value) || !Array.isArray(value.keys)) return { wrong: "A key set is an object with the field `keys`, a list." };
  if (value.keys.length === 0) return { wrong: "There is no key in it." };
  if (value.keys.some((key) => isObject(key) && "d" in key)) return { wrong: "A private key is in it: only the public part belongs into a policy." };
  return { keys: JSON.stringify(value) };
}
