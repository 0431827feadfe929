//! `gnomon eval --via`: a request on its way through a gateway.

use super::{Args, Format, NOTHING, worst};
use crate::{
    Outcome, explanation, findings, gateway,
    style::{self, safe},
    workloads::Asked,
};
use gnomon_analysis::hops::{End, Hop, Way, World, follow, gateways};
use gnomon_engine::{Mesh, verdict, workload::ProxyKind};
use gnomon_manifests::{Loaded, request::Requests};
use serde_json::{Value, json};

pub(super) fn run(
    args: &Args,
    named: &str,
    requests: &Requests,
    loaded: &Loaded,
    mesh: &Mesh,
    now: i64,
) -> Outcome {
    let all = gateways(&loaded.inventory);
    let gateway = match gateway::chosen(&all, named) {
        Ok(gateway) => gateway,
        Err(why) => {
            eprintln!("error: {why}");
            return Outcome::Failed;
        }
    };
    let asked = Asked { workload: gateway.workload.clone(), found: None };
    if findings::unconcerned(vec![asked], loaded, mesh, NOTHING).is_none() {
        return Outcome::Failed;
    }
    let crypto = args.tokens.crypto();
    let world =
        World { inventory: &loaded.inventory, resources: &loaded.resources, mesh, now, crypto: &crypto };
    let ways: Vec<Way> = requests.as_slice().iter().map(|request| follow(world, gateway, request)).collect();
    match args.output {
        Format::Text => {
            let texts: Vec<String> = ways.iter().map(|way| text(args, way)).collect();
            style::print(&texts.join("\n"));
        }
        Format::Json => {
            let all: Vec<Value> = ways.iter().map(printed).collect();
            let text = match (requests, all.as_slice()) {
                (Requests::One(_), [one]) => serde_json::to_string_pretty(one),
                _ => serde_json::to_string_pretty(&all),
            };
            // Cannot fail: all keys are strings.
            style::print(&(text.unwrap_or_default() + "\n"));
        }
    }
    worst(args, ways.iter().map(verdict))
}

/// What comes of the whole way.
fn verdict(way: &Way) -> verdict::Outcome {
    match &way.end {
        End::Arrives => verdict::Outcome::Allow,
        End::Refused => {
            way.hops.last().map_or(verdict::Outcome::Unknown, |hop| hop.explanation.report.verdict)
        }
        End::Stops(_) => verdict::Outcome::Deny,
        End::Undecided(_) => verdict::Outcome::Unknown,
    }
}

fn text(args: &Args, way: &Way) -> String {
    let style = style::Style::of_stdout();
    let mut out = String::new();
    for (number, hop) in way.hops.iter().enumerate() {
        let Hop { name, workload, how, request, explanation } = hop;
        for line in how {
            out += &format!("  {}\n", style.faint(&safe(line)));
        }
        out += &format!("{} {}\n", style.strong(&format!("{}.", number + 1)), style.strong(&safe(name)));
        let writer = explanation::Writer {
            style,
            verbose: args.verbose,
            ztunnel: workload.proxy == ProxyKind::Ztunnel,
        };
        out += &writer.write(request, explanation);
        out.push('\n');
    }
    out += &match &way.end {
        End::Arrives => style.good("the request arrives\n"),
        End::Refused => String::new(),
        End::Stops(why) => style.bad(&safe(&format!("the request does not arrive: {why}"))) + "\n",
        End::Undecided(why) => {
            style.doubt(&safe(&format!("where the request goes from here is not known: {why}"))) + "\n"
        }
    };
    out
}

fn printed(way: &Way) -> Value {
    let hop = |hop: &Hop| {
        json!({
            "name": hop.name,
            "how": hop.how,
            "request": gnomon_analysis::diff::document(&hop.request),
            "verdict": hop.explanation.report,
        })
    };
    let (end, why) = match &way.end {
        End::Arrives => ("arrives", None),
        End::Refused => ("refused", None),
        End::Stops(why) => ("stops", Some(why)),
        End::Undecided(why) => ("undecided", Some(why)),
    };
    json!({"verdict": verdict(way), "end": end, "why": why, "hops": way.hops.iter().map(hop).collect::<Vec<_>>()})
}
