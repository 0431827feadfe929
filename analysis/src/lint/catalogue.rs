//! A text for every code that a diagnostic can carry.

use super::{LINTS, Lint};
use std::fmt;

/// What a code means.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Explanation {
    /// A lint, with its own documentation.
    Lint(&'static Lint),
    /// Something that is found when texts, manifests, requests or configurations are read.
    Reading {
        /// The code.
        code: &'static str,
        /// Who objects.
        origin: Origin,
        /// What is wrong.
        why: &'static str,
        /// What to do.
        instead: &'static str,
    },
}

/// Who objects to what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Istio's admission: the CRD's schema or istiod's webhook.
    Admission,
    /// Kubernetes, or the reading of manifests.
    Manifest,
    /// The reading of YAML and JSON.
    Text,
    /// The reading of requests, workloads, meshes and suites.
    Request,
    /// The reading of a configuration that a proxy has loaded.
    Envoy,
    /// The filter, about its configuration.
    Filter,
    /// A comment that ignores findings.
    Comment,
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Origin::Admission => "Istio's admission",
            Origin::Manifest => "manifests",
            Origin::Text => "YAML and JSON",
            Origin::Request => "requests and suites",
            Origin::Envoy => "a proxy's configuration",
            Origin::Filter => "the filter's configuration",
            Origin::Comment => "comments",
        }
    }
}

/// What a code means; `None`: no diagnostic carries it.
pub fn explain(code: &str) -> Option<Explanation> {
    let lint = LINTS.iter().find(|lint| lint.code == code).map(|lint| Explanation::Lint(lint));
    lint.or_else(|| {
        let row = READING.iter().find(|(name, ..)| *name == code)?;
        let (code, origin, why, instead) = *row;
        Some(Explanation::Reading { code, origin, why, instead })
    })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Explanation::Lint(lint) => {
                let Lint { code, group, what, why, instead, limits, source, .. } = lint;
                let group = group.name();
                writeln!(f, "{code} ({group})\n  {what}\n  why: {why}\n  instead: {instead}")?;
                writeln!(f, "  limits: {limits}\n  source: {source}")
            }
            Explanation::Reading { code, origin, why, instead } => {
                writeln!(f, "{code} ({})\n  {why}\n  instead: {instead}", origin.name())
            }
        }
    }
}

