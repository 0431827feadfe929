//! `gnomon why`.

use crate::{
    Outcome,
    environment::{self, EnvironmentArgs},
    eval::{Format, now},
    explanation, findings,
    request_args::RequestArgs,
    sources::SourceArgs,
    style::{self, safe},
    tokens::TokenArgs,
    workloads::{All, Asked, chosen, nothing_applies},
};
use gnomon_analysis::{
    Evaluator,
    inquiry::{self, Answer, Cause, Inquiry, Kind, RuleName},
    workloads::find,
};
use gnomon_engine::{
    Attribute, Mesh, Node, Plan,
    attach::{Attachment, Policy, attachments},
    request::Protocol,
    resource::Resources,
    verdict::{Explanation, Stage},
    workload::ProxyKind,
};
use gnomon_manifests::{Loaded, merged, request};
use serde_json::json;
use std::{fmt::Write, io::Read, sync::Arc};

/// Say what refused a request, from a curl command, a line of a log or the text of an error
///
/// Takes a curl command, a line of the access log of Envoy (Istio's text format or JSON) or of ztunnel, what Envoy writes
/// with `rbac: debug`, or the details or the body of a refusal. With --policies, also what these say about the request, and
/// what the text does not show.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What you have in hand, in quotes [default: standard input]
    #[arg(value_name = "TEXT")]
    text: Vec<String>,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    inline: RequestArgs,
    #[command(flatten)]
    tokens: TokenArgs,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Show every rule and every check, not only those that matter
    #[arg(short, long)]
    verbose: bool,
}

/// How much of standard input is read.
const LONGEST: u64 = 2 << 20;

pub(crate) fn run(args: &Args) -> Outcome {
    let text = match text(args) {
        Ok(text) => text,
        Err(why) => return failed(&why),
    };
    let inquiry = match inquiry::read(&text) {
        Ok(inquiry) => inquiry,
        Err(why) => return failed(&why),
    };
    let mut loaded = args.sources.load(args.environment.namespace());
    args.tokens.put_keys(&mut loaded);
    args.tokens.tell();
    let environment = args.environment.within(&args.sources);
    let (told, mesh) = environment.read(&mut loaded);
    findings::show(&loaded, &mut Default::default());
    if args.output == Format::Text {
        findings::print_unread(&loaded, Some(args.verbose));
    }
    // Policies with mistakes leave out what they are about; a path that leads nowhere, everything.
    let unreadable = loaded.diagnostics.iter().filter(|found| found.code == "unreadable").count();
    if unreadable > 0 {
        findings::conclude(unreadable, "nothing was evaluated");
        return Outcome::Failed;
    }
    let judged = match inquiry.request.is_some() && !args.sources.is_empty() {
        true => match judged(args, &environment, &inquiry, told, &loaded, &mesh) {
            Ok(judged) => Some(judged),
            Err(why) => return failed(&why),
        },
        false => None,
    };
    match args.output {
        Format::Text => style::print(&written(args, &inquiry, judged.as_ref(), &loaded, &mesh)),
        Format::Json => style::print(&for_programs(&inquiry, judged.as_ref(), &loaded)),
    }
    Outcome::Good
}

fn failed(why: &str) -> Outcome {
    eprintln!("error: {}", why.lines().map(safe).collect::<Vec<_>>().join("\n"));
    Outcome::Failed
}

