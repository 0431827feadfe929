//! Requests that two versions of Istio parse differently before any policy is asked: the filters of the two see different
//! requests, so that no set of requests can hold both.

use crate::{
    compare::Side,
    condition::{Subject, Value, Vocabulary},
    kind::Kind,
    side::Stages,
};
use alloc::{string::String, vec::Vec};
use gnomon_engine::{headers::is_inline, versions};

/// Requests that [`compare`](crate::compare()) leaves out, since two versions read them differently; with the texts that
/// policies have about them, to try some.
#[derive(Clone, Debug, Default)]
pub struct VersionSkew {
    /// Paths with a segment such as `/..;x`
    /// ([`versions::strips_parameters_of_dot_segments`](gnomon_engine::versions::strips_parameters_of_dot_segments)): the
    /// paths that conditions name. `None`: no condition is on paths, or both read them alike.
    pub paths: Option<Vec<String>>,
    /// Headers of several lines ([`versions::matches_lines_apart`](gnomon_engine::versions::matches_lines_apart)): by name,
    /// the values that conditions name.
    pub headers: Vec<(String, Vec<String>)>,
    /// QUERY without a `content-type` ([`versions::checks_query`](gnomon_engine::versions::checks_query)).
    pub query: bool,
}

/// What the two sides read differently.
pub fn version_skew(old: Side<'_>, new: Side<'_>) -> VersionSkew {
    let differ = |reads: fn(gnomon_engine::workload::IstioVersion) -> bool| {
        reads(old.plan.version()) != reads(new.plan.version())
    };
    let mut vocabulary = Vocabulary::default();
    for side in [old, new] {
        for plan in side.plan.releases() {
            Stages::of(plan, Kind::Http, &mut vocabulary);
        }
    }
    let texts = |axis: usize| {
        let values = vocabulary.known.get(axis).into_iter().flatten();
        values.filter_map(|value| match value {
            Value::Text(_, text) | Value::Verbatim(_, text) => String::from_utf8(text.to_vec()).ok(),
            Value::Sequences(..) | Value::Net(_) | Value::Port(_) => None,
        })
    };
    let mut found = VersionSkew { query: differ(versions::checks_query), ..VersionSkew::default() };
    for (axis, subject) in vocabulary.subjects.iter().enumerate() {
        match subject {
            Subject::Path if differ(versions::strips_parameters_of_dot_segments) => {
                found.paths = Some(texts(axis).collect());
            }
            Subject::Header(name) if differ(versions::matches_lines_apart) && !is_inline(name.as_bytes()) => {
                found.headers.push((name.clone(), texts(axis).collect()));
            }
            _ => {}
        }
    }
    found
}
