//! Kinds of requests, which are compared apart.

use gnomon_engine::{Plan, pattern::Pattern, plan::Matcher, request::Protocol};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An HTTP request with a path.
    Http,
    /// An HTTP request without one: CONNECT, to a host and a port. Nobody looks for tokens in it or asks a provider about
    /// it.
    Connect,
    /// A TCP connection.
    Tcp,
}

impl Kind {
    /// Which filters look at it.
    pub fn protocol(self) -> Protocol {
        match self {
            Kind::Http | Kind::Connect => Protocol::Http,
            Kind::Tcp => Protocol::Tcp,
        }
    }

    /// Does a rule of the plan name CONNECT among its methods? istiod makes no route for such requests, so that they only
    /// matter to whoever does.
    pub fn names_connect(plan: &Plan) -> bool {
        let stages = plan.stages(Protocol::Http);
        let mut clauses = stages
            .iter()
            .flat_map(|stage| stage.rules)
            .flat_map(|rule| rule.from.iter().chain(&rule.to).flatten().chain(&rule.when));
        clauses.any(|clause| match clause.matcher() {
            Matcher::Header(patterns) if clause.name().next() == Some(":method") => patterns
                .iter()
                .any(|pattern| matches!(pattern, Pattern::Exact(text) if **text == *b"CONNECT")),
            _ => false,
        })
    }
}
