//! Image manifests, as Ollama and Docker Model Runner keep them: layers by media type and digest.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use domain::model::Digest;

/// The longest manifest; those with a layer for each tensor have some hundred kB.
pub(super) const MAX_MANIFEST: u64 = 4 << 20;
/// Layers of one model.
const MAX_LAYERS: usize = 8192;
/// The longest media type, bytes.
const MAX_TYPE: usize = 200;

/// A layer: a file by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layer {
    /// What it is, such as `application/vnd.ollama.image.model`.
    pub(super) media_type: String,
    /// What its content hashes to; always SHA-256.
    pub(super) digest: Digest,
}

#[derive(Deserialize)]
struct RawManifest {
    #[serde(default)]
    layers: Option<Vec<RawLayer>>,
}

#[derive(Deserialize)]
struct RawLayer {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: String,
}

/// A JSON object, or why it is not `what` it should be.
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, String> {
    // A list of no names would do for a value without fields that are needed.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(format!("no {what}: it is no JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|error| gguf::clean(&format!("no {what}: {error}"), 120))
}

/// The layers that a manifest names, or why it can't be understood.
pub(super) fn layers(bytes: &[u8]) -> Result<Vec<Layer>, String> {
    let manifest: RawManifest = object(bytes, "manifest")?;
    let layers = manifest.layers.unwrap_or_default();
    if layers.len() > MAX_LAYERS {
        return Err(format!("names more than {MAX_LAYERS} layers"));
    }
    layers
        .into_iter()
        .map(|RawLayer { media_type, digest }| match (media_type.len() <= MAX_TYPE, digest.parse()) {
            (true, Ok(digest @ Digest::Sha256(_))) => Ok(Layer { media_type, digest }),
            _ => Err("names a layer that is no SHA-256 digest".to_owned()),
        })
        .collect()
}

/// The configuration that a manifest names.
pub(super) fn config(bytes: &[u8]) -> Option<Digest> {
    #[derive(Deserialize)]
    struct Named {
        config: RawConfig,
    }
    #[derive(Deserialize)]
    struct RawConfig {
        digest: String,
    }
    let named: Named = object(bytes, "manifest").ok()?;
    named.config.digest.parse().ok().filter(|digest| matches!(digest, Digest::Sha256(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_manifests() {
        let hex = "5c".repeat(32);
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"sha256:{hex}"}},
            "layers":[{{"mediaType":"application/x","digest":"sha256:{hex}","size":3}}]}}"#
        );
        let layer = Layer { media_type: "application/x".to_owned(), digest: hex.parse().unwrap() };
        assert_eq!(layers(manifest.as_bytes()), Ok(vec![layer]));
        assert_eq!(config(manifest.as_bytes()), hex.parse().ok());
        assert_eq!(config(br#"{"config":{"digest":"sha256:../x"}}"#), None);
        assert_eq!(layers(br#"{"layers":null}"#), Ok(vec![]));
        for (bytes, reason) in [
            (&b""[..], "no manifest: it is no JSON object"),
            (b"[]", "no manifest: it is no JSON object"),
            (b"{", "no manifest: EOF"),
            (br#"{"layers":[{"digest":"sha256:../../etc/passwd"}]}"#, "names a layer that is no SHA-256 digest"),
            (br#"{"layers":[{"digest":"0123456789012345678901234567890123456789"}]}"#, "names a layer that is no"),
            (br#"{"layers":[{}]}"#, "no manifest: missing field `digest`"),
        ] {
            let error = layers(bytes).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
