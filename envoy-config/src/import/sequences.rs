//! Regular expressions as sequences of bytes, where that is all they are: alternatives, classes of characters, and what is
//! repeated one character at a time (`^spiffe://[^/]+/ns/default/dc/[^/]+/svc/(web|api)$`).

use alloc::{boxed::Box, vec, vec::Vec};
use gnomon_engine::sequences::{ByteSet, Sequences, Step};

/// No more sequences than this for one expression.
const SEQUENCES: usize = 200;
/// Nor more steps in all of them.
const STEPS: usize = 20_000;
/// How deep groups may nest.
const DEPTH: usize = 16;

type All = Vec<Vec<Step>>;

/// The texts that an expression matches as a whole, as RE2 reads it. `None`: it says more than sequences can.
pub(super) fn of_expression(expression: &str) -> Option<Sequences> {
    let mut parser = Parser { rest: expression, depth: 0, ended: false };
    let any = parser.alternatives()?;
    (parser.rest.is_empty()).then(|| made(alloc::format!("/{expression}/"), any))
}

/// Sequences that are shown so.
pub(super) fn made(written: impl Into<Box<str>>, any: All) -> Sequences {
    Sequences { written: written.into(), any: any.into_iter().map(Vec::into_boxed_slice).collect() }
}

/// A text as it stands, or in either case.
pub(super) fn literal(text: &[u8], ignoring_case: bool) -> Vec<Step> {
    let step = |byte: &u8| {
        Step::One(match ignoring_case {
            true => ByteSet::of(&[byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]),
            false => ByteSet::of(&[*byte]),
        })
    };
    text.iter().map(step).collect()
}

struct Parser<'e> {
    rest: &'e str,
    depth: usize,
    /// A `$` was within the group: nothing may follow it.
    ended: bool,
}

impl Parser<'_> {
    fn take(&mut self, wanted: &str) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn character(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next()?;
        self.rest = characters.as_str();
        Some(next)
    }

    fn alternatives(&mut self) -> Option<All> {
        let mut any = self.sequence()?;
        while self.take("|") {
            any.extend(self.sequence()?);
            bounded(&any)?;
        }
        Some(any)
    }

    fn sequence(&mut self) -> Option<All> {
        let mut all: All = vec![Vec::new()];
        if self.depth == 0 {
            // The whole text is compared anyway.
            self.take("^");
        }
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            if self.take("$") {
                self.ended = true;
                return (self.rest.is_empty() || self.rest.starts_with(['|', ')'])).then_some(all);
            }
            let piece = self.piece()?;
            all = product(&all, &piece)?;
        }
        Some(all)
    }

    fn piece(&mut self) -> Option<All> {
        let atom = self.atom()?;
        let (least, most) = if self.take("*") {
            (0, None)
        } else if self.take("+") {
            (1, None)
        } else if self.take("?") {
            (0, Some(1))
        } else if self.take("{") {
            self.count()?
        } else {
            return Some(atom);
        };
        // As few or as many as possible: the same whole texts.
        self.take("?");
        if self.rest.starts_with(['*', '+', '?', '{']) {
            return None;
        }
        let mut all: All = vec![Vec::new()];
        for _ in 0..least {
            all = product(&all, &atom)?;
        }
        match most {
            None => {
                let mut set = ByteSet::NONE;
                for sequence in &atom {
                    let [Step::One(one)] = sequence[..] else { return None };
                    set = set.union(one);
                }
                all.iter_mut().for_each(|sequence| sequence.push(Step::Many(set)));
                Some(all)
            }
            Some(most) => {
                let (mut any, mut longer) = (all.clone(), all);
                for _ in least..most {
                    longer = product(&longer, &atom)?;
                    any.extend(longer.iter().cloned());
                    bounded(&any)?;
                }
                Some(any)
            }
        }
    }

    /// Behind `{`.
    fn count(&mut self) -> Option<(usize, Option<usize>)> {
        let (inside, rest) = self.rest.split_once('}')?;
        self.rest = rest;
        let number = |text: &str| -> Option<usize> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| digits && *number <= 100)
        };
        Some(match inside.split_once(',') {
            None => (number(inside)?, Some(number(inside)?)),
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => {
                let (least, most) = (number(least)?, number(most)?);
                (least <= most).then_some((least, Some(most)))?
            }
        })
    }

    fn atom(&mut self) -> Option<All> {
        let one = |set| Some(vec![vec![Step::One(set)]]);
        match self.character()? {
            '.' => one(ByteSet::LINE),
            '[' => one(self.class()?),
            '\\' => {
                let escaped = self.character()?;
                one(shorthand(escaped).or_else(|| quoted(escaped))?)
            }
            '(' => {
                if !self.take("?:") && self.rest.starts_with('?') {
                    return None;
                }
                self.depth += 1;
                if self.depth > DEPTH {
                    return None;
                }
                let outer = core::mem::take(&mut self.ended);
                let inner = self.alternatives()?;
                self.depth -= 1;
                let closed = self.take(")");
                if self.ended && !(self.rest.is_empty() || self.rest.starts_with(['|', ')', '$'])) {
                    return None;
                }
                self.ended |= outer;
                closed.then_some(inner)
            }
            '^' | '$' | '*' | '+' | '?' | '{' | '}' | ']' => None,
            plain if plain.is_ascii() => one(ByteSet::of(&[u8::try_from(plain).ok()?])),
            // Several bytes, which are one character to what repeats it.
            other => {
                let written = other.encode_utf8(&mut [0; 4]).as_bytes().to_vec();
                let repeated = self.rest.starts_with(['*', '+', '?', '{']);
                (!repeated).then(|| vec![literal(&written, false)])
            }
        }
    }

    /// Behind `[`.
    fn class(&mut self) -> Option<ByteSet> {
        let negated = self.take("^");
        let mut set = ByteSet::NONE;
        let mut first = true;
        loop {
            let start = match self.character()? {
                ']' if !first => break,
                '[' if self.rest.starts_with(':') => return None,
                '\\' => {
                    let escaped = self.character()?;
                    if let Some(class) = shorthand(escaped) {
                        set = set.union(class);
                        first = false;
                        continue;
                    }
                    quoted(escaped)?;
                    escaped
                }
                plain => plain,
            };
            first = false;
            let range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            let end = match range {
                false => start,
                true => {
                    self.take("-");
                    match self.character()? {
                        '\\' => {
                            let escaped = self.character()?;
                            quoted(escaped)?;
                            escaped
                        }
                        '[' => return None,
                        plain => plain,
                    }
                }
            };
            if !start.is_ascii() || !end.is_ascii() || end < start {
                return None;
            }
            (start..=end).filter_map(|c| u8::try_from(c).ok()).for_each(|byte| set.insert(byte));
        }
        Some(if negated { set.complement() } else { set })
    }
}

