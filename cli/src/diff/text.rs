//! For people.

use super::{Compared, curl};
use crate::style::{self, Style, plural, safe};
use gnomon_analysis::diff::{Change, Changes, Deciding, Line, Witness, document};
use std::fmt::Write as _;

/// All of it.
pub(crate) fn write(curl: bool, compared: &[Compared]) -> String {
    let style = Style::of_stdout();
    let mut out = String::new();
    let different: Vec<&Compared> = compared.iter().filter(|one| !one.changes.is_equivalent()).collect();
    for one in &different {
        let _ = writeln!(out, "{}", style.strong(&safe(&one.name)));
        for line in &one.changes.summary {
            self::line(&mut out, style, line);
        }
        for keys in &one.changes.keys {
            let _ = writeln!(out, "  {}", style.doubt(&safe(&keys.to_string())));
        }
        if !one.changes.complete {
            out.push_str("  and more, of which only the first are told\n");
        }
        if let Some(except) = except([&one.changes]) {
            let _ = writeln!(out, "  not wholly compared: {except}");
        }
        let witnesses = [
            ("newly allowed", &one.changes.newly_allowed),
            ("newly denied", &one.changes.newly_denied),
            ("newly undecided", &one.changes.newly_undecided),
        ];
        for (title, witness) in witnesses {
            if let Some(witness) = witness {
                self::witness(&mut out, curl, style, title, witness);
            }
        }
        if let Some(link) = &one.link {
            let _ = writeln!(out, "  {}\n      {link}", style.faint("in the playground:"));
        }
        out.push('\n');
    }
    let same = compared.iter().filter(|one| one.changes.is_equivalent()).map(|one| &one.changes);
    let but = except(same).map_or_else(String::new, |except| format!(", except {except}"));
    let same = compared.len() - different.len();
    let _ = match (compared.len(), different.len()) {
        (0, _) => writeln!(out, "no workload was compared"),
        (1, 0) => writeln!(out, "equivalent: every request fares as before{but}"),
        (_, 0) => {
            writeln!(out, "{}: equivalent, every request fares as before{but}", plural(same, "workload"))
        }
        (all, _) => writeln!(
            out,
            "{} compared: {} different, {same} equivalent{but}",
            plural(all, "workload"),
            different.len()
        ),
    };
    out
}

/// What two versions of Istio parse differently, in one line; `None`: nothing.
pub(crate) fn except<'c>(changes: impl IntoIterator<Item = &'c Changes>) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    for one in changes.into_iter().flat_map(|changes| &changes.except) {
        if !all.contains(one) {
            all.push(one);
        }
    }
    (!all.is_empty()).then(|| {
        format!(
            "what the two versions parse differently, of which at most examples were tried: {}",
            all.join(", ")
        )
    })
}

fn line(out: &mut String, style: Style, line: &Line) {
    let title = match line.change {
        Change::Allowed => style.bad("newly allowed"),
        Change::Denied => style.doubt("newly denied"),
        Change::Undecided => style.doubt("newly undecided"),
    };
    let _ = writeln!(out, "  {title}: {}", safe(&line.requests));
    let _ = writeln!(out, "      before: {}; now: {}", deciding(&line.old), deciding(&line.new));
    for because in &line.because {
        let _ = writeln!(out, "      {}", safe(because));
    }
}

/// `ALLOW shop/a rule 0 (policies.yaml:12)`
pub(crate) fn deciding(deciding: &Deciding) -> String {
    match deciding.line {
        0 => safe(&deciding.what),
        line if deciding.file.is_empty() => safe(&format!("{} (line {line})", deciding.what)),
        line => safe(&format!("{} ({}:{line})", deciding.what, deciding.file)),
    }
}

fn witness(out: &mut String, curl: bool, style: Style, title: &str, witness: &Witness) {
    let request = document(&witness.request).to_string();
    let _ = writeln!(out, "  {}", style.faint(&format!("a request that is {title}, for gnomon eval -r:")));
    let _ = writeln!(out, "      {}", safe(&request));
    let _ = writeln!(out, "      before: {}", safe(&witness.old.reason));
    let _ = writeln!(out, "      now: {}", safe(&witness.new.reason));
    if curl {
        let _ = writeln!(out, "      {}", curl::command(&witness.request));
    }
}

/// Text for HTML.
pub(crate) fn escaped(text: &str) -> String {
    let text = style::safe(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
