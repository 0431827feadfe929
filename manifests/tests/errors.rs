//! What is wrong comes as an error that programs can pass on: `?` into any `dyn Error`, every finding in its text.

use gnomon_engine::{address::parse_cidr, json, target::Target, template::Template};
use gnomon_manifests::{imported_text, load_text, parse, request::requests, suite};
use std::error::Error;

fn all_of(text: &str) -> Result<(), Box<dyn Error>> {
    load_text(text, "p.yaml")?;
    Ok(())
}

#[test]
fn the_error_holds_every_finding() {
    let two = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\n\
               spec: {mtls: {mode: LOOSE}, portLevelMtls: {none: {}}}\n";
    let wrong = load_text(two, "p.yaml").unwrap_err();
    let lines = wrong.to_string();
    assert!(wrong.loaded.diagnostics.len() > 1, "{lines}");
    assert_eq!(lines.lines().count(), wrong.loaded.diagnostics.len());
    assert!(lines.starts_with("p.yaml:4:"), "{lines}");
    assert_eq!(all_of(two).unwrap_err().to_string(), lines);
    assert!(all_of("kind: ConfigMap\n").is_ok());
}

#[test]
fn public_errors_are_errors() {
    let (documents, _) = parse("method: a b\ncolour: red\n", "r.yaml");
    let of_requests = requests(&"r.yaml".into(), &documents[0]).unwrap_err();
    let of_suite = suite::from_text("tests: []\n", &"s.gnomon.yaml".into()).unwrap_err();
    let errors: [(Box<dyn Error>, &str); 6] = [
        (Box::new(of_requests), "r.yaml:1:"),
        (Box::new(of_suite), "s.gnomon.yaml:"),
        (Box::new(parse_cidr("10.0.0.0/33").unwrap_err()), "bad prefix length"),
        (Box::new(json::parse("[1,]").unwrap_err()), "1:"),
        (Box::new(Template::parse("/{**}/{*}").unwrap_err()), "an operator follows"),
        (Box::new(Target::read(b"GET", b"*").unwrap_err()), "Envoy answers 400"),
    ];
    for (error, start) in errors {
        assert!(error.to_string().starts_with(start), "{error}");
    }
}

#[test]
fn a_configuration_without_listeners_is_an_error_that_says_so() {
    for text in ["", "{}", "kind: ConfigMap\n"] {
        let wrong = imported_text(text.into(), "dump.yaml").unwrap_err();
        assert!(wrong.to_string().contains("no listener and no security filter"), "{text}: {wrong}");
    }
    let wrong = imported_text("{".into(), "dump.yaml").unwrap_err();
    assert!(wrong.to_string().contains("error[yaml-syntax]"), "{wrong}");
}
