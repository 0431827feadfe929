//! What the YAML parser reads from: a text, watched.
//!
//! The parser looks ahead without a bound inside of brackets, since all of them may turn out to be a key, and its work
//! grows there with the depth and with the length of such keys. So the depth, the number of tokens and the length of
//! those keys are bounded here, where the text is taken, before a single event comes out.
//!
//! And brackets and quotes may stand no deeper than their key:
//!
//! ```yaml
//! methods: [
//!   "GET"
//! ]
//! ```
//!
//! YAML 1.2 forbids it, the library in front of Kubernetes' API takes it, and people write it. Inside of brackets and
//! quotes the spaces before a line mean nothing: the parser gets as many as it wants.

use crate::tree::{MAX_DEPTH, MAX_NODES};
use gnomon_engine::Position;
use saphyr_parser::{Input, Marker, input::is_breakz};
use std::cell::{Cell, RefCell};

/// How many tokens one text may have: a key, its colon and its value are three.
const MAX_TOKENS: usize = 3 * MAX_NODES;
/// How many tokens may stand in brackets that turn out to be a key. (No list and no map can be one; but a template's
/// `{{ .Values.x }}` is read as such, and it is told as what it is.)
const MAX_KEY: usize = 1024;
/// How many spaces may be put before lines, for each byte of a text.
const PADDING: usize = 8;
/// The parser asks for this character at the beginning of each token, and nowhere else.
const ASKED_PER_TOKEN: char = '\u{feff}';

/// Why no more of a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Depth,
    Tokens,
    Key,
}

/// What is known of a text's reading, beside the parser's events.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// How many spaces were put before the lines from this one on, in the order of the lines.
    padding: RefCell<Vec<(usize, usize)>>,
    stopped: Cell<Option<(Bound, Position)>>,
    /// How many characters the parser was given: its work, but for a bounded factor.
    steps: Cell<usize>,
}

impl Watch {
    /// Reading has ended here.
    pub(crate) fn stopped(&self) -> Option<(Bound, Position)> {
        self.stopped.get()
    }

    /// The place in the text, counted from 1.
    pub(crate) fn place(&self, marker: &Marker) -> Position {
        self.at(marker.line(), marker.col())
    }

    fn at(&self, line: usize, column: usize) -> Position {
        let padding = self.padding.borrow();
        let next = padding.partition_point(|(first, _)| *first <= line);
        let added = next.checked_sub(1).and_then(|index| padding.get(index)).map_or(0, |(_, added)| *added);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Position { line: number(line), column: number(column.saturating_sub(added).saturating_add(1)) }
    }

    fn pad(&self, line: usize, added: usize) {
        let mut padding = self.padding.borrow_mut();
        if padding.last().map_or(0, |(_, last)| *last) != added {
            padding.push((line, added));
        }
    }
}

