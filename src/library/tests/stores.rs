//! Every store as its tool lays it out, one model in several, and where each store is looked for.

mod same;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Machine, model, part, write};
use crate::library::resolve::resolve;
use crate::library::roots;
use domain::model::{Digest, Format, Status, Store};
use domain::settings::StoreFolder;

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    Digest::Sha256(Sha256::digest(bytes).into())
}

impl Machine {
    fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// A layer of Ollama's.
    fn layer(&self, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        write(&self.home().join(format!(".ollama/models/blobs/sha256-{digest}")), bytes);
        digest
    }

    /// A model of Ollama's: its layers by kind.
    pub(super) fn ollama(&self, name: &str, layers: &[(&str, &[u8])]) {
        self.ollama_with_config(name, None, layers);
    }

    /// The same with a configuration.
    pub(super) fn ollama_with_config(&self, name: &str, config: Option<&[u8]>, layers: &[(&str, &[u8])]) {
        let config = config.map(|config| format!(r#""config":{{"digest":"sha256:{}"}},"#, self.layer(config)));
        let layers: Vec<_> = layers
            .iter()
            .map(|(kind, bytes)| {
                let (digest, size) = (self.layer(bytes), bytes.len());
                format!(
                    r#"{{"mediaType":"application/vnd.ollama.image.{kind}","digest":"sha256:{digest}","size":{size}}}"#
                )
            })
            .collect();
        let config = config.unwrap_or_default();
        let manifest = format!(r#"{{"schemaVersion":2,{config}"layers":[{}]}}"#, layers.join(","));
        write(&self.home().join(".ollama/models/manifests").join(name), manifest.as_bytes());
    }

    /// A model of Docker Model Runner's.
    fn docker(&self, tag: &str, bytes: &[u8]) {
        let folder = self.home().join(".docker/models");
        let digest = sha256(bytes);
        write(&folder.join("blobs/sha256").join(digest.to_string()), bytes);
        let manifest =
            format!(r#"{{"layers":[{{"mediaType":"application/vnd.docker.ai.gguf.v3","digest":"sha256:{digest}"}}]}}"#);
        let id = sha256(manifest.as_bytes());
        write(&folder.join("manifests/sha256").join(id.to_string()), manifest.as_bytes());
        let list = format!(r#"{{"models":[{{"id":"sha256:{id}","tags":["{tag}"],"files":[]}}]}}"#);
        write(&folder.join("models.json"), list.as_bytes());
    }

    /// A model of `RamaLama`'s.
    fn rama_lama(&self, name: &str, tag: &str, file: &str, bytes: &[u8]) {
        let folder = self.home().join(".local/share/ramalama/store").join(name);
        let digest = sha256(bytes);
        write(&folder.join(format!("blobs/sha256-{digest}")), bytes);
        let reference =
            format!(r#"{{"hash":"sha256:1","files":[{{"hash":"sha256:{digest}","name":"{file}","type":"gguf"}}]}}"#);
        write(&folder.join(format!("refs/{tag}.json")), reference.as_bytes());
        fs::create_dir_all(folder.join("snapshots/sha256-1")).unwrap();
        symlink(format!("../../blobs/sha256-{digest}"), folder.join("snapshots/sha256-1").join(file)).unwrap();
    }

    /// Each row with its places.
    fn rows(&self) -> String {
        let listing = self.list();
        let rows = listing.models.iter().map(|model| {
            let also: Vec<_> = model.also.iter().map(|copy| format!("\n    also {}", copy.id)).collect();
            let repository = model.repository.as_deref().unwrap_or("—");
            format!("{} · {} · {repository} · {}{}", model.id, model.name, model.status, also.concat())
        });
        let problems = listing
            .stores
            .iter()
            .flat_map(|store| store.problems.iter().map(move |problem| format!("! {} {problem}", store.store.name())));
        let lines: Vec<_> = rows.chain(problems).collect();
        lines.join("\n").replace(self.root().to_str().unwrap(), "[root]")
    }
}

#[test]
fn every_store() {
    let mut machine = Machine::new();
    let home = machine.home();
    machine.settings.use_starter = true;
    machine.blob("models--qwen--tiny", "aaaa", "tiny.gguf", &sha256(&model("hf")).to_string(), &model("hf"));
    machine.ollama("registry.ollama.ai/library/llama3/8b", &[("model", &model("ollama")), ("license", b"MIT License")]);
    machine.ollama("registry.ollama.ai/someone/theirs/latest", &[("model", &model("theirs"))]);
    machine.ollama("hf.co/owner/name-GGUF/Q4_K_M", &[("model", &model("from hf")), ("projector", &model("eye"))]);
    machine.ollama("registry.ollama.ai/library/cloudy/latest", &[]);
    write(&home.join(".ollama/models/blobs/sha256-00-partial"), b"half");
    write(&home.join(".lmstudio/models/publisher/repo/m.gguf"), &model("lm"));
    write(&home.join(".lmstudio/models/publisher/repo/downloading_n.gguf.part"), b"half");
    write(&home.join(".cache/llama.cpp/owner_name_sub_m.gguf"), &model("flat"));
    write(&home.join(".cache/llama.cpp/owner_name_sub_m.gguf.etag"), b"x");
    write(
        &home.join(".cache/llama.cpp/manifest=owner=name=latest.json"),
        format!(r#"{{"ggufFile":{{"rfilename":"sub/m.gguf","lfs":{{"sha256":"{}"}}}}}}"#, sha256(&model("flat")))
            .as_bytes(),
    );
    write(&home.join(".cache/llama.cpp/alone.gguf"), &model("alone"));
    write(&home.join(".cache/llama.cpp/models--new--layout/snapshots/b/new.gguf"), &model("new"));
    let jan = home.join(".local/share/Jan/data/llamacpp/models");
    write(
        &jan.join("org/repo/model.yml"),
        b"name: repo\nmodel_path: llamacpp/models/org/repo/model.gguf\nsize_bytes: 1\n",
    );
    write(&jan.join("org/repo/model.gguf"), &model("jan"));
    let outside = machine.root().join("outside.gguf");
    write(&outside, &model("outside"));
    write(&jan.join("mine/model.yml"), format!("model_path: {}\n", outside.display()).as_bytes());
    write(&home.join(".local/share/nomic.ai/GPT4All/orca.gguf"), &model("gpt4all"));
    write(&home.join(".localai/models/luna.gguf"), &model("localai"));
    machine.rama_lama("ollama/library/tinyllama", "latest", "tinyllama", &model("rama"));
    machine.rama_lama("huggingface/owner/repo/file.gguf", "latest", "file.gguf", &model("rama hf"));
    machine.docker("docker.io/ai/smollm2:latest", &model("docker"));
    let folder = machine.folder();
    write(&folder.join("own.gguf"), &model("own"));
    let rows = machine.rows();
    insta::assert_snapshot!(rows, @r#"
    starter:ishmael-1m · ishmael-1m · — · ready
    starter:ishmael-4m · ishmael-4m · — · ready
    hf:qwen/tiny/tiny.gguf · tiny · qwen/tiny · ready
    ollama:hf.co/owner/name-GGUF:Q4_K_M · hf.co/owner/name-GGUF:Q4_K_M · owner/name-GGUF · ready
    ollama:hf.co/owner/name-GGUF:Q4_K_M#projector · hf.co/owner/name-GGUF:Q4_K_M projector · owner/name-GGUF · ready
    ollama:llama3:8b · llama3:8b · — · ready
    ollama:someone/theirs:latest · someone/theirs:latest · someone/theirs · ready
    lmstudio:publisher/repo/m.gguf · m · publisher/repo · ready
    llama.cpp:new/layout/new.gguf · new · new/layout · ready
    llama.cpp:alone.gguf · alone · — · ready
    llama.cpp:owner_name_sub_m.gguf · m · owner/name · ready
    jan:mine · mine · — · ready
    jan:org/repo · repo · org/repo · ready
    gpt4all:orca.gguf · orca · — · ready
    localai:luna.gguf · luna · — · ready
    ramalama:huggingface/owner/repo/file.gguf:latest · file:latest · owner/repo · ready
    ramalama:ollama/library/tinyllama:latest · tinyllama:latest · — · ready
    docker:ai/smollm2:latest · smollm2:latest · ai/smollm2 · ready
    folder:[root]/models/own.gguf · own · — · ready
    "#);
    assert_eq!(machine.rows(), rows, "the index changes nothing");
    let listing = machine.list();
    assert!(
        listing
            .stores
            .iter()
            .map(|store| store.store)
            .eq(Store::ALL.into_iter().filter(|store| *store != Store::Remote)),
        "each store has its line"
    );
    let model = |id: &str| listing.models.iter().find(|model| model.id == id).unwrap();
    assert_eq!(model("hf:qwen/tiny/tiny.gguf").files[0].digest, Some(sha256(&super::model("hf"))));
    assert_eq!(model("llama.cpp:owner_name_sub_m.gguf").files[0].digest, Some(sha256(&super::model("flat"))));
    assert_eq!(model("ollama:llama3:8b").license(), Some("mit"));
}

#[test]
fn what_local_ai_calls_its_models() {
    let machine = Machine::new();
    let folder = machine.home().join(".localai/models");
    let put = |name: &str, bytes: &[u8]| write(&folder.join(name), bytes);
    put("luna.gguf", &model("luna"));
    put("luna.yaml", b"name: moon\nmmproj: eye.gguf\nparameters:\n  temperature: 0.3\n  model: luna.gguf # mine\n");
    put("poet.yml", b"name: \"the-\\epoet\"\nparameters: \n  model: luna.gguf\n");
    put("eye.gguf", &model("eye"));
    put("big/part-00001-of-00002.gguf", &part(1, 2));
    put("big/part-00002-of-00002.gguf", &part(2, 2));
    put("big.yaml", b"name: big\nbackend: llama-cpp\nparameters: \n  model: big/part-00001-of-00002.gguf\n");
    put("0a1b2c", &model("fetched"));
    put("fetched.yaml", b"name: fetched\nparameters:\n  model: 0a1b2c\n");
    put("alone.gguf", &model("alone"));
    put("voice.onnx", b"other");
    for (name, model) in [("voice", "voice.onnx"), ("absent", "no.gguf"), ("out", "../../x.gguf"), ("far", "hf://a/b")]
    {
        put(&format!("{name}.yaml"), format!("name: {name}\nparameters:\n  model: {model}\n").as_bytes());
    }
    put("nameless.yaml", b"parameters:\n  model: alone.gguf\n");
    put("broken.yaml", b"\xff: [");
    let rows = machine.rows();
    insta::assert_snapshot!(rows, @r#"
    localai:alone.gguf · alone · — · ready
    localai:big · big · — · ready
    localai:fetched · fetched · — · ready
    localai:moon · moon · — · ready
        also localai:the-%1Bpoet
    localai:moon#projector · moon projector · — · ready
    "#);
    assert_eq!(machine.rows(), rows, "the index changes nothing");
    let models = machine.list().models;
    assert_eq!(resolve(&models, "localai:moon").unwrap().path().unwrap(), &folder.join("luna.gguf"));
    // A name that is given anew.
    write(&folder.join("luna.yaml"), b"name: sun\nparameters:\n  model: luna.gguf\n");
    assert!(machine.rows().contains("localai:sun"));
}

#[test]
fn what_rama_lama_kept_in_lines() {
    let machine = Machine::new();
    let name = "huggingface/owner/repo";
    machine.rama_lama(name, "new", "new.gguf", &model("new"));
    let folder = machine.home().join(".local/share/ramalama/store").join(name);
    let snapshot = folder.join("snapshots/sha256-1");
    for (file, what) in [("old.gguf", "old"), ("eye.gguf", "eye")] {
        let digest = sha256(&model(what));
        write(&folder.join(format!("blobs/sha256-{digest}")), &model(what));
        symlink(format!("../../blobs/sha256-{digest}"), snapshot.join(file)).unwrap();
    }
    let lines = b"sha256:1\nold.gguf---model\nchat_template---chat\neye.gguf---mmproj\n";
    write(&folder.join("refs/v1.5"), lines);
    // What was made of the lines counts, not they.
    write(&folder.join("refs/new"), lines);
    write(&folder.join("refs/outside"), b"../../..\nx.gguf---model\n");
    write(&folder.join("refs/empty"), b"");
    let rows = machine.rows();
    insta::assert_snapshot!(rows, @r#"
    ramalama:huggingface/owner/repo:new · repo:new · owner/repo · ready
    ramalama:huggingface/owner/repo:v1.5 · repo:v1.5 · owner/repo · ready
    ramalama:huggingface/owner/repo:v1.5#projector · repo:v1.5 projector · owner/repo · ready
    ! ramalama [root]/home/.local/share/ramalama/store/huggingface/owner/repo/refs/empty: no reference: it is empty
    "#);
    assert_eq!(machine.rows(), rows, "the index changes nothing");
    let models = machine.list().models;
    let old = models.iter().find(|model| model.id == "ramalama:huggingface/owner/repo:v1.5").unwrap();
    assert_eq!(old.files[0].digest, Some(sha256(&model("old"))));
}

#[test]
fn what_ollama_puts_beside_the_weights() {
    let machine = Machine::new();
    let layers: [(&str, &[u8]); 5] = [
        ("model", &model("1")),
        ("template", b"{{ .System }}\x1b[2J\n{{ .Prompt }}"),
        ("system", b"You are a pirate."),
        ("params", br#"{"temperature":0.6,"stop":["<|im_end|>","</s>"]}"#),
        ("license", b"\nApache License\nVersion 2.0"),
    ];
    machine.ollama("registry.ollama.ai/library/pirate/latest", &layers);
    for _ in 0..2 {
        let listing = machine.list();
        let card = listing.models[0].card.as_deref().unwrap();
        assert_eq!(card.template.as_deref(), Some("{{ .System }}[2J\n{{ .Prompt }}"));
        assert_eq!(card.system.as_deref(), Some("You are a pirate."));
        let parameters = [("temperature", "0.6"), ("stop", "<|im_end|> </s>")];
        let mut found: Vec<_> = card.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        assert_eq!(found, parameters);
        assert_eq!(card.license.as_deref(), Some("apache-2.0"));
    }
    // A layer that comes later is not missed for ever.
    let machine = Machine::new();
    machine.ollama("registry.ollama.ai/library/late/latest", &layers);
    let system = machine.home().join(format!(".ollama/models/blobs/sha256-{}", sha256(layers[2].1)));
    fs::remove_file(&system).unwrap();
    assert_eq!(machine.list().models[0].card.as_deref().unwrap().system, None);
    write(&system, layers[2].1);
    assert!(machine.list().models[0].card.as_deref().unwrap().system.is_some());
}

#[test]
fn digests_without_links() {
    let mut machine = Machine::new();
    let (bytes, cut) = (model("real"), model("cut"));
    let hub = machine.hub().join("models--a--b");
    write(&hub.join("snapshots/c0ffee/q/m.gguf"), &bytes);
    write(&hub.join("snapshots/c0ffee/cut.gguf"), &cut);
    let entry = |bytes: &[u8], more: usize| {
        let (size, digest) = (bytes.len() + more, sha256(bytes));
        format!(r#"{{"size":{size},"blob_id":"{}","lfs_sha256":"{digest}"}}"#, "0".repeat(40))
    };
    let tree =
        format!(r#"{{"format_version":1,"files":{{"q/m.gguf":{},"cut.gguf":{}}}}}"#, entry(&bytes, 0), entry(&cut, 1));
    write(&hub.join("trees/c0ffee.json"), tree.as_bytes());
    // What `hf download --local-dir` leaves beside a plain folder.
    let folder = machine.folder();
    let local = model("local");
    let far = "9999999999.5";
    for (name, etag, time) in [("local.gguf", sha256(&local), far), ("stale.gguf", sha256(&local), "5.0")] {
        write(&folder.join(name), &model(name));
        let metadata = format!("{}\n{etag}\n{time}\n", "0".repeat(40));
        write(&folder.join(format!(".cache/huggingface/download/{name}.metadata")), metadata.as_bytes());
    }
    for _ in 0..2 {
        let listing = machine.list();
        let digest = |name: &str| listing.models.iter().find(|model| model.name == name).unwrap().files[0].digest;
        assert_eq!(digest("m"), Some(sha256(&bytes)));
        assert_eq!(digest("cut"), None, "its length is another");
        assert_eq!(digest("local"), Some(sha256(&local)));
        assert_eq!(digest("stale"), None, "it was changed since");
    }
}

#[test]
fn model_cards() {
    let machine = Machine::new();
    let card =
        "---\nlicense: other\nlicense_name: mine\nbase_model:\n- meta-llama/Llama-3.1-8B\ntags: [gguf]\n---\n# Hello";
    machine.blob("models--a--b", "1", "m.gguf", "1", &model("1"));
    machine.blob("models--a--b", "1", "README.md", "2", card.as_bytes());
    machine.blob("models--a--b", "1", "q/n.gguf", "3", &model("2"));
    for _ in 0..2 {
        for model in machine.list().models {
            let card = model.card.as_deref().unwrap();
            assert_eq!(card.base_models, ["meta-llama/Llama-3.1-8B"]);
            assert_eq!(card.license(), Some("mine"));
        }
    }
}

#[test]
fn where_stores_are() {
    let mut machine = Machine::new();
    let home = machine.home();
    let at = |machine: &Machine, store| roots(store, &machine.settings, &machine.env);
    for (store, expected) in [
        (Store::Ollama, ".ollama/models"),
        (Store::LmStudio, ".lmstudio/models"),
        (Store::LlamaCpp, ".cache/llama.cpp"),
        (Store::Jan, ".local/share/Jan/data"),
        (Store::Gpt4All, ".local/share/nomic.ai/GPT4All"),
        (Store::LocalAi, ".localai/models"),
        (Store::RamaLama, ".local/share/ramalama"),
        (Store::Docker, ".docker/models"),
    ] {
        assert_eq!(at(&machine, store), [home.join(expected)], "{store:?}");
    }
    for (store, variable, value, expected) in [
        (Store::Ollama, "OLLAMA_MODELS", "/o", "/o"),
        (Store::LlamaCpp, "XDG_CACHE_HOME", "/x", "/x/llama.cpp"),
        (Store::LlamaCpp, "LLAMA_CACHE", "~/l", "[home]/l"),
        (Store::Jan, "XDG_DATA_HOME", "/d", "/d/Jan/data"),
        (Store::Gpt4All, "XDG_DATA_HOME", "/d", "/d/nomic.ai/GPT4All"),
        (Store::LocalAi, "MODELS_PATH", "/m", "/m"),
        (Store::LocalAi, "LOCALAI_MODELS_PATH", "/a", "/a"),
        (Store::Docker, "MODELS_PATH", "/m", "/m"),
        (Store::RamaLama, "RAMALAMA_STORE", "/r", "/r"),
    ] {
        machine.env.variables.insert(variable, value.into());
        let expected = expected.replace("[home]", home.to_str().unwrap());
        assert_eq!(at(&machine, store), [Path::new(&expected)], "{variable}");
    }
    // What their own settings say.
    let settings = |path: &str, text: &str| write(&home.join(path), text.as_bytes());
    machine.env.variables.clear();
    settings(".lmstudio-home-pointer", &format!("{}\n", home.join("elsewhere").display()));
    assert_eq!(at(&machine, Store::LmStudio), [home.join(".lmstudio/models")], "it is not there");
    fs::create_dir_all(home.join(".cache/lm-studio")).unwrap();
    assert_eq!(at(&machine, Store::LmStudio), [home.join(".cache/lm-studio/models")]);
    settings("elsewhere/settings.json", r#"{"downloadsFolder":"/big/models"}"#);
    assert_eq!(at(&machine, Store::LmStudio), [Path::new("/big/models")]);
    settings(".config/Jan/settings.json", r#"{"data_folder":"/big/jan"}"#);
    assert_eq!(at(&machine, Store::Jan), [Path::new("/big/jan")]);
    settings(".config/nomic.ai/GPT4All.ini", "[General]\nmodelPath=/big/gpt\n");
    assert_eq!(at(&machine, Store::Gpt4All), [Path::new("/big/gpt")]);
    // What config.toml says goes before all.
    machine.env.variables.insert("OLLAMA_MODELS", "/o".into());
    machine.settings.ollama = StoreFolder::At("~/mine".into());
    assert_eq!(at(&machine, Store::Ollama), [home.join("mine")]);
    let problems: Vec<_> = machine.list().stores.into_iter().flat_map(|store| store.problems).collect();
    assert_eq!(problems, [format!("{}: is not there", home.join("mine").display())]);
    machine.settings.ollama = StoreFolder::Off;
    assert!(at(&machine, Store::Ollama).is_empty());
}

#[test]
fn tools_that_share_a_folder_show_it_once() {
    let mut machine = Machine::new();
    machine.blob("models--a--b", "1", "m.gguf", "1", &model("1"));
    machine.env.variables.insert("LLAMA_CACHE", machine.hub());
    assert_eq!(machine.rows(), "hf:a/b/m.gguf · m · a/b · ready");
    assert_eq!(machine.list().stores.len(), 1);
}
