//! `gnomon completions`.

use crate::Outcome;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "gnomon", &mut script);
    crate::style::print(&String::from_utf8_lossy(&script));
    Outcome::Good
}
