//! The models that ship with taffrail. They are listed always, and written out only when one is to be started.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::atomic_file;
use crate::library::env::Env;
use crate::library::stat::Stat;
use domain::model::{Format, Model, ModelFile, Status, Store, StoreStatus};
use domain::units::Bytes;

/// What a user of one should know.
const NOTE: &str = "writes sea prose, not answers; for a model that answers, press f in the Library, or run \
    `taffrail pull OWNER/REPO`";

struct Starter {
    name: &'static str,
    file_name: &'static str,
    bytes: &'static [u8],
}

static STARTERS: [Starter; 2] = [
    Starter {
        name: "ishmael-1m",
        file_name: "ishmael-1m-Q8_0.gguf",
        bytes: include_bytes!("../../../starter/ishmael-1m-Q8_0.gguf"),
    },
    Starter {
        name: "ishmael-4m",
        file_name: "ishmael-4m-Q8_0.gguf",
        bytes: include_bytes!("../../../starter/ishmael-4m-Q8_0.gguf"),
    },
];

impl Starter {
    fn id(&self) -> String {
        format!("starter:{}", self.name)
    }

    fn path(&self, env: &Env) -> Option<PathBuf> {
        Some(env.data.as_ref()?.join("starter").join(self.file_name))
    }
}

/// The starter models, whether or not they have been written out.
pub(in crate::library) fn models(env: &Env) -> (Vec<Model>, StoreStatus) {
    let models: Vec<_> = STARTERS.iter().map(|starter| model(starter, env)).collect();
    let place = "in the program".to_owned();
    let status = StoreStatus {
        store: Store::Starter,
        engine: None,
        place,
        n_models: models.len(),
        broken_manifests: 0,
        problems: Vec::new(),
    };
    (models, status)
}

fn model(starter: &Starter, env: &Env) -> Model {
    let size = starter.bytes.len() as u64;
    let written = starter.path(env).and_then(|path| Some((Stat::from(&fs::metadata(&path).ok()?), path)));
    let written = written.filter(|(stat, _)| stat.size == size);
    let (path, modified, used) =
        written.map_or((PathBuf::new(), 0, None), |(stat, path)| (path, stat.modified_seconds(), stat.used(env.now)));
    let (status, summary) = match gguf::Header::read(starter.bytes) {
        Ok(header) => (Status::Runnable, Some(header.summary())),
        Err(error) => (Status::Damaged(error.to_string()), None),
    };
    Model {
        id: starter.id(),
        name: starter.name.to_owned(),
        store: Store::Starter,
        repository: None,
        files: vec![ModelFile { path, size: Bytes(size), modified, digest: None }],
        size: Bytes(size),
        status,
        used,
        summary,
        note: Some(NOTE.to_owned()),
        format: Format::Gguf,
        card: None,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    }
}

/// Write a starter model into the data folder, unless it stands there already byte for byte.
pub(in crate::library) fn materialise(model: &Model, env: &Env) -> io::Result<PathBuf> {
    let starter = STARTERS
        .iter()
        .find(|starter| starter.id() == model.id)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such starter model"))?;
    let path = starter
        .path(env)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the data folder is not known, set `HOME`"))?;
    let is_written = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == starter.bytes.len() as u64)
        && fs::read(&path).is_ok_and(|bytes| bytes == starter.bytes);
    if !is_written {
        atomic_file::replace(&path, starter.bytes)?;
    }
    Ok(path)
}