/// By code.
#[rustfmt::skip]
const READING: &[(&str, Origin, &str, &str)] = &[
    ("bad-attribute-key", Origin::Admission, "A key of `when` with brackets has the form `a[b]`.", "Put the name in brackets: `request.headers[x-user]`."),
    ("bad-cidr", Origin::Admission, "An address range is `ADDRESS/BITS`, with as many bits as the family has.", "Correct the address or the number behind the slash."),
    ("bad-dry-run", Origin::Admission, "`istio.io/dry-run` is read by Go's `ParseBool`, which does not know this value.", "Write `\"true\"` or `\"false\"`, in quotes."),
    ("bad-duration", Origin::Admission, "A duration is a number with a unit, at least 1 ms and in whole milliseconds.", "Write it like `5s` or `500ms`."),
    ("bad-exception", Origin::Request, "An exception of a matrix says when it applies and what is expected then.", "Give it `when` and `expect`."),
    ("bad-gzip", Origin::Filter, "`candidate.gzip` is not gzip in base64, or too much comes out of it.", "Let `gnomon bundle` write it."),
    ("bad-header-name", Origin::Admission, "A header that claims are written to has a name of letters, digits, `-` and `_`.", "Rename the header."),
    ("bad-ip", Origin::Admission, "The value is not an IP address. A zone may stand behind an IPv6 address only, and means nothing to any proxy.", "Write `10.1.2.3`, `2001:db8::1`, or a range."),
    ("bad-json", Origin::Filter, "The plugin configuration is not JSON.", "Correct it at the place named."),
    ("bad-jwks", Origin::Admission, "`jwks` is a JSON object with a list `keys` of JSON Web Keys, each with what its type needs.", "Copy the issuer's key set whole, as its `jwks_uri` serves it."),
    ("bad-key", Origin::Text, "A key of a YAML map is not a text.", "Put it in quotes."),
    ("bad-merge", Origin::Text, "`<<` merges a map, or a list of maps.", "Name an anchor of a map."),
    ("bad-name", Origin::Manifest, "An object's name and namespace are DNS names in lower case.", "Correct it as the message says."),
    ("bad-number", Origin::Request, "JSON has no such number, so that no token can carry it.", "Write a finite number."),
    ("bad-parameter", Origin::Request, "An invariant of the library is given a value that makes no rule.", "Give it what the message names: `gnomon check --library` lists what each takes."),
    ("bad-path-template", Origin::Admission, "A path template has `{*}` and `{**}` as whole segments, nothing behind `{**}` but literal segments, and no other braces.", "Write `/users/{*}/orders` or `/files/{**}`."),
    ("bad-port", Origin::Admission, "A port is a decimal number from 0 to 65535 (in `portLevelMtls` from 1).", "Write the port that the workload listens on."),
    ("bad-service", Origin::Request, "A service of the workload is `name` or `namespace/name`, and a ServiceEntry `ServiceEntry/name` or `ServiceEntry/namespace/name`.", "Write one of these forms."),
    ("bad-service-account", Origin::Admission, "A service account is `name` or `namespace/name`, without wildcards.", "Name each account by itself."),
    ("bad-tag", Origin::Text, "The tag is unknown, or its value does not fit.", "Remove the tag."),
    ("bad-target-kind", Origin::Admission, "`targetRefs` name a Service, a ServiceEntry, a Gateway or a GatewayClass, each with its API group.", "Correct `kind` and `group`; a workload is named by `selector`."),
    ("bad-time", Origin::Request, "`time` is RFC 3339, or seconds since 1970.", "Write `2025-05-04T07:04:01Z`."),
    ("bad-token", Origin::Request, "HTTP has no such method or header name.", "Use letters, digits and `-`."),
    ("bad-trust-domain", Origin::Admission, "A trust domain has at most one `*`, at its start or its end, and no slash.", "Write the trust domain alone, without namespace and service account."),
    ("bad-uri", Origin::Admission, "`jwksUri` is an absolute http or https URL of at most 2048 bytes.", "Write the URL that the issuer's discovery document names as `jwks_uri`."),
    ("conflicting-fields", Origin::Filter, "`resources` and `gzip` exclude each other.", "Give one."),
    ("conflicting-identities", Origin::Admission, "`serviceAccounts` cannot stand beside `principals` or `namespaces` in one source.", "Write the service account as `namespace/name`, and remove the other field."),
    ("conflicting-jwks", Origin::Admission, "Keys come from `jwks` or from `jwksUri`, not from both.", "Remove one."),
    ("conflicting-provider", Origin::Request, "A provider speaks HTTP or gRPC, not both.", "Make two providers of it."),
    ("conflicting-targets", Origin::Admission, "A policy has a `selector` or `targetRefs`, not both.", "Make two policies of it."),
    ("cross-namespace-target", Origin::Admission, "A target is in the policy's own namespace.", "Put the policy into the namespace of its target."),
    ("custom-not-enforced", Origin::Filter, "The filter cannot ask an external provider by itself.", "Put Envoy's own ext_authz in front, and say `customInFront: true`."),
    ("custom-without-provider", Origin::Admission, "CUSTOM puts requests to a provider, and none is named.", "Set `provider.name` to one of meshConfig.extensionProviders."),
    ("dead-exception", Origin::Request, "No combination of the matrix fits the exception, which therefore tests nothing.", "Correct its `when`, or remove it."),
    ("deny-blocks-tcp", Origin::Admission, "A DENY rule that names nothing a TCP connection has refuses every TCP connection: istiod drops the HTTP conditions there, and what is left means all.", "Name the ports that the rule is for."),
    ("duplicate-key", Origin::Text, "A map has the same key twice. Programs differ in which one counts.", "Remove one of them."),
    ("duplicate-object", Origin::Manifest, "Two objects of one kind have one name: of these the cluster keeps only one, and nobody can say which.", "Remove or rename one of them, or give only the files of one environment."),
    ("empty-axis", Origin::Request, "An axis of a matrix without values makes no case.", "Remove it, or give it values."),
    ("empty-expect", Origin::Request, "An expectation that names no field can never fail.", "Write `expect: deny`, or the fields to compare."),
    ("empty-label-key", Origin::Admission, "A label has a name.", "Remove the entry, or name the label."),
    ("empty-port-map", Origin::Admission, "`portLevelMtls` without an entry is refused.", "Remove it."),
    ("empty-selector", Origin::Admission, "A selector without labels selects every workload of the namespace.", "Remove the selector, or name labels under `matchLabels`."),
    ("empty-value", Origin::Admission, "A list has an empty string, which would match nothing.", "Remove it, or write `\"*\"` for any value."),
    ("except-without-matrix", Origin::Request, "Exceptions belong to a matrix.", "Write a test of its own."),
    ("http-only", Origin::Request, "An invariant about connections describes them by what only requests have.", "Write `protocol: http`, or leave it out."),
    ("ignore-without-reason", Origin::Comment, "A comment `# gnomon-ignore: CODE` needs a reason behind the code, and ignores nothing without.", "Write why the finding does not apply."),
    ("label-too-long", Origin::Admission, "A label's value has at most 63 characters.", "Shorten it: no pod can have it."),
    ("line-break", Origin::Request, "A line break or NUL cannot be sent in HTTP.", "Remove it."),
    ("list-too-deep", Origin::Manifest, "Lists of objects nest deeper than any that kubectl writes.", "Put the objects into one list."),
    ("missing-api-version", Origin::Manifest, "An object says which API it belongs to.", "Set `apiVersion: security.istio.io/v1`."),
    ("missing-field", Origin::Filter, "A field that the configuration must have is not there.", "Add it."),
    ("missing-issuer", Origin::Admission, "A rule names the issuer whose tokens it verifies, or a `jwksUri`.", "Set `issuer` to the `iss` of the tokens, character by character."),
    ("missing-key", Origin::Admission, "A condition of `when` names what it looks at.", "Set `key`."),
    ("missing-kind", Origin::Manifest, "An object says what it is.", "Set `kind`."),
    ("missing-name", Origin::Manifest, "An object has `metadata.name`.", "Set it."),
    ("missing-target-name", Origin::Admission, "A target has a name.", "Set `name`."),
    ("missing-values", Origin::Admission, "A condition of `when` compares with something.", "Set `values` or `notValues`."),
    ("no-chain", Origin::Envoy, "The configuration has no filter chain that the connection would take.", "State the port, the address, SNI or identity that the message names."),
    ("no-envoy-config", Origin::Request, "`listener` picks a listener of `envoyConfig`, and there is none.", "Add `envoyConfig`, or remove `listener`."),
    ("no-expect", Origin::Request, "A test says what it expects.", "Add `expect`."),
    ("no-listeners", Origin::Envoy, "The document has no listener and no security filter.", "Give what `istioctl proxy-config listener POD -o json` prints, or Envoy's `/config_dump`."),
    ("no-manifests", Origin::Text, "The folder holds no file that ends in `.yaml`, `.yml` or `.json`.", "Name the folder of the manifests."),
    ("no-node-metadata", Origin::Filter, "The proxy does not tell its namespace or labels, as proxies outside Istio do not.", "Write `workload` into the configuration."),
    ("no-policies", Origin::Request, "A path under `policies` names no file.", "Correct it; paths are relative to the suite's folder."),
    ("no-tests", Origin::Request, "A suite has tests.", "Add `tests`."),
    ("not-an-object", Origin::Manifest, "A document is not a Kubernetes object: a map with `apiVersion` and `kind`.", "Leave the file out, or correct it."),
    ("not-evaluated", Origin::Envoy, "The proxy's configuration has something that is not evaluated and could change the verdict.", "Read the part named by hand: the verdict does not count it."),
    ("not-rendered", Origin::Manifest, "A tool that was to make objects of a chart or a kustomization has made none.", "See the message; run the tool by hand, and give what it prints."),
    ("not-utf8", Origin::Text, "The file is not UTF-8.", "Save it as UTF-8."),
    ("null-element", Origin::Admission, "A list has an element that is null: a dash with nothing behind it.", "Remove the dash."),
    ("other-kind", Origin::Filter, "The object is of a kind that the filter does not evaluate.", "Leave it out."),
    ("other-provider", Origin::Request, "The provider is a tracer or a logger, not an authorizer.", "CUSTOM policies need `envoyExtAuthzHttp` or `envoyExtAuthzGrpc`."),
    ("out-of-range", Origin::Admission, "The number lies outside what the field takes.", "Write a number in the range that the message names."),
    ("passed-over", Origin::Envoy, "The proxy's configuration has a filter that does not decide over requests, or whose decision is not known here.", "Nothing, unless that filter refuses requests."),
    ("ports-without-selector", Origin::Admission, "`portLevelMtls` holds for workloads that a selector names; a policy for a mesh or a namespace has none.", "Add a selector with labels."),
    ("private-jwks", Origin::Admission, "A key of the set holds its private part. Anybody who can read the object can sign tokens.", "Replace the key at the issuer, and write only the public part here."),
    ("provider-without-custom", Origin::Admission, "Only CUSTOM policies have a provider.", "Set `action: CUSTOM`, or remove `provider`."),
    ("recursive-alias", Origin::Text, "An alias stands inside of what it stands for.", "Write the value out."),
    ("replaced-attribute", Origin::Admission, "Istio replaced this attribute by another field.", "Use what the message names."),
    ("second-document", Origin::Request, "A suite is one document.", "Move the second one to a file of its own."),
    ("skipped-jwk", Origin::Admission, "Envoy passes over a key that it cannot use; tokens that it signed are refused.", "Remove the key, or correct it."),
    ("target-name-too-long", Origin::Admission, "The name of a Kubernetes object has at most 253 characters.", "Correct the name."),
    ("template-without-slash", Origin::Admission, "Istio takes a path template without a leading slash, Envoy does not: it refuses the whole configuration, and the proxy keeps the one before or does not start.", "Begin the template with `/`."),
    ("token-and-claims", Origin::Request, "A request carries a real token or stated claims, not both.", "Remove one."),
    ("token-and-header", Origin::Request, "`token` is sent as the header `authorization`, which is stated as well.", "Remove one; a list under `headers.authorization` sends several lines."),
    ("too-big", Origin::Text, "The input is larger than is read.", "Split it into several files."),
    ("too-deep", Origin::Text, "Values nest deeper than is read.", "Correct the file: no manifest does."),
    ("too-many-cases", Origin::Request, "The matrices of a suite make more cases than are run.", "Make them smaller, or several files."),
    ("too-many-items", Origin::Admission, "The CRD limits the length of this list.", "Split the object."),
    ("too-many-nodes", Origin::Text, "The text has more values than is read, aliases counted as often as they are used.", "Split it into several files."),
    ("too-many-problems", Origin::Text, "There are more problems than are shown.", "Correct the first ones."),
    ("two-reasons", Origin::Request, "`why` and `description` of a test mean the same.", "Keep `why`."),
    ("two-sources", Origin::Request, "A suite asks policies, or a configuration that a proxy has loaded.", "Remove one."),
    ("unknown-attribute", Origin::Admission, "Istio does not know this key of `when`.", "Correct its spelling; https://istio.io/latest/docs/reference/config/security/conditions/ lists them all."),
    ("unknown-field", Origin::Manifest, "The API server cuts away a field that it does not know. If it stood beside others, the rule now means more than it says.", "Correct the spelling or the indentation."),
    ("unknown-group", Origin::Manifest, "The kind is one of Istio's, the API group is not.", "Set `apiVersion: security.istio.io/v1`."),
    ("unknown-kind", Origin::Manifest, "The kind is spelled almost like one of Istio's.", "Correct it."),
    ("unknown-lint", Origin::Comment, "A comment `# gnomon-ignore:` names a code that no lint has.", "Correct it; `gnomon lint --explain` lists the lints."),
    ("unknown-to-version", Origin::Manifest, "Istio of the version asked about does not have this field: its admission refuses the policy, or its API server cuts the field away.", "Upgrade first, or write the rule without the field."),
    ("unknown-value", Origin::Admission, "The field takes only certain words.", "Use one of those that the message names."),
    ("unknown-version", Origin::Request, "The version is older than the oldest or newer than the newest whose semantics are known.", "Write one in the range that the message names, in quotes."),
    ("unreadable", Origin::Text, "The file cannot be opened or read.", "See the message: a wrong name, a missing permission, or no file at all."),
    ("unsupported-dry-run", Origin::Admission, "Only ALLOW and DENY policies can be dry runs.", "Remove the annotation."),
    ("unsupported-version", Origin::Manifest, "This version of the API is not served.", "Use `security.istio.io/v1` or `v1beta1`."),
    ("unsupported-with-custom", Origin::Admission, "CUSTOM rules are evaluated before tokens are verified, and by a filter that has no peer identity: these fields do not exist there.", "Use hosts, paths, methods, headers or addresses, and leave the rest to the provider."),
    ("unusable-jwks", Origin::Admission, "No key of the set can be used. Envoy refuses the whole configuration, and the proxy keeps the one before or does not start.", "Put a key of the issuer into the set."),
    ("unused-ignore", Origin::Comment, "A comment `# gnomon-ignore:` takes no finding away: it was mended, or stands on another line.", "Remove it, or move it to the line of the finding."),
    ("wildcard-in-selector", Origin::Admission, "Labels are compared exactly.", "Write the value out, or use a label that all the workloads share."),
    ("wrong-type", Origin::Admission, "The value is not of the type that the field has.", "Write what the message expects; numbers and booleans among strings need quotes."),
    ("yaml-syntax", Origin::Text, "The text is not YAML.", "Correct it at the place named; indentation and quotes are the usual causes."),
];

