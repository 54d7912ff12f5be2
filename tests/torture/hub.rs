//! A hub that lies: in its list, in what it says of a file, in the file itself. `pull` ends with a sentence, writes nothing
//! outside of the repository's own folder, takes no wrong file for a right one, and gives its token to nobody else.

use std::path::Path;
use std::time::Duration;

use data_encoding::HEXLOWER;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use sha2::{Digest as _, Sha256};

use crate::cases::{self, Size, ends_within, has_ended_well, leaves_no_orphan};
use crate::fake_hub::{FakeHub, Repo, Wrong};
use crate::support::{Home, Ran};

/// The longest that a pull takes until it gives up, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);
const REPOSITORY: &str = "pequod/whale-GGUF";
const FILE: &str = "whale-Q8_0.gguf";
const TOKEN: &str = "hf_torture";
/// Bytes of the file.
const LENGTH: usize = 300_000;
/// The most that any lie may leave on the disk.
const MOST: u64 = 20 << 20;

/// How a pull may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Not well.
    Fails,
    /// Well, if the file is right in the end.
    May,
}
use End::{Fails, May};

/// What the hub does.
struct Lie {
    name: String,
    method: &'static str,
    part: &'static str,
    times: usize,
    wrong: Wrong,
    end: End,
}

/// A list of one file.
fn list(path: &str, size: &str) -> String {
    let path = serde_json::to_string(path).unwrap();
    format!(r#"[{{"type":"file","oid":"{}","size":{size},"path":{path}}}]"#, "0".repeat(40))
}

/// Names of files that lead elsewhere or that a terminal would obey.
fn paths() -> Vec<String> {
    let paths = [
        "../evil-Q8_0.gguf",
        "../../../../../evil-Q8_0.gguf",
        "a/../../../../evil-Q8_0.gguf",
        "/tmp/evil-Q8_0.gguf",
        "C:\\evil-Q8_0.gguf",
        "..\\..\\evil-Q8_0.gguf",
        "\x1b[2J\x1b]0;evil\x07evil-Q8_0.gguf",
        "\u{202e}evil-Q8_0.gguf",
        "evil\0-Q8_0.gguf",
        "evil\r\n-Q8_0.gguf",
        "./evil-Q8_0.gguf",
        "evil//-Q8_0.gguf",
    ];
    paths.iter().map(|path| (*path).to_owned()).chain(["evil".repeat(2000) + "-Q8_0.gguf"]).collect()
}

/// As often as it is asked.
const ALWAYS: usize = usize::MAX;

/// Every lie; `other` is a host that is none of the hub's.
fn lies(other: &str) -> Vec<Lie> {
    let mut lies = Vec::new();
    let mut tell = |name: String, method, part, times, wrong, end| {
        lies.push(Lie { name, method, part, times, wrong, end });
    };
    in_lists(&mut tell);
    in_headers(other, &mut tell);
    in_redirects(other, &mut tell);
    in_files(other, &mut tell);
    lies
}

/// Takes a lie: its name, the method and a part of the address that it answers, how often, what, and how a pull may end.
type Tell<'a> = &'a mut dyn FnMut(String, &'static str, &'static str, usize, Wrong, End);

fn in_lists(tell: Tell<'_>) {
    for size in [
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e30",
        "1000000000000000",
        "17592186044417000",
        "1.5",
        "\"12\"",
        "null",
        "{}",
    ] {
        tell(format!("a list's size of {size}"), "GET", "/tree/", ALWAYS, Wrong::List(list(FILE, size)), May);
    }
    let many: Vec<_> = (1..=900).map(|part| format!("w-Q8_0-{part:05}-of-00900.gguf")).collect();
    let many: Vec<_> = many.iter().map(|path| list(path, "17592186044416")).collect();
    let many = many.concat().replace("][", ",");
    tell("sizes that are too large together".to_owned(), "GET", "/tree/", ALWAYS, Wrong::List(many), Fails);
    for path in paths() {
        tell(format!("a list's {path:.40?}"), "GET", "/tree/", ALWAYS, Wrong::List(list(&path, "300000")), Fails);
    }
    for (what, text) in [
        ("nothing", String::new()),
        ("a text", "<html>".to_owned()),
        ("an object", r#"{"error":"\u001b[2J"}"#.to_owned()),
        ("half a list", list(FILE, "300000").split_at(40).0.to_owned()),
        ("brackets", "[".repeat(200_000)),
        ("no UTF-8", "[\"\u{fffd}".to_owned()),
        ("a list of numbers", format!("[{}1]", "1,".repeat(500_000))),
        ("20 MB", format!("[{}1]", " ".repeat(20 << 20))),
    ] {
        tell(format!("for a list {what}"), "GET", "/tree/", ALWAYS, Wrong::List(text), Fails);
    }
    tell("a list without end".to_owned(), "GET", "/tree/", ALWAYS, Wrong::Endless, Fails);
}

fn in_headers(other: &str, tell: Tell<'_>) {
    let mut says = |part, method, header: &'static str, value: String, end| {
        let name = format!("{header}: {value:.60} in {method} {part}");
        tell(name, method, part, ALWAYS, Wrong::Headers(vec![(header, value)]), end);
    };
    says("/tree/", "GET", "Link", format!("<{other}/api/models/{REPOSITORY}/tree/main>; rel=\"next\""), Fails);
    says("/tree/", "GET", "Link", format!("</api/models/{REPOSITORY}/tree/main>; rel=\"next\""), May);
    says("/tree/", "GET", "Link", "<http://[>; rel=\"next\"".to_owned(), May);
    for part in ["/tree/", "/resolve/"] {
        says(part, if part == "/tree/" { "GET" } else { "HEAD" }, "X-Long", "l".repeat(10 << 20), Fails);
        says(part, if part == "/tree/" { "GET" } else { "HEAD" }, "Content-Encoding", "gzip".to_owned(), May);
    }
    for size in ["-1", "9223372036854775808", "18446744073709551615", "x", "", "5", "0", "300001", "1000000000000000"] {
        says("/resolve/", "HEAD", "X-Linked-Size", size.to_owned(), Fails);
    }
    for hash in ["\"../../../evil\"", "\"\"", "evil", &"0".repeat(64), &"ab".repeat(20), &"ab".repeat(5000)] {
        says("/resolve/", "HEAD", "X-Linked-Etag", hash.to_owned(), Fails);
    }
    for commit in ["../../evil", "main", "", &"0".repeat(39), &"a".repeat(64)] {
        says("/resolve/", "HEAD", "X-Repo-Commit", commit.to_owned(), Fails);
    }
    for (header, value) in [("Content-Length", "299999"), ("Content-Length", "9223372036854775807")] {
        tell(
            format!("{header}: {value}"),
            "GET",
            "/resolve/",
            1,
            Wrong::Headers(vec![(header, value.to_owned())]),
            May,
        );
    }
}

fn in_redirects(other: &str, tell: Tell<'_>) {
    let to = |status, location: &str| Wrong::Status(status, vec![("Location", location.to_owned())]);
    let bare = other.trim_start_matches("http://");
    for (method, part) in [("GET", "/tree/"), ("HEAD", "/resolve/"), ("GET", "/resolve/")] {
        for location in
            ["file:///etc/passwd", "ftp://127.0.0.1/x", "//", "http://", "javascript:alert(1)", "\u{1}", "?a", ""]
        {
            tell(format!("a redirect to {location:?}"), method, part, ALWAYS, to(302, location), Fails);
        }
        // The other host has the file, and asks for a token.
        for status in [301, 302, 303, 307, 308] {
            tell(
                format!("a {status} to another host"),
                method,
                part,
                ALWAYS,
                Wrong::Mirror(status, other.to_owned()),
                May,
            );
        }
        let with_user = format!("http://huggingface.co:{TOKEN}@{bare}");
        tell("a redirect with a user".to_owned(), method, part, ALWAYS, Wrong::Mirror(307, with_user), May);
        for status in [204, 205, 304, 400, 401, 402, 403, 404, 410, 418, 451] {
            tell(
                format!("status {status} of {method} {part}"),
                method,
                part,
                ALWAYS,
                Wrong::Status(status, vec![]),
                Fails,
            );
        }
        let wait = Wrong::Status(429, vec![("Retry-After", "0".to_owned())]);
        tell(format!("status 429 of {method} {part}"), method, part, 1, wait, May);
    }
}

fn in_files(other: &str, tell: Tell<'_>) {
    tell("the file elsewhere".to_owned(), "GET", "/resolve/", ALWAYS, Wrong::Elsewhere(other.to_owned()), May);
    for (what, wrong, end) in [
        ("another byte", Wrong::Changed, Fails),
        ("a byte more", Wrong::Length(1), Fails),
        ("a byte less", Wrong::Length(-1), Fails),
        ("twice the bytes", Wrong::Length(LENGTH.cast_signed() as i64), Fails),
        ("bytes without end", Wrong::Endless, Fails),
    ] {
        tell(format!("{what} in the file"), "GET", "/resolve/", ALWAYS, wrong, end);
    }
    tell("a file that is cut".to_owned(), "GET", "/resolve/", 2, Wrong::Cut(100_000), May);
    tell("silence".to_owned(), "GET", "/resolve/", 1, Wrong::Silence, May);
}

fn content() -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    Pcg64Mcg::seed_from_u64(1).fill_bytes(&mut bytes);
    bytes
}

