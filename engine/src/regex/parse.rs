//! RE2's syntax.

use super::{Assert, Ast, Set};
use alloc::{boxed::Box, vec::Vec};

/// How deep groups may nest.
const MAX_DEPTH: usize = 100;
/// RE2's own limit.
const MAX_REPEAT: u32 = 1000;

const NOT_RE2: &str = "RE2 refuses this expression";

#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    multi_line: bool,
    dot_takes_line_feed: bool,
}

struct Parser<'p> {
    rest: &'p [u8],
    flags: Flags,
    depth: usize,
}

pub(super) fn parse(pattern: &[u8]) -> Result<Ast, &'static str> {
    let mut parser = Parser { rest: pattern, flags: Flags::default(), depth: 0 };
    let ast = parser.alternatives()?;
    if parser.rest.is_empty() { Ok(ast) } else { Err(NOT_RE2) }
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn eat(&mut self, text: &[u8]) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Up to the end or an unopened `)`. Flags set inside end with it.
    fn alternatives(&mut self) -> Result<Ast, &'static str> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("groups nest too deeply");
        }
        let flags = self.flags;
        let mut branches = Vec::new();
        loop {
            branches.push(self.sequence()?);
            if !self.eat(b"|") {
                break;
            }
        }
        self.flags = flags;
        self.depth -= 1;
        Ok(match branches.len() {
            1 => branches.pop().unwrap_or(Ast::Empty),
            _ => Ast::Alt(branches),
        })
    }

    fn sequence(&mut self) -> Result<Ast, &'static str> {
        let mut items: Vec<Ast> = Vec::new();
        // An operator may follow neither an operator nor nothing.
        let mut repeatable = false;
        while let Some(byte) = self.peek() {
            if byte == b'|' || byte == b')' {
                break;
            }
            if let Some((least, most)) = self.repetition()? {
                let item = if repeatable { items.pop() } else { None };
                let item = Ast::Repeat(Box::new(item.ok_or(NOT_RE2)?), least, most);
                if least.max(most.unwrap_or(0)) > 1 && allowance(&item, MAX_REPEAT) == 0 {
                    return Err(NOT_RE2);
                }
                items.push(item);
                repeatable = false;
                continue;
            }
            repeatable = true;
            if self.eat(b"\\Q") {
                // Of an empty quotation, as of flags, an operator takes no notice.
                repeatable = !items.is_empty();
                while !self.rest.is_empty() && !self.eat(b"\\E") {
                    if let Some(byte) = self.next() {
                        items.push(self.literal(byte));
                        repeatable = true;
                    }
                }
                continue;
            }
            match self.item()? {
                Some(item) => items.push(item),
                None => repeatable = !items.is_empty(),
            }
        }
        Ok(Ast::Cat(items))
    }

    /// `*`, `+`, `?`, `{2}`, `{2,}`, `{2,3}`, each perhaps lazy; braces that are none of these are literal.
    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>, &'static str> {
        let found = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => match braces(self.rest) {
                Some((least, most, rest)) => {
                    if least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT || most < least) {
                        return Err(NOT_RE2);
                    }
                    self.rest = rest;
                    self.eat(b"?");
                    return Ok(Some((least, most)));
                }
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.next();
        self.eat(b"?");
        Ok(Some(found))
    }

    fn literal(&self, byte: u8) -> Ast {
        Ast::Set(self.cased(Set::of([byte])))
    }

    fn cased(&self, set: Set) -> Set {
        if self.flags.ignore_case { set.folded() } else { set }
    }

    /// `None`: flags, which take no room.
    fn item(&mut self) -> Result<Option<Ast>, &'static str> {
        let Some(byte) = self.next() else { return Err(NOT_RE2) };
        Ok(Some(match byte {
            b'.' if self.flags.dot_takes_line_feed => Ast::Set(Set::default().negated()),
            b'.' => Ast::Set(Set::of(*b"\n").negated()),
            b'^' if self.flags.multi_line => Ast::Assert(Assert::LineStart),
            b'^' => Ast::Assert(Assert::TextStart),
            b'$' if self.flags.multi_line => Ast::Assert(Assert::LineEnd),
            b'$' => Ast::Assert(Assert::TextEnd),
            b'[' => Ast::Set(self.class()?),
            b'(' => return self.group(),
            b'\\' => match self.peek() {
                Some(b'A') => self.assertion(Assert::TextStart),
                Some(b'z') => self.assertion(Assert::TextEnd),
                Some(b'b') => self.assertion(Assert::Word),
                Some(b'B') => self.assertion(Assert::NotWord),
                Some(b'C') => {
                    self.next();
                    Ast::Set(Set::default().negated())
                }
                _ => {
                    let set = self.escape()?;
                    Ast::Set(self.cased(set))
                }
            },
            byte => self.literal(byte),
        }))
    }

    fn assertion(&mut self, assert: Assert) -> Ast {
        self.next();
        Ast::Assert(assert)
    }

    /// Behind its parenthesis.
    fn group(&mut self) -> Result<Option<Ast>, &'static str> {
        let outer = self.flags;
        if self.eat(b"?P<")
            || (self.rest.starts_with(b"?<") && !matches!(self.rest.get(2), Some(b'=' | b'!')))
        {
            self.eat(b"?<");
            let end = self.rest.iter().position(|byte| *byte == b'>').ok_or(NOT_RE2)?;
            let name = self.rest.get(..end).unwrap_or_default();
            if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
                return Err(NOT_RE2);
            }
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
        } else if self.eat(b"?") {
            let mut set = true;
            // A `-` wants a flag behind it.
            let mut complete = true;
            loop {
                match self.next() {
                    Some(b':') if complete => break,
                    // Until the end of the group around.
                    Some(b')') if complete => return Ok(None),
                    Some(b'-') if set => {
                        (set, complete) = (false, false);
                        continue;
                    }
                    Some(b'i') => self.flags.ignore_case = set,
                    Some(b'm') => self.flags.multi_line = set,
                    Some(b's') => self.flags.dot_takes_line_feed = set,
                    Some(b'U') => {}
                    _ => return Err(NOT_RE2),
                }
                complete = true;
            }
        }
        let inner = self.alternatives()?;
        self.flags = outer;
        if self.eat(b")") { Ok(Some(inner)) } else { Err(NOT_RE2) }
    }

    /// Behind its backslash: a set of one byte, or a class.
    fn escape(&mut self) -> Result<Set, &'static str> {
        let Some(byte) = self.next() else { return Err(NOT_RE2) };
        Ok(match byte {
            b'd' | b'D' | b'w' | b'W' | b's' | b'S' => {
                let set = match byte.to_ascii_lowercase() {
                    b'd' => Set::of(b'0'..=b'9'),
                    b'w' => {
                        Set::of((0..=127).filter(|byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_'))
                    }
                    _ => Set::of(*b"\t\n\x0c\r "),
                };
                if byte.is_ascii_uppercase() { set.negated() } else { set }
            }
            b't' => Set::of(*b"\t"),
            b'n' => Set::of(*b"\n"),
            b'r' => Set::of(*b"\r"),
            b'f' => Set::of([0x0c]),
            b'v' => Set::of([0x0b]),
            b'a' => Set::of([0x07]),
            b'x' => Set::of([self.hexadecimal()?]),
            b'p' | b'P' => return Err("classes of Unicode (\\p) are not evaluated"),
            b'0'..=b'7' => Set::of([self.octal(byte)?]),
            byte if byte.is_ascii_alphanumeric() || byte >= 0x80 => return Err(NOT_RE2),
            byte => Set::of([byte]),
        })
    }

    /// Up to three digits. A single one but `\0` would be a reference to a group.
    fn octal(&mut self, first: u8) -> Result<u8, &'static str> {
        let mut code = u16::from(first - b'0');
        let mut digits = 1;
        while let Some(digit @ b'0'..=b'7') = self.peek()
            && digits < 3
        {
            self.next();
            code = code * 8 + u16::from(digit - b'0');
            digits += 1;
        }
        if digits == 1 && first != b'0' {
            return Err(NOT_RE2);
        }
        u8::try_from(code).map_err(|_| NOT_RE2)
    }

    fn hexadecimal(&mut self) -> Result<u8, &'static str> {
        let digits = if self.eat(b"{") {
            let end = self.rest.iter().position(|byte| *byte == b'}').ok_or(NOT_RE2)?;
            let digits = self.rest.get(..end).unwrap_or_default();
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            digits
        } else {
            let digits = self.rest.get(..2).ok_or(NOT_RE2)?;
            self.rest = self.rest.get(2..).unwrap_or_default();
            digits
        };
        let text = core::str::from_utf8(digits).map_err(|_| NOT_RE2)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NOT_RE2);
        }
        u8::from_str_radix(text, 16).map_err(|_| "characters beyond Latin-1 are not evaluated")
    }

    /// Behind its bracket.
    fn class(&mut self) -> Result<Set, &'static str> {
        let negated = self.eat(b"^");
        let mut set = Set::default();
        let mut first = true;
        loop {
            match self.peek() {
                None => return Err(NOT_RE2),
                Some(b']') if !first => break,
                _ => {}
            }
            first = false;
            if self.rest.starts_with(b"[:") && self.rest.windows(2).skip(2).any(|pair| pair == b":]") {
                set.add(self.named_class()?);
                continue;
            }
            let (low, members) = self.class_member()?;
            let is_range = self.peek() == Some(b'-') && !matches!(self.rest.get(1), Some(b']') | None);
            match low {
                Some(low) if is_range => {
                    self.next();
                    match self.class_member()? {
                        (Some(high), _) if low <= high => set.add(Set::of(low..=high)),
                        _ => return Err(NOT_RE2),
                    }
                }
                // A `-` behind a class such as `\d` is itself.
                _ => set.add(members),
            }
        }
        self.next();
        let set = self.cased(set);
        Ok(if negated { set.negated() } else { set })
    }

    /// One byte, which may begin a range, or a class such as `\d`.
    fn class_member(&mut self) -> Result<(Option<u8>, Set), &'static str> {
        let Some(byte) = self.next() else { return Err(NOT_RE2) };
        if byte != b'\\' {
            return Ok((Some(byte), Set::of([byte])));
        }
        let set = self.escape()?;
        let mut members = (0..=255_u8).filter(|byte| set.contains(*byte));
        let only = members.next().filter(|_| members.next().is_none());
        Ok((only, set))
    }

    fn named_class(&mut self) -> Result<Set, &'static str> {
        let end = self.rest.windows(2).position(|window| window == b":]").ok_or(NOT_RE2)?;
        let name = self.rest.get(2..end).ok_or(NOT_RE2)?;
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        let (negated, name) = name.strip_prefix(b"^").map_or((false, name), |name| (true, name));
        let test: fn(&u8) -> bool = match name {
            b"alnum" => u8::is_ascii_alphanumeric,
            b"alpha" => u8::is_ascii_alphabetic,
            b"ascii" => u8::is_ascii,
            b"blank" => |byte| matches!(byte, b' ' | b'\t'),
            b"cntrl" => u8::is_ascii_control,
            b"digit" => u8::is_ascii_digit,
            b"graph" => u8::is_ascii_graphic,
            b"lower" => u8::is_ascii_lowercase,
            b"print" => |byte| (0x20..0x7f).contains(byte),
            b"punct" => u8::is_ascii_punctuation,
            b"space" => |byte| matches!(byte, b'\t'..=b'\r' | b' '),
            b"upper" => u8::is_ascii_uppercase,
            b"word" => |byte| byte.is_ascii_alphanumeric() || *byte == b'_',
            b"xdigit" => u8::is_ascii_hexdigit,
            _ => return Err(NOT_RE2),
        };
        let set = Set::of((0..=255_u8).filter(test));
        Ok(if negated { set.negated() } else { set })
    }
}

