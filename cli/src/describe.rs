//! `gnomon describe`.

use crate::{
    Outcome, environment, findings,
    sources::SourceArgs,
    style::{self, Style, safe},
    workloads::{All, Asked, chosen_or_tell},
};
use gnomon_analysis::describe::{Default as ByDefault, Description, Place, RuleOf, describe};
use std::{fmt::Write, path::PathBuf};

/// Say what holds at a workload: mutual TLS, tokens, rules in their order, and what does not apply
///
/// Without a workload, a table of all that are among the manifests or that a policy names.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The workload: `orders` or `prod/orders`; as -w
    #[arg(value_name = "WORKLOAD", conflicts_with = "workload")]
    name: Option<PathBuf>,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// For people, for programs, for a comment, or as one page for a browser
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Html,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if !args.sources.are_given() {
        return Outcome::Failed;
    }
    let mut loaded = args.sources.load(args.environment.namespace());
    let mut environment = args.environment.within(&args.sources);
    if let Some(name) = &args.name {
        environment = environment.with_workload(name);
    }
    let (told, mesh) = environment.read(&mut loaded);
    findings::show(&loaded, &mut Default::default());
    findings::print_unread(&loaded, None);
    // Without a choice all of them are meant.
    let all = !environment.tells_workload() && environment.workload_name().is_none();
    let all = if all { All::Yes } else { All::No };
    let asked = chosen_or_tell(&environment, told, all, &loaded, &mesh)
        .and_then(|asked| findings::unconcerned(asked, &loaded, &mesh, "nothing was described"));
    let Some(asked) = asked else { return Outcome::Failed };
    let describe = |asked: &Asked| describe(asked.name(), &loaded.resources, &asked.workload, &mesh);
    let described: Vec<(&Asked, Description)> = asked.iter().map(|asked| (asked, describe(asked))).collect();
    let one = described.len() == 1;
    style::print(&match args.output {
        Format::Json => {
            let all: Vec<&Description> = described.iter().map(|(_, description)| description).collect();
            let text = match (&all[..], one) {
                ([only], true) => serde_json::to_string_pretty(only),
                _ => serde_json::to_string_pretty(&all),
            };
            text.unwrap_or_default() + "\n"
        }
        Format::Text if one => {
            described.iter().map(|(asked, one)| text(asked, one, Style::of_stdout())).collect()
        }
        Format::Text => {
            let rows: Vec<Vec<String>> =
                described.iter().map(|(asked, description)| summary(asked, description)).collect();
            columns(&HEAD, &rows)
        }
        Format::Markdown => {
            let blocks: Vec<Block> = described.iter().flat_map(|(asked, one)| blocks(asked, one)).collect();
            markdown(&overview(&described).into_iter().chain(blocks).collect::<Vec<_>>())
        }
        Format::Html => {
            let blocks: Vec<Block> = described.iter().flat_map(|(asked, one)| blocks(asked, one)).collect();
            html(&overview(&described).into_iter().chain(blocks).collect::<Vec<_>>())
        }
    });
    Outcome::Good
}

const HEAD: [&str; 6] = ["workload", "proxy", "mutual TLS", "tokens", "rules", "otherwise"];

/// One line about a workload.
fn summary(asked: &Asked, description: &Description) -> Vec<String> {
    let has_proxy = asked.found.as_ref().is_none_or(|found| found.has_proxy);
    let tls = match description.mtls.first() {
        None => "-".into(),
        Some(all) => {
            let more = if description.mtls.len() > 1 { ", ports differ" } else { "" };
            format!("{}{more}", all.modes.join(" or "))
        }
    };
    let count = |action: &str| {
        let rules = description.rules.iter();
        rules.filter(|rule| rule.action == action && !rule.dry_run && !rule.nothing).count()
    };
    let rules: Vec<String> = ["CUSTOM", "DENY", "ALLOW"]
        .into_iter()
        .filter_map(|action| match count(action) {
            0 => None,
            number => Some(format!("{number} {action}")),
        })
        .collect();
    let issuers = description.tokens.len();
    vec![
        description.workload.clone(),
        if has_proxy { proxy(description) } else { "none".into() },
        tls,
        if issuers == 0 { "-".into() } else { style::plural(issuers, "issuer") },
        if rules.is_empty() { "-".into() } else { rules.join(", ") },
        otherwise(description.default).into(),
    ]
}