fn repositories(token: &str) -> Vec<Repo> {
    let mut repo = Repo::new(REPOSITORY, &[(FILE, &content()), ("README.md", b"x")]);
    repo.token = Some(token.to_owned());
    vec![repo]
}

#[test]
fn a_hub_that_lies_gets_a_sentence_and_nothing_else() {
    // What the other host would open to whoever brings the hub's token.
    let count = lies("http://127.0.0.1:1").len() as u64;
    cases::run("lies of a hub", &Size { few: 50, many: 4 * count }, |seed, random| {
        let (hub, other) = (FakeHub::start(repositories(TOKEN)), FakeHub::start(repositories(TOKEN)));
        let lies = lies(&other.endpoint);
        // Neighbors are much alike, so a few are taken from all over.
        let mut told = vec![&lies[(seed * 7919 % count) as usize]];
        let mut end = told[0].end;
        // Beyond the first of each, two lies at once.
        if seed >= count {
            told.push(&lies[random.random_range(0..lies.len())]);
            end = May;
        }
        for lie in &told {
            hub.fault(lie.method, lie.part, lie.times, lie.wrong.clone());
        }
        let targets = [REPOSITORY.to_owned(), format!("{REPOSITORY}:Q8_0"), format!("{REPOSITORY}/{FILE}")];
        let target = &targets[random.random_range(0..targets.len())];
        let name = format!("{} with {target}", told.iter().map(|lie| &*lie.name).collect::<Vec<_>>().join(" and "));
        let home = Home::new();
        let mut planned = home.command(&["pull", target, "--dry-run", "--set", "hub.timeout_s=2"]);
        planned.envs([("HF_ENDPOINT", &*hub.endpoint), ("HF_TOKEN", TOKEN)]);
        let planned = ends_within(planned, PATIENCE);
        check(&name, &home, &planned, &other);
        assert!(!home.path("hub").exists(), "{name}: a plan writes");
        let mut pull = home.command(&["pull", target, "--set", "hub.timeout_s=2"]);
        pull.envs([("HF_ENDPOINT", &*hub.endpoint), ("HF_TOKEN", TOKEN)]);
        let ran = ends_within(pull, PATIENCE);
        check(&name, &home, &ran, &other);
        let is_right = std::fs::read(ran.stdout.trim()).is_ok_and(|bytes| bytes == content());
        assert_eq!(ran.code == Some(0), is_right, "{name}: {ran:?}");
        assert!(is_right || !ran.stderr.contains("verified"), "{name}: {ran:?}");
        assert!(end == May || !is_right, "{name} passes unnoticed: {ran:?}");
    });
}

