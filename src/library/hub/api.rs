//! What the hub is asked: a search, the files of a repository, the head of a file.

use serde::Deserialize;

use super::client::{About, Client};
use super::names;
use super::problem::HubError;
use domain::download::hub::{Files, RemoteFile, Repository, Sort};
use domain::model::Digest;
use domain::units::Bytes;

/// Repositories of one search.
const MAX_RESULTS: usize = 50;
/// Files of one repository.
const MAX_FILES: usize = 20_000;
/// Pages of one repository's list of files; the hub gives 1,000 files a page.
const MAX_PAGES: usize = 20;
/// The largest file that can be true: 16 TiB, the most that ext4 holds; the hub itself takes 500 GB at most.
const MAX_FILE: u64 = 16 << 40;
/// The largest repository that can be true.
const MAX_REPOSITORY: u64 = 1 << 50;
/// Characters of a text of the hub.
const MAX_TEXT: usize = 200;

/// What the hub says of a file before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The hash of its content, under which the cache keeps it.
    pub(super) digest: Digest,
    /// The commit that the revision is.
    pub(super) commit: String,
    /// Its length in bytes.
    pub(super) size: u64,
}

/// A repository in the answer to a search, as far as it is shown.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModelInfo {
    /// `owner/name`.
    id: String,
    tags: Option<Vec<String>>,
    /// The head of the model's README, which is YAML.
    card_data: Option<serde_json::Value>,
    /// In the last 30 days.
    downloads: Option<u64>,
    likes: Option<u64>,
    /// ISO 8601.
    last_modified: Option<String>,
    /// ISO 8601.
    created_at: Option<String>,
    /// `false`, `"auto"` or `"manual"`.
    gated: Option<serde_json::Value>,
}

/// A line of a repository's list of files.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum TreeEntry {
    File {
        path: String,
        /// Bytes; of a file in LFS those of its content.
        size: u64,
    },
    Directory,
}

impl Client {
    /// The repositories with GGUF files that a text finds.
    pub async fn search(&self, text: &str, sort: Sort) -> Result<Vec<Repository>, HubError> {
        let mut url = self.url(["api", "models"])?;
        let sort_by = match sort {
            Sort::Downloads => "downloads",
            Sort::Likes => "likes",
            Sort::Updated => "lastModified",
        };
        url.query_pairs_mut()
            .extend_pairs([("search", text), ("filter", "gguf"), ("sort", sort_by), ("direction", "-1")])
            .extend_pairs([("limit", &*MAX_RESULTS.to_string()), ("full", "true")]);
        let (items, _) = self.list(url, About { repository: None, what: "such a list" }).await?;
        // A repository that can't be read must not hide the others.
        let infos = items.into_iter().filter_map(|item| serde_json::from_value(item).ok());
        let known = infos.filter(|info: &ModelInfo| names::check_repository(&info.id).is_ok());
        Ok(known.take(MAX_RESULTS).map(repository).collect())
    }

    /// All files of a repository at a revision.
    pub async fn files(&self, repository: &str, revision: &str) -> Result<Vec<RemoteFile>, HubError> {
        names::check_repository(repository)?;
        names::check_revision(revision)?;
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        let mut url = self.url(["api", "models", owner, name, "tree", revision])?;
        url.query_pairs_mut().append_pair("recursive", "true");
        let mut next = Some(url);
        let mut files = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(url) = next.take() else { break };
            let about = About { repository: Some(repository), what: repository };
            let (items, following) = self.list(url, about).await?;
            // Half of a list would pass for the whole.
            next = following.transpose()?;
            let entries = items.into_iter().filter_map(|item| serde_json::from_value(item).ok());
            files.extend(entries.filter_map(|entry| match entry {
                TreeEntry::File { path, size, .. } if names::check_path(&path).is_ok() => {
                    Some(RemoteFile { path, size: Bytes(size) })
                }
                TreeEntry::File { .. } | TreeEntry::Directory => None,
            }));
            files.truncate(MAX_FILES);
        }
        check_sizes(&files)?;
        Ok(files)
    }

    /// Hash, commit and length of a file.
    pub(super) async fn metadata(&self, repository: &str, revision: &str, path: &str) -> Result<Head, HubError> {
        let url = self.file_url(repository, revision, path)?;
        let what = format!("{path} in {repository}");
        let headers = self.head(url, About { repository: Some(repository), what: &what }).await?;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let missing = |name: &str| HubError::Answer(format!("it lacks the {name} of {path}"));
        let etag = text("x-linked-etag").or_else(|| text("etag")).ok_or_else(|| missing("hash"))?;
        let commit = text("x-repo-commit").ok_or_else(|| missing("commit"))?;
        let size = text("x-linked-size").or_else(|| text("content-length")).and_then(|size| size.parse().ok());
        let size = size.ok_or_else(|| missing("length"))?;
        check_size(path, size)?;
        Ok(Head { digest: names::digest(etag)?, commit: names::commit(commit)?, size })
    }

    /// Where a file is.
    pub(super) fn file_url(&self, repository: &str, revision: &str, path: &str) -> Result<reqwest::Url, HubError> {
        names::check_repository(repository)?;
        names::check_revision(revision)?;
        names::check_path(path)?;
        self.url(repository.split('/').chain(["resolve", revision]).chain(path.split('/')))
    }
}

