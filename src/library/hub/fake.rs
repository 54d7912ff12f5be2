//! A hub on loopback that misbehaves on request: for the tests here, those in `tests/program`, and `examples/fake_hub`.
//!
//! It answers as the real one does: heads and files under `/{repo}/resolve/{rev}/{path}` with ranges, searches under
//! `/api/models`, lists of files under `/api/models/{id}/tree/{rev}`. Each [`Fault`] says for which requests and how
//! often it does something else.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use percent_encoding::percent_decode_str;
use sha2::Digest as _;

/// A repository of the fake hub.
#[derive(Debug, Clone)]
pub struct Repo {
    pub id: String,
    pub commit: String,
    pub files: Vec<RepoFile>,
    /// The token that it asks for.
    pub token: Option<String>,
    pub gated: bool,
    pub downloads: u64,
    pub likes: u64,
    pub updated: String,
    pub license: String,
}

/// A file of it.
#[derive(Debug, Clone)]
pub struct RepoFile {
    pub path: String,
    pub content: Arc<Vec<u8>>,
    pub etag: String,
}

impl Repo {
    /// Files of one commit; those that end in `.gguf` are hashed as large files are.
    pub fn new(id: &str, files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(path, content)| RepoFile::new(path, content)).collect();
        Self {
            id: id.to_owned(),
            commit: "c0ffee".to_owned() + &"0".repeat(34),
            files,
            token: None,
            gated: false,
            downloads: 1000,
            likes: 10,
            updated: "2025-11-01T12:00:00.000Z".to_owned(),
            license: "apache-2.0".to_owned(),
        }
    }
}

impl RepoFile {
    pub fn new(path: &str, content: &[u8]) -> Self {
        let etag = if path.to_lowercase().ends_with(".gguf") {
            HEXLOWER.encode(&sha2::Sha256::digest(content))
        } else {
            let mut hasher = sha1::Sha1::new();
            hasher.update(format!("blob {}\0", content.len()));
            hasher.update(content);
            HEXLOWER.encode(&hasher.finalize())
        };
        Self { path: path.to_owned(), content: Arc::new(content.to_vec()), etag }
    }
}

/// What the hub does instead of what is right.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// Answers with a status and these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// Redirects to a place below another address: `{base}/file/{repo}/{path}`, as the real one does for large files.
    Elsewhere(String),
    /// Redirects all it is asked to the same place at another address, with this status, and tells nothing itself.
    Mirror(u16, String),
    /// Redirects to itself by a relative address.
    Relative,
    /// Ends the connection after so many bytes of the body.
    Cut(usize),
    /// Sends the body with its last byte changed.
    Changed,
    /// Sends more, or less, than it should, and says so.
    Length(i64),
    /// Sends the whole where a part was asked for.
    Whole,
    /// Sends these headers besides or instead.
    Headers(Vec<(&'static str, String)>),
    /// Says nothing.
    Silence,
    /// Sends a list without an end.
    Endless,
    /// Sends this as a list.
    List(String),
    /// Sends so many bytes at once, with a pause after each.
    Drip(usize, Duration),
}

/// For which requests, and how often.
#[derive(Debug, Clone)]
pub struct Fault {
    method: &'static str,
    part: String,
    times: usize,
    wrong: Wrong,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

#[derive(Debug, Default)]
struct Inner {
    repos: Vec<Repo>,
    faults: Vec<Fault>,
    seen: Vec<Seen>,
    is_over: bool,
}

/// A hub; it ends when it is dropped.
#[derive(Debug)]
pub struct FakeHub {
    /// Its address: `http://127.0.0.1:PORT`.
    pub endpoint: String,
    inner: Arc<Mutex<Inner>>,
}

impl FakeHub {
    /// Start one.
    pub fn start(repos: Vec<Repo>) -> Self {
        Self::start_at("127.0.0.1:0", repos)
    }

    /// Start one at this address of loopback.
    pub fn start_at(address: &str, repos: Vec<Repo>) -> Self {
        let listener = TcpListener::bind(address).expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let inner = Arc::new(Mutex::new(Inner { repos, ..Inner::default() }));
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if lock(&shared).is_over {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&shared, &stream));
            }
        });
        Self { endpoint, inner }
    }

    /// Do something wrong for the next `times` requests of this method whose address has this part.
    pub fn fault(&self, method: &'static str, part: &str, times: usize, wrong: Wrong) {
        lock(&self.inner).faults.push(Fault { method, part: part.to_owned(), times, wrong });
    }

    /// Change the repositories.
    pub fn change(&self, change: impl FnOnce(&mut Vec<Repo>)) {
        change(&mut lock(&self.inner).repos);
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.inner).seen.clone()
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        lock(&self.inner).is_over = true;
        let _ = TcpStream::connect(self.endpoint.trim_start_matches("http://"));
    }
}

