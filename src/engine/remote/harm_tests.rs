//! Engines that do harm, each behind a real socket: what they do is told in words, in time and within bounds.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::client::Client;
use super::{Access, Wanted, find, list, metrics};
use domain::engine_metrics::EngineSilence;
use domain::event::LibraryEvent;
use domain::model::remote::EngineKind;
use domain::settings::{KeySource, RemoteEngine, Settings};

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";

/// What an engine does once it was asked.
#[derive(Debug, Clone, Copy)]
enum Harm {
    /// It sends this and ends the connection.
    Says(&'static str),
    /// It sends this, and then that again and again for as long as somebody takes it.
    Floods(&'static str, &'static [u8]),
    /// It sends a byte now and then.
    Drips,
    /// It sends nothing.
    Hangs,
}

/// An engine that does harm; gives its address, and how many bytes it has sent.
async fn engine(harm: Harm) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(harmed(stream, harm, Arc::clone(&count)));
        }
    });
    (url, sent)
}

async fn harmed(mut stream: TcpStream, harm: Harm, count: Arc<AtomicU64>) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    match harm {
        Harm::Says(text) => drop(stream.write_all(text.as_bytes()).await),
        Harm::Floods(head, more) => {
            let _ = stream.write_all(head.as_bytes()).await;
            let chunk = more.repeat((1 << 16) / more.len());
            while stream.write_all(&chunk).await.is_ok() {
                count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
        }
        Harm::Drips => {
            let _ = stream.write_all(OK.as_bytes()).await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Harm::Hangs => std::future::pending().await,
    }
}

fn access(url: &str, kind: EngineKind) -> Access {
    Access { name: "lab".to_owned(), url: url.to_owned(), kind, key: None, is_discovered: false }
}

async fn client(url: &str, kind: EngineKind) -> Client {
    Client::new(&access(url, kind)).await.unwrap()
}

/// Ten gigabytes, or what is taken of them.
const MOST: u64 = 64 << 20;

#[tokio::test]
async fn a_list_that_does_harm_is_refused_in_words() {
    for (harm, expected) in [
        (Harm::Floods(OK, b"{\"data\":[],"), "it sends more than 8 MiB where that is not due"),
        // A hundred thousand models, and more.
        (Harm::Floods("HTTP/1.1 200 OK\r\n\r\n{\"data\":[", b"{\"id\":\"a\"},"), "it sends more than 8 MiB"),
        (Harm::Floods("HTTP/1.1 200 OK\r\n", b"x-more: of the same\r\n"), "the connection broke"),
        (Harm::Says("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n{\"data\""), "the connection broke"),
        (Harm::Says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"data\""), "the connection broke"),
        (Harm::Says("\u{1b}[2J no HTTP at all\r\n\r\n"), "the connection broke"),
        (Harm::Says(""), "the connection broke"),
        // What is packed is not unpacked, so that little never becomes much.
        (
            Harm::Says("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n\u{1f}\u{8b}\u{8}"),
            "its answer is not JSON",
        ),
        (Harm::Says("HTTP/1.1 500 Oh\r\ncontent-length: 9\r\n\r\n\u{1b}[31mred!"), "it answers 500: [31mred!"),
        (Harm::Drips, "no answer within 3 s"),
        (Harm::Hangs, "no answer within 3 s"),
    ] {
        let (url, sent) = engine(harm).await;
        let error = list::models(&client(&url, EngineKind::OpenAi).await).await.unwrap_err();
        assert!(error.reason.starts_with(expected), "{harm:?}: {error:?}");
        assert!(!error.reason.contains('\u{1b}'), "{harm:?}: {error:?}");
        assert!(sent.load(Ordering::Relaxed) < MOST, "{harm:?}: {sent:?}");
    }
}

#[tokio::test]
async fn counters_that_do_harm_are_refused_in_words() {
    let failed = |reason: &str| Err(EngineSilence::Failed { reason: reason.to_owned() });
    let silent = |remedy: Option<&str>| {
        let (reason, remedy) = ("it has no /metrics".to_owned(), remedy.map(str::to_owned));
        Err(EngineSilence::NotReported { reason, remedy })
    };
    for (kind, harm, expected) in [
        (
            EngineKind::Vllm,
            Harm::Floods(OK, b"vllm:num_requests_running 1\n"),
            failed("it sends more than 2 MiB where that is not due"),
        ),
        (EngineKind::Vllm, Harm::Drips, failed("no answer within 1 s")),
        (EngineKind::Vllm, Harm::Hangs, failed("no answer within 1 s")),
        (EngineKind::OpenAi, Harm::Says("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"), silent(None)),
        (
            EngineKind::Sglang,
            Harm::Says("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"),
            silent(Some("start it with --enable-metrics")),
        ),
        (EngineKind::OpenAi, Harm::Says("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"), silent(None)),
    ] {
        let (url, sent) = engine(harm).await;
        let told = metrics::look(&client(&url, kind).await).await;
        assert_eq!(told, expected, "{kind:?} {harm:?}");
        assert!(sent.load(Ordering::Relaxed) < MOST, "{harm:?}: {sent:?}");
    }
}

#[tokio::test]
async fn names_that_do_harm_are_cleaned_and_too_many_are_left_out() {
    let names = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"data\":[{\"id\":\"a\\u001b[2J\\u202eb\"},{\"id\":\"\"},{\"id\":7},{},{\"id\":\"ok\"}]}";
    let (url, _) = engine(Harm::Says(names)).await;
    let mut settings = Settings::default();
    settings.library.discover = false;
    let lab = RemoteEngine { url, kind: EngineKind::OpenAi, ..RemoteEngine::default() };
    settings.remotes.insert("lab".to_owned(), lab);
    let found = find(&settings).await;
    let ids: Vec<&str> = found.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["lab:a[2Jb", "lab:ok"]);

    let many = format!("{OK}{{\"data\":[{}]}}", vec!["{\"id\":\"a\"}"; 100_000].join(","));
    let (url, _) = engine(Harm::Says(Box::leak(many.into_boxed_str()))).await;
    let entries = list::models(&client(&url, EngineKind::OpenAi).await).await.unwrap();
    assert_eq!(entries.len(), 2000);
}

