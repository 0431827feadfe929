//! The connections that carry the questions: one for all HTTP requests with the same peer, addresses and listener, one
//! for each TCP question.

use super::{Answer, Judge, Question, observations, test_listeners::TestListeners, wire};
use crate::{
    Dial, Envoy, Identity, Proxy, RequestBytes, Tls, access_log,
    client::{Connection, Reply},
    err::Result,
    ext_authz::Answers,
};
use gnomon_engine::request::Protocol;
use std::collections::HashMap;

/// All questions on their way to one Envoy.
pub(super) struct Batch<'a> {
    judge: &'a Judge,
    listeners: &'a TestListeners<'a>,
    envoy: &'a Envoy,
    /// One for each question, in order.
    answers: Vec<Option<Answer>>,
    exchanges: Vec<Exchange>,
    /// Where a further request of the same kind of connection goes.
    places: HashMap<Line, usize>,
    observations: Vec<Observation>,
}

/// What makes a connection.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Line {
    listener: usize,
    principal: Option<String>,
    sni: Option<String>,
    proxy: Proxy,
}

/// One connection and what goes over it.
struct Exchange {
    line: Line,
    payload: Payload,
}

enum Payload {
    /// Requests and the number of their questions.
    Http(Vec<(usize, RequestBytes)>),
    /// The number of its question, what a provider is to answer.
    Tcp(usize, Answers),
}

/// What came back, before Envoy's log tells more.
pub(super) struct Observation {
    /// The number of the question.
    pub(super) number: usize,
    /// The listener's name.
    pub(super) listener: String,
    /// Our end of the connection.
    pub(super) port: u16,
    pub(super) reply: Returned,
}

pub(super) enum Returned {
    Http(Reply),
    /// Everything came back.
    Echo(bool),
}

impl<'a> Batch<'a> {
    pub(super) fn new(judge: &'a Judge, listeners: &'a TestListeners<'a>, envoy: &'a Envoy) -> Self {
        Batch {
            judge,
            listeners,
            envoy,
            answers: Vec::new(),
            exchanges: Vec::new(),
            places: HashMap::new(),
            observations: Vec::new(),
        }
    }

    /// A question that Envoy is not asked.
    pub(super) fn beyond(&mut self, why: String) {
        self.answers.push(Some(Answer::Beyond(why)));
    }

    /// A question for the listener in this place.
    pub(super) fn add(&mut self, question: &Question<'_>, place: usize) -> Result<()> {
        let number = self.answers.len();
        let listener = self.listeners.get(place)?;
        let possible = wire::proxy(question.request).and_then(|proxy| {
            let answers = wire::answers(question.request)?;
            Ok((proxy, answers))
        });
        let (proxy, answers) = match possible {
            Ok(possible) => possible,
            Err(why) => {
                self.beyond(why);
                return Ok(());
            }
        };
        let request = question.request;
        let line =
            Line { listener: place, principal: request.principal.clone(), sni: request.sni.clone(), proxy };
        if request.protocol == Protocol::Tcp {
            self.answers.push(None);
            self.exchanges.push(Exchange { line, payload: Payload::Tcp(number, answers) });
            return Ok(());
        }
        let bytes = match wire::request(question, listener)? {
            Ok(bytes) => bytes.header(access_log::CASE_HEADER, observations::case(number)),
            Err(why) => {
                self.beyond(why);
                return Ok(());
            }
        };
        self.answers.push(None);
        let next = self.exchanges.len();
        let place = *self.places.entry(line.clone()).or_insert(next);
        if place == next {
            self.exchanges.push(Exchange { line, payload: Payload::Http(Vec::new()) });
        }
        if let Some(Exchange { payload: Payload::Http(requests), .. }) = self.exchanges.get_mut(place) {
            requests.push((number, bytes));
        }
        Ok(())
    }

    /// Sends everything; the answers in the order of the questions.
    pub(super) fn run(mut self) -> Result<Vec<Answer>> {
        for exchange in std::mem::take(&mut self.exchanges) {
            self.run_one(&exchange)?;
        }
        let mut answers = self.answers;
        for (number, seen) in
            observations::collect(self.envoy.access_log(), &self.observations, self.listeners.writes())?
        {
            if let Some(answer) = answers.get_mut(number) {
                *answer = Some(Answer::Seen(Box::new(seen)));
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Answer::Beyond("never asked".into()))).collect())
    }

    fn run_one(&mut self, exchange: &Exchange) -> Result<()> {
        let Line { listener, principal, sni, proxy } = &exchange.line;
        let listener = self.listeners.get(*listener)?;
        let identity = principal.as_ref().map(|principal| self.judge.peer(principal)).transpose()?;
        let tls = identity.as_ref().map(|identity: &Identity| Tls {
            identity: Some(identity),
            sni: sni.as_deref(),
            alpn: &[],
        });
        let dial = Dial { to: self.envoy.address(&listener.name)?, from: None, proxy: Some(*proxy), tls };
        match &exchange.payload {
            Payload::Tcp(number, answers) => {
                let mut connection = Connection::open(&dial)?;
                self.judge.grpc_provider.tell(connection.port(), *answers);
                let bytes = if listener.passthrough {
                    Tls { sni: sni.as_deref(), ..Tls::default() }.client_hello()?
                } else {
                    b"gnomon".to_vec()
                };
                let back = connection.exchange(&bytes)?;
                self.note(*number, &listener.name, connection.port(), Returned::Echo(back == bytes));
            }
            Payload::Http(requests) => {
                // One after the other: of several at once Envoy answers two.
                let mut open = None;
                for (number, bytes) in requests {
                    let used: Option<Connection> = open.take();
                    let again = used.is_some();
                    let mut connection = used.map_or_else(|| Connection::open(&dial), Ok)?;
                    let mut reply = connection.send(bytes)?;
                    if again && matches!(reply, Reply::Closed(_)) {
                        // It was closed behind the request before: that says nothing about this one.
                        connection = Connection::open(&dial)?;
                        reply = connection.send(bytes)?;
                    }
                    let port = connection.port();
                    if let Reply::Http(response) = &reply {
                        open = (!response.is_last()).then_some(connection);
                    }
                    self.note(*number, &listener.name, port, Returned::Http(reply));
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, number: usize, listener: &str, port: u16, reply: Returned) {
        self.observations.push(Observation { number, listener: listener.into(), port, reply });
    }
}