/// `\d` and its like.
fn shorthand(escaped: char) -> Option<ByteSet> {
    let digits = b"0123456789";
    let word = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    let set = match escaped.to_ascii_lowercase() {
        'd' => ByteSet::of(digits),
        'w' => ByteSet::of(word),
        's' => ByteSet::of(b"\t\n\x0c\r "),
        _ => return None,
    };
    Some(if escaped.is_ascii_uppercase() { set.complement() } else { set })
}

/// A sign that stands for itself.
fn quoted(escaped: char) -> Option<ByteSet> {
    escaped.is_ascii_punctuation().then(|| ByteSet::of(&[u8::try_from(escaped).unwrap_or_default()]))
}

fn product(one: &All, other: &All) -> Option<All> {
    if one.len().saturating_mul(other.len()) > SEQUENCES {
        return None;
    }
    let all: All =
        one.iter().flat_map(|a| other.iter().map(|b| [a.as_slice(), b.as_slice()].concat())).collect();
    bounded(&all)?;
    Some(all)
}

fn bounded(all: &All) -> Option<()> {
    (all.len() <= SEQUENCES && all.iter().map(Vec::len).sum::<usize>() <= STEPS).then_some(())
}

/// Each character beyond ASCII is several bytes, of which some versions of Envoy see one: does the difference show?
pub(super) fn counts_characters(sequences: &Sequences) -> bool {
    let beyond = |set: &ByteSet| (0x80..=0xff).any(|byte| set.contains(byte));
    sequences.any.iter().any(|steps| {
        steps.iter().enumerate().any(|(at, step)| match step {
            // Any number of them may follow, or go before.
            Step::One(set) if beyond(set) => {
                let many = |at: Option<usize>| {
                    let step = at.and_then(|at| steps.get(at));
                    matches!(step, Some(Step::Many(of)) if of == set)
                };
                set.only().is_none() && !many(Some(at + 1)) && !many(at.checked_sub(1))
            }
            _ => false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gnomon_engine::regex::Regex;

    /// Against the machine that evaluates expressions one text at a time.
    #[test]
    fn sequences_are_what_expressions_match() {
        let parts =
            ["a", "b", "/", "[^/]", "[ab]", ".", "\\.", "(a|bb)", "(?:/b)", "\\w", "[^a-b/]", "(/.*|b|$)"];
        let ends = ["", "", "", "*", "+", "?", "{2}", "{0,1}", "{1,}", "+?"];
        let texts: Vec<Vec<u8>> = {
            let mut all = vec![Vec::new()];
            for length in 0..4 {
                let longer: Vec<Vec<u8>> = all
                    .iter()
                    .filter(|text: &&Vec<u8>| text.len() == length)
                    .flat_map(|text| b"ab/.".iter().map(move |byte| [&text[..], &[*byte]].concat()))
                    .collect();
                all.extend(longer);
            }
            all
        };
        let mut state = 7_u64;
        let mut below = |end: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % end
        };
        let mut compared = 0;
        for _ in 0..400 {
            let piece = |below: &mut dyn FnMut(usize) -> usize| {
                [parts[below(parts.len())], ends[below(ends.len())]].concat()
            };
            let mut written: Vec<_> = (0..1 + below(4)).map(|_| piece(&mut below)).collect();
            if below(4) == 0 {
                let other = piece(&mut below);
                written.extend(["|".into(), other]);
            }
            let mut written = written.concat();
            if below(3) == 0 && !written.contains('|') {
                written = ["^", &written, "$"].concat();
            }
            let regex = Regex::new(&written).unwrap();
            let Some(found) = of_expression(&written) else {
                // A group of several bytes, repeated; or an end before the end.
                assert!(written.contains(')') || written.contains('$'), "{written}");
                continue;
            };
            compared += 1;
            for text in &texts {
                assert_eq!(found.matches(text), regex.matches(text), "{written} {}", text.escape_ascii());
            }
        }
        assert!(compared > 250, "{compared}");
    }

    #[test]
    fn what_says_more_is_left() {
        for expression in [
            "(ab)*",
            "a**",
            "(?i)a",
            "\\bx",
            "\\pL",
            "[[:alpha:]]",
            "a$b",
            "(^a)",
            "é*",
            "(((a|b)|c){9}){9}",
            "a{3",
            "(",
            "[z-a]",
        ] {
            assert_eq!(of_expression(expression), None, "{expression}");
        }
        assert!(counts_characters(&of_expression("a.b").unwrap()));
        assert!(!counts_characters(&of_expression("a.+b[^/]*é").unwrap()));
    }
}
