//! What the modules are made of: CycloneDX 1.6, JSON, from cargo's own resolution of the module's dependencies.

use super::{Source, VERSION, quote, sha256};
use crate::{
    run::{Failure, output},
    workspace::Workspace,
};
use std::{collections::BTreeMap, fs};

/// A crate that is linked in.
#[derive(Default)]
struct Component {
    name: String,
    version: String,
    licence: String,
    repository: String,
    /// Keys of those that it uses itself.
    uses: Vec<String>,
}

/// What was built, and for what.
pub(super) struct Built<'a> {
    pub(super) package: &'a str,
    pub(super) features: &'a str,
    pub(super) target: &'a str,
}

/// The bill of materials of these bytes.
pub(super) fn bill(
    workspace: &Workspace,
    built: &Built<'_>,
    bytes: &[u8],
    source: &Source,
) -> Result<Vec<u8>, Failure> {
    let tree = output(workspace.cargo().args([
        "tree",
        "--locked",
        "--package",
        built.package,
        "--features",
        built.features,
        "--target",
        built.target,
        // What runs at compilation only is not in the module.
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "depth",
        "--no-dedupe",
        "--format",
        "|{p}|{l}|{r}",
    ]))
    .ok_or_else(|| Failure::new("`cargo tree` does not tell what is in a module"))?;
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock"))
        .map_err(|error| Failure::new(format!("Cargo.lock: {error}")))?;
    let components = read(&tree)?;
    Ok(write(built.package, &components, &checksums(&lock), bytes, source).into_bytes())
}

/// The lines of `cargo tree`, `DEPTH|NAME vVERSION (PLACE)|LICENCE|REPOSITORY`; the first is the module itself.
fn read(tree: &str) -> Result<BTreeMap<String, Component>, Failure> {
    let mut components: BTreeMap<String, Component> = BTreeMap::new();
    let mut path: Vec<String> = Vec::new();
    for line in tree.lines().filter(|line| !line.trim().is_empty()) {
        let unread = || Failure::new(format!("`cargo tree` says what was not expected: {line}"));
        let mut parts = line.split('|');
        let mut part = || parts.next().ok_or_else(unread);
        let depth: usize = part()?.parse().map_err(|_| unread())?;
        let (name, rest) = part()?.split_once(" v").ok_or_else(unread)?;
        let version = rest.split(' ').next().unwrap_or_default();
        let (licence, repository) = (part()?.to_owned(), part()?.to_owned());
        let key = format!("pkg:cargo/{name}@{version}");
        path.truncate(depth);
        if let Some(user) = path.last().and_then(|user| components.get_mut(user))
            && !user.uses.contains(&key)
        {
            user.uses.push(key.clone());
        }
        components.entry(key.clone()).or_insert_with(|| Component {
            name: name.into(),
            version: version.into(),
            licence,
            repository,
            uses: Vec::new(),
        });
        path.push(key);
    }
    Ok(components)
}

/// `NAME VERSION` to the checksum in Cargo.lock; crates of our own have none.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let field = |block: &str, name: &str| {
        let start = format!("{name} = \"");
        block.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('"').map(str::to_owned))
    };
    let blocks = lock.split("[[package]]").skip(1);
    blocks
        .filter_map(|block| {
            let key = format!("{} {}", field(block, "name")?, field(block, "version")?);
            Some((key, field(block, "checksum")?))
        })
        .collect()
}

fn write(
    own_name: &str,
    components: &BTreeMap<String, Component>,
    checksums: &BTreeMap<String, String>,
    wasm: &[u8],
    source: &Source,
) -> String {
    let own = format!("pkg:cargo/{own_name}@{VERSION}");
    let hash = |digest: &str| format!("[{{\"alg\": \"SHA-256\", \"content\": \"{digest}\"}}]");
    let others: Vec<String> = components
        .iter()
        .filter(|(key, _)| **key != own)
        .map(|(key, component)| {
            let Component { name, version, licence, repository, .. } = component;
            let mut fields = vec![
                "\"type\": \"library\"".to_owned(),
                format!("\"bom-ref\": {}", quote(key)),
                format!("\"name\": {}", quote(name)),
                format!("\"version\": {}", quote(version)),
                format!("\"purl\": {}", quote(key)),
            ];
            if let Some(digest) = checksums.get(&format!("{name} {version}")) {
                fields.push(format!("\"hashes\": {}", hash(digest)));
            }
            if !licence.is_empty() {
                // Older crates write a slash for OR.
                let expression = quote(&licence.replace('/', " OR "));
                fields.push(format!("\"licenses\": [{{\"expression\": {expression}}}]"));
            }
            if !repository.is_empty() {
                let url = quote(repository);
                fields.push(format!("\"externalReferences\": [{{\"type\": \"vcs\", \"url\": {url}}}]"));
            }
            format!("    {{{}}}", fields.join(", "))
        })
        .collect();
    let dependencies: Vec<String> = components
        .iter()
        .map(|(key, component)| {
            let uses: Vec<String> = component.uses.iter().map(|key| quote(key)).collect();
            format!("    {{\"ref\": {}, \"dependsOn\": [{}]}}", quote(key), uses.join(", "))
        })
        .collect();
    format!(
        "{{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.6\",\n  \"version\": 1,\n  \"metadata\": {{\n    \
         \"timestamp\": {},\n    \"component\": {{\"type\": \"application\", \"bom-ref\": {}, \"name\": \"{own_name}\", \
         \"version\": \"{VERSION}\", \"hashes\": {}, \"licenses\": [{{\"expression\": \"Apache-2.0\"}}]}}\n  }},\n  \
         \"components\": [\n{}\n  ],\n  \"dependencies\": [\n{}\n  ]\n}}\n",
        quote(&source.date),
        quote(&own),
        hash(&sha256(wasm)),
        others.join(",\n"),
        dependencies.join(",\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_becomes_a_bill() {
        let tree = "0|gnomon-envoy-filter v0.1.0 (/somewhere/envoy-filter)|Apache-2.0|\n\
                    1|gnomon-engine v0.1.0 (/somewhere/engine)|Apache-2.0|\n\
                    2|serde v1.0.229|MIT OR Apache-2.0|https://example.org/serde\n\
                    1|serde v1.0.229|MIT OR Apache-2.0|https://example.org/serde\n\
                    1|log v0.4.1|MIT/Apache-2.0|\n";
        let lock =
            "version = 4\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.229\"\nchecksum = \"abc\"\n";
        let components = read(tree).expect("a tree");
        assert_eq!(components.len(), 4);
        let uses = |name: &str| components.get(&format!("pkg:cargo/{name}")).expect("there").uses.clone();
        assert_eq!(uses("gnomon-engine@0.1.0"), ["pkg:cargo/serde@1.0.229"]);
        assert_eq!(uses("gnomon-envoy-filter@0.1.0").len(), 3);
        let source = Source { date: "2026-01-02T03:04:05Z".into(), revision: String::new(), modified: false };
        let text = write("gnomon-envoy-filter", &components, &checksums(lock), b"", &source);
        assert!(!text.contains("/somewhere"), "{text}");
        assert!(text.contains("\"content\": \"abc\"") && text.contains("MIT OR Apache-2.0"), "{text}");
        assert!(read("nonsense").is_err());
    }
}
