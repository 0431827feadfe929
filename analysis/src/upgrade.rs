//! What two versions of Istio do differently with given policies, and which advisories concern them: the rows of
//! docs/conformance.md ("Versions of Istio") and of Istio's security bulletins, each with the policies that it is about.
//!
//! Which verdicts change is the exact comparison's to say ([`crate::diff`]); this says why, and what no verdict shows.

use gnomon_engine::{
    Attribute,
    pattern::is_quoted,
    resource::{
        Action, AuthorizationPolicy, FieldSet, JwtRule, Match, Meta, Presence, RequestAuthentication,
        Resources, Rule, Target, TargetKind,
    },
    versions,
    workload::IstioVersion,
};
use serde::Serialize;

/// Where the two versions stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Only the second version has it.
    New,
    /// Only the first version has it.
    Lost,
    /// A weakness that neither has mended.
    Open,
}

/// What changes, or is not mended, and for which policies.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Note {
    /// What versions that have it do.
    pub what: &'static str,
    /// What the others do.
    pub without: &'static str,
    /// The releases that brought it.
    pub since: &'static str,
    /// The advisory that it mends; empty: it is a feature or a plain fix.
    pub advisory: &'static str,
    /// Where to read about it.
    pub link: &'static str,
    /// Where the two versions stand.
    pub state: State,
    /// Verdicts depend on it. False: it mends what no request shows.
    pub changes_verdicts: bool,
    /// The policies that it is about.
    pub policies: Vec<Concerned>,
}

/// A policy that is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Concerned {
    /// `AuthorizationPolicy shop/orders`.
    pub policy: String,
    /// Its file; empty where it is in none.
    pub file: String,
    /// Where in it.
    pub line: u32,
}

/// What concerns these policies: what differs between the two versions, then what neither has mended.
pub fn notes(resources: &Resources, from: IstioVersion, to: IstioVersion) -> Vec<Note> {
    let state = |row: &Row| match ((row.has)(from), (row.has)(to)) {
        (false, true) => Some(State::New),
        (true, false) => Some(State::Lost),
        (false, false) if !row.advisory.is_empty() => Some(State::Open),
        _ => None,
    };
    let note = |row: &Row| {
        let (state, policies) = (state(row)?, row.concerns.of(resources));
        (!policies.is_empty()).then_some(Note {
            what: row.what,
            without: row.without,
            since: row.since,
            advisory: row.advisory,
            link: row.link,
            state,
            changes_verdicts: row.changes_verdicts,
            policies,
        })
    };
    let mut notes: Vec<Note> = ROWS.iter().filter_map(note).collect();
    notes.sort_by_key(|note| note.state == State::Open);
    notes
}

struct Row {
    what: &'static str,
    without: &'static str,
    since: &'static str,
    advisory: &'static str,
    link: &'static str,
    changes_verdicts: bool,
    has: fn(IstioVersion) -> bool,
    concerns: Concerns,
}

enum Concerns {
    /// AuthorizationPolicies with such a field or condition.
    Values(fn(Attribute, &Match) -> bool),
    /// Such AuthorizationPolicies.
    Policies(fn(&AuthorizationPolicy) -> bool),
    /// RequestAuthentications with such a rule.
    Issuers(fn(&JwtRule) -> bool),
}

const BULLETIN_2026_001: &str = "https://istio.io/latest/news/security/istio-security-2026-001/";
const BULLETIN_2026_003: &str = "https://istio.io/latest/news/security/istio-security-2026-003/";
const BULLETIN_2026_005: &str = "https://istio.io/latest/news/security/istio-security-2026-005/";
const BULLETIN_2026_006: &str = "https://istio.io/latest/news/security/istio-security-2026-006/";
const NOTES_25: &str = "https://istio.io/latest/news/releases/1.25.x/announcing-1.25/change-notes/";
const NOTES_27: &str = "https://istio.io/latest/news/releases/1.27.x/announcing-1.27/change-notes/";
const NOTES_28: &str = "https://istio.io/latest/news/releases/1.28.x/announcing-1.28/change-notes/";
const NOTES_29_3: &str = "https://istio.io/latest/news/releases/1.29.x/announcing-1.29.3/";
const NOTES_30: &str = "https://istio.io/latest/news/releases/1.30.x/announcing-1.30/change-notes/";
const NOTES_30_2: &str = "https://istio.io/latest/news/releases/1.30.x/announcing-1.30.2/";
const NOTES_31: &str = "https://istio.io/latest/news/releases/1.31.x/announcing-1.31/change-notes/";
const NOTES_32: &str = "https://istio.io/latest/news/releases/1.32.x/announcing-1.32/change-notes/";