/// Whether a file's size can be true. What can't is told in bytes, as the hub does.
fn check_size(path: &str, size: u64) -> Result<(), HubError> {
    if size <= MAX_FILE {
        return Ok(());
    }
    Err(HubError::Answer(format!("{path} would have {size} bytes, more than a disk holds")))
}

/// Whether the sizes of a repository's files can be true, also together.
fn check_sizes(files: &[RemoteFile]) -> Result<(), HubError> {
    files.iter().try_for_each(|file| check_size(&file.path, file.size.0))?;
    let total: Bytes = files.iter().map(|file| file.size).sum();
    if total.0 <= MAX_REPOSITORY {
        return Ok(());
    }
    Err(HubError::Answer(format!("its files would have {} bytes together, more than a disk holds", total.0)))
}

fn repository(info: ModelInfo) -> Repository {
    let tags = info.tags.unwrap_or_default();
    let from_card = info.card_data.as_ref().and_then(|card| card.get("license")?.as_str());
    let license = from_card.or_else(|| tags.iter().find_map(|tag| tag.strip_prefix("license:")));
    Repository {
        license: license.map(|license| gguf::clean(license, MAX_TEXT)).filter(|license| !license.is_empty()),
        id: info.id,
        downloads: info.downloads,
        likes: info.likes,
        updated: info.last_modified.or(info.created_at).as_deref().and_then(seconds),
        gated: info.gated.map(|gated| gated != serde_json::Value::Bool(false)),
        files: Files::Unasked,
    }
}

/// Seconds since 1970 of `2025-07-01T12:34:56.000Z`, as the hub writes times.
fn seconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_no_disk_holds_are_refused() {
        let file = |size| RemoteFile { path: "m.gguf".to_owned(), size: Bytes(size) };
        for (sizes, is_right) in [
            (vec![0, 1, 500_000_000_000, MAX_FILE], true),
            (vec![MAX_FILE + 1], false),
            (vec![1, 1 << 63], false),
            (vec![u64::MAX, u64::MAX], false),
            (vec![MAX_FILE; 64], true),
            (vec![MAX_FILE; 65], false),
        ] {
            let files: Vec<_> = sizes.iter().copied().map(file).collect();
            let checked = check_sizes(&files).map_err(|problem| problem.to_string());
            assert_eq!(checked.is_ok(), is_right, "{sizes:?}");
            assert!(checked.err().is_none_or(|text| text.contains("more than a disk holds") && !text.contains("PB")));
        }
    }

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00.000Z", Some(0)),
            ("2025-11-24T16:00:00.000Z", Some(1_764_000_000)),
            ("2024-02-29T23:59:59Z", Some(1_709_251_199)),
            ("2025-11-24T18:00:00+02:00", Some(1_764_000_000)),
            ("2025-02-29T00:00:00Z", None),
            ("2025-04-31T00:00:00Z", None),
            ("2025-13-01T00:00:00Z", None),
            ("2025-01-01", None),
            ("nonsense, é", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
