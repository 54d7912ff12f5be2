//! Ollama's models: `manifests/<host>/<namespace>/<model>/<tag>` and `blobs/sha256-<hex>`, read only.
//!
//! A manifest names its layers by what they hash to, and so are the blobs named. What lies among the blobs and no manifest
//! names is no model: a download that goes on, or what a deletion left.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{Message, Role};

use crate::library::candidate::{Candidate, CandidatePart, DigestSource, id_text};
use crate::library::card;
use crate::library::env::Env;
use crate::library::oci::{self, Layer};
use crate::library::safetensors::Config;
use crate::library::spread::spread;
use crate::library::walk::{Entry, Kind, Walk, open, reason};
use domain::model::{Card, Digest, Store};
use domain::preset::Preset;

/// Where a model comes from that no host stands before.
const HOST: &str = "registry.ollama.ai";
/// What stands for its namespace there.
const NAMESPACE: &str = "library";
/// What media types of layers begin with.
const IMAGE: &str = "application/vnd.ollama.image.";
/// The longest text of a layer; licences are the longest.
const MAX_TEXT: u64 = 256 << 10;
/// Parameters that are kept, and the longest of them in characters.
const MAX_PARAMETERS: usize = 32;
const PARAMETER_CHARS: usize = 200;
/// The most messages that are put before a conversation; each is in every prompt.
const MAX_MESSAGES: usize = 256;

/// Where Ollama keeps its models: its own places, the user's and the service's.
pub(in crate::library) fn places(env: &Env) -> Vec<PathBuf> {
    if let Some(path) = env.path("OLLAMA_MODELS") {
        return vec![path];
    }
    let service = env.system("usr/share/ollama/.ollama/models").filter(|path| path.is_dir());
    env.home(".ollama/models").into_iter().chain(service).collect()
}

/// A message, as its layer has it.
#[derive(Deserialize)]
struct Said {
    role: String,
    #[serde(default)]
    content: String,
}

/// What a manifest says, together with what its small layers say.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
    card: Option<Card>,
}

/// All models of the store at `root`.
pub(in crate::library) fn walk(root: &Path, walk: &Walk<'_>) -> Vec<Candidate> {
    let mut names = Vec::new();
    let manifests = root.join("manifests");
    let folders = |folder: &Path| {
        walk.list_all_if_there(folder).into_iter().filter(|entry| entry.kind != Kind::File).collect::<Vec<_>>()
    };
    for host in folders(&manifests) {
        let host_folder = manifests.join(&host.name);
        for namespace in folders(&host_folder) {
            let namespace_folder = host_folder.join(&namespace.name);
            for model in folders(&namespace_folder) {
                names.push((host.clone(), namespace.clone(), model));
            }
        }
    }
    spread(names, |names| {
        let mut candidates = Vec::new();
        for (host, namespace, model) in names {
            let folder = manifests.join(&host.name).join(&namespace.name).join(&model.name);
            for tag in walk.list_all_if_there(&folder) {
                if tag.kind != Kind::Directory {
                    let name = Name::new(&host, &namespace, &model, &tag);
                    candidates.extend(models(root, &folder.join(&tag.name), &name, walk));
                }
            }
        }
        candidates
    })
}

/// What a person calls a model.
struct Name {
    /// `model:tag`, with what stands before it unless it goes without saying.
    full: String,
    /// `owner/name`, where the store has such.
    repository: Option<String>,
}

impl Name {
    fn new(host: &Entry, namespace: &Entry, model: &Entry, tag: &Entry) -> Self {
        let [host, namespace, model, tag] = [host, namespace, model, tag].map(|entry| id_text(&entry.name));
        let owned = format!("{namespace}/{model}");
        let (short, repository) = match (host.as_str(), namespace.as_str()) {
            (HOST, NAMESPACE) => (model, None),
            (HOST, _) => (owned.clone(), Some(owned)),
            _ => (format!("{host}/{owned}"), Some(owned)),
        };
        Self { full: format!("{short}:{tag}"), repository }
    }
}

