//! What an unknown answer hangs on.

use super::{
    facts::Facts,
    rule::{Clause, Rule},
    test::Test,
    tri::Tri,
};
use alloc::{string::String, vec::Vec};

/// The inputs, as formats §3 names them, that keep rules from being decided: those of the clauses that nobody can
/// answer, unless another alternative holds or the clause's own one fails anyway.
pub(super) fn inputs(rules: &[Rule], facts: &Facts<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.matches(facts) == Tri::Unknown) {
        let answer = |group: &[Clause]| Tri::all(group.iter().map(|clause| clause.ask(facts)));
        let mut open: Vec<&[Clause]> = alloc::vec![&rule.when];
        for groups in [&rule.from, &rule.to] {
            if !groups.iter().any(|group| answer(group) == Tri::True) {
                open.extend(
                    groups.iter().map(|group| &**group).filter(|group| answer(group) == Tri::Unknown),
                );
            }
        }
        for clause in open.into_iter().flatten().filter(|clause| clause.ask(facts) == Tri::Unknown) {
            let name = input(&clause.test);
            if !names.iter().any(|known| known == name) {
                names.push(name.into());
            }
        }
    }
    names
}

/// Where a test looks, by the field of a request.
fn input(test: &Test) -> &'static str {
    match test {
        Test::Peer(_) | Test::Ztunnel(..) | Test::ZtunnelAccount(_) => "source.principal",
        Test::SourceIp(_) => "source.ip",
        Test::RemoteIp(_) => "remoteIp",
        Test::DestinationIp(_) => "destination.ip",
        Test::Port(_) => "destination.port",
        Test::Sni(_) => "sni",
        Test::Host(_) => "host",
        Test::Path(_) => "path",
        Test::Header(..) => "headers",
        Test::RequestPrincipal(_) | Test::Claim(..) => "token",
        Test::Metadata(..) => "metadata",
        // Always answered.
        Test::Never => "",
    }
}
