//! The hash of a file that comes piece by piece.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use domain::model::Digest;

/// A hash that grows with its file.
pub(super) enum Hasher {
    Sha256(Box<Sha256>),
    Git(Box<Sha1>),
}

impl Hasher {
    /// Of the kind of `digest`, for a file of so many bytes: git hashes the length too.
    pub(super) fn new(digest: Digest, size: u64) -> Self {
        match digest {
            Digest::Sha256(_) => Self::Sha256(Box::default()),
            Digest::GitSha1(_) => {
                let mut hasher = Box::<Sha1>::default();
                hasher.update(format!("blob {size}\0"));
                Self::Git(hasher)
            }
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Git(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::Sha256(hasher.finalize().into()),
            Self::Git(hasher) => Digest::GitSha1(hasher.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes() {
        // As `sha256sum` and `git hash-object` print them for `hello` and a line break.
        for expected in [
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            "ce013625030ba8dba906f756967f9e9ca394464a",
        ] {
            let digest: Digest = expected.parse().unwrap();
            let mut hasher = Hasher::new(digest, 6);
            hasher.update(b"hel");
            hasher.update(b"lo\n");
            assert_eq!(hasher.finish(), digest);
        }
    }
}