/// How often the innermost of counted repetitions may yet be repeated, when all of them together may be `most`.
/// The parser bounds the depth.
fn allowance(ast: &Ast, most: u32) -> u32 {
    match ast {
        Ast::Cat(items) | Ast::Alt(items) => {
            items.iter().map(|item| allowance(item, most)).min().unwrap_or(most)
        }
        Ast::Repeat(item, 0 | 1, None) | Ast::Repeat(item, 0, Some(1)) => allowance(item, most),
        Ast::Repeat(item, least, up_to) => {
            allowance(item, most.checked_div(up_to.unwrap_or(*least)).unwrap_or(most))
        }
        Ast::Empty | Ast::Set(_) | Ast::Assert(_) => most,
    }
}

/// `{2}`, `{2,}`, `{2,3}` at the beginning, and what follows.
fn braces(text: &[u8]) -> Option<(u32, Option<u32>, &[u8])> {
    let (least, rest) = number(text.strip_prefix(b"{")?)?;
    if let Some(rest) = rest.strip_prefix(b"}") {
        return Some((least, Some(least), rest));
    }
    let rest = rest.strip_prefix(b",")?;
    if let Some(rest) = rest.strip_prefix(b"}") {
        return Some((least, None, rest));
    }
    let (most, rest) = number(rest)?;
    Some((least, Some(most), rest.strip_prefix(b"}")?))
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits)?;
    // RE2 takes `{01}` for text.
    if number.len() > 1 && number.starts_with(b"0") {
        return None;
    }
    // What does not fit is beyond every limit.
    let number = core::str::from_utf8(number).ok().filter(|number| !number.is_empty())?;
    Some((number.parse().unwrap_or(u32::MAX), rest))
}
