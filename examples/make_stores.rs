//! Makes a home with many models in six stores, to measure the library with.
//!
//! `cargo run --example make_stores -- HOME COUNT`: of ten models four lie in the Hugging Face cache, two in Ollama's store,
//! two in LM Studio's, one in llama.cpp's and one in Jan's or `GPT4All`'s. Each fiftieth lies in Ollama's store too.

#[expect(dead_code, reason = "its command line")]
#[path = "make_cache.rs"]
pub(crate) mod make_cache;

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use make_cache::Mould;

/// What a repository says of itself.
const CARD: &str =
    "---\nlicense: apache-2.0\nbase_model: owner/base\ntags:\n- gguf\n- text-generation\n---\n# A model\n";

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [home, count] = &arguments[..] else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "give a folder and a count"));
    };
    let count = count.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let from = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/starter/ishmael-1m-Q8_0.gguf"));
    make(&Stores::of(Path::new(home)), count, &from)
}

/// Where the stores are.
pub(crate) struct Stores {
    pub(crate) hugging_face: PathBuf,
    pub(crate) ollama: PathBuf,
    pub(crate) lm_studio: PathBuf,
    pub(crate) llama_cpp: PathBuf,
    pub(crate) jan: PathBuf,
    pub(crate) gpt4all: PathBuf,
}

impl Stores {
    /// The usual places in a home.
    pub(crate) fn of(home: &Path) -> Self {
        Self {
            hugging_face: home.join(".cache/huggingface/hub"),
            ollama: home.join(".ollama/models"),
            lm_studio: home.join(".lmstudio/models"),
            llama_cpp: home.join(".cache/llama.cpp"),
            jan: home.join(".local/share/Jan/data"),
            gpt4all: home.join(".local/share/nomic.ai/GPT4All"),
        }
    }
}

/// Make the stores with `count` models in all.
pub(crate) fn make(stores: &Stores, count: usize, from: &Path) -> io::Result<()> {
    let mut mould = Mould::of(from)?;
    for number in 0..count {
        let name = format!("model-{number:05}");
        match number % 10 {
            0..4 => {
                hugging_face(&stores.hugging_face, &name, number, &mut mould)?;
                if number % 50 == 0 {
                    ollama(&stores.ollama, &name, number, &mut mould)?;
                }
            }
            4..6 => ollama(&stores.ollama, &name, number, &mut mould)?,
            6..8 => {
                let folder = stores.lm_studio.join(format!("publisher-{:02}/{name}-GGUF", number % 20));
                fs::create_dir_all(&folder)?;
                fs::write(folder.join("README.md"), CARD)?;
                mould.write(&folder.join(format!("{name}.gguf")), number)?;
            }
            8 => {
                let cache = &stores.llama_cpp;
                fs::create_dir_all(cache)?;
                let manifest =
                    format!(r#"{{"ggufFile":{{"rfilename":"{name}.gguf","lfs":{{"sha256":"{number:064x}"}}}}}}"#);
                fs::write(cache.join(format!("manifest=owner={name}-GGUF=latest.json")), manifest)?;
                mould.write(&cache.join(format!("owner_{name}-GGUF_{name}.gguf")), number)?;
            }
            _ if number % 20 == 9 => {
                let folder = stores.jan.join("llamacpp/models/owner").join(&name);
                fs::create_dir_all(&folder)?;
                let path = format!("llamacpp/models/owner/{name}/model.gguf");
                fs::write(folder.join("model.yml"), format!("name: {name}\nmodel_path: {path}\nsize_bytes: 1\n"))?;
                mould.write(&folder.join("model.gguf"), number)?;
            }
            _ => {
                fs::create_dir_all(&stores.gpt4all)?;
                mould.write(&stores.gpt4all.join(format!("{name}.gguf")), number)?;
            }
        }
    }
    Ok(())
}

fn hugging_face(hub: &Path, name: &str, number: usize, mould: &mut Mould) -> io::Result<()> {
    let folder = hub.join(format!("models--owner-{:02}--{name}", number % 20));
    let commit = format!("{number:040x}");
    let snapshot = folder.join("snapshots").join(&commit);
    fs::create_dir_all(&snapshot)?;
    fs::create_dir_all(folder.join("blobs"))?;
    fs::create_dir_all(folder.join("refs"))?;
    fs::write(folder.join("refs/main"), &commit)?;
    let card = format!("{number:040x}");
    fs::write(folder.join("blobs").join(&card), CARD)?;
    symlink(Path::new("../../blobs").join(card), snapshot.join("README.md"))?;
    let blob = format!("{number:064x}");
    mould.write(&folder.join("blobs").join(&blob), number)?;
    symlink(Path::new("../../blobs").join(&blob), snapshot.join(format!("{name}.gguf")))
}

fn ollama(models: &Path, name: &str, number: usize, mould: &mut Mould) -> io::Result<()> {
    let folder = models.join("manifests/registry.ollama.ai/library").join(name);
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(models.join("blobs"))?;
    let digest = |number: usize| format!("{number:064x}");
    let texts = [("license", "Apache License"), ("template", "{{ .Prompt }}"), ("params", r#"{"temperature":0.6}"#)];
    let mut layers = vec![layer("model", &digest(number))];
    for (place, (kind, text)) in texts.into_iter().enumerate() {
        let digest = digest(usize::MAX - place);
        fs::write(models.join(format!("blobs/sha256-{digest}")), text)?;
        layers.push(layer(kind, &digest));
    }
    mould.write(&models.join(format!("blobs/sha256-{}", digest(number))), number)?;
    fs::write(folder.join("latest"), format!(r#"{{"schemaVersion":2,"layers":[{}]}}"#, layers.join(",")))
}

fn layer(kind: &str, digest: &str) -> String {
    format!(r#"{{"mediaType":"application/vnd.ollama.image.{kind}","digest":"sha256:{digest}","size":1}}"#)
}
