//! Why a question about all requests has no answer.

use crate::{bdd::TooLarge, text::TooMany};
use alloc::string::String;
use core::fmt;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undecided {
    /// The diagram has too many nodes.
    TooLarge(TooLarge),
    /// Texts have too many classes.
    TooMany(TooMany),
    /// The policies have something that this analysis does not cover.
    Unsupported(&'static str),
    /// Envoy refuses the configuration, so that there is no proxy to ask about.
    Refused(String),
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecided::TooLarge(why) => why.fmt(f),
            Undecided::TooMany(why) => why.fmt(f),
            Undecided::Unsupported(what) => write!(f, "not covered: {what}"),
            Undecided::Refused(why) => write!(f, "there is no such proxy: {why}"),
        }
    }
}

impl core::error::Error for Undecided {}

impl From<TooLarge> for Undecided {
    fn from(why: TooLarge) -> Undecided {
        Undecided::TooLarge(why)
    }
}

impl From<TooMany> for Undecided {
    fn from(why: TooMany) -> Undecided {
        Undecided::TooMany(why)
    }
}
