//! The fragment of a link that the page opens (`web-playground/app/src/state/share.ts` reads it).

use gnomon_shadow::gzip;
use miniz_oxide::deflate::compress_to_vec;
use serde_json::{Value, json};

/// Behind the `#` of the page's address: the document, deflated.
pub fn fragment(document: &Value) -> String {
    let text = json!({"v": 1, "doc": document}).to_string();
    let packed = gzip::to_text(&compress_to_vec(text.as_bytes(), 9));
    format!("s={}", packed.trim_end_matches('=').replace('+', "-").replace('/', "_"))
}
