//! Stores as a year leaves them, small enough to be made anew for each case.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use gguf::testing::Builder;
use sha2::{Digest as _, Sha256};

use crate::support::Home;

const MAIN: &str = "1111111111111111111111111111111111111111";
const OLDER: &str = "2222222222222222222222222222222222222222";
/// The folders in which a home's stores are.
const STORES: [&str; 4] = ["hub", "ollama", "mine", ".lmstudio"];

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// A whole model that no other label gives.
fn model(label: &str) -> Vec<u8> {
    Builder::tiny_llama().string("general.size_label", label).build()
}

/// A file of a revision, with its blob.
fn hub(home: &Home, repository: &str, commit: &str, name: &str, bytes: &[u8]) {
    home.write(&format!("hub/models--{repository}/blobs/{}", hex(bytes)), bytes);
    let link = home.path(&format!("hub/models--{repository}/snapshots/{commit}/{name}"));
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(format!("../../blobs/{}", hex(bytes)), link).unwrap();
    home.write(&format!("hub/models--{repository}/refs/main"), MAIN);
}

/// A model of Ollama's, with a layer that all share.
fn ollama(home: &Home, name: &str, weights: &[u8]) {
    let layer = |bytes: &[u8]| {
        home.write(&format!("ollama/blobs/sha256-{}", hex(bytes)), bytes);
        serde_json::json!({ "digest": format!("sha256:{}", hex(bytes)), "size": bytes.len(),
            "mediaType": "application/vnd.ollama.image.model" })
    };
    let manifest = serde_json::json!({ "schemaVersion": 2, "config": layer(name.as_bytes()),
        "layers": [layer(weights), layer(b"a license")] });
    home.write(&format!("ollama/manifests/registry.ollama.ai/library/{name}/latest"), manifest.to_string());
}

/// A home with a Hugging Face cache of two repositories, old revisions, an orphan and a part; Ollama's store with two
/// models; and two plain folders with duplicates.
pub(crate) fn furnished() -> Home {
    let home = Home::new();
    hub(&home, "a--two", OLDER, "two-Q4.gguf", &model("older"));
    hub(&home, "a--two", OLDER, "two-Q8.gguf", &model("b"));
    hub(&home, "a--two", MAIN, "two-Q4.gguf", &model("a"));
    hub(&home, "a--two", MAIN, "two-Q8.gguf", &model("b"));
    hub(&home, "a--two", MAIN, "README.md", b"# two");
    home.write("hub/models--a--two/blobs/abcdef.incomplete", "part");
    home.write(&format!("hub/models--a--two/blobs/{}", hex(b"orphan")), "orphan");
    hub(&home, "b--one", MAIN, "one.gguf", &model("b"));
    ollama(&home, "first", &model("d"));
    ollama(&home, "second", &model("a"));
    for (path, label) in [("mine/copy.gguf", "b"), ("mine/c.gguf", "c"), (".lmstudio/models/p/r/one.gguf", "b")] {
        home.write(path, model(label));
    }
    let [ollama, mine] = ["ollama", "mine"].map(|store| home.path(store).display().to_string());
    let settings = format!("[library]\nuse_starter = false\nollama = '{ollama}'\nfolders = ['{mine}']\n");
    home.write("config/taffrail/config.toml", settings);
    // The same in each home, so that two can be compared.
    let old = SystemTime::UNIX_EPOCH + Duration::from_hours(490_000);
    for path in files(&home).into_keys().map(|path| home.path(&path)).filter(|path| !path.is_symlink()) {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    home
}

/// A command in such a home; no server of Ollama's is asked.
pub(crate) fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command.env("OLLAMA_HOST", "127.0.0.1:1");
    command
}

/// All files of the stores but those in the trash, by their place in the home: links by where they lead, others by hash, time, rights and names.
pub(crate) fn files(home: &Home) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<PathBuf> = STORES.iter().map(|store| home.path(store)).filter(|path| path.is_dir()).collect();
    while let Some(folder) = waiting.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let metadata = path.symlink_metadata().unwrap();
            if path.ends_with(".taffrail-trash") {
                continue;
            }
            let what = if metadata.is_symlink() {
                std::fs::read_link(&path).unwrap().display().to_string()
            } else if metadata.is_dir() {
                waiting.push(path);
                continue;
            } else {
                let hash = hex(&std::fs::read(&path).unwrap());
                format!("{hash} {} {:o} {}", metadata.mtime(), metadata.mode(), metadata.nlink())
            };
            found.insert(path.strip_prefix(home.path("")).unwrap().display().to_string(), what);
        }
    }
    found
}
