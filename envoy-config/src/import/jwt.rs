//! jwt_authn as istiod configures it: every provider becomes a rule again.

use super::fields::{Context, Fields, Place, Unread, get, integer, is_true, list, text};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use gnomon_engine::{
    jwt::Authenticator,
    node::Node,
    request::Request,
    resource::{ClaimToHeader, HeaderLocation, JwtRule, Presence, Text},
    workload::IstioVersion,
};

/// The filter.
#[derive(Debug)]
pub(super) struct Jwt {
    pub(super) authenticator: Authenticator,
    providers: Vec<Provider>,
    /// By rule: the key under which its claims are stored; empty: nowhere.
    pub(super) payload_keys: Vec<String>,
    /// `None`: CORS preflights pass.
    pub(super) preflights: Option<Unread>,
}

/// One provider that is asked.
#[derive(Debug)]
struct Provider {
    rule: JwtRule,
    payload_key: String,
    space_delimited: Vec<String>,
}

impl Jwt {
    /// # Errors
    ///
    /// The name of what istiod does not write, and so is not evaluated.
    pub(super) fn read(node: &Node, place: &Place<'_>, context: &mut Context) -> Result<Jwt, Unread> {
        let mut fields = Fields::of(node)
            .ok_or_else(|| context.unread(place, node.at, "this is no jwt_authn configuration"))?;
        let providers = fields.take("providers");
        let rules = fields.list("rules");
        let bypass = fields.flag("bypassCorsPreflight");
        fields.ignore(&["@type", "stripFailureResponse", "statPrefix"]);
        if let Some((name, node)) = fields.rest().next() {
            return Err(context.unread(&place.field(name), node.at, "this field is not evaluated"));
        }
        let rules_place = place.field("rules");
        let order = match rules {
            [] => Vec::new(),
            [rule] => requirement(rule).map_err(|why| context.unread(&rules_place.index(0), rule.at, why))?,
            [_, second, ..] => {
                let why = "istiod writes one rule; several are not evaluated";
                return Err(context.unread(&rules_place.index(1), second.at, why));
            }
        };
        let mut compiled = Vec::new();
        let place = &place.field("providers");
        for (name, required) in order {
            let Some(provider) = providers.and_then(|providers| providers.get(name)) else {
                return Err(context.unread(&place.key(name), node.at, "there is no such provider"));
            };
            let mut read = match self::provider(provider) {
                Ok(read) => read,
                Err((field, why)) => {
                    let at = get(provider, field).map_or(provider.at, |node| node.at);
                    return Err(context.unread(&place.key(name).field(field), at, why));
                }
            };
            read.rule.presence = if required { Presence::Required } else { Presence::Optional };
            compiled.push(read);
        }
        let sorted = compiled.is_sorted_by(|a, b| a.rule.issuer.text <= b.rule.issuer.text);
        if !sorted {
            let why = "istiod orders providers by their issuers; another order is not evaluated";
            return Err(context.unread(&rules_place, node.at, why));
        }
        let authenticator = self::compiled(&compiled);
        let preflights = match bypass {
            true => None,
            false => Some(Unread::from(alloc::format!("{}.bypassCorsPreflight", place.path()))),
        };
        let payload_keys = compiled.iter().map(|provider| provider.payload_key.clone()).collect();
        Ok(Jwt { authenticator, providers: compiled, payload_keys, preflights })
    }

    /// What compares tokens, once more, and of how many rules.
    pub(super) fn compiled(&self) -> (Authenticator, usize) {
        (self::compiled(&self.providers), self.providers.len())
    }

    /// The same rules, wherever they are written.
    pub(super) fn says_the_same(&self, other: &Jwt) -> bool {
        let told = |provider: &Provider| {
            let mut rule = provider.rule.clone();
            rule.at = Default::default();
            let texts = [Some(&mut rule.issuer), rule.jwks.as_mut(), rule.jwks_uri.as_mut()];
            texts.into_iter().flatten().for_each(|text| text.at = Default::default());
            alloc::format!("{rule:?} {:?} {:?}", provider.payload_key, provider.space_delimited)
        };
        self.preflights.is_some() == other.preflights.is_some()
            && self.providers.len() == other.providers.len()
            && self.providers.iter().zip(&other.providers).all(|(a, b)| told(a) == told(b))
    }

    /// The key under which the claims of a rule are stored.
    pub(super) fn payload_key(&self, rule: Option<usize>) -> &str {
        rule.and_then(|rule| self.payload_keys.get(rule)).map_or("", String::as_str)
    }

    /// The key under which the claims of every rule are stored; `None`: there are several.
    pub(super) fn only_payload_key(&self) -> Option<&String> {
        let (first, rest) = self.payload_keys.split_first()?;
        rest.iter().all(|key| key == first).then_some(first)
    }

    /// Set where this request is one that istiod lets pass, and this configuration does not.
    pub(super) fn unread(&self, request: &Request<'_>) -> Option<&Unread> {
        let filled = |name: &[u8]| request.headers.iter().any(|(n, v)| *n == name && !v.is_empty());
        let options = request.headers.iter().any(|(n, v)| *n == b":method" && *v == b"OPTIONS");
        let preflight = options && filled(b"origin") && filled(b"access-control-request-method");
        self.preflights.as_ref().filter(|_| preflight)
    }
}

