//! Placing a token in a request as sent.

use gnomon_engine::jwt::Place;
use gnomon_manifests::request::RequestSpec;

/// The request with a token added at this place.
pub fn with_token(request: &RequestSpec, place: &Place, token: &str) -> RequestSpec {
    let mut request = request.clone();
    match place {
        Place::Header { name, prefix } => request.headers.push((name.clone(), format!("{prefix}{token}"))),
        Place::Param(name) => request.path = with_param(&request.path, name, token),
        Place::Cookie(name) => request.headers.push(("cookie".into(), format!("{name}={token}"))),
    }
    request
}

/// The target with one more query parameter, in front of a fragment; its name and value percent-encoded.
fn with_param(target: &str, name: &str, value: &str) -> String {
    let (target, fragment) =
        target.find('#').and_then(|at| target.split_at_checked(at)).unwrap_or((target, ""));
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}{}={}{fragment}", encoded(name), encoded(value))
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
