//! Policies made smaller: what goes and what stays, in the author's style, and every request fares as before.
#![expect(clippy::unwrap_used, reason = "tests may be blunt")]

use gnomon_analysis::lint::{
    Settings, apply,
    redundant::{self, Names},
};
use gnomon_engine::{
    Mesh, Plan,
    jwt::{Algorithm, Crypto, Key, Signature},
    prepare::{Prepared, RequestSpec},
    request::Protocol,
    verdict::Outcome,
};
use gnomon_manifests::load_text;
use gnomon_oracle::{
    evaluator::{World, evaluate},
    small,
    tape::{Tape, choices},
};

/// Takes steps until there are none; the text, what was said of each step, and what was left.
fn smaller(text: &str) -> (String, Vec<String>, Vec<String>) {
    let mesh = Mesh::default();
    let mut settings = Settings::new(&mesh);
    settings.mesh_is_known = true;
    let (mut text, mut said) = (text.to_owned(), Vec::new());
    let mut names = Names::of(&load_text(&text, "p.yaml").unwrap().resources);
    loop {
        let loaded = load_text(&text, "p.yaml").unwrap();
        let steps = redundant::steps(&loaded, &settings, &|_| Some(text.clone()), &names, usize::MAX);
        let fixed = apply(&steps.findings, &|_| Some(text.clone()));
        let messages = |findings: &[gnomon_analysis::lint::Finding]| {
            let told =
                findings.iter().map(|one| format!("{}: {}", one.diagnostic.field, one.diagnostic.message));
            told.collect::<Vec<_>>()
        };
        match fixed.texts.into_values().next() {
            Some(next) if next != text => text = next,
            _ => return (text, said, messages(&steps.left)),
        }
        names.take(&steps, &fixed.mended.iter().copied().collect());
        let taken: Vec<_> = fixed.mended.iter().filter_map(|number| steps.findings.get(*number)).collect();
        said.extend(messages(&taken.into_iter().cloned().collect::<Vec<_>>()));
    }
}

const HEAD: &str = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: NAME, namespace: shop}\nspec:\n";

fn policy(name: &str, spec: &str) -> String {
    HEAD.replace("NAME", name) + spec
}

#[test]
fn in_the_authors_style() {
    for (before, after, step) in [
        (
            "  rules:\n  # reading\n  - to:\n    - operation:\n        paths: [\"/a*\", '/ab', /b] # all of a\n",
            "  rules:\n  # reading\n  - to:\n    - operation:\n        paths: [\"/a*\", /b] # all of a\n",
            "spec.rules[0].to[0].operation.paths[1]: `/ab` goes: the rest of the rule matches the same",
        ),
        (
            "  rules:\n  - to:\n    - operation:\n        paths:\n        - /a*\n        - /ab\n",
            "  rules:\n  - to:\n    - operation:\n        paths:\n        - /a*\n",
            "spec.rules[0].to[0].operation.paths[1]: `/ab` goes: the rest of the rule matches the same",
        ),
        (
            "  rules:\n  - to: [{operation: {methods: [GET]}}]\n  - to: [{operation: {methods: [GET, PUT], paths: [/a]}}]\n",
            "  rules:\n  - to: [{operation: {methods: [GET]}}]\n  - to: [{operation: {methods: [PUT], paths: [/a]}}]\n",
            "spec.rules[1].to[0].operation.methods[0]: `GET` goes: rule 0 decides the same about all that it matters to",
        ),
        (
            "  rules:\n  - to:\n    - operation:\n        methods: [GET]\n        ports: ['80']\n  - to:\n    - operation:\n        methods: [PUT]\n        ports: ['80']\n",
            "  rules:\n  - to:\n    - operation:\n        methods: [GET, PUT]\n        ports: ['80']\n",
            "spec.rules[0].to[0].operation.methods: rule 1 differs in this list alone, so that the two are one",
        ),
        (
            "  rules:\n  - from:\n    - source:\n        namespaces: [a]\n    to:\n    - operation:\n        methods: [GET] # reading\n  - from:\n    - source:\n        namespaces: [a]\n    to:\n    - operation:\n        methods: [PUT]\n        paths: [/a]\n  - to: [{operation: {ports: ['80']}}]\n",
            "  rules:\n  - from:\n    - source:\n        namespaces: [a]\n    to:\n    - operation:\n        methods: [GET] # reading\n    - operation:\n        methods: [PUT]\n        paths: [/a]\n  - to: [{operation: {ports: ['80']}}]\n",
            "spec.rules[0].to: rule 1 is the same but for this, so that the two are one",
        ),
        (
            "  rules:\n  - from:\n    - source:\n        namespaces: [a]\n        notNamespaces: [b]\n",
            "  rules:\n  - from:\n    - source:\n        namespaces: [a]\n",
            "spec.rules[0].from[0].source.notNamespaces: `notNamespaces` goes: the rest of the rule matches the same",
        ),
        (
            "  rules:\n  - from:\n    - source: {namespaces: [a]}\n    - source:\n        principals: [cluster.local/ns/a/sa/x]\n        namespaces: [a]\n",
            "  rules:\n  - from:\n    - source: {namespaces: [a]}\n",
            "spec.rules[0].from[1]: the source goes: the rest of the rule matches the same",
        ),
        (
            "  rules:\n  - to: [{operation: {paths: [/a]}}]\n    when:\n    - {key: \"request.headers[x]\", values: [v]}\n    - {key: \"request.headers[x]\", values: [v, w]}\n",
            "  rules:\n  - to: [{operation: {paths: [/a]}}]\n    when:\n    - {key: \"request.headers[x]\", values: [v]}\n",
            "spec.rules[0].when[1]: the condition goes: the rest of the rule matches the same",
        ),
    ] {
        let (text, said, _) = smaller(&policy("p", before));
        assert_eq!(text, policy("p", after), "{said:?}");
        assert_eq!(said, [step]);
    }
}

