//! One error for the whole harness: a sentence that says what was attempted.

use std::fmt;

/// What could not be done, and why.
#[derive(Debug)]
pub struct Error(String);

/// The harness' result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// With this sentence.
    pub fn new(text: impl Into<String>) -> Self {
        Error(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Says what was attempted when it failed.
pub trait Context<T> {
    /// `cannot <attempt>: <cause>`.
    fn or_cannot(self, attempt: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn or_cannot(self, attempt: impl fmt::Display) -> Result<T> {
        self.map_err(|cause| Error(format!("cannot {attempt}: {cause}")))
    }
}
