//! TLS as a client of the cases speaks it: it looks at what the server presents and takes all of it.

use std::{net::Ipv4Addr, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    case::{Handshake, Tls},
    pki::pki,
    wire::{Conn, Fault, snake},
};

pub(super) async fn open(tls: &Tls, stream: TcpStream) -> Result<(Conn, Handshake), Fault> {
    let versions = versions(tls);
    if versions.is_empty() {
        return old(tls, stream).await;
    }
    let name = match &tls.sni {
        Some(sni) => ServerName::try_from(sni.clone()).expect("a case asks for a host name"),
        // An address is never sent as server name.
        None => ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)),
    };
    let connector = TlsConnector::from(Arc::new(config(tls, &versions)));
    let stream = connector.connect(name, stream).await?;
    let session = stream.get_ref().1;
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let asked = tls.version.is_some() || tls.min.is_some() || tls.max.is_some();
    let handshake = Handshake {
        cert: certificate.map_or_else(|| "none".to_owned(), |certificate| pki().name_of(certificate)),
        alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        version: asked.then(|| match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
            _ => "TLSv1.2".to_owned(),
        }),
    };
    Ok((Conn::new(stream), handshake))
}

/// The versions the client offers; none of them: it is older than what the library speaks.
fn versions(tls: &Tls) -> Vec<&'static SupportedProtocolVersion> {
    let only = tls.version.as_deref();
    let min = only.or(tls.min.as_deref()).unwrap_or("1.0");
    let max = only.or(tls.max.as_deref()).unwrap_or("1.3");
    let all: [(&str, &SupportedProtocolVersion); 2] = [("1.2", &TLS12), ("1.3", &TLS13)];
    all.into_iter().filter(|(name, _)| (min..=max).contains(name)).map(|(_, version)| version).collect()
}

fn config(tls: &Tls, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(crate::provider())
        .with_protocol_versions(versions)
        .expect("the provider speaks both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakeAll));
    let mut config = match tls.client.as_deref().filter(|&client| client != "none") {
        Some(client) => {
            let (chain, key) = pki().chain(&format!("client-{client}"));
            builder.with_client_auth_cert(chain, key).expect("certificate and key belong together")
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = tls.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    config
}

#[derive(Debug)]
struct TakeAll;

impl ServerCertVerifier for TakeAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crate::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A client of TLS 1.1 gets as far as its hello: that is enough to see whether it is turned away.
async fn old(tls: &Tls, stream: TcpStream) -> Result<(Conn, Handshake), Fault> {
    let mut conn = Conn::new(stream);
    conn.write(&hello(tls)).await?;
    let head = conn.exactly(5).await?;
    let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
    let record = conn.exactly(length).await?;
    if head[0] == 21 && record.len() == 2 {
        return Err(Fault::Alert(snake(&format!("{:?}", rustls::AlertDescription::from(record[1])))));
    }
    let handshake = Handshake { cert: "unread".to_owned(), alpn: None, version: Some("TLSv1.1".to_owned()) };
    Ok((conn, handshake))
}

/// A ClientHello of TLS 1.1.
fn hello(tls: &Tls) -> Vec<u8> {
    let sized = |bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).expect("a hello is small").to_be_bytes();
        [&length[..], bytes].concat()
    };
    let extension = |id: u16, content: &[u8]| [&id.to_be_bytes()[..], &sized(content)].concat();
    let mut extensions = Vec::new();
    if let Some(sni) = &tls.sni {
        extensions.extend(extension(0, &sized(&[&[0][..], &sized(sni.as_bytes())].concat())));
    }
    // Groups P-256 and P-384, points uncompressed.
    extensions.extend(extension(10, &sized(&[0, 23, 0, 24])));
    extensions.extend(extension(11, &[1, 0]));
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    body.push(0);
    // ECDHE with AES and SHA-1, by ECDSA and RSA: what servers of that time could do.
    body.extend(sized(&[0xc0, 0x09, 0xc0, 0x0a, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f]));
    body.extend([1, 0]);
    body.extend(sized(&extensions));
    let message = [&[1, 0][..], &sized(&body)].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}
