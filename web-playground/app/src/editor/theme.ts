import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

/** The page's own colours, by its custom properties: they reach into the editor's shadow tree, style sheets do not. */
const look = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--panel)", color: "var(--text)", fontSize: "13px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "20px", overflow: "auto" },
  ".cm-content": { padding: "8px 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 12px 0 4px" },
  ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--dim)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 4px 0 8px", minWidth: "28px" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "transparent" },
  "&.cm-focused .cm-activeLine": { backgroundColor: "var(--hover)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--selection)" },
  ".cm-deciding": { backgroundColor: "var(--deciding)" },
  ".cm-deciding-first": { boxShadow: "inset 3px 0 0 var(--accent)" },
  ".cm-deciding:not(.cm-deciding-first)": { boxShadow: "inset 3px 0 0 var(--accent)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--deny) 1px", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--unknown) 1px", textUnderlineOffset: "3px" },
  ".cm-lintRange-hint, .cm-lintRange-info": { backgroundImage: "none", textDecoration: "underline dotted var(--dim) 1px", textUnderlineOffset: "3px" },
  ".cm-tooltip": { backgroundColor: "var(--panel)", color: "var(--text)", border: "1px solid var(--line-strong)", borderRadius: "6px", fontFamily: "var(--sans)", fontSize: "13px", lineHeight: "18px", maxWidth: "420px" },
  ".cm-field-doc": { padding: "8px 12px" },
  ".cm-field-doc code": { fontFamily: "var(--mono)", fontWeight: "600" },
  ".cm-field-doc p": { margin: "4px 0 0" },
  ".cm-diagnostic": { padding: "6px 12px", borderLeft: "none", whiteSpace: "pre-wrap" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--deny)" },
  ".cm-diagnostic-warning": { borderLeft: "3px solid var(--unknown)" },
  ".cm-diagnostic-hint, .cm-diagnostic-info": { borderLeft: "3px solid var(--dim)" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "16em" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "2px 8px" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionDetail": { fontFamily: "var(--sans)", fontStyle: "normal", marginLeft: "8px" },
  ".cm-tooltip.cm-completionInfo": { padding: "8px 12px", width: "280px" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "600" },
  ".cm-panels": { backgroundColor: "var(--panel)", color: "var(--text)", borderColor: "var(--line)" },
  ".cm-panel button, .cm-textfield": { backgroundImage: "none", backgroundColor: "var(--field)", color: "var(--text)", border: "1px solid var(--line-strong)", borderRadius: "4px" },
  ".cm-searchMatch": { backgroundColor: "var(--selection)" },
});

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--code-key)" },
  { tag: [tags.string, tags.special(tags.string), tags.content], color: "var(--code-value)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--dim)", fontStyle: "italic" },
  { tag: [tags.separator, tags.punctuation, tags.bracket, tags.squareBracket, tags.brace], color: "var(--dim)" },
  { tag: [tags.meta, tags.keyword, tags.labelName, tags.typeName], color: "var(--accent-text)" },
]);

export const theme: Extension = [look, syntaxHighlighting(colours)];
