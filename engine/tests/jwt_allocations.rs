//! A request without a token costs no allocation, whatever the rules look at.

mod counting;

use counting::allocations;
use gnomon_engine::{
    Request,
    jwt::{Authenticator, SoftwareCrypto},
    resource::{ClaimToHeader, HeaderLocation, JwtRule, Text},
    workload::IstioVersion,
};
#[test]
fn no_token_no_allocation() {
    let text = |text: &str| Text { text: text.into(), ..Text::default() };
    let jwks = Some(text(include_str!("keys/all.jwks.json")));
    let default = JwtRule { issuer: text("default"), jwks: jwks.clone(), ..JwtRule::default() };
    let elsewhere = JwtRule {
        issuer: text("elsewhere"),
        jwks,
        from_headers: vec![HeaderLocation { name: "x-jwt".into(), prefix: String::new() }],
        from_params: vec!["t".into()],
        from_cookies: vec!["c".into()],
        output_payload_to_header: Some("x-payload".into()),
        output_claim_to_headers: vec![ClaimToHeader { header: "x-sub".into(), claim: "sub".into() }],
        ..JwtRule::default()
    };
    let authenticator = Authenticator::compile(&[&default, &elsewhere], IstioVersion::NEWEST);
    let headers: [(&[u8], &[u8]); 4] = [
        (b":path", b"/api?a=1&b=2&access=3"),
        (b":method", b"GET"),
        (b"authorization", b"Basic dXNlcjpwYXNz"),
        (b"cookie", b"session=1; d=2"),
    ];
    let request = Request { now: 1_900_000_000, ..Request::http(&headers) };

    let before = allocations();
    let answer = authenticator.authenticate(&request, &SoftwareCrypto);
    let made = allocations() - before;

    assert!(answer.failure.is_none() && answer.rule.is_none());
    assert_eq!(made, 0);
    assert!(allocations() > 0, "the allocator counts");
}
