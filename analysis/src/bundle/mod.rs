//! A policy set as something to deploy: the object that puts the filter in front of workloads, with the policies that can
//! apply to them and no others.

mod configuration;
mod module;
mod object;
mod pack;
mod select;

pub use configuration::{configuration, mesh_fields, workload_fields};
pub use object::{Kind, Plugin, object};
pub use pack::{pack, packed_list};
pub use select::select;

/// What a Kubernetes object may be long, in bytes of JSON. etcd refuses a request beyond 1.5 MiB and ConfigMaps end at
/// 1 MiB; this leaves room for what the API server adds.
pub const OBJECT_LIMIT: usize = 1_000_000;

/// `kubectl apply` without `--server-side` keeps a copy of the object in an annotation, and annotations end here.
pub const APPLY_LIMIT: usize = 262_144;

/// A number as people read it: `1,234,567`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
