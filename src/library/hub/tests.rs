mod redirects;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use super::cache::Folder;
use super::fake::{FakeHub, Repo, RepoFile, Wrong};
use super::*;
use domain::download::hub::{FailureKind, RemoteFile, Sort};
use domain::download::{DownloadEvent, DownloadId, Order};
use domain::units::Bytes;

const REPOSITORY: &str = "pequod/whale";
const TOKEN: &str = "hf_secret";

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place * 31 % 251) as u8).collect()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A cache, a hub and what was told.
struct Sea {
    hub: FakeHub,
    cache: tempfile::TempDir,
    order: Order,
    repo: Repo,
}

impl Sea {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let repo = Repo::new(REPOSITORY, files);
        let hub = FakeHub::start(vec![repo.clone()]);
        let cache = tempfile::tempdir().unwrap();
        let remote = |(path, content): &(&str, &[u8])| RemoteFile {
            path: (*path).to_owned(),
            size: Bytes(content.len() as u64),
        };
        let order = Order {
            repository: REPOSITORY.to_owned(),
            revision: "main".to_owned(),
            label: "Q8_0".to_owned(),
            files: files.iter().map(remote).collect(),
        };
        Self { hub, cache, order, repo }
    }

    fn place(&self) -> HubAccess {
        HubAccess {
            endpoint: self.hub.endpoint.parse().unwrap(),
            token: Token::new(TOKEN),
            cache: self.cache.path().to_owned(),
            patience: Patience { idle: Duration::from_millis(500), attempts: 3, pause: Duration::from_millis(1) },
        }
    }

    /// Fetch the order; gives all that was told.
    fn fetch(&self) -> Vec<DownloadEvent> {
        self.fetch_with(&self.order)
    }

    fn fetch_with(&self, order: &Order) -> Vec<DownloadEvent> {
        let (to, mut news) = mpsc::channel(10_000);
        let (_wish, wished) = watch::channel(TransferCommand::Go);
        runtime().block_on(fetch(self.place(), order, wished, &Reporter { id: DownloadId(1), to }));
        std::iter::from_fn(|| news.try_recv().ok()).map(|(_, event)| event).collect()
    }

    fn end(&self) -> DownloadEvent {
        self.fetch().pop().unwrap()
    }

    fn done(&self) {
        let end = self.end();
        assert!(matches!(end, DownloadEvent::Done { .. }), "{end:?}");
        self.check();
    }

    /// All files are there, and nothing else but locks.
    fn check(&self) {
        for file in &self.repo.files {
            let pointer = self.folder().join("snapshots").join(&self.repo.commit).join(&file.path);
            assert!(fs::read(&pointer).unwrap() == *file.content, "{}", file.path);
        }
        assert_eq!(fs::read_to_string(self.folder().join("refs/main")).unwrap(), self.repo.commit);
        let mut blobs: Vec<_> = self.repo.files.iter().map(|file| file.etag.clone()).collect();
        blobs.sort();
        assert_eq!(self.blobs(), blobs);
    }

    fn folder(&self) -> PathBuf {
        self.cache.path().join("models--pequod--whale")
    }

    fn blobs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder().join("blobs")) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn part_len(&self) -> u64 {
        let file = &self.repo.files[0];
        let part = Folder::new(self.cache.path(), REPOSITORY).part(file.etag.parse().unwrap());
        fs::metadata(part).map_or(0, |metadata| metadata.len())
    }

    /// Whether a file of a snapshot or a ref is there.
    fn has_names(&self) -> bool {
        let snapshot = self.folder().join("snapshots").join(&self.repo.commit);
        self.folder().join("refs").exists() || fs::read_dir(snapshot).is_ok_and(|mut files| files.next().is_some())
    }

    fn client(&self) -> Client {
        Client::new(self.place()).unwrap()
    }
}