fn text(args: &Args) -> Result<String, String> {
    if !args.text.is_empty() && args.text != ["-"] {
        return Ok(args.text.join(" "));
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(LONGEST).read_to_end(&mut bytes);
    read.map_err(|error| format!("standard input cannot be read: {error}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the policies at hand say.
struct Judged {
    asked: Asked,
    spec: request::RequestSpec,
    explanation: Explanation,
    /// What they ask for and the text does not show, each with the option that says it.
    silent: Vec<(&'static str, &'static str)>,
}

fn judged(
    args: &Args,
    environment: &EnvironmentArgs,
    inquiry: &Inquiry,
    told: gnomon_engine::Workload,
    loaded: &Loaded,
    mesh: &Mesh,
) -> Result<Judged, String> {
    let asked = match logged(environment, inquiry, loaded, mesh) {
        Some(asked) => asked,
        None => {
            let chosen = chosen(environment, told, All::No, loaded, mesh)?;
            chosen.into_iter().next().ok_or("there is no workload")?
        }
    };
    let unconcerned = findings::unconcerned(vec![asked], loaded, mesh, "nothing was evaluated");
    let mut asked =
        unconcerned.and_then(|asked| asked.into_iter().next()).ok_or("the policies have errors")?;
    if inquiry.kind == Kind::ZtunnelLog {
        asked.workload.proxy = ProxyKind::Ztunnel;
    }
    let document = inquiry.request.clone().unwrap_or_default();
    let mut document: Node = serde_json::from_value(document).map_err(|error| error.to_string())?;
    if let Some(inline) = args.inline.node() {
        document = merged(&document, &inline);
    }
    let file: Arc<str> = Arc::from("(the text)");
    let spec = request::request(&file, "", "", &document).map_err(|found| found.to_string())?;
    let plan = Plan::build(&loaded.resources, &asked.workload, mesh);
    let evaluator = Evaluator::Policies { plan: &plan, workload: &asked.workload, mesh };
    let explanation =
        evaluator.explain(&spec, now(), &args.tokens.crypto()).map_err(|why| why.to_string())?;
    let silent = silent(inquiry, &asked, &document, &loaded.resources, mesh);
    Ok(Judged { asked, spec, explanation, silent })
}

/// The workload that the log names, where the options name none: a pod's name begins with its workload's.
fn logged(environment: &EnvironmentArgs, inquiry: &Inquiry, loaded: &Loaded, mesh: &Mesh) -> Option<Asked> {
    if environment.tells_workload() || environment.workload_name().is_some() {
        return None;
    }
    let (namespace, pod) = inquiry.answer.as_ref()?.workload.as_ref()?;
    let is = |name: &str| !name.is_empty() && (pod == name || pod.starts_with(&format!("{name}-")));
    let found = find(&loaded.inventory, &loaded.resources, mesh);
    let named =
        found.into_iter().filter(|one| one.workload.namespace == *namespace && is(&one.workload.name));
    let longest = named.max_by_key(|one| one.workload.name.len())?;
    Some(Asked { workload: longest.workload.clone(), found: Some(longest) })
}

/// What the policies that apply look at and the text never shows.
fn silent(
    inquiry: &Inquiry,
    asked: &Asked,
    document: &Node,
    resources: &Resources,
    mesh: &Mesh,
) -> Vec<(&'static str, &'static str)> {
    let mut wanted: Vec<(&'static str, &'static str)> = Vec::new();
    let mut want = |attribute: Attribute| {
        let (field, option) = match attribute {
            Attribute::Principal
            | Attribute::Namespace
            | Attribute::ServiceAccount
            | Attribute::TrustDomain => ("source.principal", "--principal"),
            Attribute::SourceIp => ("source.ip", "--source-ip"),
            Attribute::Port => ("destination.port", "--port"),
            Attribute::Header => ("headers", "--header"),
            Attribute::RequestPrincipal | Attribute::Claim | Attribute::Audience | Attribute::Presenter => {
                ("claims", "--token")
            }
            _ => return,
        };
        if inquiry.silent.contains(&field) && !wanted.contains(&(field, option)) {
            wanted.push((field, option));
        }
    };
    for (policy, attachment) in attachments(resources, &asked.workload, mesh) {
        let (Policy::Authorization(policy), Attachment::Applies(_)) = (policy, attachment) else { continue };
        for rule in &policy.rules {
            let fields = rule.from.iter().chain(&rule.to).flat_map(|set| set.iter());
            fields.for_each(|(attribute, _)| want(attribute));
            let keys = rule.when.iter().filter_map(|when| Attribute::of_key(&when.key.text));
            keys.for_each(|(attribute, _)| want(attribute));
        }
    }
    // What the options have added is known.
    let has = |path: &str| path.split('.').try_fold(document, |node, name| node.get(name)).is_some();
    let has_token =
        has("token") || document.get("headers").is_some_and(|headers| headers.get("authorization").is_some());
    wanted.retain(|(field, _)| match *field {
        "claims" => !has_token,
        // A log shows two of them.
        "headers" => true,
        field => !has(field),
    });
    wanted
}

fn written(args: &Args, inquiry: &Inquiry, judged: Option<&Judged>, loaded: &Loaded, mesh: &Mesh) -> String {
    let style = style::Style::of_stdout();
    let mut out = String::new();
    let _ = writeln!(out, "{}", style.faint(&format!("read as {}", inquiry.kind.name())));
    for note in &inquiry.notes {
        let _ = writeln!(out, "{}", style.faint(&safe(note)));
    }
    if let Some(answer) = &inquiry.answer {
        let meaning = answer.meaning();
        let status = answer.status.map_or(String::new(), |status| format!("{status}: "));
        let _ = writeln!(out, "{}", style.strong(&safe(&format!("{status}{}", meaning.summary))));
        if let Some(place) = place(&meaning.cause, loaded) {
            let _ = writeln!(out, "  {}", safe(&place));
        }
        for line in &meaning.look {
            let _ = writeln!(out, "  {}", safe(line));
        }
        if matches!(meaning.cause, Cause::Rbac(None) | Cause::Jwt) && args.sources.is_empty() {
            let _ = writeln!(out, "  give the policies with -p PATH, and what they say about it follows");
        }
    }
    let Some(Judged { asked, spec, explanation, silent }) = judged else {
        if inquiry.answer.is_none() {
            out.push_str("give the policies with -p PATH, and what they say about the request follows\n");
        }
        return out;
    };
    out.push('\n');
    let origin = asked.origin().unwrap_or_else(|| asked.name());
    let _ = writeln!(out, "{}", style.faint(&safe(&format!("the policies at hand, for {origin}"))));
    if let Some(nothing) = nothing_applies(asked, &loaded.resources, loaded, mesh) {
        out += &style.doubt(&nothing);
    }
    let ztunnel = asked.workload.proxy == ProxyKind::Ztunnel;
    out += &explanation::Writer { style, verbose: args.verbose, ztunnel }.write(spec, explanation);
    if inquiry.tls && spec.principal.is_none() && explanation.report.stage == Stage::Mtls {
        let _ = writeln!(
            out,
            "\n{}",
            style.doubt(
                "The text shows that the connection was TLS, and not by whom: say it with --principal."
            )
        );
    } else if let Some(differs) =
        inquiry.answer.as_ref().and_then(|answer| differs(answer, explanation, silent))
    {
        let _ = writeln!(out, "\n{}", style.doubt(&differs));
    }
    if !silent.is_empty() {
        let _ = writeln!(
            out,
            "\n{} does not show what these policies look at: {}",
            inquiry.kind.name(),
            silent.iter().map(|(field, option)| format!("{field} ({option})")).collect::<Vec<_>>().join(", ")
        );
    }
    let _ = writeln!(out, "\nto ask again: {}", command(args, asked, spec));
    out
}

/// The policy that the details name, as it stands among the manifests.
fn place(cause: &Cause, loaded: &Loaded) -> Option<String> {
    let (namespace, name, rule) = match cause {
        Cause::Rbac(Some(RuleName { namespace, policy, rule })) => {
            (namespace.as_str(), policy.as_str(), Some(*rule))
        }
        Cause::Ztunnel(Some(policy)) => {
            let (namespace, name) = policy.split_once('/')?;
            (namespace, name, None)
        }
        _ => return None,
    };
    if loaded.resources.authorization.is_empty() {
        return None;
    }
    let found = loaded
        .resources
        .authorization
        .iter()
        .find(|policy| policy.meta.namespace == namespace && policy.meta.name == name);
    let Some(policy) = found else {
        return Some(format!("{namespace}/{name} is not among the policies at hand"));
    };
    let line = match rule.and_then(|rule| policy.rules.get(rule)) {
        Some(rule) => rule.at.line,
        None => policy.meta.at.line,
    };
    Some(style::place(&policy.meta.file, line))
}

/// Where the proxy said something else than the policies at hand.
fn differs(answer: &Answer, explanation: &Explanation, silent: &[(&str, &str)]) -> Option<String> {
    use gnomon_engine::verdict::Outcome as Verdict;
    let said = match answer.meaning().cause {
        Cause::Rbac(_) | Cause::Ztunnel(_) | Cause::Jwt | Cause::ExtAuthz | Cause::Mtls | Cause::Codec => {
            Verdict::Deny
        }
        Cause::Unknown => return None,
        _ => Verdict::Allow,
    };
    let report = &explanation.report;
    let same_details = report
        .details
        .as_deref()
        .is_none_or(|details| answer.details.is_empty() || details == answer.details);
    // ztunnel has words of its own.
    let same_details = same_details || matches!(answer.meaning().cause, Cause::Ztunnel(_));
    if report.verdict == Verdict::Unknown
        || (report.verdict == said && (said == Verdict::Allow || same_details))
    {
        return None;
    }
    let why = if silent.is_empty() { "" } else { ", or what the text does not show decided" };
    Some(format!("The proxy said otherwise: it has other policies than those at hand{why}."))
}

/// The command that evaluates the same request, without what is secret in it.
fn command(args: &Args, asked: &Asked, spec: &request::RequestSpec) -> String {
    let mut command = String::from("gnomon eval");
    for word in args.sources.words().into_iter().chain(args.tokens.words()) {
        let _ = write!(command, " {}", style::shell_word(&word));
    }
    let mut add = |option: &str, value: &str| {
        let _ = write!(command, " {option} {}", style::shell_word(value));
    };
    match &asked.found {
        Some(found) => add("-w", &found.handle()),
        None => {
            add("-n", &asked.workload.namespace);
            let labels: Vec<String> =
                asked.workload.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            if !labels.is_empty() {
                add("-l", &labels.join(","));
            }
        }
    }
    if asked.workload.proxy == ProxyKind::Ztunnel {
        add("--proxy", "ztunnel");
    }
    if spec.protocol == Protocol::Http {
        add("-X", &spec.method);
        add("--path", &without_secrets(&spec.path));
        if let Some(host) = &spec.host {
            add("--host", host);
        }
    }
    if let Some(principal) = &spec.principal {
        add("--principal", principal);
    }
    if let Some(ip) = spec.source_ip {
        add("--source-ip", &ip.to_string());
    }
    if let Some(port) = spec.destination_port {
        add("--port", &port.to_string());
    }
    if spec.token.is_some() {
        add("--token", "…");
    }
    for (name, value) in
        spec.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "user-agent" | "accept"))
    {
        add("-H", &format!("{name}: {}", if is_secret(name, value) { "…" } else { value }));
    }
    if spec.protocol == Protocol::Tcp {
        command.push_str(" --tcp");
    }
    let more: Vec<&str> = [("sni", spec.sni.is_some()), ("remoteIp", spec.remote_ip.is_some())]
        .into_iter()
        .filter_map(|(name, is_there)| is_there.then_some(name))
        .collect();
    if !more.is_empty() {
        let _ = write!(command, "\n  ({} can be said in a file only: --request FILE)", more.join(" and "));
    }
    command
}

/// The path with `…` in place of the values of parameters that look like secrets.
fn without_secrets(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if is_secret(name, value) => format!("{name}=…"),
        _ => pair.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(pair).collect::<Vec<_>>().join("&"))
}

/// By the name of a header or a parameter, or because the value is a token whatever it is called.
fn is_secret(name: &str, value: &str) -> bool {
    const NAMES: [&str; 8] = ["auth", "cookie", "token", "key", "secret", "password", "session", "jwt"];
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|part| name.contains(part)) || value.contains("eyJ")
}

