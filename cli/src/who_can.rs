//! `gnomon who-can`.

use crate::{
    Outcome, environment, eval, findings, gateway,
    loaded::LoadedArgs,
    sarif::set,
    sources::SourceArgs,
    style,
    workloads::{All, Asked, chosen_or_tell},
};
use gnomon_analysis::{
    diff::{Changes, State, document},
    hops::{self, Passages, World},
    invariant::{Requests, allowed},
};
use gnomon_engine::{Mesh, jwt::SoftwareCrypto, request::Protocol};
use gnomon_manifests::Loaded;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Say who may send a request: all callers at once, with the rule that lets them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The method [default: any]
    #[arg(value_name = "METHOD")]
    method: Option<String>,
    /// The path, as `paths` of a policy has it: /api/orders, /api/* [default: any]
    #[arg(value_name = "PATH")]
    path: Option<String>,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    loaded: LoadedArgs,
    /// The host, as `hosts` of a policy has it
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The workload's port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Ask what comes through this ingress gateway: requests as they come to it, and the policies of both; `gateway` is the
    /// only one
    #[arg(long, value_name = "GATEWAY", conflicts_with = "envoy_config")]
    via: Option<String>,
    /// Ask about HTTP requests, or about TCP connections
    #[arg(long, value_enum, default_value_t = Layer::Http)]
    protocol: Layer,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Layer {
    Http,
    Tcp,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if args.protocol == Layer::Tcp && (args.method.is_some() || args.path.is_some() || args.host.is_some()) {
        eprintln!("error: TCP connections have no method, path or host: leave it out, or --protocol tcp");
        return Outcome::Failed;
    }
    if args.protocol == Layer::Tcp && args.via.is_some() {
        eprintln!("error: --via follows HTTP requests: routes of TCP connections are not followed");
        return Outcome::Failed;
    }
    let Ok(configuration) = args.loaded.read("nothing was evaluated") else { return Outcome::Failed };
    if configuration.is_none() && !args.sources.are_given() {
        return Outcome::Failed;
    }
    let mut loaded = args.sources.load(args.environment.namespace());
    let environment = args.environment.within(&args.sources);
    let (told, mesh) = environment.read(&mut loaded);
    findings::show(&loaded, &mut Default::default());
    let protocol = match args.protocol {
        Layer::Http => Protocol::Http,
        Layer::Tcp => Protocol::Tcp,
    };
    let requests = match Requests::new(rule(args), protocol) {
        Ok(requests) => requests,
        Err(why) => {
            eprintln!("error: {}", style::safe(&why.to_string()));
            return Outcome::Failed;
        }
    };
    if let Some(configuration) = &configuration {
        configuration.tell_unread();
        let told = environment.tells_workload().then_some(told);
        let (workload, mesh) = configuration.around(told, mesh, environment.tells_mesh());
        let proxy = configuration.proxy(&workload, &mesh);
        let answer = allowed(proxy, &requests, eval::now(), &SoftwareCrypto);
        return match answer {
            Ok(changes) => print(args, &[(configuration.name.clone(), changes)]),
            Err(why) => failed(&configuration.name, &why.to_string()),
        };
    }
    let all = if environment.tells_workload() { All::No } else { All::Yes };
    let asked = chosen_or_tell(&environment, told, all, &loaded, &mesh)
        .and_then(|asked| findings::unconcerned(asked, &loaded, &mesh, "nothing was evaluated"));
    let Some(asked) = asked else { return Outcome::Failed };
    if let Some(named) = &args.via {
        return through(args, named, &asked, &requests, (&loaded, &mesh));
    }
    let mut answers = Vec::new();
    for one in asked {
        let state = State { resources: &loaded.resources, workload: &one.workload, mesh: &mesh };
        match allowed(state, &requests, eval::now(), &SoftwareCrypto) {
            Ok(changes) => answers.push((one.name(), changes)),
            Err(why) => return failed(&one.name(), &why.to_string()),
        }
    }
    print(args, &answers)
}

/// What comes through a gateway to each of these.
fn through(
    args: &Args,
    named: &str,
    asked: &[Asked],
    requests: &Requests,
    (loaded, mesh): (&Loaded, &Mesh),
) -> Outcome {
    let all = hops::gateways(&loaded.inventory);
    let gateway = match gateway::chosen(&all, named) {
        Ok(gateway) => gateway,
        Err(why) => {
            eprintln!("error: {why}");
            return Outcome::Failed;
        }
    };
    let (now, crypto) = (eval::now(), &SoftwareCrypto);
    let world = World { inventory: &loaded.inventory, resources: &loaded.resources, mesh, now, crypto };
    let mut answers = Vec::new();
    for one in asked.iter().filter(|one| one.workload != gateway.workload) {
        match hops::who_can(world, gateway, &one.workload, requests) {
            Ok(passages) => answers.push((one.name(), passages)),
            Err(why) => return failed(&one.name(), &why.to_string()),
        }
    }
    let gateway = gateway.workload.display_name();
    if answers.is_empty() {
        let name = style::safe(&gateway);
        eprintln!("error: there is no workload but the gateway {name} itself: name one behind it with -w");
        return Outcome::Failed;
    }
    style::print(&match args.output {
        Format::Text => text_through(&gateway, &answers),
        Format::Json => json_through(&gateway, &answers),
    });
    Outcome::Good
}