#[test]
fn whole_policies() {
    let wide = policy("wide", "  rules: [{to: [{operation: {paths: [\"/a*\"]}}]}]\n");
    let narrow = policy("narrow", "  # long ago\n  rules: [{to: [{operation: {paths: [/ab, /ac]}}]}]\n");
    let (text, said, left) = smaller(&format!("{narrow}---\n{wide}"));
    assert_eq!(text, wide);
    assert_eq!(
        said,
        ["spec.rules[0]: the policy goes: rule 0 of shop/wide decides the same about all that it matters to"]
    );
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_stays() {
    let stays = |text: &str| {
        let (after, said, left) = smaller(text);
        assert_eq!(after, text, "{said:?}");
        left
    };
    // Without the only ALLOW policy everything would be allowed, though no request matches its rules.
    let nothing = "  rules: [{to: [{operation: {paths: [/a/../b]}}]}]\n";
    assert!(stays(&policy("p", nothing)).is_empty());
    // One for other workloads is no other one, and neither is one that refuses.
    let elsewhere = policy("q", &format!("  selector: {{matchLabels: {{app: x}}}}\n{nothing}"));
    let (after, _, _) = smaller(&format!("{}---\n{elsewhere}", policy("p", nothing)));
    assert_eq!(after, policy("p", nothing));
    let deny = policy("d", "  action: DENY\n  rules: [{to: [{operation: {ports: ['9']}}]}]\n");
    assert!(stays(&format!("{}---\n{deny}", policy("p", nothing))).is_empty());
    // Of two rules one stays.
    let (after, said, _) = smaller(&policy(
        "p",
        "  rules:\n  - to: [{operation: {paths: [/a/../b]}}]\n  - to: [{operation: {paths: [/a/../c]}}]\n",
    ));
    assert_eq!(after, policy("p", "  rules:\n  - to: [{operation: {paths: [/a/../b]}}]\n"));
    assert_eq!(said, ["spec.rules[1]: the rule goes: no request matches it"]);
    // A second lock.
    let allow = policy("p", "  rules: [{to: [{operation: {methods: [GET]}}]}]\n");
    let deny = policy("d", "  action: DENY\n  rules: [{to: [{operation: {methods: [PUT]}}]}]\n");
    assert!(stays(&format!("{allow}---\n{deny}")).is_empty());
    // A comment would go with it.
    let commented =
        "  rules:\n  - to:\n    - operation:\n        paths:\n        - /a*\n        - /ab # for b\n";
    let left = stays(&policy("p", commented));
    assert_eq!(left.len(), 1, "{left:?}");
    // Neither applies wherever the other does.
    let of = |name: &str, app: &str| {
        let spec = format!("spec:\n  selector: {{matchLabels: {{app: {app}}}}}\n");
        allow.replace("spec:\n", &spec).replace("name: p", &format!("name: {name}"))
    };
    assert!(stays(&format!("{}---\n{}", of("p", "x"), of("q", "z"))).is_empty());
    // What is alike in nothing but its form.
    let apart = "  rules:\n  - to: [{operation: {methods: [GET], paths: [/a]}}]\n  - to: [{operation: {methods: [PUT], paths: [/b]}}]\n";
    assert!(stays(&policy("p", apart)).is_empty());
    let custom = policy(
        "c",
        "  action: CUSTOM\n  provider: {name: x}\n  rules: [{to: [{operation: {paths: [/a*, /ab]}}]}]\n",
    );
    assert_eq!(stays(&custom), ["spec: only ALLOW and DENY policies are made smaller"]);
}

struct NoKeys;

impl Crypto for NoKeys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

fn outcome(world: &World, plan: &Plan, spec: &RequestSpec) -> Outcome {
    let prepared = Prepared::new(spec, plan.authenticator(), &world.workload, &world.mesh, 1_900_000_000);
    let crypto = prepared.vouching(&NoKeys);
    prepared.with_request(|request| evaluate(world, request, &crypto).outcome)
}

/// Random policies over a tiny alphabet: an evaluator written apart says the same of all requests of it.
#[test]
fn every_request_fares_as_before() {
    let mut steps = 0;
    for seed in 1..=40 {
        let mut pair = small::pair(&mut Tape::new(&choices(seed, 300)));
        // More to take out.
        let mut more: Vec<_> =
            pair.new.iter().filter(|one| one["kind"] == "AuthorizationPolicy").cloned().collect();
        for (number, one) in more.iter_mut().enumerate() {
            one["metadata"]["name"] = format!("more{number}").into();
        }
        pair.old.extend(more);
        let text: Vec<String> = pair.old.iter().map(|one| one.to_string() + "\n").collect();
        let (after, said, _) = smaller(&text.join("---\n"));
        steps += said.len();
        let worlds = [pair.world(&pair.old), {
            let resources =
                load_text(&after, "p.yaml").unwrap_or_else(|_| panic!("seed {seed}: {after}")).resources;
            World { resources, ..pair.world(&[]) }
        }];
        let plans =
            worlds.each_ref().map(|world| Plan::build(&world.resources, &world.workload, &world.mesh));
        for protocol in [Protocol::Http, Protocol::Tcp] {
            for spec in pair.requests(protocol) {
                let [old, new] = [(&worlds[0], &plans[0]), (&worlds[1], &plans[1])]
                    .map(|(world, plan)| outcome(world, plan, &spec));
                assert_eq!(old, new, "seed {seed} {spec:?}\n{}\n{said:#?}\n{after}", text.join("---\n"));
            }
        }
    }
    assert!(steps > 40, "{steps}");
}
