//! `gnomon man`: manual pages, of the same text as `--help`.

use crate::{Outcome, examples};
use clap_mangen::Man;
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

/// Print the manual page of a command, or write those of all into a folder
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command; without one, the page of gnomon itself
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Option<String>,
    /// Write all pages into this folder, as gnomon.1 and gnomon-COMMAND.1
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut program = crate::command();
    // Names of subcommands become those of pages: gnomon-eval.
    program.build();
    let pages = pages(&program);
    if let Some(folder) = &args.output {
        return match write(folder, &pages) {
            Ok(()) => Outcome::Good,
            Err(error) => {
                eprintln!("error: cannot write manual pages into {}: {error}", folder.display());
                Outcome::Failed
            }
        };
    }
    let name = args.command.as_ref().map_or("gnomon".into(), |command| format!("gnomon-{command}"));
    let Some((_, page)) = pages.iter().find(|(of, _)| *of == name) else {
        let known: Vec<&str> = pages.iter().filter_map(|(of, _)| of.strip_prefix("gnomon-")).collect();
        eprintln!("error: there is no command of this name; there are {}", known.join(", "));
        return Outcome::Failed;
    };
    crate::style::print(&String::from_utf8_lossy(page));
    Outcome::Good
}

fn write(folder: &std::path::Path, pages: &[(String, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    pages.iter().try_for_each(|(name, page)| fs::write(folder.join(format!("{name}.1")), page))
}

/// The program's page and those of its commands, by their names.
fn pages(program: &clap::Command) -> Vec<(String, Vec<u8>)> {
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    let all = std::iter::once(program).chain(commands);
    all.map(|command| {
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let examples = examples::of(name.strip_prefix("gnomon-").unwrap_or(""));
        let mut page = Vec::new();
        // Into memory: nothing can fail.
        let _ = render(command, &name, examples, &mut page);
        (name, page)
    })
    .collect()
}

fn render(
    command: &clap::Command,
    name: &str,
    examples: &[examples::Example],
    page: &mut Vec<u8>,
) -> io::Result<()> {
    let man = Man::new(command.clone()).title(name.to_uppercase()).manual("Gnomon").source(SOURCE);
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(page)?;
    }
    writeln!(page, ".SH \"EXIT STATUS\"")?;
    for (code, meaning) in EXIT_CODES {
        writeln!(page, ".TP\n\\fB{code}\\fR\n{}", literal(meaning))?;
    }
    if !examples.is_empty() {
        writeln!(page, ".SH EXAMPLES")?;
    }
    for (command, what) in examples {
        let lines: Vec<String> = examples::lines(command).iter().map(|line| literal(line)).collect();
        writeln!(page, ".PP\n{}\n.PP\n.RS 4\n.nf\n{}\n.fi\n.RE", literal(what), lines.join(" \\e\n    "))?;
    }
    if name != "gnomon" {
        writeln!(page, ".SH \"SEE ALSO\"\n.BR gnomon (1)")?;
    }
    Ok(())
}

const SOURCE: &str = concat!("gnomon ", env!("CARGO_PKG_VERSION"));

/// As docs/commands.md has them.
const EXIT_CODES: [(u8, &str); 4] = [
    (0, "It ran, and nothing fails."),
    (
        1,
        "An expectation is not met, a finding fails, or with --exit-code a request is denied or a verdict changes.",
    ),
    (2, "It could not run: an option, a file or a configuration."),
    (3, "With --exit-code, nobody can know the verdict."),
];

/// Text that roff takes as it stands: backslashes, hyphens that stay hyphens, and no request at the start of a line.
fn literal(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}
