//! Values to begin tests and benches with.

use crate::model::{Format, Model, Status, Store};
use crate::units::Bytes;

/// A model without a file or a summary, to be filled in.
pub fn model(name: &str) -> Model {
    Model {
        id: format!("folder:{name}"),
        name: name.to_owned(),
        store: Store::Folder,
        repository: None,
        files: Vec::new(),
        size: Bytes(0),
        status: Status::Runnable,
        used: None,
        summary: None,
        note: None,
        format: Format::Gguf,
        card: None,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    }
}
