//! What the hub and the user name, checked before any of it becomes a path or a part of an address.

use super::problem::HubError;
use domain::download::target::is_repository;
use domain::model::Digest;

/// The longest path in a repository.
const MAX_PATH: usize = 1024;

/// Whether this is `owner/name` as the hub allows it.
pub fn check_repository(repository: &str) -> Result<(), HubError> {
    if is_repository(repository) {
        return Ok(());
    }
    Err(HubError::Name { what: "repository", name: repository.to_owned() })
}

/// Whether a file of a repository may become a path below a snapshot.
pub(super) fn check_path(path: &str) -> Result<(), HubError> {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    let is_right =
        path.len() <= MAX_PATH && path.split('/').all(is_part) && !path.contains(is_foreign) && !path.contains(':');
    if is_right { Ok(()) } else { Err(HubError::Name { what: "file", name: path.to_owned() }) }
}

/// Whether a revision may become a path below `refs`.
pub(super) fn check_revision(revision: &str) -> Result<(), HubError> {
    let is_right = check_path(revision).is_ok() && revision.len() <= 255 && !revision.contains([' ', '~', '^', '?']);
    if is_right { Ok(()) } else { Err(HubError::Name { what: "revision", name: revision.to_owned() }) }
}

fn is_foreign(character: char) -> bool {
    character == '\\' || gguf::is_harmful(character)
}

/// The digest that a file's `ETag` is: its quotes and its weakness taken off.
pub(super) fn digest(etag: &str) -> Result<Digest, HubError> {
    let bare = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"');
    let is_hex = bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    bare.parse().ok().filter(|_| is_hex).ok_or_else(|| HubError::Answer(format!("`{etag}` is not the hash of a file")))
}

/// A commit: 40 hexadecimal digits.
pub(super) fn commit(text: &str) -> Result<String, HubError> {
    let is_commit = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit { Ok(text.to_ascii_lowercase()) } else { Err(HubError::Answer(format!("`{text}` is not a commit"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_stay_in_their_place_pass() {
        for (name, is_right) in [
            ("owner/name", true),
            ("Qwen/Qwen3-8B-GGUF", true),
            ("owner", false),
            ("a/b/c", false),
            ("../name", false),
            ("owner/..", false),
            ("owner/.hidden", false),
            ("owner/na--me", false),
            ("owner/na me", false),
            ("owner/na\u{202e}me", false),
            ("/name", false),
        ] {
            assert_eq!(check_repository(name).is_ok(), is_right, "{name}");
        }
        for (path, is_right) in [
            ("m.gguf", true),
            ("Q8_0/m-00001-of-00002.gguf", true),
            ("模型 1.gguf", true),
            ("../m.gguf", false),
            ("a/../../m.gguf", false),
            ("/etc/passwd", false),
            ("a//b", false),
            ("a/./b", false),
            ("a\\..\\b", false),
            ("C:m.gguf", false),
            ("a\0b", false),
            ("a\x1b[2Jb", false),
            ("", false),
        ] {
            assert_eq!(check_path(path).is_ok(), is_right, "{path:?}");
        }
        assert!(check_path(&"a".repeat(256)).is_err());
        for (revision, is_right) in [("main", true), ("refs/pr/1", true), ("..", false), ("a b", false), ("", false)] {
            assert_eq!(check_revision(revision).is_ok(), is_right, "{revision:?}");
        }
    }

    #[test]
    fn etags_are_hashes_or_nothing() {
        let sha256 = "ab".repeat(32);
        for (etag, is_right) in [
            (format!("\"{sha256}\""), true),
            (format!("W/\"{}\"", &sha256[..40]), true),
            (sha256.clone(), true),
            ("\"../../../etc/passwd\"".to_owned(), false),
            (format!("sha256-{sha256}"), false),
            (format!("\"{}\"", &sha256[1..]), false),
            (String::new(), false),
        ] {
            assert_eq!(digest(&etag).is_ok(), is_right, "{etag}");
        }
        assert!(commit(&"a".repeat(40)).is_ok() && commit("../../x").is_err() && commit("").is_err());
    }
}