#[cfg(test)]
#[expect(clippy::string_slice, reason = "a test, and the texts are this project's own")]
mod tests {
    use super::*;
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    /// Codes are written in these ways only.
    const CALLS: [&str; 11] = [
        ".error(",
        ".warning(",
        ".report_key(key,",
        "input::error(",
        ".problem(",
        "Problem::new(",
        "code:",
        "let (finding, message, help) =",
        "bad(",
        "refused(",
        "about(",
    ];

    #[test]
    fn every_code_has_its_text_and_every_text_its_code() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = Vec::new();
        for entry in fs::read_dir(&root).unwrap().flatten() {
            let source = entry.path().join("src");
            // The tests' own crates report nothing to people.
            let own =
                ["host-tests", "xtask", "benches", "fuzz"].iter().any(|name| entry.path().ends_with(name));
            if source.is_dir() && !own {
                rust(&source, &mut files);
            }
        }
        let mut written = BTreeSet::new();
        for file in files.iter().filter(|file| !file.ends_with("lint/catalogue.rs")) {
            let text = fs::read_to_string(file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for word in text.split('"') {
                if is_code(word) {
                    written.insert(word.to_owned());
                }
            }
            for code in codes(text) {
                assert!(explain(&code).is_some(), "{}: nothing explains `{code}`", file.display());
            }
        }
        for (code, ..) in READING {
            assert!(written.contains(*code), "`{code}` is explained, but no diagnostic carries it");
        }
        assert!(READING.windows(2).all(|pair| pair[0].0 < pair[1].0), "not in order");
        assert!(LINTS.iter().all(|lint| READING.iter().all(|(code, ..)| *code != lint.code)));
    }

    fn is_code(word: &str) -> bool {
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        word.len() < 40 && word.split('-').all(part)
    }

    /// The codes in the places where diagnostics are made.
    fn codes(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for call in CALLS {
            for (at, _) in text.match_indices(call) {
                let rest = text[at + call.len()..].trim_start();
                let Some(word) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                    continue;
                };
                if is_code(word) && word.contains('-') {
                    found.push(word.to_owned());
                }
            }
        }
        found
    }

    fn rust(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => rust(&path, files),
                path if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
                _ => {}
            }
        }
    }
}