fn check(name: &str, home: &Home, ran: &Ran, other: &FakeHub) {
    has_ended_well(name, ran);
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains(TOKEN), "{name} shows the token: {ran:?}");
        assert!(![" PB", " EB", "e+", "NaN"].iter().any(|size| text.contains(size)), "{name} shows a size: {ran:?}");
        assert!(text.len() < 20_000, "{name} shows too much");
    }
    assert!(other.seen().iter().all(|seen| seen.authorization.is_none()), "{name}: {:?}", other.seen());
    let total = look(name, home, &home.path(""));
    assert!(total < MOST, "{name} leaves {total} bytes");
    leaves_no_orphan(home);
}

/// Look at all files of a home: each is in its place, none has the token, blobs are what they are called. Gives the bytes.
fn look(name: &str, home: &Home, folder: &Path) -> u64 {
    let mut total = 0;
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let place = path.strip_prefix(home.path("")).unwrap().to_str().unwrap().to_owned();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            total += look(name, home, &path);
            continue;
        }
        let is_expected =
            ["hub/models--pequod--whale-GGUF/", "hub/.locks/models--pequod--whale-GGUF/", "data/", "cache/"];
        let is_own = |place: &str| place == "hub/CACHEDIR.TAG" || place == "hub/version.txt";
        assert!(is_expected.iter().any(|own| place.starts_with(own)) || is_own(&place), "{name}: {place}");
        assert!(!place.contains("evil") && !place.contains(char::is_control), "{name}: {place}");
        if metadata.is_symlink() {
            let inside = path.canonicalize().unwrap();
            assert!(inside.starts_with(home.path("hub").canonicalize().unwrap()), "{name}: {place} leads out");
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        total += bytes.len() as u64;
        let has_token = bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
        assert!(!has_token, "{name}: the token is in {place}");
        let file = path.file_name().unwrap().to_str().unwrap();
        let is_hash = file.len() == 64 && place.contains("/blobs/");
        assert!(!is_hash || file == HEXLOWER.encode(&Sha256::digest(&bytes)), "{name}: {place} is something else");
    }
    total
}
