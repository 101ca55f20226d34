//! A TLS client that says of itself what a test wants, and tells what came of it.
use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use rustls::{
    CipherSuite, ClientConfig, DigitallySignedStruct, Error, HandshakeKind, NamedGroup, SignatureScheme,
    SupportedProtocolVersion,
    client::{
        ClientSessionMemoryCache, ClientSessionStore, ResolvesClientCert, Resumption, Tls12ClientSessionValue,
        Tls13ClientSessionValue,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::certs::Identity;

/// Both versions of HTTP over both of TLS.
pub(super) const WAYS: [(&SupportedProtocolVersion, bool); 4] =
    [(&TLS12, false), (&TLS12, true), (&TLS13, false), (&TLS13, true)];

/// What a client offers.
#[derive(Clone)]
pub(super) struct Client {
    /// None: no server name is sent.
    sni: Option<String>,
    versions: Vec<&'static SupportedProtocolVersion>,
    http2: bool,
    identity: Arc<Offered>,
    /// Sessions of earlier connections, whatever their name.
    sessions: Resumption,
    provider: CryptoProvider,
    verifier: Arc<TakeAll>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) resumed: bool,
    /// The server's certificate.
    pub(super) certificate: CertificateDer<'static>,
    pub(super) group: Option<NamedGroup>,
    pub(super) suite: Option<CipherSuite>,
}

impl Client {
    pub(super) fn new(sni: &str, (version, http2): (&'static SupportedProtocolVersion, bool)) -> Self {
        let provider = aws_lc_rs::default_provider();
        let verifier = Arc::new(TakeAll(provider.signature_verification_algorithms.supported_schemes()));
        let (sni, identity) = (Some(sni.to_owned()), Arc::new(Offered(None)));
        Self { sni, versions: vec![version], http2, identity, sessions: Resumption::disabled(), provider, verifier }
    }

    /// Another server name.
    pub(super) fn named(mut self, sni: Option<&str>) -> Self {
        self.sni = sni.map(ToOwned::to_owned);
        self
    }

    /// With a certificate.
    pub(super) fn with(mut self, identity: &Identity) -> Self {
        let (chain, key) = identity.der();
        self.identity =
            Arc::new(Offered(Some(CertifiedKey::from_der(chain, key, &self.provider).expect("a pair").into())));
        self
    }

    /// Keeps its sessions, and tries each with every name. Clones share them.
    pub(super) fn resuming(mut self) -> Self {
        self.sessions = Resumption::store(Arc::new(AnyName(ClientSessionMemoryCache::new(64))));
        self
    }

    /// With other cryptography.
    pub(super) fn speaking(mut self, change: impl FnOnce(&mut CryptoProvider)) -> Self {
        change(&mut self.provider);
        self
    }

    /// Offers both versions of TLS.
    pub(super) fn of_any_version(mut self) -> Self {
        self.versions = vec![&TLS13, &TLS12];
        self
    }

    /// Can check only these signatures.
    pub(super) fn checking(mut self, schemes: &[SignatureScheme]) -> Self {
        self.verifier = Arc::new(TakeAll(schemes.to_vec()));
        self
    }

    /// Asks for `/` of a host; the error is that of TLS or of the connection.
    pub(super) async fn get(&self, to: SocketAddr, host: &str) -> Result<Answer, String> {
        self.send(to, host, "").await
    }

    /// The same, with an `x-forwarded-client-cert` of the client's own if it is not empty.
    pub(super) async fn send(&self, to: SocketAddr, host: &str, claimed: &str) -> Result<Answer, String> {
        let stream = TcpStream::connect(to).await.expect("a listener");
        let name = match &self.sni {
            Some(name) => ServerName::try_from(name.clone()).expect("a name"),
            // An address is never sent.
            None => ServerName::from(to.ip()),
        };
        let connector = TlsConnector::from(Arc::new(self.config()));
        let mut stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        let mut answer = told(&stream);
        if self.http2 {
            http2(stream, host, claimed, &mut answer).await?;
        } else {
            http1(&mut stream, host, claimed, &mut answer).await?;
        }
        Ok(answer)
    }

    /// Whether a session of before lets it send a request with its first message.
    pub(super) async fn may_send_early_data(&self, to: SocketAddr) -> bool {
        let mut config = self.config();
        config.enable_early_data = true;
        let name = self.sni.clone().expect("a name").try_into().expect("a name");
        let stream = TcpStream::connect(to).await.expect("a listener");
        let mut may = false;
        let connecting = TlsConnector::from(Arc::new(config)).connect_with(name, stream, |session| {
            may = session.early_data().is_some();
        });
        assert_eq!(connecting.await.expect("let in").get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
        may
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(&self.versions)
            .expect("both versions are spoken")
            .dangerous()
            .with_custom_certificate_verifier(self.verifier.clone())
            .with_client_cert_resolver(self.identity.clone());
        config.alpn_protocols = vec![if self.http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        config.resumption = self.sessions.clone();
        config
    }
}

fn told(stream: &TlsStream<TcpStream>) -> Answer {
    let session = stream.get_ref().1;
    Answer {
        status: 0,
        body: String::new(),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        certificate: session.peer_certificates().expect("a certificate")[0].clone().into_owned(),
        group: session.negotiated_key_exchange_group().map(|group| group.name()),
        suite: session.negotiated_cipher_suite().map(|suite| suite.suite()),
    }
}

async fn http1(
    stream: &mut TlsStream<TcpStream>,
    host: &str,
    claimed: &str,
    answer: &mut Answer,
) -> Result<(), String> {
    let claimed = if claimed.is_empty() { String::new() } else { format!("x-forwarded-client-cert: {claimed}\r\n") };
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n{claimed}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.map_err(|error| error.to_string())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("closed without an answer")?;
    answer.status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
    answer.body = body.to_owned();
    Ok(())
}

async fn http2(stream: TlsStream<TcpStream>, host: &str, claimed: &str, answer: &mut Answer) -> Result<(), String> {
    let (send, connection) = h2::client::handshake(stream).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let done = http2_request(send, host, claimed, answer).await;
    // Ends when the last handle is gone: until then tickets are read.
    match connection.await.expect("no panic") {
        // The reason why there was no answer.
        Err(error) if done.is_err() => Err(error.to_string()),
        _ => done,
    }
}

async fn http2_request(
    send: h2::client::SendRequest<Bytes>,
    host: &str,
    claimed: &str,
    answer: &mut Answer,
) -> Result<(), String> {
    let text = |error: h2::Error| error.to_string();
    let mut send = send.ready().await.map_err(text)?;
    let mut request = http::Request::get(format!("https://{host}/"));
    if !claimed.is_empty() {
        request = request.header("x-forwarded-client-cert", claimed);
    }
    let (response, _) = send.send_request(request.body(()).expect("valid"), true).map_err(text)?;
    let response = response.await.map_err(text)?;
    answer.status = response.status().as_u16();
    let mut body = response.into_body();
    while let Some(piece) = body.data().await {
        answer.body += &String::from_utf8_lossy(&piece.map_err(text)?);
    }
    Ok(())
}

/// The certificate that a client has, if any.
#[derive(Debug)]
struct Offered(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Offered {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Sessions of one name are tried with every other.
#[derive(Debug)]
struct AnyName(ClientSessionMemoryCache);

fn any() -> ServerName<'static> {
    ServerName::try_from("any.test").expect("a name")
}

impl ClientSessionStore for AnyName {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(any(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&any())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.0.set_tls12_session(any(), session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&any())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&any());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(any(), ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&any())
    }
}

/// Takes every certificate of a server that can sign with one of these, but no wrong signature.
#[derive(Debug)]
struct TakeAll(Vec<SignatureScheme>);

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
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