#[tokio::test]
async fn a_redirect_takes_neither_key_nor_prompt_along() {
    let thief = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = thief.local_addr().unwrap();
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let answer = format!("HTTP/1.1 {status}\r\nlocation: http://{to}/v1/models\r\ncontent-length: 0\r\n\r\n");
        let (url, _) = engine(Harm::Says(Box::leak(answer.into_boxed_str()))).await;
        let key = Some(KeySource::Command("echo sk-secret".to_owned()));
        let client = Client::new(&Access { key, ..access(&url, EngineKind::OpenAi) }).await.unwrap();
        let error = list::models(&client).await.unwrap_err();
        assert_eq!(error.reason, "it redirects to 127.0.0.1", "{status}");
        assert!(error.hint.unwrap().contains("name the right address in `url`"), "{status}");
    }
    let came = tokio::time::timeout(Duration::from_millis(100), thief.accept()).await;
    assert!(came.is_err(), "nobody came");
}

#[tokio::test]
async fn a_key_is_one_line_of_what_a_header_may_hold() {
    for (command, expected) in [
        ("printf 'sk-1\\nsecond line'", None),
        ("printf '  sk-1  \\n'", None),
        ("printf 'sk\\r1'", Some("its key has characters that a header can't have")),
        ("printf 'sk 1'", Some("its key has characters that a header can't have")),
        ("printf 'sk-\\303\\244'", Some("its key has characters that a header can't have")),
        ("printf ''", Some("its key is empty")),
        ("false", Some("`key_command` failed: exit status: 1")),
        ("no-such-command-here", Some("`key_command` did not start: entity not found")),
        ("echo 'open", Some("`key_command` can't be read: a quote is open")),
    ] {
        let key = Some(KeySource::Command(command.to_owned()));
        let made = Client::new(&Access { key, ..access("http://127.0.0.1:1", EngineKind::OpenAi) }).await;
        assert_eq!(made.err().map(|error| error.reason).as_deref(), expected, "{command}");
    }
    // Unencrypted to another machine it goes by no spelling of the address.
    for url in ["http://192.0.2.1", "http://example.org", "http://localhost.example.org", "http://[2001:db8::1]"] {
        let key = Some(KeySource::Command("echo sk-1".to_owned()));
        let error = Client::new(&Access { key, ..access(url, EngineKind::OpenAi) }).await.unwrap_err();
        assert_eq!(error.reason, "its key would go unencrypted to another machine", "{url}");
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused_and_said_how_to_trust_it() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = format!("{}/tests/remote", env!("CARGO_MANIFEST_DIR"));
    let certificate = CertificateDer::from_pem_file(format!("{folder}/self-signed.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/self-signed.key")).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
            let mut request = [0; 1024];
            let read = tls.read(&mut request).unwrap_or(0);
            let _ = tls.write_all(OK.as_bytes());
            tell.send(read).unwrap();
        }
    });
    let key = Some(KeySource::Command("echo sk-secret".to_owned()));
    let url = format!("https://localhost:{port}");
    let client = Client::new(&Access { key, ..access(&url, EngineKind::OpenAi) }).await.unwrap();
    let error = list::models(&client).await.unwrap_err();
    assert!(error.reason.starts_with("its certificate is not trusted"), "{error:?}");
    let hint = error.hint.unwrap();
    assert!(hint.contains("SSL_CERT_FILE") && hint.contains("ssh tunnel"), "{hint}");
    assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(0), "nothing was said to it");
}

/// The next news that `is_it` takes.
async fn next<T>(news: &mut mpsc::Receiver<LibraryEvent>, is_it: impl Fn(LibraryEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = is_it(news.recv().await.unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.unwrap()
}

#[tokio::test]
async fn an_engine_that_hangs_delays_no_other() {
    let mut settings = Settings::default();
    settings.library.discover = false;
    let mut add = |name: &str, url: String, kind| {
        settings.remotes.insert(name.to_owned(), RemoteEngine { url, kind, ..RemoteEngine::default() });
    };
    for n in 0..3 {
        add(&format!("hangs{n}"), engine(Harm::Hangs).await.0, EngineKind::Auto);
    }
    let listed = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"data\":[{\"id\":\"m\"}]}";
    for n in 0..3 {
        add(&format!("quick{n}"), engine(Harm::Says(listed)).await.0, EngineKind::Vllm);
    }
    let (_wanted, receiver) = watch::channel(Wanted { all: true, ..Wanted::default() });
    let (sender, mut news) = mpsc::channel(64);
    let watcher = tokio::spawn(super::watch(settings, receiver, sender));
    let is_whole = |event| match event {
        // Before those that hang have used up their time.
        LibraryEvent::Remotes { models, stores } if models.len() == 3 => {
            Some(stores.iter().all(|store| store.problems.is_empty()))
        }
        _ => None,
    };
    assert!(next(&mut news, is_whole).await);
    // Those that hang are told of in their turn.
    let is_told = |event| match event {
        LibraryEvent::Remotes { stores, .. } => {
            let problems = stores.iter().flat_map(|store| &store.problems);
            let late = problems.filter(|problem| problem.contains("no answer within 3 s"));
            (late.count() == 3).then_some(())
        }
        _ => None,
    };
    next(&mut news, is_told).await;
    watcher.abort();
}