fn for_programs(inquiry: &Inquiry, judged: Option<&Judged>, loaded: &Loaded) -> String {
    let meaning = inquiry.answer.as_ref().map(Answer::meaning);
    let kind = match inquiry.kind {
        Kind::Curl => "curl",
        Kind::AccessLog => "access-log",
        Kind::ZtunnelLog => "ztunnel-log",
        Kind::DebugLog => "debug-log",
        _ => "details",
    };
    let answer = meaning.map(|meaning| {
        json!({
            "status": inquiry.answer.as_ref().and_then(|answer| answer.status),
            "cause": cause(&meaning.cause),
            "summary": meaning.summary,
            "place": place(&meaning.cause, loaded),
            "look": meaning.look,
        })
    });
    let policies = judged.map(|judged| {
        json!({
            "workload": judged.asked.name(),
            "report": judged.explanation.report,
            "notShown": judged.silent.iter().map(|(field, _)| field).collect::<Vec<_>>(),
        })
    });
    let text = json!({"kind": kind, "answer": answer, "policies": policies, "notes": inquiry.notes});
    serde_json::to_string_pretty(&text).unwrap_or_default() + "\n"
}

fn cause(cause: &Cause) -> &'static str {
    match cause {
        Cause::Rbac(_) => "rbac",
        Cause::Ztunnel(_) => "ztunnel",
        Cause::Jwt => "jwt",
        Cause::ExtAuthz => "ext-authz",
        Cause::Mtls => "mtls",
        Cause::Application => "application",
        Cause::NoRoute => "no-route",
        Cause::Upstream => "upstream",
        Cause::Limit => "limit",
        Cause::Codec => "codec",
        Cause::Client => "client",
        Cause::Allowed => "allowed",
        _ => "unknown",
    }
}
