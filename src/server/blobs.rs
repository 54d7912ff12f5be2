//! Files that clients give, from which they have models made.
//!
//! A file is known by the SHA-256 of its content, which alone makes its name here; it appears whole and verified, or not at
//! all. A model that is made of it takes it away into the folder for made models.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use data_encoding::HEXLOWER;
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::error::{ApiError, Kind, Result};
use crate::atomic_file;

/// The largest file: above any model's today, and not the whole disk of a large machine.
const MAX_SIZE: u64 = 1 << 40;

/// What stays free on the disk, in bytes: other programs need some, and so do we.
const RESERVE: u64 = 1 << 30;

/// How often the disk's free space is looked at, in bytes that are written.
const CHECK_EVERY: u64 = 64 << 20;

/// Files that are taken at once; each is hashed and written on a thread of its own.
const AT_ONCE: usize = 2;

/// Parts of a file that wait to be written; behind them the client waits.
const MAX_PARTS: usize = 16;

/// How long a client may send nothing in the middle of a file.
const SILENCE: Duration = Duration::from_mins(1);

/// How long a file is kept of which no model is made.
const KEPT: Duration = Duration::from_hours(24);

/// The hash of a file's content, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlobDigest(String);

impl BlobDigest {
    /// From `sha256:` or `sha256-` with 64 digits behind it.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self> {
        let hex = text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha256-")).map(str::to_ascii_lowercase);
        let is_hash = |hex: &String| HEXLOWER.decode(hex.as_bytes()).is_ok_and(|bytes| bytes.len() == 32);
        let wrong = || ApiError::field(field, "must be `sha256:` and 64 hexadecimal digits");
        hex.filter(is_hash).map(Self).ok_or_else(wrong)
    }
}

/// The files, and where models are made of them.
#[derive(Debug)]
pub(super) struct Blobs {
    folder: PathBuf,
    models: PathBuf,
    permits: Arc<Semaphore>,
}

impl Blobs {
    pub(super) fn new(folder: PathBuf, models: PathBuf) -> Self {
        // Nobody waits for it.
        let old = folder.clone();
        drop(std::thread::Builder::new().name("blobs".to_owned()).spawn(move || remove_old(&old)));
        Self { folder, models, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    fn path(&self, digest: &BlobDigest) -> PathBuf {
        self.folder.join(format!("sha256-{}", digest.0))
    }

    /// Whether this file is here.
    pub(super) fn has(&self, digest: &BlobDigest) -> bool {
        self.path(digest).is_file()
    }

    /// Take a file. One that is here already is not read again.
    pub(super) async fn put<E>(
        &self,
        digest: &BlobDigest,
        mut parts: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    ) -> Result<()> {
        let busy = |_| ApiError::new(Kind::Busy, "other files are being received; try again later");
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(busy)?;
        let (sender, receiver) = mpsc::channel(MAX_PARTS);
        let (done, result) = oneshot::channel();
        let (path, digest) = (self.path(digest), digest.clone());
        let write = move || drop(done.send(receive(&path, &digest, receiver, permit)));
        std::thread::Builder::new().name("blob".to_owned()).spawn(write).map_err(|error| failed(&error))?;
        loop {
            let part = match tokio::time::timeout(SILENCE, parts.next()).await {
                Err(_) => return Err(ApiError::new(Kind::Timeout, "the upload was too slow")),
                // The writer misses its end, and keeps nothing.
                Ok(Some(Err(_))) => return Err(ApiError::new(Kind::Invalid, "the file was cut off")),
                Ok(Some(Ok(bytes))) => Some(bytes),
                Ok(None) => None,
            };
            let is_last = part.is_none();
            // Where it takes no more its result says why.
            if sender.send(part).await.is_err() || is_last {
                break;
            }
        }
        result.await.unwrap_or_else(|_| Err(ApiError::new(Kind::Failed, "the file could not be written")))
    }

    /// Make a model of a file: it moves into the folder for made models under this name, over an earlier one.
    pub(super) fn make(&self, digest: &BlobDigest, stem: &str) -> Result<PathBuf> {
        let file = self.path(digest);
        let mut magic = [0; 4];
        let read = fs::File::open(&file).and_then(|mut file| io::Read::read_exact(&mut file, &mut magic));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ApiError::field("files", "names a file that was not sent: send it to `/api/blobs` first"));
            }
            Ok(()) if magic == *b"GGUF" => {}
            _ => return Err(ApiError::field("files", "names a file that is not GGUF")),
        }
        let path = self.models.join(format!("{stem}.gguf"));
        let made = fs::create_dir_all(&self.models).and_then(|()| atomic_file::publish(&file, &path));
        made.map_err(|error| failed(&error))?;
        Ok(path)
    }

    /// Whether this is a model that was made here.
    pub(super) fn is_made(&self, path: &Path) -> bool {
        path.parent() == Some(&self.models)
    }
}