fn failure(event: DownloadEvent) -> domain::download::hub::Failure {
    match event {
        DownloadEvent::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_parts_arrive_under_their_names() {
    let (one, two) = (content(70_000), content(50_001));
    let sea = Sea::new(&[("Q8_0/m-00001-of-00002.gguf", &one), ("Q8_0/m-00002-of-00002.gguf", &two), ("a.txt", b"")]);
    let told = sea.fetch();
    assert!(matches!(&told[..], [DownloadEvent::Preparing(_), .., DownloadEvent::Done { .. }]), "{told:?}");
    sea.check();
    assert!(sea.hub.seen().iter().all(|seen| seen.authorization.as_deref() == Some("Bearer hf_secret")));
}

#[test]
fn what_passes_is_tried_again() {
    let sea = Sea::new(&[("m.gguf", &content(3000))]);
    sea.hub.fault("HEAD", "/resolve/", 1, Wrong::Status(503, vec![]));
    sea.hub.fault("HEAD", "/resolve/", 1, Wrong::Relative);
    sea.hub.fault("GET", "/resolve/", 1, Wrong::Status(500, vec![]));
    sea.hub.fault("GET", "/resolve/", 1, Wrong::Cut(1000));
    sea.hub.fault("GET", "/resolve/", 1, Wrong::Whole);
    let told = sea.fetch();
    let waits = told.iter().filter(|event| matches!(event, DownloadEvent::Waiting(_))).count();
    assert_eq!(waits, 3, "{told:?}");
    sea.check();
    sea.hub.fault("HEAD", "/resolve/", 9, Wrong::Status(429, vec![("Retry-After", "0".to_owned())]));
    let other = Sea { cache: tempfile::tempdir().unwrap(), ..sea };
    let failure = failure(other.end());
    assert!(failure.reason.contains("asks to wait"), "{failure:?}");
}

#[test]
fn a_cut_off_file_goes_on_from_every_byte() {
    let file = content(257);
    for cut in [0, 1, 2, 127, 128, 255, 256] {
        let sea = Sea::new(&[("m.gguf", &file)]);
        sea.hub.fault("GET", "/resolve/", 3, Wrong::Cut(cut));
        // The rests are cut as well; three attempts bring nothing new once a rest is shorter than the cut.
        let first = sea.end();
        if !matches!(first, DownloadEvent::Done { .. }) {
            assert!(failure(first).reason.contains("broke"), "{cut}");
            let there = sea.part_len();
            assert_eq!(there, (3 * cut as u64).min(257), "{cut}: what came is kept");
            assert!(!sea.has_names());
            let before = sea.hub.seen().len();
            sea.done();
            let last = sea.hub.seen()[before..].iter().find(|seen| seen.method == "GET").unwrap().clone();
            assert_eq!(last.range, (there > 0).then(|| format!("bytes={there}-")), "{cut}");
        }
        sea.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_a_crash_left_is_made_whole(left in prop::collection::vec(any::<u8>(), 0..400), honest in any::<bool>()) {
        let file = content(300);
        let sea = Sea::new(&[("m.gguf", &file)]);
        let folder = Folder::new(sea.cache.path(), REPOSITORY);
        let part = folder.part(sea.repo.files[0].etag.parse().unwrap());
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        let left = if honest { file[..left.len().min(300)].to_vec() } else { left };
        fs::write(&part, &left).unwrap();
        sea.done();
    }
}

#[test]
fn what_is_not_what_was_promised_gets_no_name() {
    let file = content(1000);
    let bad = |name, value: &str| Wrong::Headers(vec![(name, value.to_owned())]);
    for (method, wrong, expected) in [
        ("GET", Wrong::Changed, "does not match the hash"),
        ("GET", Wrong::Length(5), "is not as long as"),
        ("GET", Wrong::Length(-5), "is not as long as"),
        ("HEAD", bad("X-Linked-Etag", "\"../../../etc/passwd\""), "not the hash of a file"),
        ("HEAD", bad("X-Linked-Etag", "abc"), "not the hash of a file"),
        ("HEAD", bad("X-Repo-Commit", "../../../tmp"), "not a commit"),
        ("HEAD", bad("X-Linked-Size", "many"), "lacks the length"),
        ("HEAD", Wrong::Status(302, vec![("Location", "javascript:alert(1)".to_owned())]), "redirects to nowhere"),
        (
            "GET",
            Wrong::Status(302, vec![("Location", "/pequod/whale/resolve/main/x".to_owned())]),
            "redirects in circles",
        ),
        ("GET", Wrong::Status(403, vec![]), "not open to your token"),
        ("HEAD", Wrong::Status(404, vec![]), "there is no m.gguf in pequod/whale"),
    ] {
        let sea = Sea::new(&[("m.gguf", &file)]);
        sea.hub.fault(method, "/resolve/", 99, wrong);
        let failure = failure(sea.end());
        assert!(failure.reason.contains(expected), "{failure:?}");
        assert!(!sea.has_names(), "{expected}");
        assert!(sea.blobs().iter().all(|name| name.ends_with(".incomplete")), "{expected}");
        assert_eq!(sea.part_len(), 0, "{expected}");
    }
}

#[test]
fn another_piece_than_was_asked_for_is_refused() {
    let sea = Sea::new(&[("m.gguf", &content(1000))]);
    sea.hub.fault("GET", "/resolve/", 1, Wrong::Cut(500));
    sea.hub.fault("GET", "/resolve/", 1, Wrong::Headers(vec![("Content-Range", "bytes 400-999/1000".to_owned())]));
    assert!(failure(sea.end()).reason.contains("another piece"));
    sea.done();
}

#[test]
fn a_file_that_changed_meanwhile_is_another() {
    let mut sea = Sea::new(&[("m.gguf", &content(1000))]);
    sea.hub.fault("GET", "/resolve/", 3, Wrong::Cut(100));
    failure(sea.end());
    let changed: Vec<u8> = content(1000).into_iter().rev().collect();
    sea.repo.files = vec![RepoFile::new("m.gguf", &changed)];
    sea.repo.commit = "d".repeat(40);
    let repo = sea.repo.clone();
    sea.hub.change(|repos| *repos = vec![repo]);
    let end = sea.end();
    assert!(matches!(end, DownloadEvent::Done { .. }), "{end:?}");
    let pointer = sea.folder().join("snapshots").join(&sea.repo.commit).join("m.gguf");
    assert!(fs::read(pointer).unwrap() == changed);
}

#[test]
fn names_that_leave_their_place_are_refused_before_anything_is_written() {
    for path in ["../../m.gguf", "/etc/m.gguf", "a/../../m.gguf", "a\\..\\m.gguf"] {
        let sea = Sea::new(&[(path, b"x")]);
        let failure = failure(sea.end());
        assert!(failure.reason.contains("not a file that can be fetched"), "{failure:?}");
        assert_eq!(fs::read_dir(sea.cache.path()).unwrap().count(), 0);
        // In a list they don't even show.
        assert_eq!(runtime().block_on(sea.client().files(REPOSITORY, "main")).unwrap(), []);
    }
    let sea = Sea::new(&[("m.gguf", b"x")]);
    for (repository, revision) in [("../x", "main"), ("a/..", "main"), (REPOSITORY, "../../x"), (REPOSITORY, "/x")] {
        let order = Order { repository: repository.into(), revision: revision.into(), ..sea.order.clone() };
        let failure = failure(sea.fetch_with(&order).pop().unwrap());
        assert_eq!(failure.kind, FailureKind::NotFound, "{failure:?}");
    }
}

#[test]
fn refusals_say_what_to_do() {
    let status = |status, code: &str| Wrong::Status(status, vec![("X-Error-Code", code.to_owned())]);
    let impossible = r#"[{"type":"file","oid":"0","size":9223372036854775807,"path":"m.gguf"}]"#.to_owned();
    for (wrong, kind, reason, hint) in [
        (status(401, "GatedRepo"), FailureKind::Refused, "is gated", "/pequod/whale, and set HF_TOKEN"),
        (status(403, "GatedRepo"), FailureKind::Refused, "is gated", "accept the terms at http"),
        (status(401, ""), FailureKind::Refused, "not open to your token", "expired"),
        (status(403, ""), FailureKind::Refused, "not open to your token", "expired"),
        (status(404, "RepoNotFound"), FailureKind::NotFound, "there is no pequod/whale", "private repositories need"),
        (status(404, "RevisionNotFound"), FailureKind::NotFound, "no such revision", "spelling"),
        (Wrong::Status(429, vec![("Retry-After", "90".into())]), FailureKind::Failed, "for 2 min", "token"),
        (Wrong::Status(502, vec![]), FailureKind::Failed, "status 502", "try again"),
        (Wrong::Silence, FailureKind::Failed, "did not answer in time", "network"),
        (Wrong::Endless, FailureKind::Failed, "can't be understood", ""),
        (Wrong::List(impossible), FailureKind::Failed, "9223372036854775807 bytes, more than a disk holds", ""),
    ] {
        let sea = Sea::new(&[("m.gguf", b"x")]);
        sea.hub.fault("GET", "/api/", 9, wrong);
        let problem = runtime().block_on(sea.client().files(REPOSITORY, "main")).unwrap_err();
        let failure = problem.failure();
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.reason.contains(reason), "{failure:?}");
        assert!(failure.hint.unwrap_or_default().contains(hint), "{problem:?}");
        assert!(!format!("{problem:?} {problem}").contains(TOKEN));
    }
    let sea = Sea::new(&[]);
    let place = HubAccess { endpoint: "http://127.0.0.1:1".parse().unwrap(), ..sea.place() };
    let problem = runtime().block_on(Client::new(place).unwrap().search("x", Sort::Likes)).unwrap_err();
    assert!(problem.to_string().contains("127.0.0.1:1 can't be reached"), "{problem}");
}

#[test]
fn a_search_gives_what_the_list_shows() {
    let mut repo = Repo::new("pequod/Whale-GGUF", &[("w-Q8_0.gguf", b"12345"), ("README.md", b"x")]);
    (repo.gated, repo.likes) = (true, 77);
    let hostile = Repo::new("../hostile", &[]);
    let sea = Sea { hub: FakeHub::start(vec![repo, hostile]), ..Sea::new(&[]) };
    let found = runtime().block_on(sea.client().search("", Sort::Likes)).unwrap();
    let [found] = &found[..] else { panic!("{found:?}") };
    assert_eq!((found.id.as_str(), found.likes, found.gated), ("pequod/Whale-GGUF", Some(77), Some(true)));
    assert_eq!((found.license.as_deref(), found.updated), (Some("apache-2.0"), Some(1_761_998_400)));
    let files = runtime().block_on(sea.client().files(&found.id, "main")).unwrap();
    assert_eq!(files[0], RemoteFile { path: "w-Q8_0.gguf".into(), size: Bytes(5) });
    let asked = &sea.hub.seen()[0].path;
    assert!(asked.contains("filter=gguf") && asked.contains("sort=likes"), "{asked}");
}

#[test]
fn a_pause_keeps_what_came_and_a_cancel_does_not() {
    for (command, expected) in
        [(TransferCommand::Pause, DownloadEvent::Paused), (TransferCommand::Cancel, DownloadEvent::Cancelled)]
    {
        let sea = Sea::new(&[("m.gguf", &content(2_000_000))]);
        sea.hub.fault("GET", "/resolve/", 1, Wrong::Drip(20_000, Duration::from_millis(5)));
        let (to, mut news) = mpsc::channel(10_000);
        let (commands, heard) = watch::channel(TransferCommand::Go);
        let reporter = Reporter { id: DownloadId(1), to };
        let mut told = Vec::new();
        runtime().block_on(async {
            let listen = async {
                while let Some((_, event)) = news.recv().await {
                    if matches!(event, DownloadEvent::Progress(Bytes(1..))) {
                        commands.send_replace(command);
                    }
                    let is_end = event == expected;
                    told.push(event);
                    if is_end {
                        break;
                    }
                }
            };
            tokio::join!(fetch(sea.place(), &sea.order, heard, &reporter), listen);
        });
        assert_eq!(told.last(), Some(&expected));
        if command == TransferCommand::Cancel {
            assert!(!sea.folder().exists(), "{:?}", sea.blobs());
            assert_eq!(interrupted(sea.cache.path()), []);
            continue;
        }
        let there = sea.part_len();
        assert!(there > 0);
        let found = interrupted(sea.cache.path());
        assert_eq!((&found[0].order, found[0].done), (&sea.order, Bytes(there)));
        sea.done();
        assert_eq!(interrupted(sea.cache.path()), []);
    }
}

#[test]
fn journals_of_others_are_not_believed() {
    let sea = Sea::new(&[("m.gguf", &content(1000))]);
    sea.hub.fault("GET", "/resolve/", 3, Wrong::Cut(100));
    failure(sea.end());
    let journal = Folder::new(sea.cache.path(), REPOSITORY).journal(sea.repo.files[0].etag.parse().unwrap());
    let right = fs::read_to_string(&journal).unwrap();
    assert_eq!(interrupted(sea.cache.path()).len(), 1);
    for wrong in [
        right.replace("m.gguf", "../m.gguf"),
        right.replace("\"main\"", "\"../x\""),
        right.replace("pequod/whale", "pequod/other"),
        right.replace("\"version\":1", "\"version\":2"),
        "{".repeat(300_000),
        String::new(),
    ] {
        assert_ne!(wrong, right);
        fs::write(&journal, wrong).unwrap();
        assert_eq!(interrupted(sea.cache.path()), []);
    }
}

#[test]
fn a_blob_of_another_program_is_used_if_it_is_whole() {
    let file = content(1000);
    for (there, is_used) in [(&file[..], true), (&file[..999], false), (b"<html>403</html>", false)] {
        let sea = Sea::new(&[("m.gguf", &file)]);
        fs::create_dir_all(sea.folder().join("blobs")).unwrap();
        fs::write(sea.folder().join("blobs").join(&sea.repo.files[0].etag), there).unwrap();
        sea.done();
        assert_eq!(sea.hub.seen().iter().all(|seen| seen.method == "HEAD"), is_used);
    }
}

#[test]
fn a_slow_drip_is_no_reason_to_give_up_but_silence_is() {
    let sea = Sea::new(&[("m.gguf", &content(400))]);
    sea.hub.fault("GET", "/resolve/", 1, Wrong::Drip(100, Duration::from_millis(150)));
    sea.done();
    let sea = Sea { cache: tempfile::tempdir().unwrap(), ..sea };
    sea.hub.fault("GET", "/resolve/", 9, Wrong::Silence);
    let failure = failure(sea.end());
    assert!(failure.reason.contains("did not answer in time"), "{failure:?}");
}
