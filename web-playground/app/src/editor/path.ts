/** Where in a YAML document a position is. Works on text that is half written, which no parser does. */
export interface Where {
  /** The keys above, outermost first; list positions are left out. */
  path: string[];
  /** The key of the value that is written here; `undefined`: a key is being written. */
  key: string | undefined;
  /** Keys that the map has already. */
  siblings: string[];
  kind: string | undefined;
}

interface Frame { indent: number; key: string; siblings: string[] }

const KEY = /^((?:"[^"]*"|'[^']*'|[^\s#:,[\]{}"'][^#:,[\]{}]*?))\s*:(?=\s|$)/;

/** Reads from the document's beginning to the position, by indentation; inside braces and brackets by those. */
export function whereIs(text: string, position: number): Where {
  const before = text.slice(0, position);
  const start = Math.max(before.lastIndexOf("\n---"), before.startsWith("---") ? 0 : -1);
  const end = text.indexOf("\n---", position);
  const whole = text.slice(Math.max(start, 0), end < 0 ? undefined : end);
  const kind = /^kind:\s*["']?(\w+)/m.exec(whole)?.[1];

  const top: Frame = { indent: -1, key: "", siblings: [] };
  const stack: Frame[] = [top];
  const above = () => stack.at(-1) ?? top;
  let flow = "";
  let block = -1;
  let key: string | undefined;
  const lines = before.slice(start < 0 ? 0 : before.indexOf("\n", start + 1) + 1).split("\n");
  for (const [number, line] of lines.entries()) {
    const last = number === lines.length - 1;
    if (flow) {
      flow += `${line}\n`;
      if (balanced(flow) && !last) flow = "";
      continue;
    }
    let indent = line.search(/\S|$/);
    // Inside a text of many lines.
    if (block >= 0 && (indent > block || line.trim() === "") && !(last && indent <= block)) continue;
    block = -1;
    if (line.trim().startsWith("#") || (line.trim() === "" && !last)) continue;
    // Each `- ` opens a level of its own; a list may stand as far left as its key.
    let rest = line.slice(indent);
    for (let dash = /^-(\s+|$)/.exec(rest); dash; dash = /^-(\s+|$)/.exec(rest)) {
      while (above().indent > indent || (above().indent === indent && above().key === "-")) stack.pop();
      stack.push({ indent, key: "-", siblings: [] });
      indent += dash[0].length;
      rest = rest.slice(dash[0].length);
    }
    while (above().indent >= indent) stack.pop();
    key = undefined;
    const found = KEY.exec(rest);
    const value = found ? rest.slice(found[0].length).trim() : rest;
    if (found) {
      const name = found[1]!.replaceAll(/^["']|["']$/g, "");
      above().siblings.push(name);
      stack.push({ indent, key: name, siblings: [] });
    }
    if (/^[[{]/.test(value)) {
      flow = `${value}\n`;
      if (balanced(flow) && !last) flow = "";
    } else if (found && /^[|>]/.test(value)) block = indent;
    else if (found && last) key = above().key;
  }
  const path = stack.slice(1).map((frame) => frame.key).filter((step) => step !== "-");
  if (flow) return { ...inFlow(flow, path), kind };
  if (key !== undefined) return { path: path.slice(0, -1), key, siblings: [], kind };
  return { path, key: undefined, siblings: above().siblings, kind };
}

function balanced(flow: string): boolean {
  return depth(flow) <= 0;
}

function depth(flow: string): number {
  let open = 0;
  for (const char of unquoted(flow)) {
    if (char === "[" || char === "{") open++;
    if (char === "]" || char === "}") open--;
  }
  return open;
}

/** Quoted texts and comments made blank, so that their brackets do not count. */
function unquoted(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(^|\s)#[^\n]*/g, (part) => part.replaceAll(/[[\]{},:]/g, "_"));
}

function inFlow(flow: string, outer: string[]): Omit<Where, "kind"> {
  const path = [...outer];
  const open: { map: boolean; pushed: number; siblings: string[] }[] = [];
  let word = "";
  let key: string | undefined;
  for (const char of unquoted(flow.replace(/\n$/, ""))) {
    const top = open.at(-1);
    if (char === "{" || char === "[") {
      const pushed = key === undefined ? 0 : 1;
      if (key !== undefined) path.push(key);
      open.push({ map: char === "{", pushed, siblings: [] });
      word = "";
      key = undefined;
    } else if (char === "}" || char === "]") {
      const closed = open.pop();
      if (closed?.pushed) path.pop();
      word = "";
      key = undefined;
    } else if (char === ",") {
      word = "";
      key = undefined;
    } else if (char === ":" && top?.map && key === undefined) {
      key = word.trim().replaceAll(/^["']|["']$/g, "");
      top.siblings.push(key);
      word = "";
    } else word += char;
  }
  const top = open.at(-1);
  // Inside a list of texts, the list's own key is what is written.
  if (top && !top.map && key === undefined) return { path: path.slice(0, -1), key: path.at(-1), siblings: [] };
  return { path, key, siblings: top?.siblings ?? [] };
}
