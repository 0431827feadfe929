//! A token that is really signed, through the public interface.

use gnomon_engine::{
    Request,
    jwt::{Authenticator, Json, SoftwareCrypto},
    resource::{JwtRule, Text},
    workload::IstioVersion,
};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwic3ViIjoidSIsInNjb3BlIjoicmVhZCB3cml0ZSIsImV4cCI6MTkwMDAwMDAwMH0.GAShXCx3N8oS-BKu2iyzCQpOACbYZ0c4mvi42x8AkvtIFa_O4yOoWDuDlZMjnsgVe3REbNNcOLMpW9Lg268JG6oLa56QwwvNdgJQvG-NA-D-39Qceo7a-oSlKQ0jwZu3B_N5ZA0xTe9luF-yjGGnmtnPk2axXlEJJazHPZydaFozblBHrBd6rgoXMYqUcowR8oXeMiQSlh3YRqIDQnUBReRtP7o1mdAghnqwPnoeXfSShCgszhxnLk4mgaI69du40o7tKd84OyNLse8LenShl0AYJQRRPuZV5QX10ssi1uvKi_3oKWy9SZeXYgl_uY4Xw9o2bDDWP65kiPg9kZ--xQ";

#[test]
fn a_signed_token_passes_until_it_expires() {
    let text = |text: &str| Text { text: text.into(), ..Text::default() };
    let rule = JwtRule {
        issuer: text("https://issuer.example"),
        jwks: Some(text(include_str!("../keys/rsa.jwks.json"))),
        ..JwtRule::default()
    };
    let authenticator = Authenticator::compile(&[&rule], IstioVersion::NEWEST);
    let value = format!("Bearer {TOKEN}");
    let headers: [(&[u8], &[u8]); 1] = [(b"authorization", value.as_bytes())];
    let at = |now| authenticator.authenticate(&Request { now, ..Request::http(&headers) }, &SoftwareCrypto);

    let passed = at(1_900_000_060);
    assert_eq!(passed.failure, None);
    let payload = passed.payload.unwrap();
    let words = ["read", "write"].map(|word| Json::String(word.into())).to_vec();
    assert_eq!(payload.get(&["scope"]), Some(&Json::List(words)));
    assert_eq!(passed.rule, Some(0));

    let refused = at(1_900_000_061).failure.unwrap();
    assert_eq!((refused.status, refused.message), (401, "Jwt is expired"));
}
