//! The filter as an OCI image, in an image layout.
//!
//! Istio's agent takes three forms (`pkg/wasm/imagefetcher.go`). This is the one that every registry and every tool takes
//! as well, the *compat* variant of the Wasm image specification: an ordinary image whose last layer is a gzipped tar with
//! a file `plugin.wasm`.

use super::{
    Artefact, Source, VERSION,
    archive::{self, Entry},
    quote, sha256,
};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The files of the layout, in a folder `NAME-image`.
pub(super) fn layout(name: &str, wasm: &[u8], source: &Source) -> Vec<Artefact> {
    let tar = archive::tar(&[Entry { name: "plugin.wasm", mode: 0o644, bytes: wasm }]);
    let layer = archive::gzip(&tar);
    let date = quote(&source.date);
    let config = format!(
        "{{\"created\":{date},\"architecture\":\"wasm\",\"os\":\"wasip1\",\"config\":{{}},\
         \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"sha256:{}\"]}},\
         \"history\":[{{\"created\":{date},\"created_by\":\"cargo xtask dist\"}}]}}",
        sha256(&tar)
    )
    .into_bytes();
    let annotations = [
        ("module.wasm.image/variant", "compat"),
        ("org.opencontainers.image.created", &source.date),
        (
            "org.opencontainers.image.description",
            "The candidate verdict on Istio policies inside Envoy: a proxy-wasm filter",
        ),
        ("org.opencontainers.image.licenses", "Apache-2.0"),
        ("org.opencontainers.image.revision", &source.revision),
        ("org.opencontainers.image.title", name),
        ("org.opencontainers.image.version", VERSION),
    ];
    let annotations: Vec<String> = annotations
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{}:{}", quote(name), quote(value)))
        .collect();
    let manifest = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"config\":{},\"layers\":[{}],\"annotations\":{{{}}}}}",
        descriptor(CONFIG, &config, ""),
        descriptor(LAYER, &layer, ""),
        annotations.join(",")
    )
    .into_bytes();
    let tag = format!(",\"annotations\":{{\"org.opencontainers.image.ref.name\":{}}}", quote(VERSION));
    let index = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[{}]}}",
        descriptor(MANIFEST, &manifest, &tag)
    )
    .into_bytes();
    let file = |path: &str, bytes: Vec<u8>| Artefact { path: format!("{name}-image/{path}"), bytes };
    let blob = |bytes: Vec<u8>| file(&format!("blobs/sha256/{}", sha256(&bytes)), bytes);
    vec![
        file("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec()),
        file("index.json", index),
        blob(manifest),
        blob(config),
        blob(layer),
    ]
}

fn descriptor(media_type: &str, bytes: &[u8], more: &str) -> String {
    format!(
        "{{\"mediaType\":\"{media_type}\",\"digest\":\"sha256:{}\",\"size\":{}{more}}}",
        sha256(bytes),
        bytes.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    /// As Istio's agent reads it: the manifest's last layer has the one media type, and a file `plugin.wasm`.
    #[test]
    fn the_filter_is_found_in_the_image() {
        let wasm: Vec<u8> = (0..100_003_u32).map(|n| (n * 7 % 251) as u8).collect();
        let source = Source { date: "2026-01-02T03:04:05Z".into(), revision: "abc".into(), modified: false };
        let files = layout("filter", &wasm, &source);
        let text = |file: &Artefact| String::from_utf8_lossy(&file.bytes).into_owned();
        let by_digest = |text: &str, after: &str| {
            let digest = text.split(after).nth(1).and_then(|rest| rest.get(..64)).expect("a digest");
            files.iter().find(|file| file.path.ends_with(digest)).expect("its blob")
        };
        for file in files.iter().filter(|file| file.path.contains("/blobs/")) {
            assert!(file.path.ends_with(&sha256(&file.bytes)), "{}", file.path);
        }
        let index = files.iter().find(|file| file.path.ends_with("index.json")).expect("an index");
        let manifest = text(by_digest(&text(index), &format!("{MANIFEST}\",\"digest\":\"sha256:")));
        assert!(manifest.contains("\"module.wasm.image/variant\":\"compat\""), "{manifest}");
        let layer = by_digest(&manifest, &format!("{LAYER}\",\"digest\":\"sha256:"));
        let mut archive = Vec::new();
        GzDecoder::new(layer.bytes.as_slice()).read_to_end(&mut archive).expect("gzip");
        let config = text(by_digest(&manifest, &format!("{CONFIG}\",\"digest\":\"sha256:")));
        assert!(config.contains(&format!("\"diff_ids\":[\"sha256:{}\"]", sha256(&archive))), "{config}");
        assert_eq!(archive.len() % 512, 0);
        assert!(archive.starts_with(b"plugin.wasm\0"));
        assert_eq!(archive.get(512..512 + wasm.len()), Some(&wasm[..]));
        assert_eq!(archive.get(257..265), Some(&b"ustar\x0000"[..]));
        // The header's checksum, as every reader computes it.
        let field = archive.get(148..154).map(|digits| String::from_utf8_lossy(digits).into_owned());
        let sum: u32 = archive
            .iter()
            .take(512)
            .enumerate()
            .map(|(place, byte)| if (148..156).contains(&place) { 32 } else { u32::from(*byte) })
            .sum();
        assert_eq!(field, Some(format!("{sum:06o}")));
        let again = layout("filter", &wasm, &source);
        assert!(
            files.iter().zip(&again).all(|(one, other)| one.path == other.path && one.bytes == other.bytes)
        );
    }
}
