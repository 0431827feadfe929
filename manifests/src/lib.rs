//! Text and folders to policies, requests and suites, with file, line and column for everything.
//!
//! Text is read as Kubernetes reads it (`sigs.k8s.io/yaml`): `yes`, `no`, `on`, `off`, `y` and `n` without quotes are
//! booleans, `010` is eight, quoted scalars are strings. Hostile input is bounded: 32 MB a file ([`MAX_BYTES`]; 1 GB
//! for a list as `kubectl get` prints it, which is taken object by object), a depth of 128 ([`MAX_DEPTH`]), two million values ([`MAX_NODES`]) after aliases are expanded; nothing recurses before
//! that has been checked.
#![forbid(unsafe_code)]

mod advice;
mod archive;
mod chart;
mod cluster;
mod document;
mod dump;
mod duplicates;
mod files;
mod imported;
mod input;
pub mod inventory;
mod kustomize;
mod load_error;
mod loader;
mod merge;
pub mod parallel;
mod reader;
mod render;
pub mod request;
mod scalar;
mod skim;
mod source;
pub mod suite;
mod time;
mod tree;
mod unread;
mod walk;

pub use chart::Chart;
pub use duplicates::Cluster;
pub use imported::{LoadedProxy, imported, imported_text};
pub use input::{MAX_BYTES, decode_bytes, read_file};
pub use kustomize::Kustomization;
pub use load_error::LoadError;
pub use loader::{Loaded, Loader, Renderer, load, load_text};
pub use merge::merged;
pub use render::{Colour, render};
pub use source::Source;
pub use time::rfc3339;
pub use tree::{MAX_DEPTH, MAX_NODES, parse};
pub use unread::{Reason, Unread};
