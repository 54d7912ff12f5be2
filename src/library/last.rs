//! The models that the last look found, so that the next start shows them at once and then looks whether they are so still.
//!
//! It is a memory for the eye alone: what is run, counted or deleted goes by a look of its own. Absent: what was read of
//! each file, which `index` remembers.

use std::path::PathBuf;
use std::sync::Arc;

use super::env::Env;
use super::index::{checksum, read as read_bytes};
use crate::atomic_file;
use domain::model::Model;

/// The build of the program that wrote it, and the checksum of what follows.
const HEAD: usize = 24;

fn place(env: &Env) -> Option<PathBuf> {
    env.cache.as_ref().map(|cache| cache.join("library.last"))
}

/// What the last look found; nothing where that is not known, was written by another build, or is damaged.
pub(super) fn read(env: &Env) -> Vec<Arc<Model>> {
    let bytes = place(env).as_deref().map(read_bytes).unwrap_or_default();
    let Some((head, content)) = bytes.split_at_checked(HEAD) else { return Vec::new() };
    if head != head_of(content, env.build) {
        return Vec::new();
    }
    postcard::from_bytes(content).unwrap_or_default()
}

/// Keep what a look found. That it can't be written costs the next start some time and nothing else: the index, which
/// lies beside it, tells.
pub(super) fn write(models: &[Arc<Model>], env: &Env) {
    if let (Some(place), Ok(content)) = (place(env), postcard::to_stdvec(models)) {
        let _ = atomic_file::replace(&place, &[&head_of(&content, env.build)[..], &content].concat());
    }
}

fn head_of(content: &[u8], build: u128) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..16].copy_from_slice(&build.to_le_bytes());
    head[16..].copy_from_slice(&checksum(content).to_le_bytes());
    head
}
