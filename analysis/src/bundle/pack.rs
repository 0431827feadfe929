//! Long candidates made short: `candidate.gzip`.

use gnomon_shadow::gzip;
use miniz_oxide::deflate::compress_to_vec;
use serde_json::{Value, json};

/// The best that the format can do; a set of 10,000 policies takes a second.
const LEVEL: u8 = 9;

/// A candidate with these resources as base64 of gzipped JSON text, which `base64 -d | gunzip` reads as well.
pub fn packed_list(resources: &[Value]) -> Value {
    // Cannot fail: all keys are strings.
    json!({"gzip": gzip::to_text(&pack(&serde_json::to_vec(resources).unwrap_or_default()))})
}

/// gzip without a name and a time: the same bytes for the same input.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff".to_vec();
    out.extend(compress_to_vec(bytes, LEVEL));
    out.extend(gzip::crc32(bytes).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}
