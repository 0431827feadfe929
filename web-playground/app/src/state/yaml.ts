/** Values to YAML that Kubernetes' reader, and ours, read back as the same values. */

const PLAIN = /^[A-Za-z_/.*@][\w/.*@+:=?&%~ -]*$/;
const SPECIAL = /^(?:y|n|yes|no|on|off|true|false|null|~|\.inf|\.nan|[-+]?[\d.][\d._eExXoObB:+-]*)$/i;

function scalar(text: string): string {
  const plain = PLAIN.test(text) && !SPECIAL.test(text) && !text.includes(": ") && !/[:\s]$/.test(text) && !/^[*.@][^/\w]|^[*@]/.test(text);
  return plain ? text : JSON.stringify(text);
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}

function write(value: unknown, indent: string): string {
  if (typeof value === "string") {
    const block = value.includes("\n") && value.endsWith("\n") && !value.endsWith("\n\n") && !/^\s|\t|[^\S\n]\n|\r|[\u0000-\u0008\u007f-\u009f]/.test(value);
    if (block) return `|\n${value.trimEnd().split("\n").map((line) => (line ? indent + line : line)).join("\n")}`;
    return scalar(value);
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (isEmpty(value)) return Array.isArray(value) ? "[]" : "{}";
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== "object" || item === null)) {
      const line = `[${value.map((item) => (typeof item === "string" ? quotedInFlow(item) : String(item))).join(", ")}]`;
      if (line.length < 90) return line;
    }
    return value.map((item) => `\n${indent}- ${nested(item, `${indent}  `)}`).join("");
  }
  return entries(value, indent).map((line) => `\n${indent}${line}`).join("");
}

function quotedInFlow(text: string): string {
  return /[,[\]{}]/.test(text) ? JSON.stringify(text) : scalar(text);
}

function entries(value: object, indent: string): string[] {
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([key, inner]) => {
      const text = write(inner, `${indent}  `);
      return `${scalar(key)}:${text.startsWith("\n") ? "" : " "}${text}`;
    });
}

/** What stands behind a `- `: maps begin on the same line. */
function nested(value: unknown, indent: string): string {
  if (typeof value === "object" && value !== null && !Array.isArray(value) && !isEmpty(value)) {
    return entries(value, indent).join(`\n${indent}`);
  }
  return write(value, indent).replace(/^\n\s*/, "");
}

/** A document. */
export function stringify(value: unknown): string {
  return `${write(value, "").replace(/^\n/, "")}\n`;
}