fn print(args: &Args, answers: &[(String, Changes)]) -> Outcome {
    style::print(&match args.output {
        Format::Text => text(answers),
        Format::Json => json(answers),
    });
    Outcome::Good
}

fn failed(name: &str, why: &str) -> Outcome {
    eprintln!("error: {}: {}", style::safe(name), style::safe(why));
    Outcome::Failed
}

/// The requests that are asked about, as a rule.
fn rule(args: &Args) -> Value {
    let mut operation = Map::new();
    let texts = [("methods", &args.method), ("paths", &args.path), ("hosts", &args.host)];
    for (field, value) in texts {
        if let Some(value) = value {
            operation.insert(field.into(), json!([value]));
        }
    }
    if let Some(port) = args.port {
        operation.insert("ports".into(), json!([port.to_string()]));
    }
    match operation.is_empty() {
        true => json!({}),
        false => json!({"to": [{"operation": operation}]}),
    }
}

fn text(answers: &[(String, Changes)]) -> String {
    let style = style::Style::of_stdout();
    let mut out = String::new();
    for (name, changes) in answers {
        let _ = writeln!(out, "{}", style.strong(&style::safe(name)));
        if changes.summary.is_empty() {
            out.push_str("  nobody\n");
        }
        lines(&mut out, style, changes, &[]);
    }
    out
}

fn text_through(gateway: &str, answers: &[(String, Passages)]) -> String {
    let style = style::Style::of_stdout();
    let mut out = String::new();
    for (name, Passages { all, unknown, .. }) in answers {
        let title = format!("{} through {gateway}", style::safe(name));
        let _ = writeln!(out, "{}", style.strong(&title));
        if all.is_empty() {
            out.push_str(if unknown.is_empty() { "  nobody\n" } else { "  nobody, of what is known\n" });
        }
        for passage in all {
            lines(&mut out, style, &passage.changes, &passage.how);
        }
        for why in unknown {
            let _ = writeln!(out, "  {} {}", style.doubt("not known:"), style::safe(why));
        }
    }
    out
}

fn lines(out: &mut String, style: style::Style, changes: &Changes, how: &[String]) {
    for line in &changes.summary {
        let place = match line.new.line {
            0 => String::new(),
            at => format!(" ({}:{at})", line.new.file),
        };
        let _ = writeln!(out, "  {}", style::safe(&line.requests));
        for how in how {
            let _ = writeln!(out, "      {}", style.faint(&style::safe(how)));
        }
        let _ = writeln!(out, "      {}", style.faint(&style::safe(&format!("{}{place}", line.new.what))));
    }
    if !changes.complete {
        out.push_str("  and more, of which only the first are told\n");
    }
}

fn json_through(gateway: &str, answers: &[(String, Passages)]) -> String {
    let of = |(name, passages): &(String, Passages)| {
        let mut lines = Vec::new();
        for passage in &passages.all {
            for mut line in allowed_lines(&passage.changes) {
                set(&mut line, "route", json!(passage.how));
                lines.push(line);
            }
        }
        let complete = passages.unknown.is_empty() && passages.all.iter().all(|one| one.changes.complete);
        json!({
            "workload": name,
            "gateway": gateway,
            "complete": complete,
            "allowed": lines,
            "unknown": passages.unknown,
        })
    };
    let answers: Vec<Value> = answers.iter().map(of).collect();
    serde_json::to_string_pretty(&answers).unwrap_or_default() + "\n"
}

fn allowed_lines(changes: &Changes) -> impl Iterator<Item = Value> {
    let lines = changes.summary.iter();
    lines.map(|line| json!({"requests": line.requests, "by": line.new, "example": document(&line.example)}))
}

fn json(answers: &[(String, Changes)]) -> String {
    let of = |(name, changes): &(String, Changes)| {
        let lines: Vec<Value> = allowed_lines(changes).collect();
        json!({"workload": name, "complete": changes.complete, "allowed": lines})
    };
    let answers: Vec<Value> = answers.iter().map(of).collect();
    serde_json::to_string_pretty(&answers).unwrap_or_default() + "\n"
}
