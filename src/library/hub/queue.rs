//! Downloads that were ordered and have not begun, written down so that the next start offers them.
//!
//! What has begun is told by its journal, beside its part.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::is_order;
use super::names;
use crate::atomic_file;
use crate::library::env::Env;
use domain::download::Order;

/// The longest file: some hundred orders.
const MAX_BYTES: u64 = 4 << 20;
/// The most orders that are offered.
const MAX_ORDERS: usize = 100;

/// Where the queue is written.
pub(super) fn place(env: &Env) -> Option<PathBuf> {
    env.cache.as_ref().map(|cache| cache.join("downloads.json"))
}

/// Keep these orders, and no others.
pub(super) fn write(place: &Path, orders: &[Order]) -> io::Result<()> {
    atomic_file::replace(place, &serde_json::to_vec(orders)?)
}

/// The orders that were kept; those of which something leaves its place are left out, as is a file that is damaged.
pub(super) fn read(place: &Path) -> Vec<Order> {
    let is_short = fs::metadata(place).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_BYTES);
    let bytes = is_short.then(|| fs::read(place).ok()).flatten().unwrap_or_default();
    let orders: Vec<Order> = serde_json::from_slice(&bytes).unwrap_or_default();
    let is_right = |order: &Order| names::check_repository(&order.repository).is_ok() && is_order(order);
    orders.into_iter().filter(is_right).take(MAX_ORDERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::download::hub::RemoteFile;
    use domain::units::Bytes;

    fn order(repository: &str, path: &str) -> Order {
        Order {
            repository: repository.to_owned(),
            revision: "main".to_owned(),
            label: "Q8_0".to_owned(),
            files: vec![RemoteFile { path: path.to_owned(), size: Bytes(7) }],
        }
    }

    #[test]
    fn what_is_kept_is_offered_unless_it_leaves_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("taffrail/downloads.json");
        assert_eq!(read(&place), []);
        let good = order("a/b", "x/m.gguf");
        write(&place, &[good.clone(), order("a/../b", "m.gguf"), order("a/b", "../m.gguf")]).unwrap();
        assert_eq!(read(&place), [good]);
        write(&place, &[]).unwrap();
        assert_eq!(read(&place), []);
        fs::write(&place, b"[{").unwrap();
        assert_eq!(read(&place), []);
    }
}
