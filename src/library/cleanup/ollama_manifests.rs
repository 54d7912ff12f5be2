//! What lies among Ollama's manifests: those that can be read, those that can't and may still use layers, and litter.
//!
//! What Ollama itself never reads (a name that it doesn't allow, a place where it keeps none) and what names no layer (an
//! empty file, notes of another program) uses nothing, and stands in nobody's way. A file that was cut off may use more
//! than it still shows: which layers stay because of it, `ollama` decides.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use regex::bytes::Regex;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::files::{self, shown};

/// The longest manifest; they have some kilobytes.
const MAX_MANIFEST: u64 = 4 << 20;
/// Folders below `manifests`: host, namespace, model; the tag is a file in them.
const DEPTH: usize = 3;
/// What media types of weights end in.
const WEIGHTS: [&str; 2] = ["image.model", "image.tensor"];

/// One model of the store.
pub(super) struct Manifest {
    pub(super) path: PathBuf,
    /// `namespace/model:tag` without what is usual.
    pub(super) name: String,
    /// SHA-256 of the manifest, as the server tells it.
    pub(super) digest: String,
    /// File names of its layers in `blobs`.
    pub(super) layers: BTreeSet<String>,
    /// Those of them that are weights.
    pub(super) weights: BTreeSet<String>,
}

/// A manifest that may use more layers than it shows.
pub(super) struct Broken {
    pub(super) path: PathBuf,
    pub(super) reason: String,
    /// What names of the layers that it still shows begin with.
    mentions: Vec<String>,
    /// Whether it still shows which weights are its own.
    pub(super) shows_weights: bool,
}

/// A file that is no manifest.
pub(super) struct Stray {
    pub(super) path: PathBuf,
    pub(super) reason: &'static str,
    /// What names of layers that stand in it begin with: it may be somebody's copy of a manifest.
    mentions: Vec<String>,
}

/// All that lies among the manifests.
#[derive(Default)]
pub(super) struct Manifests {
    pub(super) whole: Vec<Manifest>,
    pub(super) broken: Vec<Broken>,
    pub(super) strays: Vec<Stray>,
}

impl Broken {
    /// Whether it shows that it uses this layer.
    pub(super) fn mentions(&self, layer: &str) -> bool {
        self.mentions.iter().any(|begin| layer.starts_with(begin))
    }

    /// What stands in the way, in one clause.
    pub(super) fn describe(&self) -> String {
        format!("the manifest {} can't be read ({})", shown(&self.path), self.reason)
    }
}

impl Stray {
    /// Whether a layer's name stands in it.
    pub(super) fn mentions(&self, layer: &str) -> bool {
        self.mentions.iter().any(|begin| layer.starts_with(begin))
    }
}

impl Manifests {
    /// Look at all that lies below `root/manifests`.
    pub(super) fn read(root: &Path) -> Self {
        let manifests = root.join("manifests");
        let mut found = Self::default();
        let mut waiting = vec![(manifests.clone(), 0)];
        while let Some((folder, depth)) = waiting.pop() {
            let entries = match files::entries(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    found.broken.push(Broken::unread(folder, files::reason(&error)));
                    continue;
                }
            };
            for entry in entries {
                let path = entry.path();
                if !path.is_dir() {
                    found.take(&manifests, path);
                } else if depth < DEPTH {
                    waiting.push((path, depth + 1));
                } else {
                    found.strays.push(Stray::new(path, "is a folder where a manifest would be", &[]));
                }
            }
        }
        found.whole.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// Look at one file.
    fn take(&mut self, manifests: &Path, path: PathBuf) {
        let inside = path.strip_prefix(manifests).unwrap_or(&path);
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let is_special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
        if is_special {
            return self.strays.push(Stray::new(path, "is no file", &[]));
        }
        let bytes = match files::small(&path, MAX_MANIFEST) {
            Ok(bytes) => bytes,
            Err(_) if !is_name(&parts) => return self.strays.push(Stray::new(path, NO_NAME, &[])),
            Err(error) => return self.broken.push(Broken::unread(path, files::reason(&error))),
        };
        if !is_name(&parts) {
            return self.strays.push(Stray::new(path, NO_NAME, &bytes));
        }
        match parse(&bytes) {
            Parsed::Whole { layers, weights } => {
                let name = gguf::clean(&name(&parts), 200);
                let digest = HEXLOWER.encode(&Sha256::digest(&bytes));
                self.whole.push(Manifest { path, name, digest, layers, weights });
            }
            Parsed::Nothing(reason) => self.strays.push(Stray::new(path, reason, &bytes)),
            Parsed::Broken(reason) => {
                let shows_weights = shows_weights(&bytes);
                self.broken.push(Broken { path, reason, mentions: mentions(&bytes), shows_weights });
            }
        }
    }
}