fn failed(error: &io::Error) -> ApiError {
    ApiError::new(Kind::Failed, format!("the file can't be kept: {error}"))
}

/// Write what comes, up to the mark of its end, and give it its name where it is what it is called.
fn receive(
    path: &Path,
    digest: &BlobDigest,
    mut parts: mpsc::Receiver<Option<Bytes>>,
    permit: OwnedSemaphorePermit,
) -> Result<()> {
    let mut refused = None;
    let folder = path.parent().unwrap_or(path);
    let write = |file: &mut fs::File| {
        let refuse = |refused: &mut Option<ApiError>, error: ApiError| {
            *refused = Some(error);
            Err(io::Error::other("refused"))
        };
        let (mut hasher, mut size, mut checked) = (Sha256::new(), 0, None);
        loop {
            let Some(part) = parts.blocking_recv() else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let Some(part) = part else { break };
            size += part.len() as u64;
            if size > MAX_SIZE {
                return refuse(&mut refused, ApiError::new(Kind::TooLarge, "the file is longer than 1 TiB"));
            }
            if checked.is_none_or(|checked| size - checked >= CHECK_EVERY) {
                checked = Some(size);
                if free(folder).is_some_and(|free| free < RESERVE) {
                    return refuse(
                        &mut refused,
                        ApiError::new(Kind::Unavailable, "there is not enough space on the disk"),
                    );
                }
            }
            hasher.update(&part);
            file.write_all(&part)?;
        }
        if HEXLOWER.encode(&hasher.finalize()) == digest.0 {
            return Ok(());
        }
        refuse(&mut refused, ApiError::field("digest", "does not match the hash of what was sent"))
    };
    let result = fs::create_dir_all(folder).and_then(|()| atomic_file::create(path, write));
    drop(permit);
    match (result, refused) {
        (_, Some(refused)) => Err(refused),
        (Ok(()), None) => Ok(()),
        // Another client was quicker with the same content.
        (Err(error), None) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        (Err(error), None) => Err(failed(&error)),
    }
}

/// Bytes that are free for us on the disk of a folder.
fn free(folder: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(folder).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

/// Remove files of which no model was made for long.
fn remove_old(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > KEPT) {
            // One that stays is tried again at the next start.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn parts(all: &[&'static [u8]]) -> impl Stream<Item = std::result::Result<Bytes, Infallible>> + Unpin {
        futures_util::stream::iter(all.iter().map(|part| Ok(Bytes::from_static(part))).collect::<Vec<_>>())
    }

    fn digest_of(content: &[u8]) -> BlobDigest {
        BlobDigest::parse("digest", &format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(content)))).unwrap()
    }

    #[tokio::test]
    async fn a_file_is_whole_and_what_it_is_called_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"), folder.path().join("models"));
        let (whole, other) = (digest_of(b"GGUF and more"), digest_of(b"something else"));
        assert!(!blobs.has(&whole));
        blobs.put(&whole, parts(&[b"GGUF", b" and more"])).await.unwrap();
        blobs.put(&whole, parts(&[b"GGUF and more"])).await.unwrap();
        assert!(blobs.has(&whole));
        let error = blobs.put(&other, parts(&[b"GGUF"])).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (Kind::Invalid, Some("digest")));
        assert!(!blobs.has(&other));
        let cut = futures_util::stream::iter([Ok(Bytes::from_static(b"something")), Err(())]);
        assert_eq!(blobs.put(&other, cut).await.unwrap_err().message, "the file was cut off");
        let n_files = || fs::read_dir(folder.path().join("blobs")).unwrap().count();
        while n_files() > 1 {
            std::thread::yield_now();
        }
        let path = blobs.make(&whole, "mine").unwrap();
        assert!(path.ends_with("models/mine.gguf") && blobs.is_made(&path) && !blobs.has(&whole));
        assert_eq!(blobs.make(&whole, "mine").unwrap_err().field.as_deref(), Some("files"));
    }

    #[test]
    fn digests_are_hashes_and_no_paths() {
        let hex = "ab".repeat(32);
        for (text, is_right) in [
            (format!("sha256:{hex}"), true),
            (format!("sha256-{}", hex.to_uppercase()), true),
            (hex.clone(), false),
            (format!("sha256:{}", &hex[1..]), false),
            (format!("sha256:../{}", &hex[3..]), false),
            ("sha256:".to_owned(), false),
        ] {
            assert_eq!(BlobDigest::parse("digest", &text).is_ok(), is_right, "{text}");
        }
    }
}
