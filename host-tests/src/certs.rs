//! Certificates as Istio's workloads carry them: an empty subject and the identity as a URI SAN.

use crate::{
    client::Sessions,
    err::{Context, Result},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

/// A certificate authority with a key of its own. A second one is a foreign one.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

/// What a certificate says about its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// URI SANs in order, with their `spiffe://`.
    pub uris: Vec<String>,
    /// DNS SANs in order.
    pub dns: Vec<String>,
    /// The subject's common name. Istio's certificates have an empty subject.
    pub common_name: Option<String>,
}

impl Names {
    /// The certificate of a workload: one URI SAN. A principal as policies write it gets its `spiffe://`.
    pub fn principal(principal: &str) -> Self {
        let uri = if principal.contains("://") { principal.into() } else { format!("spiffe://{principal}") };
        Names { uris: vec![uri], ..Names::default() }
    }
}

/// A certificate with its private key, both in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key, PKCS#8.
    pub key: String,
    /// What clients that show it were configured with, once one was (see [`crate::Tls`]).
    pub(crate) sessions: Sessions,
}

impl Ca {
    /// A fresh one, valid for centuries: tests do not test clocks.
    pub fn new(organization: &str) -> Result<Ca> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().or_cannot("make a key")?;
        let pem = params.self_signed(&key).or_cannot("sign a CA certificate")?.pem();
        Ok(Ca { issuer: Issuer::new(params, key), pem })
    }

    /// A leaf certificate, good as a server's and as a client's.
    pub fn issue(&self, names: &Names) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(common_name) = &names.common_name {
            params.distinguished_name.push(DnType::CommonName, common_name.as_str());
        }
        for uri in &names.uris {
            let uri = uri.as_str().try_into().or_cannot(format_args!("use {uri} as a URI SAN"))?;
            params.subject_alt_names.push(SanType::URI(uri));
        }
        for dns in &names.dns {
            let dns = dns.as_str().try_into().or_cannot(format_args!("use {dns} as a DNS SAN"))?;
            params.subject_alt_names.push(SanType::DnsName(dns));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().or_cannot("make a key")?;
        let certificate = params.signed_by(&key, &self.issuer).or_cannot("sign a certificate")?.pem();
        Ok(Identity { certificate, key: key.serialize_pem(), sessions: Sessions::default() })
    }
}
