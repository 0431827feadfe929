//! Sets of requests, for questions about all requests at once.
//!
//! What a policy can look at is cut into *dimensions* (the method, the host, a header, an address …), and each dimension
//! into *classes*: all values that the policies cannot tell apart, each class with a concrete member. A set of requests
//! is then a Boolean function of classes, kept as a decision diagram.
//!
//! - [`text`] cuts strings into classes, given the patterns that istiod makes of values and the strings that there are;
//! - [`numbers`] does the same for addresses and ports;
//! - [`dimension`] writes a choice among classes into the variables of a diagram, and reads it back;
//! - [`bdd`] is the diagram.
//!
//! - [`condition`] takes the conditions of compiled rules apart, [`Space`] makes axes and classes of them;
//! - [`compare`](compare()) holds two plans against each other, and [`Space::request`] gives a request for a difference.
//!
//! The mTLS gate, CUSTOM providers and the JWT stage count as they do in the engine. What is not covered is refused by
//! name ([`Undecided`]), never guessed.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod axis;
pub mod bdd;
mod compare;
pub mod condition;
mod cover;
pub mod dimension;
mod domain;
mod headers;
mod idle;
mod kind;
mod known;
pub mod numbers;
mod patterns;
mod relevance;
mod rules;
mod side;
mod space;
pub mod text;
mod tokens;
mod undecided;
mod version_skew;
mod witness;

pub use compare::{Comparison, Side, compare, compare_within};
pub use cover::{Change, Cube, Part, Phrase, Reason};
pub use idle::{Idle, WhyIdle, idle};
pub use kind::Kind;
pub use rules::Rules;
pub use side::Margin;
pub use space::{Limits, Setting, Space};
pub use undecided::Undecided;
pub use version_skew::{VersionSkew, version_skew};
pub use witness::Point;
