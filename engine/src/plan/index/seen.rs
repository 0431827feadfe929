//! What is known about one request: each dimension is read once, when it is first needed.
//!
//! Lives on the stack for the time of one verdict. It has room for what requests have; one with more (dozens of values
//! that policies name, or dozens of lines of a header that they look at) is put to the rules one by one.

use super::{Index, atoms::Atoms};
use crate::{bytes, plan::context::EvaluationContext};

/// No index has more dimensions.
pub(super) const DIMENSIONS: usize = 32;
/// Lines of the headers that rules look at.
const LINES: usize = 16;

/// What is known of a dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    done: bool,
    from: u8,
    to: u8,
    /// Not known: there may be other values, too.
    pub(super) unknown: bool,
}

/// One request as one index has seen it so far.
#[derive(Debug)]
pub(crate) struct Seen {
    atoms: Atoms,
    looked: [Looked; DIMENSIONS],
    /// Dimension and place in the request.
    lines: [(u8, u16); LINES],
    line_count: usize,
    lines_read: bool,
    /// Something unknown was met.
    pub(super) unknown: bool,
}

impl Seen {
    pub(crate) fn new() -> Seen {
        Seen {
            atoms: Atoms::default(),
            looked: [Looked::default(); DIMENSIONS],
            lines: [(0, 0); LINES],
            line_count: 0,
            lines_read: false,
            unknown: false,
        }
    }

    /// True where the index has to give up.
    pub(super) fn overflow(&self) -> bool {
        self.atoms.overflow
    }

    /// The values of a dimension that [`Seen::look`] has found.
    #[inline]
    pub(super) fn atoms(&self, looked: Looked) -> &[u32] {
        self.atoms.range(looked.from, looked.to)
    }

    #[inline]
    pub(super) fn look(&mut self, index: &Index, number: u8, context: &EvaluationContext<'_>) -> Looked {
        match self.looked.get(usize::from(number)) {
            Some(looked) if looked.done => *looked,
            _ => self.look_first(index, number, context),
        }
    }

    fn look_first(&mut self, index: &Index, number: u8, context: &EvaluationContext<'_>) -> Looked {
        let Some(dimension) = index.dimensions.get(usize::from(number)) else { return Looked::default() };
        if !self.lines_read && dimension.source.header().is_some() {
            self.read_lines(index, context);
        }
        let from = self.atoms.len();
        let lines =
            Lines { number, name: dimension.source.header(), places: self.lines.get(..self.line_count) };
        let known = dimension.find(context, &lines, &mut self.atoms);
        self.unknown |= !known;
        let short = |at: usize| u8::try_from(at).unwrap_or(u8::MAX);
        let looked = Looked { done: true, from: short(from), to: short(self.atoms.len()), unknown: !known };
        if let Some(place) = self.looked.get_mut(usize::from(number)) {
            *place = looked;
        }
        looked
    }

    /// Goes through the headers once for all dimensions. Most names are told apart by their length.
    fn read_lines(&mut self, index: &Index, context: &EvaluationContext<'_>) {
        self.lines_read = true;
        for (place, (name, _)) in context.request.headers.iter().enumerate() {
            if !index.header_lengths.may_have(name) {
                continue;
            }
            for number in &index.header_dimensions {
                let wanted = index.dimensions.get(usize::from(*number)).and_then(|one| one.source.header());
                if wanted.is_none_or(|wanted| !bytes::equal(wanted, name)) {
                    continue;
                }
                match (self.lines.get_mut(self.line_count), u16::try_from(place)) {
                    (Some(line), Ok(place)) => {
                        *line = (*number, place);
                        self.line_count += 1;
                    }
                    _ => self.atoms.overflow = true,
                }
            }
        }
    }
}

/// The lines of one dimension's header.
pub(super) struct Lines<'s> {
    number: u8,
    name: Option<&'s [u8]>,
    places: Option<&'s [(u8, u16)]>,
}

impl Lines<'_> {
    /// Every value, as the JWT stage has left it.
    pub(super) fn each(
        &self,
        context: &EvaluationContext<'_>,
        found: &mut Atoms,
        mut find: impl FnMut(&[u8], &mut Atoms),
    ) {
        let mut count = 0;
        let name = self.name.unwrap_or_default();
        if context.edits.iter().any(|edit| edit.concerns(name)) {
            for value in context.header_lines(name) {
                count += 1;
                find(value, found);
            }
        } else {
            for (number, place) in self.places.unwrap_or_default() {
                if *number == self.number
                    && let Some((_, value)) = context.request.headers.get(usize::from(*place))
                {
                    count += 1;
                    find(value, found);
                }
            }
        }
        // Matchers see them as one value, which stands nowhere.
        found.overflow |= context.joins_lines && count > 1;
    }
}
