//! Certificates, a server, a client, and a proxy between them.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use http::{HeaderMap, Request, Response};
use pulseless::env::{Address, ByteStream, Env, Socket, Surroundings, TcpOptions};
use pulseless::os::Os;
use pulseless::proxy::{Control, Drain, ProxyConfig, ProxyEdge, ProxyHabits, ProxyNotice, ProxyObserver, ProxyServer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, rustls};

use crate::process::{BINARY, Running};

/// Somebody who certifies others.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both PEM.
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        // No two have one name: a client would take one for the other, and its signature for a wrong one.
        Authority::named(format!("CA {:02x?}", key.public_key_raw()), key)
    }

    fn named(name: String, key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Authority(CertifiedIssuer::self_signed(params, key).expect("a CA"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn certify(&self, name: &str) -> Certified {
        self.issue(CertificateParams::new([name.to_owned()]).expect("a name"))
    }

    pub(crate) fn certify_expired(&self, name: &str) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
        self.issue(params)
    }

    /// A certificate with whatever makes it another.
    pub(crate) fn certify_as(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        change(&mut params);
        self.issue(params)
    }

    /// Another one of the same name.
    pub(crate) fn made_anew(&self) -> Authority {
        let name = format!("CA {:02x?}", self.0.key().public_key_raw());
        Authority::named(name, KeyPair::generate().expect("a key"))
    }

    /// A certificate that is signed by one who may certify nobody; both are shown.
    pub(crate) fn certify_by_no_ca(&self, name: &str) -> Certified {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "no CA");
        let between = CertifiedIssuer::signed_by(params, KeyPair::generate().expect("a key"), &self.0).expect("signed");
        let shown = between.pem();
        let Certified { certificate, key } = Authority(between).certify(name);
        Certified { certificate: certificate + &shown, key }
    }

    fn issue(&self, params: CertificateParams) -> Certified {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Certified { certificate, key: key.serialize_pem() }
    }
}

impl Certified {
    /// What a server with it does, that offers these protocols.
    pub(crate) fn server(&self, alpn: &[&str]) -> ServerConfig {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).map(|one| one.expect("PEM")).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM");
        let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("its key");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

/// What a client does that trusts these, and offers these protocols.
pub(crate) fn trusting(pem: &str, alpn: &[&str]) -> ClientConfig {
    trusting_by(pem, alpn, rustls::DEFAULT_VERSIONS)
}

pub(crate) fn trusting_by(
    pem: &str,
    alpn: &[&str],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    let mut config =
        ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

pub(crate) async fn dial(address: &str) -> Socket {
    let address: Address = address.parse().expect("an address");
    Os::default().dial(&address).await.expect("somebody listens")
}

/// TLS over a socket, with a server of that name.
pub(crate) async fn shake(
    config: ClientConfig,
    name: &str,
    socket: Socket,
) -> std::io::Result<client::TlsStream<Socket>> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

/// One call of gRPC over HTTP/2; the headers of its answer.
pub(crate) async fn call(stream: impl ByteStream + 'static) -> Result<HeaderMap, h2::Error> {
    let (mut sender, connection) = h2::client::handshake(stream).await?;
    let driven = tokio::spawn(connection);
    let request = Request::post("https://api.example/a.B/C").header("content-type", "application/grpc");
    let (answer, _) = sender.send_request(request.body(()).expect("a request"), true)?;
    let answered = answer.await.map(|answer| answer.headers().clone());
    drop(sender);
    driven.abort();
    answered
}

/// A server that says in its answer what it saw of the request. It speaks TLS if told how.
pub(crate) async fn serve(tls: Option<ServerConfig>) -> String {
    serve_on("127.0.0.1", tls).await
}

pub(crate) async fn serve_on(host: &str, tls: Option<ServerConfig>) -> String {
    let mut listener = Os::default().listening_on(host).listen(0).await.expect("a free port");
    let address = listener.local().to_string();
    let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        loop {
            let socket = listener.accept().await.expect("a connection");
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    None => answer_all(socket, "none").await,
                    Some(tls) => {
                        let Ok(stream) = tls.accept(socket).await else { return };
                        let name = stream.get_ref().1.server_name().unwrap_or("none").to_owned();
                        answer_all(stream, &name).await;
                    }
                }
            });
        }
    });
    address
}

