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
//! Nothing here knows a policy yet: the step from a plan's rules to a function is to be built on these.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod bdd;
pub mod dimension;
pub mod numbers;
pub mod text;
