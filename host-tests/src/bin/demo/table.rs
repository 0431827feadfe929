//! The demo's table.

use crate::requests::Request;
use gnomon_host_tests::{Error, Result};
use serde_json::Value;
use std::io::IsTerminal;

/// One request and what became of it.
pub(crate) struct Row {
    request: String,
    token: &'static str,
    /// The status that the client got.
    today: u16,
    /// Why, where the candidate would answer otherwise.
    because: Option<String>,
    candidate: String,
    result: String,
    why: String,
}

impl Row {
    /// From what the client got, what Envoy says about it, and the filter's state.
    pub(crate) fn new(request: &Request, status: u16, details: &str, state: &Value) -> Result<Row> {
        let field = |name| state.get(name).and_then(Value::as_str);
        let (Some(verdict), Some(result), Some(stage)) = (field("verdict"), field("result"), field("stage"))
        else {
            return Err(Error::new(format!("the filter's state is not whole: {state}")));
        };
        let why = match field("policy") {
            Some(policy) => format!("{} {}", stage.to_uppercase(), name_of(policy)),
            None if stage == "allow" => "no ALLOW rule matches".into(),
            None => {
                let reason = field("reason").unwrap_or("");
                reason.rsplit_once(": ").map_or(reason, |(_, message)| message).to_owned()
            }
        };
        Ok(Row {
            request: request.title(),
            token: request.token,
            today: status,
            because: (result != "agree").then(|| because(details)),
            candidate: match state.get("status").and_then(Value::as_u64) {
                Some(status) => format!("{verdict} {status}"),
                None => verdict.to_owned(),
            },
            result: result.replace('_', " "),
            why: cut(&why, 44),
        })
    }

    fn cells(&self) -> [String; 6] {
        [
            self.request.clone(),
            self.token.to_owned(),
            self.today.to_string(),
            self.candidate.clone(),
            self.result.clone(),
            self.why.clone(),
        ]
    }
}

/// At most so many characters: one message about tokens is as long as the rest of the line.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The policy's name out of a rule's id, `ns[NS]-policy[NAME]-rule[I]`.
fn name_of(id: &str) -> &str {
    let name = id.split_once("]-policy[").and_then(|(_, rest)| rest.rsplit_once("]-rule["));
    name.map_or(id, |(name, _)| name)
}

/// Envoy's response code details for people.
fn because(details: &str) -> String {
    let inner =
        |prefix, suffix| details.strip_prefix(prefix).and_then(|rest: &str| rest.strip_suffix(suffix));
    if let Some(message) = inner("jwt_authn_access_denied{", "}") {
        message.replace('_', " ")
    } else {
        match inner("rbac_access_denied_matched_policy[", "]") {
            Some("none") => "no ALLOW rule matches".into(),
            Some(id) => format!("DENY {}", name_of(id)),
            None if details == "direct_response" => "served".into(),
            None => details.to_owned(),
        }
    }
}

/// Rows, printed with the columns as wide as they need to be.
pub(crate) struct Table {
    rows: Vec<Row>,
    colour: bool,
}

const TITLES: [&str; 6] = ["request", "token", "today", "candidate", "result", "why, says the candidate"];

impl Table {
    /// Empty. Coloured on a terminal, unless `NO_COLOR` is set to anything.
    pub(crate) fn new() -> Table {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Table { rows: Vec::new(), colour: wanted && std::io::stdout().is_terminal() }
    }

    /// One more.
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Prints it; below a request on which the two differ stands why it is answered as it is today.
    pub(crate) fn print(&self) {
        let cells: Vec<[String; 6]> = self.rows.iter().map(Row::cells).collect();
        let mut widths = TITLES.map(|title| title.chars().count());
        for row in &cells {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        println!(" #  {}", line(&TITLES.map(String::from), &widths).trim_end());
        for (number, (row, cells)) in self.rows.iter().zip(&cells).enumerate() {
            let text = format!("{:>2}  {}", number + 1, line(cells, &widths).trim_end());
            println!("{}", self.paint(&row.result, &text));
            if let Some(because) = &row.because {
                println!("    today: {because}");
            }
        }
        let agree = self.rows.iter().filter(|row| row.because.is_none()).count();
        println!("\n{agree} of {} agree, {} differ.", self.rows.len(), self.rows.len() - agree);
    }

    fn paint(&self, result: &str, text: &str) -> String {
        let code = match result {
            "agree" => return text.to_owned(),
            "would deny" => "31",
            "would allow" => "32",
            _ => "33",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn line(cells: &[String; 6], widths: &[usize; 6]) -> String {
    cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect()
}