impl Broken {
    fn unread(path: PathBuf, reason: String) -> Self {
        Self { path, reason, mentions: Vec::new(), shows_weights: false }
    }
}

const NO_NAME: &str = "has a name or a location that no manifest has";

impl Stray {
    fn new(path: PathBuf, reason: &'static str, bytes: &[u8]) -> Self {
        Self { path, reason, mentions: mentions(bytes) }
    }
}

/// Whether this is `host/namespace/model/tag` as Ollama allows it; it passes over all else.
fn is_name(parts: &[String]) -> bool {
    let [host, namespace, model, tag] = parts else { return false };
    let is_part = |part: &str, more: &[char], most: usize| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        part.len() <= most
            && part.starts_with(is_plain)
            && part.chars().all(|c| is_plain(c) || c == '-' || more.contains(&c))
    };
    is_part(host, &['.', ':'], 350)
        && is_part(namespace, &[], 80)
        && is_part(model, &['.'], 80)
        && is_part(tag, &['.'], 80)
}

/// What a person calls it.
fn name(parts: &[String]) -> String {
    match parts {
        [host, namespace, model, tag] => match (host.as_str(), namespace.as_str()) {
            ("registry.ollama.ai", "library") => format!("{model}:{tag}"),
            ("registry.ollama.ai", namespace) => format!("{namespace}/{model}:{tag}"),
            (host, namespace) => format!("{host}/{namespace}/{model}:{tag}"),
        },
        _ => parts.join("/"),
    }
}

#[derive(Deserialize)]
struct Document {
    config: Option<Layer>,
    #[serde(default)]
    layers: Option<Vec<Layer>>,
}

#[derive(Deserialize)]
struct Layer {
    digest: String,
    #[serde(rename = "mediaType", default)]
    media_type: String,
}

enum Parsed {
    Whole {
        layers: BTreeSet<String>,
        weights: BTreeSet<String>,
    },
    /// It uses no layer.
    Nothing(&'static str),
    Broken(String),
}

fn parse(bytes: &[u8]) -> Parsed {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
    if text.iter().all(|byte| *byte == 0) {
        return Parsed::Nothing("is empty");
    }
    if text.first() != Some(&b'{') {
        let is_told = mentions(bytes).is_empty();
        return if is_told { Parsed::Nothing("is no manifest") } else { Parsed::Broken("it is no JSON".to_owned()) };
    }
    let document: Document = match serde_json::from_slice(text) {
        Ok(document) => document,
        Err(error) => return Parsed::Broken(gguf::clean(&error.to_string(), 200)),
    };
    let (mut layers, mut weights) = (BTreeSet::new(), BTreeSet::new());
    for layer in document.layers.iter().flatten().chain(&document.config) {
        // An empty one is none: cloud models have such a configuration.
        if layer.digest.is_empty() {
            continue;
        }
        let hex = layer.digest.strip_prefix("sha256:").or_else(|| layer.digest.strip_prefix("sha256-"));
        let hex = hex.filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        // Whatever else it names would become part of a path.
        let Some(hex) = hex else { return Parsed::Broken("a layer without a sha256".to_owned()) };
        let file = format!("sha256-{}", hex.to_lowercase());
        let kind = layer.media_type.split(';').next().unwrap_or_default().trim();
        if WEIGHTS.iter().any(|weights| kind.ends_with(weights)) {
            weights.insert(file.clone());
        }
        layers.insert(file);
    }
    if layers.is_empty() { Parsed::Nothing("names no layers") } else { Parsed::Whole { layers, weights } }
}

/// A digest, or the begin of one that was cut off.
static DIGEST: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("(?i)sha256[:-]([0-9a-f]{1,64})").ok());

