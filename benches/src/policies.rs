//! The policies themselves, as Istio's resources.

use gnomon_engine::{
    Attribute,
    resource::{
        Action, AuthorizationPolicy, Condition, FieldSet, Match, Meta, Resources, Rule, Target, Text,
    },
};

fn values<S: AsRef<str>>(values: &[S]) -> Match {
    let text = |value: &S| Text { text: value.as_ref().into(), ..Text::default() };
    Match { values: values.iter().map(text).collect(), not_values: Vec::new() }
}

fn policy(name: String, action: Action, rule: Rule) -> AuthorizationPolicy {
    AuthorizationPolicy {
        meta: Meta { namespace: "shop".into(), name, ..Meta::default() },
        target: Target::Namespace,
        action,
        provider: None,
        dry_run: false,
        rules: vec![rule],
    }
}

fn condition(key: &str, wanted: &[String]) -> Condition {
    Condition {
        at: Default::default(),
        key: Text { text: key.into(), ..Text::default() },
        values: values(wanted),
    }
}

/// See [`crate::realistic`].
pub fn realistic() -> Resources {
    let one = |team: usize| {
        let deny = team % 5 == 4;
        let rule = Rule {
            from: vec![FieldSet::of([
                (Attribute::Namespace, values(&[format!("team-{team}"), format!("ops-{team}")])),
                (Attribute::RequestPrincipal, values(&["https://id.example.com/*"])),
            ])],
            to: vec![FieldSet::of([
                (
                    Attribute::Host,
                    values(&[format!("team-{team}.example.com"), format!("team-{team}.example.com:*")]),
                ),
                (
                    Attribute::Path,
                    match deny {
                        true => values(&[format!("/admin/{team}/*"), "*/debug".to_string()]),
                        false => values(&["/api/v1/*".to_string(), "/api/v2/{*}/{*}/items".to_string()]),
                    },
                ),
            ])],
            when: vec![condition("request.auth.claims[groups]", &[format!("team-{team}")])],
            ..Rule::default()
        };
        policy(format!("team-{team:02}"), if deny { Action::Deny } else { Action::Allow }, rule)
    };
    Resources { authorization: (0..20).map(one).collect(), ..Resources::default() }
}

/// The principal of rule `number` of [`worst`].
pub fn principal(number: usize) -> String {
    format!("cluster.local/ns/tenant-{number}/sa/client")
}

/// The prefix of a path that rule `number` of [`worst`] takes.
pub fn prefix(number: usize) -> String {
    format!("/tenants/{number}/")
}

/// See [`crate::worst`].
pub fn worst(count: usize) -> Resources {
    let one = |number: usize| {
        let rule = Rule {
            from: vec![FieldSet::of([(Attribute::Principal, values(&[principal(number)]))])],
            to: vec![FieldSet::of([
                (Attribute::Method, values(&["GET"])),
                (Attribute::Path, values(&[format!("{}*", prefix(number))])),
            ])],
            ..Rule::default()
        };
        policy(format!("tenant-{number:06}"), Action::Allow, rule)
    };
    Resources { authorization: (0..count).map(one).collect(), ..Resources::default() }
}
