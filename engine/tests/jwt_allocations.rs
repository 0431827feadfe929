//! A request without a token costs no allocation, whatever the rules look at.

use gnomon_engine::{
    Request,
    jwt::{Authenticator, SoftwareCrypto},
    resource::{ClaimToHeader, HeaderLocation, JwtRule, Text},
    workload::IstioVersion,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as for the caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as for the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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

    let before = COUNT.with(Cell::get);
    let answer = authenticator.authenticate(&request, &SoftwareCrypto);
    let allocations = COUNT.with(Cell::get) - before;

    assert!(answer.failure.is_none() && answer.rule.is_none());
    assert_eq!(allocations, 0);
    assert!(COUNT.with(Cell::get) > 0, "the allocator counts");
}
