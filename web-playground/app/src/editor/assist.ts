import { autocompletion, type Completion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import type { Extension } from "@codemirror/state";
import { hoverTooltip } from "@codemirror/view";
import { CONDITION_KEYS, fieldAt, type Field } from "./fields.ts";
import { whereIs } from "./path.ts";

/** Whole policies to begin with. */
const TEMPLATES: Completion[] = [
  template("AuthorizationPolicy", "spec:\n  selector:\n    matchLabels:\n      app: web\n  action: ALLOW\n  rules:\n  - from:\n    - source:\n        principals: [cluster.local/ns/default/sa/client]\n    to:\n    - operation:\n        methods: [GET]\n"),
  template("RequestAuthentication", "spec:\n  selector:\n    matchLabels:\n      app: web\n  jwtRules:\n  - issuer: https://issuer.example.com\n    jwks: '{\"keys\": []}'\n"),
  template("PeerAuthentication", "spec:\n  mtls:\n    mode: STRICT\n"),
];

function template(kind: string, spec: string): Completion {
  const apply = `apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata:\n  name: my-policy\n  namespace: default\n${spec}`;
  return { label: kind, detail: "a whole policy", type: "class", apply, boost: -1 };
}

export function complete(context: CompletionContext): CompletionResult | null {
  const text = context.state.doc.toString();
  const word = context.matchBefore(/[\w.[\]"/-]*/);
  const from = word?.from ?? context.pos;
  const where = whereIs(text, from);
  if (!context.explicit && word?.text === "" && !/[\s[{,]/.test(text[from - 1] ?? "\n")) return null;
  const inBlankLine = text.slice(text.lastIndexOf("\n", from - 1) + 1, from).trim() === "";
  if (!context.explicit && word?.text === "" && inBlankLine) return null;

  if (where.key !== undefined) {
    const field = fieldAt(where.kind, [...where.path, where.key]);
    const values = field?.values;
    if (!values) return null;
    const brackets = field.list && !/[[,]\s*$/.test(text.slice(0, from)) && /:\s*$/.test(text.slice(0, from));
    const options = values.map((label): Completion => ({
      label,
      type: "enum",
      ...(CONDITION_KEYS[label] ? { detail: CONDITION_KEYS[label] } : {}),
      ...(brackets ? { apply: `[${label}]` } : {}),
    }));
    return { from, options, validFor: /^[\w.[\]"/-]*$/ };
  }
  // An item of a list of words stands alone on its line.
  const own = fieldAt(where.kind, where.path);
  if (own?.list && own.values && !own.fields) {
    return { from, options: own.values.map((label) => ({ label, type: "enum" })), validFor: /^\w*$/ };
  }
  const fields = Object.entries(own?.fields ?? {}).filter(([name]) => !where.siblings.includes(name));
  const options = fields.map(([label, field]): Completion => ({ label, type: "property", apply: `${label}:${follows(field)}`, info: field.doc }));
  if (where.path.length === 0 && where.siblings.length === 0) options.push(...TEMPLATES);
  return options.length > 0 ? { from, options, validFor: /^[\w.]*$/ } : null;
}

function follows(field: Field): string {
  return field.fields && !field.list ? "" : " ";
}

const hover = hoverTooltip((view, position) => {
  const line = view.state.doc.lineAt(position);
  const found = [...line.text.matchAll(/[\w.-]+(?=\s*:(?:\s|$|["'[{]))/g)].find(({ 0: word, index }) => {
    const at = line.from + index;
    return position >= at && position <= at + word.length;
  });
  if (!found) return null;
  const from = line.from + found.index;
  const where = whereIs(view.state.doc.toString(), from);
  const field = fieldAt(where.kind, [...where.path, found[0]]);
  if (!field?.doc) return null;
  return {
    pos: from,
    end: from + found[0].length,
    above: true,
    create: () => {
      const dom = document.createElement("div");
      dom.className = "cm-field-doc";
      const name = document.createElement("code");
      name.textContent = found[0];
      const doc = document.createElement("p");
      doc.textContent = field.doc;
      dom.append(name, doc);
      if (field.values) {
        const values = document.createElement("p");
        values.textContent = field.values.length < 9 ? field.values.join(" · ") : "";
        dom.append(values);
      }
      return { dom };
    },
  };
});

/** Completion and hover texts for policies. */
export function assistance(): Extension {
  return [autocompletion({ override: [complete], icons: false, aboveCursor: false }), hover];
}
