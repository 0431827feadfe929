//! What the options say of tokens whose keys the policies do not have.

use crate::style;
use gnomon_engine::{
    Diagnostic, Position, Severity, base64,
    jwt::{Algorithm, Crypto, Key, KeySet, Passed, Signature, SoftwareCrypto},
    resource::Text,
    verdict::Missing,
};
use gnomon_manifests::{Loaded, read_file};
use std::{path::PathBuf, sync::Arc};

/// Keys of issuers, and issuers that need none.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TokenArgs {
    /// The key set (JWKS) of an issuer, in a file, for rules that only name where it is; as often as wanted
    #[arg(help_heading = "Tokens", long, value_name = "ISSUER=FILE", value_parser = key_set)]
    jwks: Vec<(String, PathBuf)>,
    /// Take the tokens of an issuer as signed by it, whatever its keys; as often as wanted
    #[arg(help_heading = "Tokens", long, value_name = "ISSUER")]
    assume_signed: Vec<String>,
}

fn key_set(text: &str) -> Result<(String, PathBuf), String> {
    // An issuer may have a query; a file's name hardly has an equals sign.
    match text.rsplit_once('=') {
        Some((issuer, file)) if !file.is_empty() => Ok((issuer.to_owned(), file.into())),
        _ => Err("write it as ISSUER=FILE".into()),
    }
}

impl TokenArgs {
    /// Puts the key sets into the rules of their issuers, as if they were written there as `jwks`.
    pub(crate) fn put_keys(&self, loaded: &mut Loaded) {
        for (issuer, path) in &self.jwks {
            let text = match read_file(path) {
                Ok(text) => text,
                Err(unread) => {
                    loaded.diagnostics.push(*unread);
                    continue;
                }
            };
            let file: Arc<str> = Arc::from(&*path.to_string_lossy());
            let problem = |severity, code, message: String, help: &str| Diagnostic {
                severity,
                code,
                file: file.clone(),
                at: Position::default(),
                object: String::new(),
                field: String::new(),
                message,
                help: help.to_owned(),
            };
            let is_set = serde_json::from_str::<serde_json::Value>(&text)
                .is_ok_and(|value| value.get("keys").is_some_and(serde_json::Value::is_array));
            if !is_set {
                let help = "a key set is JSON: {\"keys\": [{\"kty\": …}]}, as the issuer's jwks_uri gives it";
                loaded.diagnostics.push(problem(
                    Severity::Error,
                    "no-key-set",
                    "this is no JSON Web Key Set".into(),
                    help,
                ));
                continue;
            }
            let all = loaded.resources.request_authentication.iter_mut();
            let rules = all.flat_map(|one| one.rules.iter_mut()).filter(|rule| {
                let address = rule.jwks_uri.as_ref().map(|uri| uri.text.as_str());
                rule.issuer.text == *issuer || (rule.issuer.text.is_empty() && address == Some(issuer))
            });
            let mut found = false;
            rules.for_each(|rule| {
                found = true;
                rule.jwks = Some(Text { text: text.clone(), at: rule.at });
            });
            if !found {
                let message = format!("no RequestAuthentication has a rule for the issuer `{issuer}`");
                let help = "issuers are compared letter by letter, a slash at the end included";
                loaded.diagnostics.push(problem(Severity::Warning, "unknown-issuer", message, help));
            }
        }
    }

    /// Says what was not checked.
    pub(crate) fn tell(&self) {
        if !self.assume_signed.is_empty() {
            let issuers: Vec<String> = self.assume_signed.iter().map(|one| style::safe(one)).collect();
            eprintln!("note: tokens of {} count as signed, whoever signed them", issuers.join(", "));
        }
    }

    /// Checks signatures, but for the issuers whose tokens are taken as signed.
    pub(crate) fn crypto(&self) -> AssumeSigned<'_> {
        AssumeSigned { issuers: &self.assume_signed }
    }

    /// The options again, as words of a command.
    pub(crate) fn words(&self) -> Vec<String> {
        let keys = self
            .jwks
            .iter()
            .flat_map(|(issuer, path)| ["--jwks".to_owned(), format!("{issuer}={}", path.to_string_lossy())]);
        let assumed =
            self.assume_signed.iter().flat_map(|issuer| ["--assume-signed".to_owned(), issuer.clone()]);
        keys.chain(assumed).collect()
    }
}

/// What to do about it on the command line.
pub(crate) fn remedy(missing: &Missing) -> String {
    match missing {
        Missing::KeySet(issuer) => {
            let word = |option: &str, value: String| format!("{option} {}", style::shell_word(&value));
            format!(
                "no key set is fetched: give it with {}, or take such tokens as signed with {}",
                word("--jwks", format!("{issuer}=FILE")),
                word("--assume-signed", issuer.clone())
            )
        }
        other => other.remedy(),
    }
}

/// [`SoftwareCrypto`], and some issuers are trusted.
#[derive(Debug)]
pub(crate) struct AssumeSigned<'a> {
    issuers: &'a [String],
}

impl Crypto for AssumeSigned<'_> {
    fn verify(&self, algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Signature {
        SoftwareCrypto.verify(algorithm, key, message, signature)
    }

    fn vouches_for(&self, token: &[u8]) -> bool {
        if self.issuers.is_empty() {
            return false;
        }
        let payload = token.split(|byte| *byte == b'.').nth(1).and_then(base64::decode);
        let claims = payload.and_then(|payload| serde_json::from_slice::<serde_json::Value>(&payload).ok());
        let issuer = claims.as_ref().and_then(|claims| claims.get("iss")?.as_str());
        issuer.is_some_and(|issuer| self.issuers.iter().any(|one| one == issuer))
    }

    fn key_set(&self, address: &str) -> Option<Arc<KeySet>> {
        SoftwareCrypto.key_set(address)
    }

    fn recall(&self, rule: usize, token: &[u8]) -> Option<Arc<Passed>> {
        SoftwareCrypto.recall(rule, token)
    }

    fn remember(&self, rule: usize, token: &[u8], passed: &Arc<Passed>) {
        SoftwareCrypto.remember(rule, token, passed);
    }
}