const ROWS: &[Row] = &[
    Row {
        what: "the lines of a header are matched one by one",
        without: "a matcher sees all lines as one value, joined with commas: a second line gets past a rule",
        since: "1.27.8, 1.28.5, 1.29.1",
        advisory: "ISTIO-SECURITY-2026-001 (CVE-2026-26308)",
        link: BULLETIN_2026_001,
        changes_verdicts: true,
        has: versions::matches_lines_apart,
        concerns: Concerns::Values(|attribute, _| attribute == Attribute::Header),
    },
    Row {
        what: "where a key set cannot be fetched, no token of its issuer is taken",
        without: "istiod falls back on keys that everybody knows: anybody can sign a token",
        since: "1.27.8, 1.28.5, 1.29.1",
        advisory: "ISTIO-SECURITY-2026-001 (CVE-2026-31837)",
        link: BULLETIN_2026_001,
        changes_verdicts: false,
        has: |version| version.has_patch(&[(27, 8), (28, 5), (29, 1)]),
        concerns: Concerns::Issuers(fetches_keys),
    },
    Row {
        what: "names of service accounts are literal",
        without: "names of service accounts are part of a regular expression: `a.b` matches `axb`",
        since: "1.27.9, 1.28.6, 1.29.2",
        advisory: "ISTIO-SECURITY-2026-003 (CVE-2026-39350)",
        link: BULLETIN_2026_003,
        changes_verdicts: true,
        has: versions::quotes_service_accounts,
        concerns: Concerns::Values(|attribute, values| {
            attribute == Attribute::ServiceAccount && any(values, |text| !is_quoted(text))
        }),
    },
    Row {
        what: "istiod fetches no keys from addresses of its own host",
        without: "whoever may write a RequestAuthentication reads what istiod can reach (`jwksUri`)",
        since: "1.28.6, 1.29.2",
        advisory: "ISTIO-SECURITY-2026-003 (GHSA-fgw5-hp8f-xfhc)",
        link: BULLETIN_2026_003,
        changes_verdicts: false,
        has: |version| version.has_patch(&[(28, 6), (29, 2)]),
        concerns: Concerns::Issuers(fetches_keys),
    },
    Row {
        what: "namespaces, and principals behind a leading star, are literal",
        without: "names are part of a regular expression: `team.a` matches `teamxa`",
        since: "1.28.7, 1.29.3",
        advisory: "",
        link: NOTES_29_3,
        changes_verdicts: true,
        has: versions::quotes_names,
        concerns: Concerns::Values(|attribute, values| match attribute {
            Attribute::Namespace => any(values, |text| !text.split('*').all(is_quoted)),
            Attribute::Principal => {
                any(values, |text| text.strip_prefix('*').is_some_and(|rest| !is_quoted(rest)))
            }
            _ => false,
        }),
    },
    Row {
        what: "a name in a certificate is read whole, a zero byte in it included",
        without: "a name with a zero byte may be taken for another",
        since: "1.28.10, 1.29.6, 1.30.3",
        advisory: "ISTIO-SECURITY-2026-005 (CVE-2026-47778)",
        link: BULLETIN_2026_005,
        changes_verdicts: false,
        has: |version| version.has_patch(&[(28, 10), (29, 6), (30, 3)]),
        concerns: Concerns::Values(|attribute, _| {
            matches!(
                attribute,
                Attribute::Principal
                    | Attribute::Namespace
                    | Attribute::ServiceAccount
                    | Attribute::TrustDomain
            )
        }),
    },
    Row {
        what: "path normalization removes segments such as `/..;x`",
        without: "such segments stay: `/v1/..;/internal` is not below `/internal`, though a server may take it for that",
        since: "1.29.7, 1.30.4",
        advisory: "ISTIO-SECURITY-2026-006 (CVE-2026-73551)",
        link: BULLETIN_2026_006,
        changes_verdicts: true,
        has: versions::strips_parameters_of_dot_segments,
        concerns: Concerns::Values(|attribute, values| {
            attribute == Attribute::Path && any(values, |text| text != "*")
        }),
    },
    Row {
        what: "a regular expression sees bytes",
        without: "a path or server name that is no UTF-8 matches no `*` and no template: it gets past `notPaths`",
        since: "1.29.7, 1.30.4",
        advisory: "ISTIO-SECURITY-2026-006 (CVE-2026-73552)",
        link: BULLETIN_2026_006,
        changes_verdicts: true,
        has: versions::matches_regexes_by_byte,
        concerns: Concerns::Values(|attribute, values| {
            matches!(attribute, Attribute::Path | Attribute::Sni)
                && any(values, |text| text == "*" || text.contains("{*"))
        }),
    },
    Row {
        what: "a CONNECT at an external provider does no harm",
        without: "one without a path, or an answer at the wrong time, ends the proxy",
        since: "1.29.7, 1.30.4",
        advisory: "ISTIO-SECURITY-2026-006 (CVE-2026-73547, CVE-2026-50572)",
        link: BULLETIN_2026_006,
        changes_verdicts: false,
        has: |version| version.has_patch(&[(29, 7), (30, 4)]),
        concerns: Concerns::Policies(|policy| policy.action == Action::Custom),
    },
    Row {
        what: "`serviceAccounts`",
        without: "the API server cuts the field away, so that the rule means more, or the policy is refused",
        since: "1.25",
        advisory: "",
        link: NOTES_25,
        changes_verdicts: true,
        has: |version| Attribute::ServiceAccount.exists_in(version),
        concerns: Concerns::Values(|attribute, _| attribute == Attribute::ServiceAccount),
    },
    Row {
        what: "`trustDomains`",
        without: "the API server cuts the field away, so that the rule means more, or the policy is refused",
        since: "1.30.2",
        advisory: "",
        link: NOTES_30_2,
        changes_verdicts: true,
        has: |version| Attribute::TrustDomain.exists_in(version),
        concerns: Concerns::Values(|attribute, _| attribute == Attribute::TrustDomain),
    },
    Row {
        what: "`targetRefs` may name a GatewayClass",
        without: "the policy is refused",
        since: "1.25",
        advisory: "",
        link: NOTES_25,
        changes_verdicts: true,
        has: |version| version.is_since(25),
        concerns: Concerns::Policies(|policy| names_kind(policy, TargetKind::GatewayClass)),
    },
    Row {
        what: "a JWT rule may leave its `issuer` out",
        without: "the RequestAuthentication is refused",
        since: "1.27",
        advisory: "",
        link: NOTES_27,
        changes_verdicts: true,
        has: |version| version.is_since(27),
        concerns: Concerns::Issuers(|rule| rule.issuer.text.is_empty()),
    },
    Row {
        what: "`spaceDelimitedClaims`",
        without: "cut away: only `scope` and `permission` are split",
        since: "1.28",
        advisory: "",
        link: NOTES_28,
        changes_verdicts: true,
        has: versions::has_space_delimited_claims,
        concerns: Concerns::Issuers(|rule| !rule.space_delimited_claims.is_empty()),
    },
    Row {
        what: "every CUSTOM provider has a filter of its own, and its name in the ids of rules; names are DNS labels",
        without: "the rules of several providers stand in one filter",
        since: "1.30",
        advisory: "",
        link: NOTES_30,
        changes_verdicts: true,
        has: versions::names_providers,
        concerns: Concerns::Policies(|policy| policy.action == Action::Custom),
    },
    Row {
        what: "an ingress gateway calls services of other networks through their waypoints, where \
               `istio.io/ingress-use-waypoint` says so (istio#61092)",
        without: "it goes past them, and past their policies",
        since: "1.31",
        advisory: "",
        link: NOTES_31,
        changes_verdicts: false,
        has: |version| version.is_since(31),
        concerns: Concerns::Policies(|policy| {
            names_kind(policy, TargetKind::Service) || names_kind(policy, TargetKind::ServiceEntry)
        }),
    },
    Row {
        what: "`presence: REQUIRED` refuses a request without a token",
        without: "it has no effect",
        since: "1.32",
        advisory: "",
        link: NOTES_32,
        changes_verdicts: true,
        has: |version| version.is_since(32),
        concerns: Concerns::Issuers(|rule| rule.presence == Presence::Required),
    },
];

