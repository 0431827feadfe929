//! Three-valued logic: what is not known of a request is neither true nor false.

/// Kleene's logic; the order False < Unknown < True makes `and` a minimum and `or` a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tri {
    /// It does not hold.
    False,
    /// It depends on what is not known.
    Unknown,
    /// It holds.
    True,
}

impl From<bool> for Tri {
    fn from(value: bool) -> Tri {
        if value { Tri::True } else { Tri::False }
    }
}

impl core::ops::Not for Tri {
    type Output = Tri;
    fn not(self) -> Tri {
        match self {
            Tri::False => Tri::True,
            Tri::Unknown => Tri::Unknown,
            Tri::True => Tri::False,
        }
    }
}

impl Tri {
    /// True if all are; stops at the first that is false.
    pub fn all(items: impl Iterator<Item = Tri>) -> Tri {
        let mut result = Tri::True;
        for item in items {
            result = result.min(item);
            if result == Tri::False {
                break;
            }
        }
        result
    }

    /// True if any is; stops at the first that is true.
    pub fn any(items: impl Iterator<Item = Tri>) -> Tri {
        let mut result = Tri::False;
        for item in items {
            result = result.max(item);
            if result == Tri::True {
                break;
            }
        }
        result
    }

    pub(crate) fn known(self) -> Option<bool> {
        match self {
            Tri::False => Some(false),
            Tri::Unknown => None,
            Tri::True => Some(true),
        }
    }
}