fn proxy(description: &Description) -> String {
    serde_json::to_value(description.proxy)
        .ok()
        .and_then(|word| Some(word.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn otherwise(default: ByDefault) -> &'static str {
    match default {
        ByDefault::Refused => "refused",
        ByDefault::Allowed => "allowed",
    }
}

/// What a description consists of, whatever it is written as.
enum Block {
    Title(String),
    Heading(&'static str),
    Line(String),
    Table(Vec<&'static str>, Vec<Vec<String>>),
}

fn overview(described: &[(&Asked, Description)]) -> Vec<Block> {
    if described.len() < 2 {
        return Vec::new();
    }
    let rows = described.iter().map(|(asked, description)| summary(asked, description)).collect();
    vec![Block::Title("Workloads".into()), Block::Table(HEAD.to_vec(), rows)]
}

fn blocks(asked: &Asked, of: &Description) -> Vec<Block> {
    let mut blocks = vec![
        Block::Title(of.workload.clone()),
        Block::Line(format!(
            "{}{}",
            proxy(of),
            asked.origin().map_or(String::new(), |origin| format!("; {origin}"))
        )),
    ];
    if of.unverified_peers {
        blocks.push(Block::Line(
            "Client certificates are not verified there: conditions on identities prove nothing.".into(),
        ));
    }
    if !of.mtls.is_empty() {
        let row = |one: &gnomon_analysis::describe::PortTls| {
            let port = one.port.map_or_else(|| "all".into(), |port| port.to_string());
            let by = one.by.as_ref().map_or_else(|| "Istio's default".into(), at);
            vec![port, one.modes.join(" or "), by]
        };
        blocks.push(Block::Heading("Mutual TLS"));
        blocks.push(Block::Table(vec!["port", "mode", "by"], of.mtls.iter().map(row).collect()));
    }
    blocks.push(Block::Heading("Tokens"));
    if of.tokens.is_empty() {
        blocks.push(Block::Line("None is read.".into()));
    } else {
        let any = |text: String| if text.is_empty() { "any".into() } else { text };
        let row = |one: &gnomon_analysis::describe::Tokens| {
            vec![
                any(one.issuer.clone()),
                any(one.audiences.join(", ")),
                one.from.join(", "),
                one.keys.clone(),
                at(&one.at),
            ]
        };
        let head = vec!["issuer", "audiences", "looked for in", "keys", "by"];
        blocks.push(Block::Table(head, of.tokens.iter().map(row).collect()));
        blocks.push(Block::Line(
            "A request without a token passes this stage; only a rule that asks for one refuses it.".into(),
        ));
    }
    blocks.push(Block::Heading("Rules, in the order in which they are asked"));
    if of.rules.is_empty() {
        blocks.push(Block::Line("No AuthorizationPolicy applies.".into()));
    } else {
        let head = vec!["", "who", "what", "and", "by"];
        blocks.push(Block::Table(head, of.rules.iter().map(rule).collect()));
    }
    blocks.push(Block::Line(match of.default {
        ByDefault::Refused => "Every other request is refused: ALLOW policies apply.".into(),
        ByDefault::Allowed => "Every other request is allowed: no ALLOW policy applies.".into(),
    }));
    if !of.not_applied.is_empty() {
        let row = |one: &gnomon_engine::attach::NotAppliedReport| {
            vec![format!("{} {}", one.kind, one.policy), one.why.clone(), style::place(&one.file, one.line)]
        };
        blocks.push(Block::Heading("Does not apply"));
        blocks.push(Block::Table(vec!["policy", "why", "where"], of.not_applied.iter().map(row).collect()));
    }
    blocks
}

fn rule(one: &RuleOf) -> Vec<String> {
    let any = |parts: &[String], word: &str| match parts {
        [] => word.to_owned(),
        _ => parts.join(" | "),
    };
    let dry = if one.dry_run { " (dry run)" } else { "" };
    let who = if one.nothing { "nobody".into() } else { any(&one.from, "anybody") };
    let what = if one.nothing { "nothing".into() } else { any(&one.to, "anything") };
    vec![format!("{}{dry}", one.action), who, what, one.when.join("; "), at(&one.at)]
}

fn at(place: &Place) -> String {
    match place.file.is_empty() {
        true => place.policy.clone(),
        false => format!("{} ({})", place.policy, style::place(&place.file, place.line)),
    }
}

fn text(asked: &Asked, of: &Description, style: Style) -> String {
    let mut out = String::new();
    for block in blocks(asked, of) {
        match block {
            Block::Title(title) => {
                let _ = writeln!(out, "{}", style.strong(&safe(&title)));
            }
            Block::Heading(heading) => {
                let _ = writeln!(out, "\n{}", style.strong(heading));
            }
            Block::Line(line) => {
                let _ = writeln!(out, "  {}", safe(&line));
            }
            Block::Table(head, rows) => {
                for line in columns(&head, &rows).lines() {
                    let _ = writeln!(out, "  {line}");
                }
            }
        }
    }
    out
}

/// A table for a terminal.
fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| safe(cell)).collect()).collect();
    let mut widths: Vec<usize> = head.iter().map(|name| name.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        line.trim_end().to_owned() + "\n"
    };
    let mut out = line(&mut head.iter().copied());
    rows.iter().for_each(|row| out += &line(&mut row.iter().map(String::as_str)));
    out
}

fn markdown(blocks: &[Block]) -> String {
    let cell = |text: &str| {
        safe(text).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
    };
    let mut out = String::new();
    for block in blocks {
        match block {
            Block::Title(title) => {
                let _ = writeln!(out, "## {}\n", cell(title));
            }
            Block::Heading(heading) => {
                let _ = writeln!(out, "### {heading}\n");
            }
            Block::Line(line) => {
                let _ = writeln!(out, "{}\n", cell(line));
            }
            Block::Table(head, rows) => {
                let _ = writeln!(out, "| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
                for row in rows {
                    let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
                    let _ = writeln!(out, "| {} |", cells.join(" | "));
                }
                out.push('\n');
            }
        }
    }
    out.trim_end().to_owned() + "\n"
}

/// One page that needs nothing else.
fn html(blocks: &[Block]) -> String {
    const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1d2733;\
        background:#fff}table{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}th,td{text-align:left;vertical-align:top;\
        padding:.35rem .75rem .35rem 0;border-bottom:1px solid #d8dee6;overflow-wrap:anywhere}th{font-weight:600;white-space:nowrap}\
        h2{margin-top:2.5rem;border-bottom:2px solid #1d2733}@media(prefers-color-scheme:dark){body{color:#e4e9ef;\
        background:#14191f}th,td{border-color:#39434f}h2{border-color:#e4e9ef}}";
    let text = |text: &str| {
        safe(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>Istio policies by workload</title>\n<style>{STYLE}</style>\n<h1>Istio \
         policies by workload</h1>\n"
    );
    for block in blocks {
        match block {
            Block::Title(title) => {
                let _ = writeln!(out, "<h2>{}</h2>", text(title));
            }
            Block::Heading(heading) => {
                let _ = writeln!(out, "<h3>{}</h3>", text(heading));
            }
            Block::Line(line) => {
                let _ = writeln!(out, "<p>{}</p>", text(line));
            }
            Block::Table(head, rows) => {
                let head: String =
                    head.iter().map(|name| format!("<th scope=\"col\">{}</th>", text(name))).collect();
                let _ = writeln!(out, "<table>\n<thead><tr>{head}</tr></thead>\n<tbody>");
                for row in rows {
                    let cells: String = row.iter().map(|cell| format!("<td>{}</td>", text(cell))).collect();
                    let _ = writeln!(out, "<tr>{cells}</tr>");
                }
                out.push_str("</tbody>\n</table>\n");
            }
        }
    }
    out + "</html>\n"
}