async fn answer_all(stream: impl ByteStream + 'static, name: &str) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let scheme = request.uri().scheme_str().unwrap_or("none").to_owned();
        let answer = Response::builder().header("x-scheme", scheme).header("x-sni", name).header("grpc-status", "0");
        let answer = answer.header("content-type", "application/grpc").body(()).expect("a response");
        respond.send_response(answer, true).expect("the client is there");
    }
}

/// A server that reads something, says these bytes to whoever connects, and no more.
pub(crate) async fn serve_bytes(bytes: &'static [u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut listener = Os::default().listen(0).await.expect("a free port");
    let address = listener.local().to_string();
    tokio::spawn(async move {
        loop {
            let mut socket = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut said = [0; 4096];
                let _ = socket.read(&mut said).await;
                let _ = socket.write_all(bytes).await;
                if !bytes.is_empty() {
                    let _ = socket.read(&mut said).await;
                }
            });
        }
    });
    address
}

/// Hears nothing.
pub(crate) struct Deaf;

impl ProxyObserver for Deaf {
    fn notice(&self, _: ProxyNotice) {}
}

/// A proxy in this process; where it listens.
pub(crate) async fn host(upstream: &str, control: Control, edge: ProxyEdge) -> String {
    let upstream = upstream.parse().expect("an address");
    let (tcp, habits) = (TcpOptions::default(), ProxyHabits::default());
    let config = ProxyConfig { port: 0, upstream, tcp, control, habits, edge };
    let env: Env = Arc::new(Os::default());
    let server = ProxyServer::bind(env, config, Arc::new(Deaf)).await.expect("a free port");
    let address = server.local().to_string();
    tokio::spawn(server.run(Drain::default()));
    address
}

/// A proxy with a log, in a folder of its own.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) proxy: Running,
}

impl Stage {
    pub(crate) async fn start(arguments: &[&str]) -> Stage {
        Stage::start_in(tempfile::tempdir().expect("a scratch folder"), arguments, &[]).await
    }

    /// With these variables of the environment as well.
    pub(crate) async fn start_in(folder: TempDir, arguments: &[&str], variables: &[&str]) -> Stage {
        let launch =
            [&["PULSELESS_LOG=info"], variables, &[BINARY, "proxy", "--admin", "127.0.0.1:0"], arguments].concat();
        let mut proxy = Running::start(folder.path(), "proxy", "env", &launch, Stdio::null());
        proxy.says("admin API listens on ").await;
        Stage { folder, proxy }
    }

    /// The rest of the line that begins so.
    pub(crate) fn told(&self, begin: &str) -> String {
        let told = self.proxy.out();
        let line = told.lines().find_map(|line| line.strip_prefix(begin));
        line.unwrap_or_else(|| panic!("no `{begin}` in {told}")).to_owned()
    }

    /// Where the proxy listens that flags made.
    pub(crate) fn listens(&self) -> String {
        self.told("proxy listens on ")
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).expect("it is there")
    }

    /// Waits until the log says that.
    pub(crate) async fn logs(&mut self, part: &str) {
        self.proxy.says(part).await;
    }

    /// What a verb prints that does what it says.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let admin = self.told("admin API listens on ");
        let output = run(self.folder.path(), &[&["proxy"], arguments, &["--admin", &admin]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).current_dir(folder).output().expect("it runs")
}

/// What is said of wrong flags.
pub(crate) fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// Writes files into a scratch folder.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("the scratch folder takes files");
    }
    folder
}

/// What a client of gRPC is told that got no answer: UNAVAILABLE, and why.
pub(crate) fn unavailable(answer: &HeaderMap) -> String {
    assert_eq!(answer["grpc-status"], "14", "{answer:?}");
    let told = answer["grpc-message"].to_str().expect("text");
    let mut plain = Vec::new();
    let mut bytes = told.bytes();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let digits = String::from_utf8(bytes.by_ref().take(2).collect()).expect("digits");
                u8::from_str_radix(&digits, 16).expect("digits")
            }
            plain => plain,
        });
    }
    String::from_utf8(plain).expect("text")
}

/// An answer that came from the server.
pub(crate) fn answered(answer: Result<HeaderMap, h2::Error>) -> HeaderMap {
    let answer = answer.expect("an answer");
    assert_eq!(answer["grpc-status"], "0", "{answer:?}");
    answer
}