fn models(root: &Path, manifest: &Path, name: &Name, walk: &Walk<'_>) -> Vec<Candidate> {
    let read = walk.small_file(manifest, oci::MAX_MANIFEST, |bytes| match oci::layers(bytes) {
        Ok(layers) => {
            let (card, is_whole) = describe(root, &layers, oci::config(bytes));
            (Ok(Manifest { layers, card }), is_whole)
        }
        Err(reason) => (Err(reason), true),
    });
    let Manifest { layers, card } = match read {
        Ok(Ok(manifest)) => manifest,
        Ok(Err(reason)) => {
            walk.broken_manifest(manifest, &reason);
            return Vec::new();
        }
        Err(error) => {
            walk.broken_manifest(manifest, &reason(&error));
            return Vec::new();
        }
    };
    let of_kind = |kind: &'static str| {
        layers.iter().filter(move |layer| is(layer, kind)).map(|layer| layer.digest).collect::<Vec<_>>()
    };
    let model = |what: &str, digests: Vec<Digest>| {
        let parts: Vec<_> = (1..)
            .zip(digests)
            .map(|(number, digest)| CandidatePart {
                number,
                path: blob(root, digest),
                digest: DigestSource::Known(digest),
            })
            .collect();
        let mark = if what.is_empty() { String::new() } else { format!("#{what}") };
        let shown = if what.is_empty() { name.full.clone() } else { format!("{} {what}", name.full) };
        (!parts.is_empty()).then(|| Candidate {
            repository: name.repository.clone(),
            count: parts.len() as u32,
            parts,
            is_declared: true,
            ..Candidate::new(
                Store::Ollama,
                format!("ollama:{}{mark}", name.full),
                &shown,
                PathBuf::new(),
                DigestSource::Nowhere,
            )
        })
    };
    let main = model("", of_kind("model")).or_else(|| {
        // One layer for each tensor: what Ollama runs by other means than llama.cpp.
        let tensors = model("", of_kind("tensor"))?;
        Some(Candidate { count: 0, other: Some(Config::unknown()), ..tensors })
    });
    let main = main.map(|main| Candidate { card: card.map(Box::new), ..main });
    // What has no weights here runs on somebody else's machine.
    main.into_iter()
        .chain(model("projector", of_kind("projector")))
        .chain(model("adapter", of_kind("adapter")))
        .collect()
}

fn is(layer: &Layer, kind: &str) -> bool {
    // Parameters of a media type stand behind a semicolon.
    layer.media_type.split(';').next().and_then(|kind| kind.strip_prefix(IMAGE)).map(str::trim) == Some(kind)
}

fn blob(root: &Path, digest: Digest) -> PathBuf {
    root.join("blobs").join(format!("sha256-{digest}"))
}

/// What the small layers say, and whether all of them could be read.
fn describe(root: &Path, layers: &[Layer], config: Option<Digest>) -> (Option<Card>, bool) {
    let mut is_whole = true;
    let mut text = |kind: &str| {
        let layer = layers.iter().find(|layer| is(layer, kind))?;
        let text = read_text(&blob(root, layer.digest));
        is_whole &= text.is_some();
        text
    };
    let (messages, is_used) = text("messages").map_or((Vec::new(), true), |text| messages(&text));
    let (license, license_name) = text("license").map(|text| card::license(&text)).unwrap_or_default();
    let parameters = text("params").map(|text| parameters(&text)).unwrap_or_default();
    let mut preset = Preset::of_ollama(&parameters);
    if !is_used {
        preset.unused.push("messages".to_owned());
    }
    let (template, system) = (text("template"), text("system"));
    let config = config.map(|config| read_text(&blob(root, config)));
    is_whole &= config != Some(None);
    let card = Card {
        license: license.map(str::to_owned),
        license_name,
        template: template.map(|text| card::clean_lines(&text)),
        system: system.map(|text| card::clean_lines(&text)),
        parameters: shown(&parameters),
        preset,
        messages,
        file_type: config.flatten().and_then(|text| file_type(&text)),
        ..Card::default()
    };
    ((card != Card::default()).then_some(card), is_whole)
}

fn read_text(path: &Path) -> Option<String> {
    let is_file = fs::metadata(path).ok()?.is_file();
    let mut bytes = Vec::new();
    is_file.then(|| open(path).ok()).flatten()?.take(MAX_TEXT).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The messages of a layer, and whether all of it is used: another role, such as that of a tool, has no place here.
fn messages(text: &str) -> (Vec<Message>, bool) {
    let Ok(said) = serde_json::from_str::<Vec<Said>>(text.trim_start_matches('\u{feff}')) else {
        return (Vec::new(), false);
    };
    let is_all = said.len() <= MAX_MESSAGES;
    let known = said.into_iter().take(MAX_MESSAGES).map(|Said { role, content }| {
        let role = match role.as_str() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return None,
        };
        Some(card::clean_lines(&content)).filter(|text| !text.is_empty()).map(|text| Message::new(role, text))
    });
    let known: Vec<_> = known.collect();
    let is_all = is_all && known.iter().all(Option::is_some);
    (known.into_iter().flatten().collect(), is_all)
}

/// The quantisation that a configuration tells, where it knows.
fn file_type(text: &str) -> Option<String> {
    let config: Map<String, Value> = serde_json::from_str(text).ok()?;
    gguf::quant_in_name(config.get("file_type")?.as_str()?)
}

fn parameters(text: &str) -> Map<String, Value> {
    serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default()
}

/// Parameters as they are shown.
fn shown(parameters: &Map<String, Value>) -> Vec<(String, String)> {
    let show = |value: &Value| match value {
        Value::String(word) => word.clone(),
        Value::Array(words) => {
            let words: Vec<_> =
                words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
            words.join(" ")
        }
        other => other.to_string(),
    };
    let clean = |text: &str| gguf::clean(text, PARAMETER_CHARS);
    parameters.iter().take(MAX_PARAMETERS).map(|(name, value)| (clean(name), clean(&show(value)))).collect()
}