fn any(values: &Match, test: impl Fn(&str) -> bool) -> bool {
    values.values.iter().chain(&values.not_values).any(|value| test(&value.text))
}

fn fetches_keys(rule: &JwtRule) -> bool {
    rule.jwks.is_none()
}

fn names_kind(policy: &AuthorizationPolicy, kind: TargetKind) -> bool {
    matches!(&policy.target, Target::Refs(refs) if refs.iter().any(|target| target.kind == kind))
}

impl Concerns {
    fn of(&self, resources: &Resources) -> Vec<Concerned> {
        let concerned = |kind: &str, meta: &Meta, line: u32| Concerned {
            policy: format!("{kind} {}/{}", meta.namespace, meta.name),
            file: meta.file.to_string(),
            line,
        };
        let policies = resources.authorization.iter();
        let of_policy =
            |policy: &AuthorizationPolicy, line: u32| concerned("AuthorizationPolicy", &policy.meta, line);
        match self {
            Concerns::Policies(test) => policies
                .filter(|policy| test(policy))
                .map(|policy| of_policy(policy, policy.meta.at.line))
                .collect(),
            Concerns::Values(test) => policies
                .filter_map(|policy| {
                    let rule = policy.rules.iter().find(|rule| looks_at(rule, *test))?;
                    Some(of_policy(policy, rule.at.line))
                })
                .collect(),
            Concerns::Issuers(test) => resources
                .request_authentication
                .iter()
                .filter_map(|policy: &RequestAuthentication| {
                    let rule = policy.rules.iter().find(|rule| test(rule))?;
                    Some(concerned("RequestAuthentication", &policy.meta, rule.at.line))
                })
                .collect(),
        }
    }
}

fn looks_at(rule: &Rule, test: fn(Attribute, &Match) -> bool) -> bool {
    let fields = rule.from.iter().chain(&rule.to).flat_map(FieldSet::iter);
    let conditions = rule
        .when
        .iter()
        .filter_map(|condition| Some((Attribute::of_key(&condition.key.text)?.0, &condition.values)));
    fields.chain(conditions).any(|(attribute, values)| test(attribute, values))
}
