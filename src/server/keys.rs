//! Keys: who may ask from elsewhere, and for what.
//!
//! A key is shown once, when it is made. The file has its hash, so that whoever reads the file can't ask with it. A key has
//! 256 bits of chance, so the hash needs neither salt nor repetition.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The file in the data folder.
pub const FILE: &str = "keys.json";

/// What a key begins with, so that scanners for leaked secrets know one.
const PREFIX: &str = "tfl-";
/// Bytes of chance in a key.
const N_BYTES: usize = 32;
/// The most keys.
const MAX_KEYS: usize = 1000;
/// The longest name of a key, in characters.
const MAX_NAME: usize = 64;
/// Far more than so many keys need.
const MAX_FILE: u64 = 1 << 20;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Ask models, and see which there are.
    Chat,
    /// Load, unload, pull, copy and delete models as well.
    Admin,
    /// Read the metrics.
    Metrics,
}

impl Scope {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What the user calls it; unique.
    pub name: String,
    /// What it is for.
    pub scopes: Vec<Scope>,
    /// SHA-256 of the key, in hexadecimal digits.
    pub sha256: String,
    /// When it was made, seconds since 1970.
    pub created: i64,
}

impl Key {
    /// Whether it may do this: who may change models may ask them.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || (scope == Scope::Chat && self.scopes.contains(&Scope::Admin))
    }
}

/// Why the keys can't be changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name is no name.
    #[error("a key's name has 1 to {MAX_NAME} characters: letters, digits, `-`, `_` and `.`")]
    Name,
    /// There is one of this name.
    #[error("the key `{0}` already exists")]
    Exists(String),
    /// There is none of this name.
    #[error("there is no key `{0}`")]
    Unknown(String),
    /// There are enough.
    #[error("there are {MAX_KEYS} keys already")]
    TooMany,
    /// The file can't be read or written.
    #[error("the keys in {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// All keys of the file, in the order they were made; none where there is no file.
pub fn read(path: &Path) -> Result<Vec<Key>, KeyError> {
    let failed = |error| KeyError::File { path: path.to_owned(), error };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut text = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut text).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| failed(error.into()))
}

/// Make a key and keep its hash; gives the key, which nobody can be told again.
pub fn add(path: &Path, name: &str, scopes: &[Scope], now: i64) -> Result<String, KeyError> {
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !is_name {
        return Err(KeyError::Name);
    }
    let mut keys = read(path)?;
    if keys.iter().any(|key| key.name == name) {
        return Err(KeyError::Exists(name.to_owned()));
    }
    if keys.len() >= MAX_KEYS {
        return Err(KeyError::TooMany);
    }
    let failed = |error| KeyError::File { path: path.to_owned(), error };
    let mut bytes = [0; N_BYTES];
    let random = rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut bytes);
    random.map_err(|error| failed(io::Error::other(error.to_string())))?;
    let secret = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes));
    let mut scopes = scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    let sha256 = HEXLOWER.encode(&hash(&secret));
    keys.push(Key { name: name.to_owned(), scopes, sha256, created: now });
    write(path, &keys)?;
    Ok(secret)
}

/// Remove a key; whoever has it can ask no more, at once.
pub fn remove(path: &Path, name: &str) -> Result<(), KeyError> {
    let mut keys = read(path)?;
    let n_before = keys.len();
    keys.retain(|key| key.name != name);
    if keys.len() == n_before {
        return Err(KeyError::Unknown(name.to_owned()));
    }
    write(path, &keys)
}

fn write(path: &Path, keys: &[Key]) -> Result<(), KeyError> {
    let failed = |error| KeyError::File { path: path.to_owned(), error };
    let text = serde_json::to_vec_pretty(keys).map_err(|error| failed(error.into()))?;
    crate::atomic_file::replace_private(path, &text).map_err(failed)
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// The keys of the file as they are now.
#[derive(Debug)]
pub(super) struct Keys {
    path: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When the file was changed last, and its size.
    stamp: Option<(SystemTime, u64)>,
    keys: Vec<Key>,
}

impl Keys {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, known: Mutex::default() }
    }

    /// The key that this is, if any. All are compared, each in a time that does not tell how far it is right.
    pub(super) fn find(&self, secret: &str) -> Option<Key> {
        let path = self.path.as_deref()?;
        let mut known = self.known.lock().ok()?;
        let stamp = fs::metadata(path).ok().and_then(|file| Some((file.modified().ok()?, file.len())));
        if stamp != known.stamp {
            known.stamp = stamp;
            known.keys = read(path).unwrap_or_else(|error| {
                tracing::warn!(%error, "no key is accepted");
                Vec::new()
            });
        }
        let digits = HEXLOWER.encode(&hash(secret));
        let mut found = None;
        for key in &known.keys {
            if bool::from(key.sha256.as_bytes().ct_eq(digits.as_bytes())) {
                found = Some(key);
            }
        }
        found.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_secret_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own").join(FILE);
        let keys = Keys::new(Some(path.clone()));
        assert_eq!(keys.find("anything"), None);
        let secret = add(&path, "laptop", &[Scope::Metrics, Scope::Chat, Scope::Chat], 7).unwrap();
        let other = add(&path, "other", &[Scope::Admin], 8).unwrap();
        assert!(secret.starts_with(PREFIX) && secret.len() > 40 && secret != other, "{secret}");
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&secret) && text.contains("\"laptop\""), "{text}");
        let found = keys.find(&secret).unwrap();
        assert_eq!((found.name.as_str(), &found.scopes[..]), ("laptop", &[Scope::Chat, Scope::Metrics][..]));
        assert!(found.allows(Scope::Chat) && found.allows(Scope::Metrics) && !found.allows(Scope::Admin));
        let admin = keys.find(&other).unwrap();
        assert!(admin.allows(Scope::Chat) && admin.allows(Scope::Admin) && !admin.allows(Scope::Metrics));
        for wrong in ["", "tfl-", &secret[1..], &format!("{secret} "), &found.sha256] {
            assert_eq!(keys.find(wrong), None, "{wrong}");
        }
        remove(&path, "laptop").unwrap();
        assert_eq!(keys.find(&secret), None);
        assert_eq!(keys.find(&other).map(|key| key.name), Some("other".to_owned()));
        // A file that can't be read lets nobody in.
        fs::write(&path, "{").unwrap();
        assert_eq!(keys.find(&other), None);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        add(&path, "a", &[Scope::Chat], 0).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        add(&path, "a", &[Scope::Chat], 0).unwrap();
        for (result, message) in [
            (add(&path, "a", &[Scope::Chat], 0).map(drop), "the key `a` already exists"),
            (remove(&path, "b"), "there is no key `b`"),
            (
                add(&path, "../x", &[Scope::Chat], 0).map(drop),
                "a key's name has 1 to 64 characters: letters, digits, `-`, `_` and `.`",
            ),
        ] {
            assert_eq!(result.unwrap_err().to_string(), message);
        }
    }
}