fn compiled(providers: &[Provider]) -> Authenticator {
    let rules: Vec<&JwtRule> = providers.iter().map(|provider| &provider.rule).collect();
    let mut authenticator = Authenticator::compile(&rules, IstioVersion::NEWEST);
    for (index, provider) in providers.iter().enumerate() {
        authenticator.set_space_delimited(index, &provider.space_delimited);
    }
    authenticator
}

/// The providers of a rule in order, and whether a token of each is required.
fn requirement(rule: &Node) -> Result<Vec<(&str, bool)>, &'static str> {
    const SHAPE: &str = "istiod does not write such a requirement; it is not evaluated";
    let everywhere = get(rule, "match").is_some_and(|matched| {
        let entries = matched.as_map().unwrap_or_default();
        entries.len() == 1 && text(matched, "prefix") == Some("/")
    });
    if !everywhere {
        return Err("istiod's rule is for every path; others are not evaluated");
    }
    let Some(requires) = get(rule, "requires") else { return Err(SHAPE) };
    if let Some(name) = provider_name(requires) {
        return Ok([(name, true)].into());
    }
    if let Some(name) = optional(requires) {
        return Ok([(name, false)].into());
    }
    if let Some(all) = get(requires, "requiresAll") {
        let each = list(all, "requirements").iter().map(|item| {
            provider_name(item).map(|name| (name, true)).or_else(|| optional(item).map(|name| (name, false)))
        });
        let each: Option<Vec<_>> = each.collect();
        // Without a required one, istiod writes another shape.
        return each.filter(|each| each.iter().any(|(_, required)| *required)).ok_or(SHAPE);
    }
    // Any of (each, all of (each or no token)).
    let any = get(requires, "requiresAny").map(|any| list(any, "requirements")).ok_or(SHAPE)?;
    let (last, each) = any.split_last().ok_or(SHAPE)?;
    let names: Option<Vec<&str>> = each.iter().map(provider_name).collect();
    let all = get(last, "requiresAll").map(|all| list(all, "requirements")).ok_or(SHAPE)?;
    let again: Option<Vec<&str>> = all.iter().map(optional).collect();
    match (names, again) {
        (Some(names), Some(again)) if names == again && names.len() > 1 => {
            Ok(names.into_iter().map(|name| (name, false)).collect())
        }
        _ => Err(SHAPE),
    }
}

fn provider_name(requirement: &Node) -> Option<&str> {
    match requirement.as_map()? {
        [_] => text(requirement, "providerName"),
        _ => None,
    }
}

/// Any of (a provider, no token).
fn optional(requirement: &Node) -> Option<&str> {
    match list(get(requirement, "requiresAny")?, "requirements") {
        [provider, missing] if get(missing, "allowMissing").is_some() => provider_name(provider),
        _ => None,
    }
}

/// A provider, or the field that is not evaluated.
fn provider(node: &Node) -> Result<Provider, (&'static str, &'static str)> {
    const NOT: &str = "this field is not evaluated";
    for field in ["subjects", "maxLifetime", "padForwardPayloadHeader", "requireExpiration"] {
        let set = get(node, field).is_some_and(|node| match &node.value {
            gnomon_engine::node::Value::Bool(value) => *value,
            _ => true,
        });
        if set {
            return Err((field, NOT));
        }
    }
    if get(node, "clockSkewSeconds").is_some_and(|skew| !matches!(integer(skew), Some(0 | 60))) {
        return Err(("clockSkewSeconds", NOT));
    }
    let texts = |name| list(node, name).iter().filter_map(Node::as_str).map(ToString::to_string).collect();
    let at = |node: &Node, text: &str| Text { text: text.into(), at: node.at };
    let mut rule = JwtRule {
        at: node.at,
        audiences: texts("audiences"),
        from_params: texts("fromParams"),
        from_cookies: texts("fromCookies"),
        forward_original_token: get(node, "forward").is_some_and(is_true),
        output_payload_to_header: text(node, "forwardPayloadHeader").map(ToString::to_string),
        ..JwtRule::default()
    };
    if let Some(issuer) = get(node, "issuer") {
        rule.issuer = at(issuer, issuer.as_str().unwrap_or_default());
    }
    for header in list(node, "fromHeaders") {
        rule.from_headers.push(HeaderLocation {
            name: text(header, "name").unwrap_or_default().into(),
            prefix: text(header, "valuePrefix").unwrap_or_default().into(),
        });
    }
    for output in list(node, "claimToHeaders") {
        rule.output_claim_to_headers.push(ClaimToHeader {
            header: text(output, "headerName").unwrap_or_default().into(),
            claim: text(output, "claimName").unwrap_or_default().into(),
        });
    }
    // Keys that are elsewhere are not known.
    if let Some(keys) = get(node, "localJwks").and_then(|keys| get(keys, "inlineString")) {
        rule.jwks = Some(at(keys, keys.as_str().unwrap_or_default()));
    } else if let Some(uri) = get(node, "remoteJwks").and_then(|keys| get(keys, "httpUri")) {
        rule.jwks_uri = text(uri, "uri").map(|text| at(uri, text));
    }
    let words = get(node, "normalizePayloadInMetadata").map(|node| list(node, "spaceDelimitedClaims"));
    let words = words.unwrap_or_default().iter().filter_map(Node::as_str).map(ToString::to_string);
    Ok(Provider {
        rule,
        payload_key: text(node, "payloadInMetadata").unwrap_or_default().into(),
        space_delimited: words.collect(),
    })
}
