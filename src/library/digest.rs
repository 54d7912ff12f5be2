//! Where stores say what a file's content hashes to, without reading it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::candidate::DigestSource;
use super::index::Index;
use super::stat::Stat;
use super::walk::{Walk, small_file};
use domain::model::Digest;

/// The longest listing of a repository's files.
pub(super) const MAX_TREE: u64 = 16 << 20;
/// Weights of one repository that are taken from its listing.
const MAX_TREE_FILES: usize = 4096;
/// The longest `.metadata`: three short lines.
const MAX_METADATA: u64 = 4096;

/// The digest of the file at `path`, of which `stat` tells.
pub(super) fn find(path: &Path, source: &DigestSource, stat: &Stat, index: &Index<'_>) -> Option<Digest> {
    match source {
        DigestSource::Nowhere => None,
        DigestSource::Known(digest) => Some(*digest),
        // Where a link leads through another one, the name that counts is the last.
        DigestSource::Link => {
            let target = fs::read_link(path).ok()?;
            target.file_name()?.to_str()?.parse().ok()
        }
        DigestSource::Metadata(beside) => {
            let (digest, time) =
                small_file(index, beside, MAX_METADATA, |bytes| (metadata_file(bytes), true)).ok()??;
            // The hub's own rule: what was changed after it was fetched is no longer what was fetched.
            (stat.modified_seconds() - 1 <= time).then_some(digest)
        }
        DigestSource::Tree(tree, inside) => {
            let files = small_file(index, tree, MAX_TREE, |bytes| (weights(bytes), true)).ok()?;
            let (_, size, digest) = files.into_iter().find(|(name, _, _)| name == inside)?;
            // One of another length was cut off, and has not this digest.
            (size == stat.size).then_some(digest)
        }
    }
}

/// Commit, etag and time of fetching, a line each: `.cache/huggingface/download/<file>.metadata`.
fn metadata_file(bytes: &[u8]) -> Option<(Digest, i64)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.lines().skip(1).map(str::trim);
    let digest = lines.next()?.trim_matches('"').parse().ok()?;
    let time: f64 = lines.next()?.parse().ok()?;
    Some((digest, time as i64))
}

/// Name, size and digest of the weights that a revision's listing names; none where there is no listing.
pub(super) fn listed_weights(tree: &Path, walk: &Walk<'_>) -> Vec<(String, u64, Digest)> {
    walk.small_file(tree, MAX_TREE, |bytes| (weights(bytes), true)).unwrap_or_default()
}

fn weights(bytes: &[u8]) -> Vec<(String, u64, Digest)> {
    listed(bytes, |name| {
        let name = Path::new(name).file_name().unwrap_or_default();
        super::candidate::is_gguf(name) || super::candidate::is_safetensors(name)
    })
}

/// Name, size and digest of the wanted files that `trees/<commit>.json` lists.
pub(super) fn listed(bytes: &[u8], is_wanted: impl Fn(&str) -> bool) -> Vec<(String, u64, Digest)> {
    let Ok(tree) = serde_json::from_slice::<Value>(bytes) else { return Vec::new() };
    if tree.get("format_version").and_then(Value::as_u64) != Some(1) {
        return Vec::new();
    }
    let Some(files) = tree.get("files").and_then(Value::as_object) else { return Vec::new() };
    let read = |(name, entry): (&String, &Value)| {
        let word = |key: &str| entry.get(key).and_then(Value::as_str);
        let digest = word("lfs_sha256").or_else(|| word("blob_id"))?.parse().ok()?;
        Some((name.clone(), entry.get("size").and_then(Value::as_u64)?, digest))
    };
    files.iter().filter(|(name, _)| is_wanted(name)).filter_map(read).take(MAX_TREE_FILES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hub_writes() {
        let sha256 = "ab".repeat(32);
        let sha1 = "cd".repeat(20);
        let digest: Digest = sha256.parse().unwrap();
        for (text, expected) in [
            (format!("{sha1}\n{sha256}\n1700000000.25\n"), Some((digest, 1_700_000_000))),
            (format!("{sha1}\n\"{sha256}\"\n1700000000\n"), Some((digest, 1_700_000_000))),
            (format!("{sha1}\n{sha256}\n"), None),
            (format!("{sha1}\n../../x\n1\n"), None),
            (String::new(), None),
        ] {
            assert_eq!(metadata_file(text.as_bytes()), expected, "{text}");
        }
        let tree = format!(
            r#"{{"format_version":1,"files":{{"a.gguf":{{"size":3,"blob_id":"{sha1}","lfs_sha256":"{sha256}"}},
            "q/b.gguf":{{"size":4,"blob_id":"{sha1}"}},"README.md":{{"size":5,"blob_id":"{sha1}"}},"c.gguf":7}}}}"#
        );
        let files = [("a.gguf".to_owned(), 3, digest), ("q/b.gguf".to_owned(), 4, sha1.parse().unwrap())];
        assert_eq!(weights(tree.as_bytes()), files);
        for other in [r#"{"format_version":2,"files":{}}"#, r#"{"format_version":1,"files":[]}"#, "[", ""] {
            assert_eq!(weights(other.as_bytes()), []);
        }
    }
}
