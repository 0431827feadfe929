//! `gnomon drift`.

use crate::{
    Outcome,
    diff::{
        formats,
        text::{deciding, except},
    },
    environment, eval, findings,
    loaded::{self, workload_beside},
    sources::SourceArgs,
    style,
};
use gnomon_analysis::{
    diff::{Change, State, document},
    drift::{Drift, Object, ObjectState, RULES, drift},
};
use gnomon_engine::{Workload, jwt::SoftwareCrypto};
use serde_json::{Value, json};
use std::{fmt::Write as _, path::PathBuf};

/// Say whether a proxy does what the policies declare, and which of them it does not have as declared
///
/// Compares all requests, and the objects by name. Exits 0 where every request fares as declared, 1 where one does not.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// What the proxy has loaded: its /config_dump, or `istioctl proxy-config listener POD -o json`; or - for standard
    /// input. A dump says itself whose proxy it is, for a list of listeners say it with -w
    #[arg(long, value_name = "FILE")]
    envoy_config: PathBuf,
    /// The listener of it, or one of its filter chains [default: all that come in]
    #[arg(long, value_name = "NAME|PORT")]
    listener: Option<String>,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if !args.sources.are_given() {
        return Outcome::Failed;
    }
    let nothing = "nothing was compared";
    let Ok(configuration) = loaded::read(&args.envoy_config, args.listener.clone(), nothing) else {
        return Outcome::Failed;
    };
    configuration.tell_unread();
    let mut loaded = args.sources.load(args.environment.namespace());
    let (told, mesh) = args.environment.read(&mut loaded);
    if findings::print(&loaded, &mut Default::default(), nothing) {
        return Outcome::Failed;
    }
    let (_, mesh) = configuration.around(None, mesh, args.environment.tells_mesh());
    let beside = workload_beside(&configuration, &args.environment, told, &loaded, &mesh);
    let (name, workload) = match beside {
        Ok(beside) => beside,
        Err(why) => {
            eprintln!("error: whose proxy it is, the configuration does not say; {why}");
            return Outcome::Failed;
        }
    };
    let state = State { resources: &loaded.resources, workload: &workload, mesh: &mesh };
    let found = drift(state, configuration.proxy(&workload, &mesh), eval::now(), &SoftwareCrypto);
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            eprintln!("error: {}: {}", style::safe(&name), style::safe(&why.to_string()));
            return Outcome::Failed;
        }
    };
    style::print(&match args.output {
        Format::Text => text(&name, &found),
        Format::Json => json(&name, &workload, &found),
        Format::Markdown => markdown(&name, &found),
    });
    if found.is_equivalent() { Outcome::Good } else { Outcome::Bad }
}

fn word(state: ObjectState) -> &'static str {
    match state {
        ObjectState::Missing => "declared, and not loaded",
        ObjectState::Stale => "loaded, and not declared",
        ObjectState::Different => "loaded otherwise than declared",
    }
}

/// `AuthorizationPolicy shop/orders, ALLOW rule 0 (policies.yaml:12)`
fn named(object: &Object) -> String {
    let name = match object.name.as_str() {
        "" => object.kind.clone(),
        name => format!("{} {name}", object.kind),
    };
    let place = style::place(&object.file, object.line);
    let place = if place.is_empty() { place } else { format!(" ({place})") };
    format!("{name}, {}{place}", object.part)
}

fn title(change: Change) -> &'static str {
    match change {
        Change::Allowed => "allowed, though not as declared",
        Change::Denied => "denied, though declared to be allowed",
        Change::Undecided => "not known, though declared",
    }
}

