//! The client's TLS: which certificate it shows and which name it asks for.

use crate::{
    certs::Identity,
    err::{Context, Result},
};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::sync::{Arc, OnceLock};

/// The configurations of clients that show one certificate: without SNI and with. Reading a key takes longer than a
/// handshake.
pub(crate) type Sessions = Arc<[OnceLock<Arc<ClientConfig>>; 2]>;

/// Is it a name that a client can ask for?
pub(crate) fn can_ask_for(sni: &str) -> bool {
    matches!(ServerName::try_from(sni), Ok(ServerName::DnsName(_)))
}

/// How to speak TLS. The server's certificate is not judged: it is the server that is being tested, and it judges
/// ours.
#[derive(Clone, Copy, Default)]
pub struct Tls<'a> {
    /// The certificate to show when asked; `None`: none.
    pub identity: Option<&'a Identity>,
    /// The name to ask for; `None`: no SNI at all.
    pub sni: Option<&'a str>,
    /// Protocols to offer; empty: no ALPN, which Envoy takes as HTTP/1.1.
    pub alpn: &'a [&'a str],
}

impl Tls<'_> {
    /// The first bytes that a client sends, for listeners that look at them and no further.
    pub fn client_hello(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.connection()?.write_tls(&mut bytes).or_cannot("write a ClientHello")?;
        Ok(bytes)
    }

    pub(super) fn connection(&self) -> Result<ClientConnection> {
        // Without SNI the name goes nowhere.
        let name = self.sni.unwrap_or("localhost").to_owned();
        let name = ServerName::try_from(name).or_cannot("use the SNI")?;
        ClientConnection::new(self.config()?, name).or_cannot("begin TLS")
    }

    fn config(&self) -> Result<Arc<ClientConfig>> {
        let kept = match self.identity {
            Some(identity) if self.alpn.is_empty() => identity.sessions.get(usize::from(self.sni.is_some())),
            _ => None,
        };
        if let Some(config) = kept.and_then(OnceLock::get) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.new_config()?);
        if let Some(kept) = kept {
            // Another thread may have been quicker; both are the same.
            let _ = kept.set(Arc::clone(&config));
        }
        Ok(config)
    }

    fn new_config(&self) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier = AnyServer(provider.signature_verification_algorithms);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .or_cannot("configure TLS")?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())
                    .or_cannot("read a certificate")?;
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).or_cannot("read a key")?;
                builder.with_client_auth_cert(vec![certificate], key).or_cannot("use a client certificate")?
            }
        };
        // Every connection shows its certificate anew.
        config.resumption = Resumption::disabled();
        config.enable_sni = self.sni.is_some();
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }
}

#[derive(Debug)]
struct AnyServer(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
