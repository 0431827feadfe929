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

  let stack: Frame[] = [];
  const siblings = new Map<string, string[]>();
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
    const width = line.search(/\S|$/);
    if (block >= 0 && (width > block || line.trim() === "")) continue;
    block = -1;
    if (line.trim().startsWith("#") || (line.trim() === "" && !last)) continue;
    // Each `- ` opens a level of its own.
    let indent = width;
    let rest = line.slice(width);
    for (let dash = /^-(\s+|$)/.exec(rest); dash; dash = /^-(\s+|$)/.exec(rest)) {
      stack = stack.filter((frame) => frame.indent < indent || (frame.indent === indent && frame.key !== "-" && !isItem(stack, frame)));
      siblings.delete(pathOf(stack));
      stack.push({ indent, key: "-", siblings: [] });
      indent += dash[0].length;
      rest = rest.slice(dash[0].length);
    }
    stack = stack.filter((frame) => frame.indent < indent || (frame.key === "-" && frame.indent < indent));
    key = undefined;
    const found = KEY.exec(rest);
    if (!found) {
      const opens = /^[[{]/.test(rest);
      if (opens) flow = `${rest}\n`;
      if (opens && balanced(flow) && !last) flow = "";
      continue;
    }
    const name = found[1]!.replaceAll(/^["']|["']$/g, "");
    const parent = pathOf(stack);
    siblings.set(parent, [...(siblings.get(parent) ?? []), name]);
    const value = rest.slice(found[0].length).trim();
    stack.push({ indent, key: name, siblings: [] });
    if (/^[|>]/.test(value)) block = indent;
    else if (/^[[{]/.test(value)) {
      flow = `${value}\n`;
      if (balanced(flow) && !last) flow = "";
    } else if (last) key = name;
  }
  const path = stack.map((frame) => frame.key).filter((step) => step !== "-");
  if (flow) return { ...inFlow(flow, path), kind };
  if (key !== undefined) return { path: path.slice(0, -1), key, siblings: [], kind };
  return { path, key: undefined, siblings: siblings.get(pathOf(stack)) ?? [], kind };
}

/** A frame that began behind a dash on its line. */
function isItem(stack: Frame[], frame: Frame): boolean {
  return stack[stack.indexOf(frame) - 1]?.key === "-";
}

function pathOf(stack: Frame[]): string {
  return stack.map((frame) => `${frame.indent}:${frame.key}`).join("/");
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
