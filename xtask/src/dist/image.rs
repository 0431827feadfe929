//! What goes into a registry, as OCI images in image layouts: the filter, and the native module for each kind of processor.
//!
//! Of a filter Istio's agent takes three forms (`pkg/wasm/imagefetcher.go`). This is the one that every registry and every
//! tool takes as well, the *compat* variant of the Wasm image specification: an ordinary image whose last layer is a gzipped
//! tar with a file `plugin.wasm`. The image of the module has nothing but the module in it, for volumes of the kind `image`.

use super::{
    Artefact, Source, VERSION,
    archive::{self, Entry},
    quote, sha256,
};
use crate::module;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A layout in a folder `NAME-image`, blob by blob.
struct Layout<'a> {
    name: &'a str,
    source: &'a Source,
    files: Vec<Artefact>,
}

impl<'a> Layout<'a> {
    fn new(name: &'a str, source: &'a Source) -> Layout<'a> {
        let mut layout = Layout { name, source, files: Vec::new() };
        layout.file("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec());
        layout
    }

    fn file(&mut self, path: &str, bytes: Vec<u8>) {
        self.files.push(Artefact { path: format!("{}-image/{path}", self.name), bytes });
    }

    /// Its descriptor.
    fn blob(&mut self, media_type: &str, bytes: Vec<u8>, more: &str) -> String {
        let descriptor = descriptor(media_type, &bytes, more);
        self.file(&format!("blobs/sha256/{}", sha256(&bytes)), bytes);
        descriptor
    }

    /// An image with one file; its descriptor.
    fn image(
        &mut self,
        os: &str,
        architecture: &str,
        file: &Entry<'_>,
        description: &str,
        more: &str,
    ) -> String {
        let tar = archive::tar(std::slice::from_ref(file));
        let date = quote(&self.source.date);
        let config = format!(
            "{{\"created\":{date},\"architecture\":{},\"os\":{},\"config\":{{}},\
             \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"sha256:{}\"]}},\
             \"history\":[{{\"created\":{date},\"created_by\":\"cargo xtask dist\"}}]}}",
            quote(architecture),
            quote(os),
            sha256(&tar)
        );
        let variant = if os == "wasip1" { "compat" } else { "" };
        let annotations = [
            ("module.wasm.image/variant", variant),
            ("org.opencontainers.image.created", &self.source.date),
            ("org.opencontainers.image.description", description),
            ("org.opencontainers.image.licenses", "Apache-2.0"),
            ("org.opencontainers.image.revision", &self.source.revision),
            ("org.opencontainers.image.title", self.name),
            ("org.opencontainers.image.version", VERSION),
        ];
        let annotations: Vec<String> = annotations
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{}:{}", quote(name), quote(value)))
            .collect();
        let config = self.blob(CONFIG, config.into_bytes(), "");
        let layer = self.blob(LAYER, archive::gzip(&tar), "");
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"config\":{config},\"layers\":[{layer}],\
             \"annotations\":{{{}}}}}",
            annotations.join(",")
        );
        self.blob(MANIFEST, manifest.into_bytes(), more)
    }

    /// The files; the index names what the descriptor describes.
    fn finish(mut self, descriptor: &str) -> Vec<Artefact> {
        self.file("index.json", index(descriptor));
        self.files
    }
}

fn index(descriptors: &str) -> Vec<u8> {
    format!("{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[{descriptors}]}}").into_bytes()
}

/// What the tag is, for tools that copy a layout.
fn tag() -> String {
    format!(",\"annotations\":{{\"org.opencontainers.image.ref.name\":{}}}", quote(VERSION))
}

/// The image of a filter.
pub(super) fn filter(name: &str, wasm: &[u8], source: &Source) -> Vec<Artefact> {
    let mut layout = Layout::new(name, source);
    let file = Entry { name: "plugin.wasm", mode: 0o644, bytes: wasm };
    let description = "The candidate verdict on Istio policies inside Envoy: a proxy-wasm filter";
    let image = layout.image("wasip1", "wasm", &file, description, &tag());
    layout.finish(&image)
}

/// The image of the native module, for processors as Rust calls them.
pub(super) fn module(name: &str, modules: &[(&str, Vec<u8>)], source: &Source) -> Vec<Artefact> {
    let mut layout = Layout::new(name, source);
    let description = "The candidate verdict on Istio policies inside Envoy: a dynamic module";
    let images: Vec<String> = modules
        .iter()
        .map(|(processor, bytes)| {
            let architecture = match *processor {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            };
            let platform =
                format!(",\"platform\":{{\"architecture\":{},\"os\":\"linux\"}}", quote(architecture));
            let file = Entry { name: module::FILE, mode: 0o644, bytes };
            layout.image("linux", architecture, &file, description, &platform)
        })
        .collect();
    let both = layout.blob(INDEX, index(&images.join(",")), &tag());
    layout.finish(&both)
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
        let files = filter("filter", &wasm, &source);
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
        let again = filter("filter", &wasm, &source);
        assert!(
            files.iter().zip(&again).all(|(one, other)| one.path == other.path && one.bytes == other.bytes)
        );
    }

    #[test]
    fn the_module_is_found_for_each_processor() {
        let source = Source { date: "2026-01-02T03:04:05Z".into(), revision: String::new(), modified: false };
        let modules = [("x86_64", vec![1; 1000]), ("aarch64", vec![2; 1000])];
        let files = module("module", &modules, &source);
        let blob = |digest: &str| {
            let path = format!("module-image/blobs/sha256/{digest}");
            &files.iter().find(|file| file.path == path).expect("its blob").bytes
        };
        // Descriptors have the digest right behind the media type.
        let follow = |text: &[u8], media_type: &str, nth: usize| {
            let text = String::from_utf8_lossy(text).into_owned();
            let after = format!("{media_type}\",\"digest\":\"sha256:");
            blob(text.split(&after).nth(nth).and_then(|rest| rest.get(..64)).expect("a digest"))
        };
        let outer = files.iter().find(|file| file.path.ends_with("index.json")).expect("an index");
        assert!(String::from_utf8_lossy(&outer.bytes).contains(&tag()));
        let inner = follow(&outer.bytes, INDEX, 1);
        for (nth, architecture, byte) in [(1, "amd64", 1), (2, "arm64", 2)] {
            let manifest = follow(inner, MANIFEST, nth);
            let said = format!("\"architecture\":\"{architecture}\",\"os\":\"linux\"");
            assert!(String::from_utf8_lossy(follow(manifest, CONFIG, 1)).contains(&said));
            assert_eq!(String::from_utf8_lossy(inner).split(&said).count(), 2);
            let mut archive = Vec::new();
            let layer = follow(manifest, LAYER, 1).as_slice();
            GzDecoder::new(layer).read_to_end(&mut archive).expect("gzip");
            assert!(archive.starts_with(crate::module::FILE.as_bytes()));
            assert_eq!(archive.get(512..1512), Some(&[byte; 1000][..]));
        }
    }
}
