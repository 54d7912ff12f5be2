//! Real chat templates, and what Jinja2 makes of them.
//!
//! The templates are read where they lie: in the source of llama.cpp that cargo fetched, where it carries them, and in
//! the folders that `TAFFRAIL_TEMPLATES` names, as `./dev test` sets it. `tests/jinja/corpus.py` made the hashes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use wire::{Message, Role};

/// One template: the hash of its source, and those of its prompts by the conversation's name.
#[derive(Deserialize)]
pub struct Expected {
    pub template: String,
    /// With texts as contents, and with lists of parts; `None` where Jinja2 raises.
    pub prompts: BTreeMap<String, [Option<String>; 2]>,
}

/// A template that was found.
pub struct Found {
    pub name: String,
    pub source: String,
    pub expected: Expected,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

/// The conversations by their names.
pub fn conversations() -> BTreeMap<String, Vec<Message>> {
    let read: BTreeMap<String, Vec<Said>> = serde_json::from_str(include_str!("../jinja/conversations.json")).unwrap();
    let message = |said: Said| {
        let role = match said.role.as_str() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => panic!("role {other}"),
        };
        Message::new(role, said.content)
    };
    read.into_iter().map(|(name, messages)| (name, messages.into_iter().map(message).collect())).collect()
}

/// All templates that are here. None is told on standard error, past the test's own capture.
pub fn templates() -> Vec<Found> {
    let mut expected: BTreeMap<String, Expected> = serde_json::from_str(include_str!("../jinja/corpus.json")).unwrap();
    let of_cargo = folder_of_cargo().into_iter();
    let named = std::env::var_os("TAFFRAIL_TEMPLATES");
    let named = named.iter().flat_map(std::env::split_paths);
    let mut found = Vec::new();
    for folder in of_cargo.chain(named) {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.extension().is_none_or(|extension| extension != "jinja") {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            // Of one name the first counts.
            let Some(expected) = expected.remove(&name) else {
                assert!(
                    found.iter().any(|found: &Found| found.name == name),
                    "{name} is new: run tests/jinja/corpus.py"
                );
                continue;
            };
            assert_eq!(hash(&source), expected.template, "{name} has changed: run tests/jinja/corpus.py");
            found.push(Found { name, source, expected });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    if found.is_empty() {
        use std::io::Write as _;
        let text =
            "skipped: no chat templates are here; `./dev test` gets them, or TAFFRAIL_TEMPLATES names their folder";
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    found
}

/// `models/templates` of the llama.cpp whose source cargo has.
fn folder_of_cargo() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--offline", "--manifest-path"]);
    let output = command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output().ok()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let packages = metadata.get("packages")?.as_array()?;
    let package = packages.iter().find(|package| package["name"] == "llama-cpp-sys-2")?;
    let manifest = PathBuf::from(package.get("manifest_path")?.as_str()?);
    Some(manifest.parent()?.join("llama.cpp/models/templates"))
}

/// SHA-256 in hexadecimal.
pub fn hash(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}
