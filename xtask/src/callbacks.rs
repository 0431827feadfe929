//! Takes out of the filter the callbacks in which it has nothing to do.
//!
//! The SDK exports every callback that the ABI knows, and the proxy enters the module for each that is exported: for
//! every piece of a body, for trailers, for the end of a stream. Without the export it does not, so that bodies pass by
//! untouched at no cost. What only those callbacks led to is dead then, and is emptied.

use crate::run::Failure;
use std::{collections::BTreeSet, ops::Range};
use wasmparser::{ElementItems, ExternalKind, Operator, Parser, Payload, TypeRef};

/// The callbacks that `envoy-filter/src/entry.rs` implements, and those by which the SDK knows its contexts. Envoy takes
/// each of the others for one that lets everything go on.
const KEPT: [&str; 11] = [
    // For what the proxy hands over.
    "proxy_on_memory_allocate",
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_http_call_response",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_downstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_log",
    "proxy_on_delete",
];

/// The module without the other callbacks. What else it exports (its memory, `_initialize`, the ABI's version) stays.
pub(crate) fn trim(module: &[u8]) -> Result<Vec<u8>, Failure> {
    let look = Look::into(module).map_err(|error| Failure::new(format!("not a module: {error}")))?;
    let missing: Vec<_> =
        KEPT.iter().filter(|name| !look.exports.iter().any(|it| it.name == **name)).collect();
    if !missing.is_empty() {
        return Err(Failure::new(format!("the filter does not export {missing:?}")));
    }
    let alive = look.alive();
    let mut out = module.get(..8).unwrap_or_default().to_vec();
    for (id, range) in &look.sections {
        let content = match *id {
            EXPORTS => {
                list(look.exports.iter().filter(|it| it.kept()).map(|it| bytes(module, &it.range).to_vec()))
            }
            CODE => list(look.bodies.iter().enumerate().map(|(place, body)| {
                let code = if alive.contains(&(look.imported + place as u32)) {
                    bytes(module, &body.range)
                } else {
                    // No locals; `unreachable`; `end`.
                    &[0, 0, 0x0b]
                };
                [leb(code.len()), code.to_vec()].concat()
            })),
            _ => bytes(module, range).to_vec(),
        };
        out.push(*id);
        out.extend(leb(content.len()));
        out.extend(content);
    }
    Ok(out)
}

/// Identifiers of sections.
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

struct Export<'a> {
    name: &'a str,
    function: Option<u32>,
    range: Range<usize>,
}

impl Export<'_> {
    fn kept(&self) -> bool {
        !self.name.starts_with("proxy_on_") || KEPT.contains(&self.name)
    }
}

struct Body {
    range: Range<usize>,
    calls: Vec<u32>,
}

/// What of a module matters here.
#[derive(Default)]
struct Look<'a> {
    sections: Vec<(u8, Range<usize>)>,
    imported: u32,
    exports: Vec<Export<'a>>,
    bodies: Vec<Body>,
    /// Functions that something else than a call names: tables and their like.
    named: Vec<u32>,
}

impl<'a> Look<'a> {
    fn into(module: &'a [u8]) -> wasmparser::Result<Look<'a>> {
        let mut look = Look::default();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            look.sections.extend(payload.as_section());
            match payload {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        look.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::ExportSection(exports) => {
                    let starts: Vec<_> =
                        exports.clone().into_iter_with_offsets().map(|it| it.map(|it| it.0)).collect();
                    let end = exports.range().end;
                    for (place, export) in exports.into_iter().enumerate() {
                        let export = export?;
                        let at = |place: usize| starts.get(place).cloned().unwrap_or(Ok(end));
                        look.exports.push(Export {
                            name: export.name,
                            function: (export.kind == ExternalKind::Func).then_some(export.index),
                            range: at(place)?..at(place + 1)?,
                        });
                    }
                }
                Payload::ElementSection(elements) => {
                    for element in elements {
                        match element?.items {
                            ElementItems::Functions(functions) => {
                                for function in functions {
                                    look.named.push(function?);
                                }
                            }
                            ElementItems::Expressions(_, expressions) => {
                                for expression in expressions {
                                    look.named.extend(functions(expression?.get_operators_reader())?);
                                }
                            }
                        }
                    }
                }
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        look.named.extend(functions(global?.init_expr.get_operators_reader())?);
                    }
                }
                Payload::StartSection { func, .. } => look.named.push(func),
                Payload::CodeSectionEntry(body) => look
                    .bodies
                    .push(Body { range: body.range(), calls: functions(body.get_operators_reader()?)? }),
                _ => {}
            }
        }
        Ok(look)
    }

    /// The functions that can still be reached.
    fn alive(&self) -> BTreeSet<u32> {
        let exported = self.exports.iter().filter(|it| it.kept()).filter_map(|it| it.function);
        let mut waiting: Vec<u32> = self.named.iter().copied().chain(exported).collect();
        let mut alive = BTreeSet::new();
        while let Some(next) = waiting.pop() {
            if alive.insert(next) {
                let body = next.checked_sub(self.imported).and_then(|place| self.bodies.get(place as usize));
                waiting.extend(body.iter().flat_map(|body| &body.calls));
            }
        }
        alive
    }
}

/// The functions that some code names.
fn functions<'a>(
    code: impl IntoIterator<Item = wasmparser::Result<Operator<'a>>>,
) -> wasmparser::Result<Vec<u32>> {
    let mut found = Vec::new();
    for operator in code {
        match operator? {
            Operator::Call { function_index }
            | Operator::ReturnCall { function_index }
            | Operator::RefFunc { function_index } => found.push(function_index),
            _ => {}
        }
    }
    Ok(found)
}

fn bytes<'a>(module: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    module.get(range.clone()).unwrap_or_default()
}

/// A vector of the format: how many, then each.
fn list(items: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<_> = items.collect();
    [leb(items.len()), items.concat()].concat()
}

/// An unsigned number in LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}
