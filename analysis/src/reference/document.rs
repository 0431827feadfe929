//! The reference document: `docs/attributes.md`.

use super::{id, since, written_key};
use gnomon_engine::{
    Attribute,
    attribute::{Form, Part, Row, Ztunnel},
};

const HEAD: &str = "\
<!-- Written by `cargo xtask docs` from engine/src/attribute/table.rs. -->
# What a rule can look at

The attributes of an AuthorizationPolicy's rules: what each is, how it is written as a field of `from` or `to` and as a key of `when`, how its values are compared, where it exists, and since which release of Istio. Every field has a twin that begins with `not` and every key has `notValues`: these hold where none of their values matches, also where the request does not have the attribute at all.

| field | `when` key | values | on TCP | on a waypoint | at ztunnel | with CUSTOM | since |
|---|---|---|---|---|---|---|---|
";

const FORMS: &str = "
How values are written:

| | |
|---|---|
| exact | the value itself |
| prefix | `begins*` |
| suffix | `*ends`; a leading `*` wins over a trailing one, which then stands for itself |
| presence | `*` alone: the attribute is there and not empty; a header may be empty |
| glob | `*` at any place, and more than once |
| template | `{*}` for one segment of a path, `{**}` for any number of them at the end |
| CIDR | an address or a range, `10.0.0.0/8` |
| port | a number from 0 to 65535, in quotes |
| list element | `[value]`: the attribute is a list that has the value |

On a TCP chain, where there is no HTTP, istiod drops the whole rule from an ALLOW policy that looks at an attribute of HTTP, and from every other policy that one condition. ztunnel does the same with all that it does not know; a DENY rule's source or operation that is left empty then matches nothing.

## One by one
";

/// How a row is added, with the diff of one.
const RECIPE: &str = include_str!("recipe.md");

pub(super) fn text() -> String {
    let mut text = String::from(HEAD);
    for attribute in Attribute::ALL {
        text.push_str(&line(attribute));
    }
    text.push_str(FORMS);
    for attribute in Attribute::ALL {
        text.push_str(&section(attribute));
    }
    text.push_str(RECIPE);
    text
}

fn line(attribute: Attribute) -> String {
    let row = attribute.row();
    let code = |name: Option<String>| name.map_or_else(|| "–".into(), |name| format!("`{name}`"));
    let yes = |holds: bool| if holds { "yes" } else { "–" };
    let half = if row.part == Part::Source { "source" } else { "operation" };
    let field = code(row.field.map(|(name, _)| format!("{half}.{name}")));
    let key = code(written_key(attribute));
    let forms: Vec<&str> = row.kind.forms().iter().copied().map(Form::name).collect();
    let cells = [
        field,
        key,
        forms.join(", "),
        yes(!row.http_only).into(),
        if row.on_waypoint { "yes" } else { "never holds" }.into(),
        ztunnel(row).into(),
        yes(row.with_custom).into(),
        since(attribute),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn ztunnel(row: &Row) -> &'static str {
    match row.ztunnel {
        Ztunnel::Known => "yes",
        Ztunnel::FieldOnly => "the field",
        Ztunnel::Lost => "ignored",
        Ztunnel::Http => "–",
    }
}

fn section(attribute: Attribute) -> String {
    let (row, prose) = (attribute.row(), attribute.prose());
    let mut text = format!("\n### {}\n\n{}\n", id(attribute), prose.doc);
    let samples: Vec<String> = attribute.samples().iter().map(|value| format!("{value:?}")).collect();
    let list = samples.join(", ");
    text.push_str("\n```yaml\n");
    if let Some((name, _)) = row.field {
        match row.part {
            Part::Source => text.push_str(&format!("from: [{{source: {{{name}: [{list}]}}}}]\n")),
            Part::Operation => text.push_str(&format!("to: [{{operation: {{{name}: [{list}]}}}}]\n")),
        }
    }
    if let Some(key) = written_key(attribute) {
        text.push_str(&format!("when: [{{key: {key:?}, values: [{list}]}}]\n"));
    }
    text.push_str("```\n");
    let request = row.input.request_field().name();
    text.push_str(&format!("\nA request says it in `{request}`; people call it \"{}\".\n", prose.noun));
    if let Some(most) = row.most {
        text.push_str(&format!("A list has at most {most} values.\n"));
    }
    text
}
