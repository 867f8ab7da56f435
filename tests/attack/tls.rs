//! TLS on our own address, over real handshakes with a certificate authority of the test's own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use ifthen::engine::log::Outcome;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use super::harness::{Daemon, Folder, wait};

/// An authority and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A certificate for that name, until the end of that year, and its key; as PEM.
    fn sign(&self, name: &str, until: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// What a client that trusts this authority is answered, and the certificate it was shown.
    fn get(
        &self,
        daemon: &Daemon,
        name: &str,
        path: &str,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Result<(String, Vec<u8>), String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
        let stream = TcpStream::connect(daemon.address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let asked = format!("GET {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).map_err(|e| e.to_string())?;
        let mut text = Vec::new();
        let read = stream.read_to_end(&mut text);
        let shown = stream.conn.peer_certificates().and_then(|c| c.first()).map(|c| c.to_vec()).unwrap_or_default();
        match read {
            Ok(_) => {}
            Err(error) if text.is_empty() => return Err(error.to_string()),
            Err(_) => {} // closed without a farewell
        }
        Ok((String::from_utf8_lossy(&text).to_lowercase(), shown))
    }
}

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
const CONFIG: &str = "tls: { cert: cert.pem, key: key.pem }\nsources: { crm: { webhook: {}, event: crm.lead } }\n";

/// Replaces both files, as what renews certificates does: the key only its owner's.
fn put(folder: &Folder, (cert, key): &(String, String)) {
    folder.write("key.pem", key);
    std::fs::set_permissions(folder.path("key.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
    folder.write("cert.pem", cert);
}

fn folder(pair: &(String, String)) -> Folder {
    let folder = Folder::new(&[("config.yaml", CONFIG)]);
    put(&folder, pair);
    folder
}

#[test]
fn it_is_spoken_to_whoever_trusts_the_authority_and_the_rest_hear_nothing() {
    let ours = Authority::new();
    let folder = folder(&ours.sign("hooks.example.com", 2099));
    let daemon = folder.start();
    for version in BOTH {
        let (text, _) = ours.get(&daemon, "hooks.example.com", "/healthz", &[version]).unwrap();
        assert!(text.starts_with("http/1.1 200") && text.contains("strict-transport-security: max-age=31536000"), "{text}");
    }
    assert!(Authority::new().get(&daemon, "hooks.example.com", "/healthz", BOTH).is_err(), "an authority nobody trusts");
    assert!(ours.get(&daemon, "other.example.com", "/healthz", BOTH).is_err(), "a name it is not for");
    // Plain HTTP on that address gets no answer of ours.
    let mut plain = TcpStream::connect(daemon.address).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut said = Vec::new();
    drop(plain.read_to_end(&mut said));
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1"), "{}", String::from_utf8_lossy(&said));
    // Links that people receive say so, and the command line still finds us.
    let control = std::fs::read_to_string(folder.path("data/control")).unwrap();
    assert!(control.starts_with("127.0.0.1:") && !control.starts_with(&daemon.address.to_string()), "{control}");
    let (exit, said) = folder.cli(&["tokens", "add", "甲", "--role", "viewer"]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let ours = Authority::new();
    let first = ours.sign("hooks.example.com", 2098);
    let folder = folder(&first);
    let daemon = folder.start();
    let shown = || ours.get(&daemon, "hooks.example.com", "/healthz", BOTH).unwrap().1;
    let former = shown();
    put(&folder, &ours.sign("hooks.example.com", 2099));
    wait("the renewed certificate", || (shown() != former).then_some(()));
    let renewed = shown();
    // A key of another: the former pair stays in use, and it is said; then a signal with the right one again.
    folder.write("cert.pem", &ours.sign("hooks.example.com", 2099).0);
    wait("a complaint", || daemon.said().contains("does not belong to the certificate").then_some(()));
    assert_eq!(shown(), renewed);
    put(&folder, &ours.sign("hooks.example.com", 2020));
    wait("a complaint", || daemon.said().contains("expired on 2020-12-31").then_some(()));
    assert_eq!(shown(), renewed);
    put(&folder, &first);
    daemon.signal("HUP");
    wait("the first again", || (shown() == former).then_some(()));
    assert!(!daemon.said().contains("PRIVATE KEY"));
    daemon.wait_lines("reload", Outcome::Done, 1);
}

#[test]
fn what_cannot_be_used_is_refused_at_the_start_with_what_to_do() {
    let ours = Authority::new();
    let good = ours.sign("hooks.example.com", 2099);
    let check = |spoil: &dyn Fn(&Folder), words: &[&str]| {
        let folder = folder(&good);
        spoil(&folder);
        let said = folder.try_start(&[]).err().unwrap_or_else(|| panic!("it started: {words:?}"));
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
        assert!(!said.contains("PRIVATE KEY-----\n"), "{said}");
    };
    check(&|f| std::fs::remove_file(f.path("cert.pem")).unwrap(), &["cannot read", "cert.pem"]);
    check(&|f| std::fs::remove_file(f.path("key.pem")).unwrap(), &["cannot read", "key.pem"]);
    check(&|f| f.write("cert.pem", "not a certificate"), &["cert.pem", "holds no certificate"]);
    check(&|f| put(f, &(good.0.clone(), "no key".into())), &["key.pem", "holds no private key"]);
    check(&|f| put(f, &(good.0.clone(), ours.sign("x.example.com", 2099).1)), &["key.pem does not belong to", "cert.pem"]);
    check(&|f| put(f, &ours.sign("hooks.example.com", 2021)), &["cert.pem expired on 2021-12-31", "renew"]);
    for mode in [0o640, 0o604, 0o660] {
        let spoil = |f: &Folder| std::fs::set_permissions(f.path("key.pem"), std::fs::Permissions::from_mode(mode)).unwrap();
        check(&spoil, &["key.pem may be read by others", &format!("{mode:o}"), "chmod 600"]);
    }
}

#[test]
fn row_08_handshakes_that_do_not_come_hold_nobody_up_nor_the_command_line() {
    let ours = Authority::new();
    let folder = folder(&ours.sign("hooks.example.com", 2099));
    let daemon = folder.start();
    // As many as one address may have, none of which says a word.
    let idle: Vec<TcpStream> = (0..256).map(|_| TcpStream::connect(daemon.address).unwrap()).collect();
    let (exit, said) = folder.cli(&["tokens", "add", "甲", "--role", "viewer"]);
    assert_eq!(exit, 0, "{said}");
    let mut first = &idle[0];
    first.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    assert!(first.read_to_end(&mut Vec::new()).is_ok(), "closed when its handshake does not come");
    wait("a place", || {
        ours.get(&daemon, "hooks.example.com", "/healthz", BOTH).ok().filter(|(text, _)| text.starts_with("http/1.1 200"))
    });
    drop((idle, json!(null)));
}
