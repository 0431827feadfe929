//! Metrics by one number, where Envoy has a row of numbers for each kind.

use crate::abi::http::Kind;
use gnomon_shadow::host::{MetricKind, Refused};

/// How many bits a number of Envoy's may have.
const BITS: u32 = 28;

/// A number for all of them.
pub(crate) fn number(kind: Row, id: usize) -> Result<u32, Refused> {
    let id = u32::try_from(id).ok().filter(|id| *id < 1 << BITS).ok_or(Refused(u32::MAX))?;
    Ok(id | (kind as u32) << BITS)
}

/// Which row it stands in, and where.
pub(crate) fn row(number: u32) -> (Row, usize) {
    let row = match number >> BITS {
        0 => Row::Counter,
        1 => Row::Gauge,
        2 => Row::Histogram,
        _ => Row::Labelled,
    };
    (row, (number & ((1 << BITS) - 1)) as usize)
}

/// Rows of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
    /// Labels of the one counter that has some, in a list of the worker's.
    Labelled = 3,
}

impl From<MetricKind> for Kind {
    fn from(kind: MetricKind) -> Kind {
        match kind {
            MetricKind::Counter => Kind::Counter,
            MetricKind::Gauge => Kind::Gauge,
            MetricKind::Histogram => Kind::Histogram,
        }
    }
}

impl From<Kind> for Row {
    fn from(kind: Kind) -> Row {
        match kind {
            Kind::Counter => Row::Counter,
            Kind::Gauge => Row::Gauge,
            Kind::Histogram => Row::Histogram,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_where_it_belongs() {
        for kind in [Row::Counter, Row::Gauge, Row::Histogram, Row::Labelled] {
            for id in [0, 1, 77, (1 << BITS) - 1] {
                assert_eq!(number(kind, id).map(row), Ok((kind, id)));
            }
            assert!(number(kind, 1 << BITS).is_err());
        }
    }
}