fn lock(inner: &Mutex<Inner>) -> std::sync::MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answer the requests of one connection.
fn serve(inner: &Mutex<Inner>, stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        loop {
            let start = head.len();
            match reader.by_ref().take(65_536).read_line(&mut head) {
                Ok(0) | Err(_) => return,
                Ok(_) if head.get(start..) == Some("\r\n") => break,
                Ok(_) => {}
            }
        }
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let header = |name: &str| {
            let mut found = head.lines().filter_map(|line| line.split_once(": "));
            found.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let seen = Seen {
            method: method.to_owned(),
            path: path.to_owned(),
            range: header("range"),
            authorization: header("authorization"),
        };
        let (repos, wrong) = {
            let mut inner = lock(inner);
            inner.seen.push(seen.clone());
            let fault = inner
                .faults
                .iter_mut()
                .find(|fault| fault.times > 0 && fault.method == method && path.contains(&fault.part));
            let wrong = fault.map(|fault| {
                fault.times = fault.times.saturating_sub(1);
                fault.wrong.clone()
            });
            (inner.repos.clone(), wrong)
        };
        let answer = answer(&repos, &seen, wrong.as_ref());
        if send(stream, method, &answer, wrong.as_ref()).is_none() {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

fn send(mut stream: &TcpStream, method: &str, answer: &Answer, wrong: Option<&Wrong>) -> Option<()> {
    if matches!(wrong, Some(Wrong::Silence)) {
        // Until the other side gives up.
        let _ = stream.read(&mut [0; 1]);
        return None;
    }
    let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
    let length = match wrong {
        Some(Wrong::Endless) => None,
        _ => Some(answer.body.len()),
    };
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if let Some(length) = length
        && !answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
    {
        let _ = write!(head, "Content-Length: {length}\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    if method == "HEAD" {
        return Some(());
    }
    match wrong {
        Some(Wrong::Cut(at)) => {
            stream.write_all(answer.body.get(..*at).unwrap_or(&answer.body)).ok()?;
            return None;
        }
        Some(Wrong::Drip(piece, pause)) => {
            for piece in answer.body.chunks(*piece) {
                stream.write_all(piece).ok()?;
                std::thread::park_timeout(*pause);
            }
        }
        Some(Wrong::Endless) => {
            stream.write_all(b"[").ok()?;
            let piece = b"{\"id\":\"a/b\"},".repeat(1000);
            while stream.write_all(&piece).is_ok() {}
            return None;
        }
        _ => stream.write_all(&answer.body).ok()?,
    }
    stream.flush().ok()
}

fn answer(repos: &[Repo], seen: &Seen, wrong: Option<&Wrong>) -> Answer {
    match wrong {
        Some(Wrong::Status(status, headers)) => {
            let start = Answer::new(*status, "<html>no</html>");
            return headers.iter().fold(start, |answer, (name, value)| answer.with(name, value));
        }
        Some(Wrong::Mirror(status, base)) => {
            return Answer::new(*status, "").with("Location", format!("{base}{}", seen.path));
        }
        Some(Wrong::List(text)) => return Answer::new(200, &**text).with("Content-Type", "application/json"),
        Some(Wrong::Relative) => return Answer::new(307, "").with("Location", format!("{}?moved", seen.path)),
        _ => {}
    }
    let path = decoded(seen.path.split('?').next().unwrap_or_default());
    let query = seen.path.split_once('?').map_or("", |(_, query)| query);
    if path == "/api/models" {
        let answer = search(repos, query);
        return match wrong {
            Some(Wrong::Headers(headers)) => {
                headers.iter().fold(answer, |answer, (name, value)| answer.with(name, value))
            }
            _ => answer,
        };
    }
    for repo in repos {
        let authorized =
            repo.token.as_ref().is_none_or(|token| seen.authorization.as_deref() == Some(&format!("Bearer {token}")));
        if let Some(rest) = path.strip_prefix(&format!("/api/models/{}", repo.id)) {
            return match rest {
                _ if rest.starts_with("/tree/") => match wrong {
                    Some(Wrong::Headers(headers)) => {
                        headers.iter().fold(tree(repo), |answer, (name, value)| answer.with(name, value))
                    }
                    _ => tree(repo),
                },
                "" => Answer::new(200, info(repo)).with("Content-Type", "application/json"),
                _ if rest.starts_with("/revision/") => Answer::new(200, info(repo)),
                _ => Answer::new(404, ""),
            };
        }
        if let Some(rest) = path.strip_prefix(&format!("/file/{}/", repo.id)) {
            return repo.files.iter().find(|file| file.path == rest).map_or_else(
                || Answer::new(404, ""),
                |file| content(file, seen, wrong).with("ETag", "\"of-another-kind\""),
            );
        }
        let Some((revision, name)) =
            path.strip_prefix(&format!("/{}/resolve/", repo.id)).and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        if !authorized {
            let code = if repo.gated { "GatedRepo" } else { "RepoNotFound" };
            return Answer::new(401, "").with("X-Error-Code", code);
        }
        if revision != "main" && revision != repo.commit {
            return Answer::new(404, "").with("X-Error-Code", "RevisionNotFound");
        }
        let Some(file) = repo.files.iter().find(|file| file.path == name) else {
            return Answer::new(404, "").with("X-Error-Code", "EntryNotFound");
        };
        let answer = match wrong {
            Some(Wrong::Elsewhere(base)) => {
                Answer::new(302, "").with("Location", format!("{base}/file/{}/{name}", repo.id))
            }
            _ => content(file, seen, wrong),
        };
        let answer = answer
            .with("X-Repo-Commit", &repo.commit)
            .with("X-Linked-Etag", format!("\"{}\"", file.etag))
            .with("X-Linked-Size", file.content.len().to_string())
            .with("ETag", format!("\"{}\"", file.etag));
        return match wrong {
            Some(Wrong::Headers(headers)) => {
                headers.iter().fold(answer, |answer, (name, value)| answer.with(name, value))
            }
            _ => answer,
        };
    }
    Answer::new(404, "").with("X-Error-Code", "RepoNotFound")
}

fn content(file: &RepoFile, seen: &Seen, wrong: Option<&Wrong>) -> Answer {
    let mut body = file.content.to_vec();
    if seen.method == "HEAD" {
        return Answer::new(200, "").with("Content-Length", body.len().to_string()).with("Accept-Ranges", "bytes");
    }
    match wrong {
        Some(Wrong::Changed) => {
            if let Some(last) = body.last_mut() {
                *last ^= 1;
            }
        }
        Some(Wrong::Length(by)) => body.resize(body.len().saturating_add_signed(*by as isize), b'!'),
        _ => {}
    }
    let total = body.len();
    let start = seen.range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let start =
        start.and_then(|(start, _)| start.parse::<usize>().ok()).filter(|_| !matches!(wrong, Some(Wrong::Whole)));
    match start {
        None => Answer::new(200, body),
        Some(start) if start >= total => Answer::new(416, "").with("Content-Range", format!("bytes */{total}")),
        Some(start) => Answer::new(206, body.split_off(start))
            .with("Content-Range", format!("bytes {start}-{}/{total}", total - 1)),
    }
    .with("Accept-Ranges", "bytes")
}

fn search(repos: &[Repo], query: &str) -> Answer {
    let text = query.split('&').find_map(|pair| pair.strip_prefix("search=")).unwrap_or_default().to_lowercase();
    let text = decoded(&text.replace('+', " "));
    let found = repos.iter().filter(|repo| text.split(' ').all(|word| repo.id.to_lowercase().contains(word)));
    let infos: Vec<_> = found.map(info).collect();
    Answer::new(200, format!("[{}]", infos.join(","))).with("Content-Type", "application/json")
}

fn info(repo: &Repo) -> String {
    let gated = if repo.gated { "\"manual\"" } else { "false" };
    let siblings: Vec<_> = repo.files.iter().map(|file| format!("{{\"rfilename\":\"{}\"}}", file.path)).collect();
    format!(
        "{{\"id\":\"{}\",\"modelId\":\"{}\",\"sha\":\"{}\",\"downloads\":{},\"likes\":{},\"lastModified\":\"{}\",\
         \"gated\":{gated},\"private\":false,\"tags\":[\"gguf\",\"license:{}\"],\"siblings\":[{}]}}",
        repo.id,
        repo.id,
        repo.commit,
        repo.downloads,
        repo.likes,
        repo.updated,
        repo.license,
        siblings.join(",")
    )
}

fn tree(repo: &Repo) -> Answer {
    let entries: Vec<_> = repo
        .files
        .iter()
        .map(|file| {
            let size = file.content.len();
            let lfs = if file.etag.len() == 64 {
                format!(",\"lfs\":{{\"oid\":\"{}\",\"size\":{size},\"pointerSize\":135}}", file.etag)
            } else {
                String::new()
            };
            let path = file.path.replace('\\', "\\\\");
            format!("{{\"type\":\"file\",\"oid\":\"{}\",\"size\":{size},\"path\":\"{path}\"{lfs}}}", "0".repeat(40))
        })
        .collect();
    Answer::new(200, format!("[{}]", entries.join(","))).with("Content-Type", "application/json")
}

/// An address without its percent signs.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