fn text(name: &str, found: &Drift) -> String {
    let style = style::Style::of_stdout();
    let mut out = String::new();
    let verdict = match found.is_equivalent() {
        true => style.good("every request fares as declared"),
        false => style.bad("the proxy does not do what is declared"),
    };
    let _ = writeln!(out, "{}: {verdict}", style.strong(&style::safe(name)));
    for setting in &found.settings {
        let _ = writeln!(out, "  {}", style::safe(setting));
    }
    for object in &found.objects {
        let line = format!("{}: {}", named(object), word(object.state));
        let _ = writeln!(out, "  {}", style::safe(&line));
        for why in &object.why {
            let _ = writeln!(out, "      {}", style::safe(why));
        }
    }
    if !found.complete {
        let _ = writeln!(
            out,
            "  rules of one name were not compared with each other: there are more than {RULES}"
        );
    }
    let Some(changes) = &found.changes else {
        out.push_str("  with other settings requests cannot be compared one by one\n");
        return out;
    };
    for line in &changes.summary {
        let _ = writeln!(out, "  {}: {}", style.bad(title(line.change)), style::safe(&line.requests));
        let _ = writeln!(out, "      declared: {}; loaded: {}", deciding(&line.old), deciding(&line.new));
    }
    for keys in &changes.keys {
        let _ = writeln!(out, "  {}", style.bad(&style::safe(&keys.to_string())));
    }
    if !changes.complete {
        out.push_str("  and more, of which only the first are told\n");
    }
    if let Some(except) = except([changes]) {
        let _ = writeln!(out, "  not wholly compared: {except}");
    }
    for witness in
        [&changes.newly_allowed, &changes.newly_denied, &changes.newly_undecided].into_iter().flatten()
    {
        let _ = writeln!(out, "  {}", style.faint("a request that shows it, for gnomon eval -r:"));
        let _ = writeln!(out, "      {}", style::safe(&document(&witness.request).to_string()));
        let _ = writeln!(out, "      declared: {}", style::safe(&witness.old.reason));
        let _ = writeln!(out, "      loaded: {}", style::safe(&witness.new.reason));
    }
    out
}

/// The format of docs/formats.md, "Drift".
fn json(name: &str, workload: &Workload, found: &Drift) -> String {
    let value = json!({
        "equivalent": found.is_equivalent(),
        "workload": formats::workload(name, workload),
        "objects": found.objects,
        "complete": found.complete,
        "settings": found.settings,
        "difference": found.changes.as_ref().map_or(Value::Null, |changes| Value::Object(formats::changes(changes, false))),
    });
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

fn markdown(name: &str, found: &Drift) -> String {
    let cell = formats::cell;
    let mut out = format!("## Drift of {}\n\n", cell(name));
    out.push_str(match found.is_equivalent() {
        true => "Every request fares as declared.\n",
        false => "The proxy does not do what is declared.\n",
    });
    for setting in &found.settings {
        let _ = writeln!(out, "\n- {}", cell(setting));
    }
    if !found.objects.is_empty() {
        out.push_str("\n| object | how | what |\n|---|---|---|\n");
        for object in &found.objects {
            let why = object.why.join("; ");
            let _ = writeln!(out, "| {} | {} | {} |", cell(&named(object)), word(object.state), cell(&why));
        }
    }
    if !found.complete {
        let _ = writeln!(
            out,
            "\nRules of one name were not compared with each other: there are more than {RULES}."
        );
    }
    let Some(changes) = &found.changes else { return out };
    if let Some(except) = except([changes]) {
        let _ = writeln!(out, "\nNot wholly compared: {}.", cell(&except));
    }
    for keys in &changes.keys {
        let _ = writeln!(out, "\nOther keys: {}.", cell(&keys.to_string()));
    }
    if !changes.summary.is_empty() {
        out.push_str("\n| requests | are | declared | loaded |\n|---|---|---|---|\n");
        for line in &changes.summary {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                cell(&line.requests),
                title(line.change),
                cell(&deciding(&line.old)),
                cell(&deciding(&line.new))
            );
        }
    }
    for witness in [&changes.newly_allowed, &changes.newly_denied].into_iter().flatten() {
        let request = document(&witness.request).to_string();
        let _ = writeln!(out, "\nA request that shows it:\n\n```json\n{request}\n```");
    }
    out
}
