//! The manifest by which krew installs `kubectl gnomon`.

use super::{Artefact, VERSION, sha256};
use std::env;

/// Its file.
pub(super) const FILE: &str = "gnomon-krew.yaml";

/// What krew calls the machines of our targets, and how the program is called there.
const PLATFORMS: [(&str, &str, &str, &str); 5] = [
    ("x86_64-unknown-linux-musl", "linux", "amd64", "gnomon"),
    ("aarch64-unknown-linux-musl", "linux", "arm64", "gnomon"),
    ("x86_64-apple-darwin", "darwin", "amd64", "gnomon"),
    ("aarch64-apple-darwin", "darwin", "arm64", "gnomon"),
    ("x86_64-pc-windows-msvc", "windows", "amd64", "gnomon.exe"),
];

/// Where releases are downloaded from; without it the manifest has a word in its place.
pub(super) fn releases() -> String {
    env::var("GNOMON_RELEASES").ok().filter(|url| !url.is_empty()).unwrap_or_else(|| "RELEASES".into())
}

/// The manifest for the archives that are there. krew links the program as `kubectl-gnomon`, by the plugin's name.
pub(super) fn manifest(archives: &[Artefact], releases: &str) -> Artefact {
    let mut platforms = String::new();
    for (target, os, arch, bin) in PLATFORMS {
        let name = super::command_line::archive_name(target);
        let Some(archive) = archives.iter().find(|archive| archive.path == name) else { continue };
        platforms += &format!(
            "  - selector: {{matchLabels: {{os: {os}, arch: {arch}}}}}\n    uri: {releases}/v{VERSION}/{name}\n    \
             sha256: {}\n    bin: {bin}\n",
            sha256(&archive.bytes)
        );
    }
    let text = format!(
        "apiVersion: krew.googlecontainertools.github.com/v1alpha2\nkind: Plugin\nmetadata:\n  name: gnomon\nspec:\n  \
         version: v{VERSION}\n  shortDescription: What would Istio's policies do with this request\n  description: |\n    \
         Gives the verdict that Istio and Envoy would give on AuthorizationPolicy, RequestAuthentication and\n    \
         PeerAuthentication, with its reason. Reads the cluster of the current context through kubectl get, and\n    \
         never writes to it.\n  platforms:\n{platforms}"
    );
    Artefact { path: FILE.into(), bytes: text.into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_archive_has_its_platform() {
        let archive = |target: &str, bytes: &[u8]| Artefact {
            path: super::super::command_line::archive_name(target),
            bytes: bytes.to_vec(),
        };
        let archives =
            [archive("aarch64-unknown-linux-musl", b"abc"), archive("x86_64-pc-windows-msvc", b"")];
        let made = manifest(&archives, "https://releases.example");
        let text = String::from_utf8_lossy(&made.bytes).into_owned();
        assert!(
            text.contains(&format!(
                "  - selector: {{matchLabels: {{os: linux, arch: arm64}}}}\n    uri: \
             https://releases.example/v{VERSION}/gnomon-aarch64-unknown-linux-musl.tar.gz\n    sha256: \
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n    bin: gnomon\n"
            )),
            "{text}"
        );
        assert!(text.contains("arch: amd64}}") && text.contains("bin: gnomon.exe"), "{text}");
        assert_eq!(text.matches("selector").count(), 2);
    }
}
