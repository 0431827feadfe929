//! The clock, to the second: recordings cannot hit the edges.

use crate::common::*;
use gnomon_engine::{
    Request,
    jwt::{Json, unsigned_token},
};

#[test]
fn a_minute_either_way() {
    const EXPIRED: Option<&str> = Some("Jwt is expired");
    const EARLY: Option<&str> = Some("Jwt not yet valid");
    // (claims, now, refusal)
    let cases = [
        (r#"{"exp":1000}"#, 1060, None),
        (r#"{"exp":1000}"#, 1061, EXPIRED),
        (r#"{"exp":1000.9}"#, 1061, EXPIRED),
        (r#"{"nbf":1000}"#, 940, None),
        (r#"{"nbf":1000}"#, 939, EARLY),
        (r#"{"nbf":1000,"exp":1}"#, 500, EARLY),
        (r#"{"exp":0}"#, i64::MAX, None),
        (r#"{"exp":1}"#, i64::MAX, EXPIRED),
        (r#"{"exp":18446744073709549568}"#, i64::MAX, None),
        (r#"{"nbf":18446744073709549568}"#, i64::MAX, EARLY),
        (r#"{"exp":1}"#, -5, None),
        (r#"{"nbf":61}"#, i64::MIN, EARLY),
    ];
    let authenticator = compile(&[inline("")]);
    for (claims, now, refusal) in cases {
        let token = format!("Bearer {}", unsigned_token(&Json::parse(claims.as_bytes()).unwrap()));
        let headers: [(&[u8], &[u8]); 2] = [(b":path", b"/"), (b"authorization", token.as_bytes())];
        let answer = authenticator.authenticate(&Request { now, ..Request::http(&headers) }, &Vouches);
        assert_eq!(answer.failure.map(|failure| failure.message), refusal, "{claims} at {now}");
    }
}