/// What the file names of layers that stand in a text begin with.
fn mentions(bytes: &[u8]) -> Vec<String> {
    let found = DIGEST.iter().flat_map(|digest| digest.captures_iter(bytes));
    let hex = found.filter_map(|found| found.get(1)).map(|hex| String::from_utf8_lossy(hex.as_bytes()).to_lowercase());
    hex.map(|hex| format!("sha256-{hex}")).collect()
}

/// Whether one of the objects that are whole in a text is the layer of the weights.
fn shows_weights(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let objects = text.split('{').filter_map(|object| object.split_once('}')).map(|(object, _)| object);
    objects.into_iter().any(|object| {
        let is_weights = WEIGHTS.iter().any(|weights| object.contains(&format!("{weights}\"")));
        is_weights && mentions(object.as_bytes()).iter().any(|layer| layer.len() == "sha256-".len() + 64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uses_layers_and_what_does_not() {
        let hex = "ab".repeat(32);
        let layer =
            |kind: &str| format!(r#"{{"mediaType":"application/vnd.ollama.image.{kind}","digest":"sha256:{hex}"}}"#);
        let whole = format!(r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#, layer("config"), layer("model"));
        let kind = |text: &str| match parse(text.as_bytes()) {
            Parsed::Whole { .. } => "whole",
            Parsed::Nothing(_) => "nothing",
            Parsed::Broken(_) if shows_weights(text.as_bytes()) => "broken, weights shown",
            Parsed::Broken(_) => "broken",
        };
        for (text, expected) in [
            (whole.clone(), "whole"),
            (format!("\u{feff}{whole}\n"), "whole"),
            (format!(r#"{{"layers":[{}]}}"#, layer("unheard-of")), "whole"),
            (String::new(), "nothing"),
            (" \n".to_owned(), "nothing"),
            ("\0\0\0".to_owned(), "nothing"),
            ("[]".to_owned(), "nothing"),
            ("{}".to_owned(), "nothing"),
            (r#"{"etag":"abc","layers":null}"#.to_owned(), "nothing"),
            (r#"{"config":{"digest":""},"layers":[]}"#.to_owned(), "nothing"),
            ("binary \u{1}".to_owned(), "nothing"),
            ("{".to_owned(), "broken"),
            (whole[..whole.len() / 2].to_owned(), "broken"),
            (whole[..whole.len() - 2].to_owned(), "broken, weights shown"),
            (format!("x{whole}"), "broken, weights shown"),
            (r#"{"layers":[{"digest":"sha256:../../x"}]}"#.to_owned(), "broken"),
            (r#"{"layers":[{"digest":"md5:abc"}]}"#.to_owned(), "broken"),
        ] {
            assert_eq!(kind(&text), expected, "{text}");
        }
        let cut = format!("{{\"digest\":\"sha256:{}", &hex[..10]);
        assert_eq!(mentions(cut.as_bytes()), [format!("sha256-{}", &hex[..10])]);
    }

    #[test]
    fn names_that_ollama_reads() {
        for (path, is_read) in [
            ("registry.ollama.ai/library/llama3/latest", true),
            ("localhost:5000/me/m.odel/8b-q4_K_M", true),
            ("registry.ollama.ai/library/llama3/latest.meta", true),
            ("registry.ollama.ai/library/llama3/latest~", false),
            ("registry.ollama.ai/library/llama3/.DS_Store", false),
            ("registry.ollama.ai/library/llama3/#latest#", false),
            ("registry.ollama.ai/library/llama3", false),
            ("registry.ollama.ai/library/llama3/8b/latest", false),
            (".DS_Store", false),
        ] {
            let parts: Vec<_> = path.split('/').map(str::to_owned).collect();
            assert_eq!(is_name(&parts), is_read, "{path}");
        }
    }
}
