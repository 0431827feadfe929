//! `gnomon bundle`.

use crate::{Outcome, environment, findings, sources::SourceArgs, style, workloads, yaml};
use gnomon_analysis::bundle::{self, APPLY_LIMIT, OBJECT_LIMIT, Plugin, grouped};
use gnomon_engine::{
    Mesh, Position, Workload,
    attach::{Subject, settle},
    request::Protocol,
    resource::{Action, Resources, Target, TargetKind, TargetRef, manifest::manifests},
    workload::ProxyKind,
};
use serde_json::{Map, Value, json};

/// Print the object that puts the shadow filter, with these policies, in front of workloads
///
/// Namespace and labels say which workloads. The object carries the policies that can apply to them and no others, and
/// its size is told on standard error; what would be too long for a Kubernetes object is compressed. Exits 1 where
/// Istio's admission would refuse a policy, where none can apply, or where even the compressed object is too long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// Where the proxies find the filter: oci://…, https://…; for --kind envoy a file
    #[arg(long, value_name = "URL")]
    image: String,
    /// What to print
    #[arg(long, value_enum, ignore_case = true, default_value_t = Kind::WasmPlugin)]
    kind: Kind,
    /// The object's name
    #[arg(long, default_value = "gnomon-shadow")]
    name: String,
    /// In place of labels: Gateway/NAME, Service/NAME, ServiceEntry/NAME or GatewayClass/NAME; as often as wanted
    #[arg(long = "target-ref", value_name = "KIND/NAME", value_parser = target)]
    targets: Vec<TargetRef>,
    /// For HTTP, or for the connections of TCP ports
    #[arg(long, value_enum, default_value_t = Chain::Http)]
    protocol: Chain,
    /// The SHA-256 of the image or of the file, in hex
    #[arg(long, value_name = "HEX", default_value = "", hide_default_value = true, value_parser = sha256)]
    sha256: String,
    /// The Secret with the registry's credentials
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pull_secret: String,
    /// Which requests get a line in the proxy's log [default: divergent]
    #[arg(long, value_enum)]
    log: Option<Log>,
    /// The share of those lines that is written, 0 to 1 [default: 1]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    sample: Option<f64>,
    /// Compress the policies: where the object would be too long, or anyway, or in no case
    #[arg(long, value_enum, default_value_t = Compress::Auto)]
    compress: Compress,
    /// An object in the root namespace reaches every namespace. This is your promise that no other one has workloads
    /// with these labels: only policies for the root namespace's own are carried
    #[arg(long)]
    only_namespace: bool,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Yaml)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    #[value(name = "WasmPlugin")]
    WasmPlugin,
    /// Istio 1.30 and later
    #[value(name = "TrafficExtension")]
    TrafficExtension,
    /// An entry of http_filters, or of a chain's filters
    Envoy,
    /// The native module, as an EnvoyFilter for Istio 1.31 and later
    Module,
    /// The native module, as an EnvoyExtensionPolicy for Envoy Gateway
    ModuleGateway,
    /// The native module, as an entry of http_filters or of a chain's filters
    ModuleEnvoy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Chain {
    Http,
    Tcp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Log {
    None,
    Denied,
    Divergent,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Compress {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Yaml,
    Json,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if !args.sources.are_given() {
        return Outcome::Failed;
    }
    let mut loaded = args.sources.load(args.environment.namespace());
    let (mut workload, mesh) = args.environment.read(&mut loaded);
    if findings::print(&loaded, &mut Default::default(), "nothing was bundled") {
        let unread = loaded.diagnostics.iter().any(|found| found.code == "unreadable");
        return if unread { Outcome::Failed } else { Outcome::Bad };
    }
    findings::print_unread(&loaded, None);
    if args.environment.workload_name().is_some() {
        let Some(named) = workloads::one(&args.environment, workload, &loaded, &mesh) else {
            return Outcome::Failed;
        };
        workload = named;
    }
    if let Err(why) = usable(args, &mut workload) {
        eprintln!("error: {why}");
        return Outcome::Failed;
    }
    // The filter gets the policies and nothing else.
    settle(&mut workload, &loaded.resources);
    let reach =
        Subject::within_reach(&loaded.resources, &workload, &args.targets, &mesh, args.only_namespace);
    let (selected, left_out) = bundle::select(&loaded.resources, &reach);
    let carried = manifests(&selected);
    eprintln!(
        "note: {} of {} can apply to workloads of {}",
        carried.len(),
        style::plural(carried.len() + left_out, "policy"),
        whom(&reach, &args.targets)
    );
    if carried.is_empty() {
        eprintln!(
            "error: no policy can apply, and a filter without policies would allow everything; look at the namespace \
             and the labels"
        );
        return Outcome::Bad;
    }
    let custom = selected.authorization.iter().filter(|policy| policy.action == Action::Custom).count();
    if custom > 0 {
        eprintln!(
            "note: {} CUSTOM: what an external provider would answer the filter does not know, and such a verdict is \
             unknown",
            if custom == 1 { "one of them is".into() } else { format!("{custom} of them are") }
        );
    }
    if nobody_serves(&selected, &workload) {
        eprintln!(
            "warning: some of them name services, and a waypoint does not tell the filter which service a request is \
             for; bundle for one service at a time with --target-ref Service/NAME"
        );
    }
    let build = |candidate| object(args, &workload, &mesh, candidate);
    let Some(object) = fitted(args, &carried, build) else { return Outcome::Bad };
    style::print(&match args.output {
        Format::Yaml => yaml::write(&object),
        // Cannot fail: all keys are strings.
        Format::Json => serde_json::to_string_pretty(&object).unwrap_or_default() + "\n",
    });
    Outcome::Good
}

/// What no policy can mend.
fn usable(args: &Args, workload: &mut Workload) -> Result<(), String> {
    let classes = args.targets.iter().filter(|target| target.kind != TargetKind::Gateway).count();
    if workload.proxy == ProxyKind::Sidecar && !args.targets.is_empty() {
        // A target is a gateway or what is behind a waypoint; sidecars have none.
        workload.proxy = if classes > 0 { ProxyKind::Waypoint } else { ProxyKind::Gateway };
    }
    match workload.proxy {
        ProxyKind::Agentgateway => {
            return Err("agentgateway is no Envoy, and istiod gives it neither policies nor filters".into());
        }
        ProxyKind::Ztunnel => return Err("ztunnel has no filters; bundle for the waypoint".into()),
        ProxyKind::Waypoint if args.targets.is_empty() => {
            return Err("a waypoint is found only by targetRefs: give --target-ref Gateway/NAME or \
                        --target-ref Service/NAME"
                .into());
        }
        _ => {}
    }
    for target in &args.targets {
        let service = match target.kind {
            TargetKind::Service => target.name.clone(),
            TargetKind::ServiceEntry => format!("ServiceEntry/{}", target.name),
            TargetKind::Gateway | TargetKind::GatewayClass => continue,
        };
        if !workload.services.contains(&service) {
            workload.services.push(service);
        }
    }
    let (scheme, _) = args.image.split_once("://").unwrap_or(("", ""));
    if args.kind == Kind::ModuleGateway && args.protocol == Chain::Tcp {
        return Err("Envoy Gateway puts modules into HTTP filter chains only".into());
    }
    if args.kind == Kind::ModuleGateway
        && !args.targets.iter().any(|target| target.kind == TargetKind::Gateway)
    {
        return Err("Envoy Gateway finds gateways by name: give --target-ref Gateway/NAME".into());
    }
    match (args.kind, scheme) {
        (Kind::Module | Kind::ModuleEnvoy, "" | "file") if !args.image.is_empty() => Ok(()),
        (Kind::ModuleGateway, "") if !args.image.is_empty() => Ok(()),
        (Kind::Module | Kind::ModuleEnvoy | Kind::ModuleGateway, _) => Err(
            "the module comes out of a volume: give --image its path in the proxy's file system, or its name \
             (gnomon_envoy_module) where ENVOY_DYNAMIC_MODULES_SEARCH_PATH or the EnvoyProxy says where it is"
                .into(),
        ),
        (Kind::Envoy, "" | "file") if !args.image.is_empty() => Ok(()),
        (Kind::Envoy, _) => {
            Err("Envoy itself fetches no images: give --image the path of the filter in the \
                                 proxy's file system"
                .into())
        }
        (_, "oci" | "http" | "https" | "file") => Ok(()),
        _ => Err(format!(
            "--image {} is no address: write oci://REGISTRY/IMAGE:TAG, https://HOST/FILE or file:///PATH",
            style::safe(&args.image)
        )),
    }
}

/// `shop with app=web`
fn whom(reach: &Subject<'_>, targets: &[TargetRef]) -> String {
    let place = reach.namespace().unwrap_or("every namespace");
    let labels: Vec<String> =
        reach.known_labels().iter().map(|(key, value)| format!("{key}={value}")).collect();
    let targets: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let text = match (targets.is_empty(), labels.is_empty()) {
        (false, _) => format!("{place} behind {}", targets.join(", ")),
        (true, false) => format!("{place} with {}", labels.join(",")),
        (true, true) => place.to_owned(),
    };
    style::safe(&text)
}

fn nobody_serves(selected: &Resources, workload: &Workload) -> bool {
    let names_service = |target: &Target| match target {
        Target::Refs(refs) => {
            refs.iter().any(|target| matches!(target.kind, TargetKind::Service | TargetKind::ServiceEntry))
        }
        _ => false,
    };
    workload.services.is_empty()
        && (selected.authorization.iter().any(|policy| names_service(&policy.target))
            || selected.request_authentication.iter().any(|policy| names_service(&policy.target)))
}

fn object(args: &Args, workload: &Workload, mesh: &Mesh, candidate: Value) -> Value {
    let mut report = Map::new();
    if let Some(log) = args.log {
        let word = match log {
            Log::None => "none",
            Log::Denied => "denied",
            Log::Divergent => "divergent",
            Log::All => "all",
        };
        report.insert("log".into(), word.into());
    }
    if let Some(share) = args.sample {
        report.insert("sample".into(), share.into());
    }
    // Istio's proxies know their workload; only what is behind a waypoint they do not tell.
    let told = match args.kind {
        // What runs the module tells it nothing, but for Istio's own bootstrap.
        Kind::Envoy | Kind::ModuleEnvoy | Kind::ModuleGateway => Some(bundle::workload_fields(workload)),
        _ if workload.services.is_empty() => None,
        _ => Some(json!({"services": workload.services})),
    };
    let plugin = Plugin {
        name: &args.name,
        namespace: &workload.namespace,
        labels: &workload.labels,
        targets: &args.targets,
        proxy: workload.proxy,
        protocol: match args.protocol {
            Chain::Http => Protocol::Http,
            Chain::Tcp => Protocol::Tcp,
        },
        image: &args.image,
        sha256: &args.sha256,
        pull_secret: &args.pull_secret,
        configuration: bundle::configuration(candidate, told, mesh, report.into()),
    };
    let kind = match args.kind {
        Kind::WasmPlugin => bundle::Kind::WasmPlugin,
        Kind::TrafficExtension => bundle::Kind::TrafficExtension,
        Kind::Envoy => bundle::Kind::Envoy,
        Kind::Module => bundle::Kind::Module,
        Kind::ModuleGateway => bundle::Kind::ModuleGateway,
        Kind::ModuleEnvoy => bundle::Kind::ModuleEnvoy,
    };
    bundle::object(kind, &plugin)
}

/// The object, compressed if need be; `None` where it is too long even so. Says how long it is.
fn fitted(args: &Args, carried: &[Value], build: impl Fn(Value) -> Value) -> Option<Value> {
    let limited = !matches!(args.kind, Kind::Envoy | Kind::ModuleEnvoy);
    let plain = build(json!({"resources": carried}));
    let size = plain.to_string().len();
    let pack = match args.compress {
        Compress::Always => true,
        Compress::Auto => limited && size > OBJECT_LIMIT,
        Compress::Never => false,
    };
    let (object, size) = if pack {
        let packed = build(bundle::packed_list(carried));
        let (before, size) = (grouped(size), packed.to_string().len());
        eprintln!("note: compressed from {before} bytes to {}", grouped(size));
        (packed, size)
    } else {
        (plain, size)
    };
    if !limited {
        eprintln!("note: the filter's entry is {} bytes", grouped(size));
        return Some(object);
    }
    let limit = grouped(OBJECT_LIMIT);
    if size > OBJECT_LIMIT {
        eprintln!(
            "error: the object is {} bytes, and a Kubernetes object may be {limit}: {}bundle for fewer workloads at a \
             time, by namespace or by label",
            grouped(size),
            if pack { "" } else { "leave out --compress never, or " }
        );
        return None;
    }
    eprintln!(
        "note: the object is {} bytes, {}% of the {limit} that a Kubernetes object may be",
        grouped(size),
        (size * 100).div_ceil(OBJECT_LIMIT)
    );
    if size > APPLY_LIMIT {
        eprintln!(
            "note: apply it with `kubectl apply --server-side`: without that, kubectl keeps a copy in an annotation, \
             and those end at {} bytes",
            grouped(APPLY_LIMIT)
        );
    }
    Some(object)
}

fn target(text: &str) -> Result<TargetRef, String> {
    let (kind, name) = text.split_once('/').unwrap_or((text, ""));
    let kind = match kind.to_ascii_lowercase().as_str() {
        "gateway" => TargetKind::Gateway,
        "gatewayclass" => TargetKind::GatewayClass,
        "service" => TargetKind::Service,
        "serviceentry" => TargetKind::ServiceEntry,
        _ => {
            return Err(
                "write it as Gateway/NAME, Service/NAME, ServiceEntry/NAME or GatewayClass/NAME".into()
            );
        }
    };
    match name.is_empty() {
        true => Err("a name must follow the slash".into()),
        false => Ok(TargetRef { kind, name: name.into(), at: Position::default() }),
    }
}

fn sha256(text: &str) -> Result<String, String> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match text.is_empty() || (text.len() == 64 && text.bytes().all(hex)) {
        true => Ok(text.into()),
        false => Err("64 digits of hex, in lower case".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("expected a number from 0 to 1".into()) }
}