/// The text that is left, as the parser is to see it.
pub(crate) struct Reader<'t> {
    rest: &'t str,
    /// Spaces that come before the rest.
    waiting: usize,
    /// How many spaces may still be put before lines.
    spare: usize,
    looked: usize,
    line: usize,
    column: usize,
    /// The length of the rest where a token began.
    token: Cell<Option<usize>>,
    tokens: usize,
    /// For each open bracket the number of its token.
    open: Vec<usize>,
    /// The number of the bracket's token, where the token before this one closed it.
    closed: Option<usize>,
    /// The quote that ends the scalar that is being read.
    quote: Option<char>,
    /// Right of the last key or dash.
    indent: usize,
    /// The same, of the outermost bracket or of the quotes: everything in them may stand as deep.
    margin: usize,
    watch: &'t Watch,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str, watch: &'t Watch) -> Self {
        Reader {
            rest: text,
            waiting: 0,
            spare: text.len().saturating_mul(PADDING),
            looked: 0,
            line: 1,
            column: 0,
            token: Cell::new(None),
            tokens: 0,
            open: Vec::new(),
            closed: None,
            quote: None,
            indent: 0,
            margin: 0,
            watch,
        }
    }

    /// Takes a character. `alone`: it is not part of an escape sequence.
    fn take(&mut self, alone: bool) -> Option<char> {
        self.watch.steps.set(self.watch.steps.get().saturating_add(1));
        if let Some(waiting) = self.waiting.checked_sub(1) {
            self.waiting = waiting;
            self.column = self.column.saturating_add(1);
            return Some(' ');
        }
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        if self.token.get() == Some(self.rest.len()) {
            self.token.set(None);
            self.begin(next);
        } else if alone && self.quote == Some(next) {
            self.quote = None;
        }
        self.rest = chars.as_str();
        if next == '\n' || (next == '\r' && !self.rest.starts_with('\n')) {
            self.line = self.line.saturating_add(1);
            self.column = 0;
            self.begin_line();
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(next)
    }

    /// A token begins with this character.
    fn begin(&mut self, first: char) {
        self.tokens = self.tokens.saturating_add(1);
        let closed = self.closed.take();
        match first {
            '[' | '{' => {
                self.margin();
                self.open.push(self.tokens);
            }
            ']' | '}' => self.closed = self.open.pop(),
            '"' | '\'' => {
                self.margin();
                self.quote = Some(first);
            }
            _ => {}
        }
        if self.open.is_empty() && !matches!(first, ':' | '&' | '!') {
            self.indent = self.column.saturating_add(1);
        }
        let long = |began| self.tokens.saturating_sub(began) > MAX_KEY;
        let reached = if self.tokens > MAX_TOKENS {
            Bound::Tokens
        } else if self.open.len() > MAX_DEPTH {
            Bound::Depth
        } else if first == ':' && !self.open.is_empty() && closed.is_some_and(long) {
            Bound::Key
        } else {
            return;
        };
        self.watch.stopped.set(Some((reached, self.watch.at(self.line, self.column))));
    }

    fn margin(&mut self) {
        if self.open.is_empty() {
            self.margin = self.indent;
        }
    }

    /// A line begins: spaces before it, where it stands in brackets or quotes and not deep enough.
    fn begin_line(&mut self) {
        let spaces = self.rest.bytes().take(self.margin).take_while(|byte| *byte == b' ').count();
        let inside = self.quote.is_some() || !self.open.is_empty();
        let lacks = self.margin.saturating_sub(spaces);
        let empty = self.rest.get(spaces..).is_none_or(|rest| rest.starts_with(['\r', '\n']));
        // The end of a document ends what is open in it: an error that must stay one.
        let marker = ["---", "..."].iter().any(|marker| {
            self.rest
                .strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        });
        if !inside || empty || marker || lacks > self.spare {
            return self.watch.pad(self.line, 0);
        }
        self.spare = self.spare.saturating_sub(lacks);
        self.waiting = lacks;
        self.watch.pad(self.line, lacks);
    }
}

impl Input for Reader<'_> {
    fn lookahead(&mut self, count: usize) {
        self.looked = self.looked.max(count);
        if self.watch.stopped.get().is_some() {
            (self.rest, self.waiting) = ("", 0);
        }
    }

    fn buflen(&self) -> usize {
        self.looked
    }

    fn bufmaxlen(&self) -> usize {
        // As the parser's own input for texts has it.
        128
    }

    fn raw_read_ch(&mut self) -> char {
        self.take(false).unwrap_or('\0')
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        self.peek_opt().filter(|next| !is_breakz(*next) && *next != '\u{feff}')?;
        self.take(false)
    }

    fn skip(&mut self) {
        self.take(true);
    }

    fn skip_n(&mut self, count: usize) {
        for _ in 0..count {
            self.take(count == 1);
        }
    }

    fn peek(&self) -> char {
        self.peek_opt().unwrap_or('\0')
    }

    /// What stands behind a line break is seen without the spaces before it; nobody looks there.
    fn peek_nth(&self, n: usize) -> char {
        match n.checked_sub(self.waiting) {
            Some(n) => self.rest.chars().nth(n).unwrap_or('\0'),
            None => ' ',
        }
    }

    fn peek_opt(&self) -> Option<char> {
        if self.waiting > 0 { Some(' ') } else { self.rest.chars().next() }
    }

    fn next_char_is(&self, c: char) -> bool {
        if c == ASKED_PER_TOKEN {
            self.token.set(Some(self.rest.len()));
        }
        self.peek() == c
    }
}

#[cfg(test)]
mod tests;
