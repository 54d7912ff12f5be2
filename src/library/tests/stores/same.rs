//! One model in several stores, parts, and two models of one id.

use super::*;

#[test]
fn one_model_in_several_stores_is_one_row() {
    let mut machine = Machine::new();
    let bytes = model("same");
    let home = machine.home();
    // By digest.
    machine.blob("models--a--b", "1", "m.gguf", &sha256(&bytes).to_string(), &bytes);
    machine.ollama("registry.ollama.ai/library/m/latest", &[("model", &bytes)]);
    machine.ollama("registry.ollama.ai/library/m/8b", &[("model", &bytes)]);
    // The same weights with another nature.
    machine.ollama("registry.ollama.ai/library/a-pirate/latest", &[("model", &bytes), ("system", b"Arr.")]);
    // By content.
    write(&home.join(".lmstudio/models/p/r/m.gguf"), &bytes);
    // By a link.
    let folder = machine.folder();
    fs::hard_link(home.join(".lmstudio/models/p/r/m.gguf"), folder.join("hard.gguf")).unwrap();
    symlink(home.join(".lmstudio/models/p/r/m.gguf"), folder.join("soft.gguf")).unwrap();
    // As long, and different in its last byte alone.
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    write(&folder.join("other.gguf"), &other);
    // In one store alone, two files are two rows.
    write(&folder.join("twice-1.gguf"), &model("twice"));
    write(&folder.join("twice-2.gguf"), &model("twice"));
    // A folder within a folder.
    write(&folder.join("inner/deep.gguf"), &model("deep"));
    machine.settings.folders.insert(0, folder.join("inner"));
    let rows = machine.rows();
    insta::assert_snapshot!(rows, @r#"
    hf:a/b/m.gguf · m · a/b · ready
        also ollama:m:8b
        also ollama:m:latest
        also lmstudio:p/r/m.gguf
        also folder:[root]/models/hard.gguf
        also folder:[root]/models/soft.gguf
    ollama:a-pirate:latest · a-pirate:latest · — · ready
    folder:[root]/models/inner/deep.gguf · deep · — · ready
    folder:[root]/models/other.gguf · other · — · ready
    folder:[root]/models/twice-1.gguf · twice-1 · — · ready
    folder:[root]/models/twice-2.gguf · twice-2 · — · ready
    "#);
    assert_eq!(machine.rows(), rows, "the index changes nothing");
    let models = machine.list().models;
    assert_eq!(models[0].store_names(), "hf ollama lmstudio folder");
    for id in ["hf:a/b/m.gguf", "ollama:m:latest", "ollama:m:8b", "ollama:m", "lmstudio:p/r/m.gguf", "lmstudio:m"] {
        assert_eq!(resolve(&models, id).unwrap().id, "hf:a/b/m.gguf", "{id}");
    }
    assert_eq!(resolve(&models, "ollama:a-pirate").unwrap().id, "ollama:a-pirate:latest");
}

#[test]
fn a_part_is_not_the_whole() {
    let machine = Machine::new();
    let bytes = [part(1, 2), part(2, 2)];
    // The first part alone, and the whole: not one content.
    machine.blob("models--a--b", "1", "m-00001-of-00002.gguf", &sha256(&bytes[0]).to_string(), &bytes[0]);
    for (number, bytes) in (1..).zip(&bytes) {
        write(&machine.home().join(format!(".lmstudio/models/p/r/m-0000{number}-of-00002.gguf")), bytes);
    }
    insta::assert_snapshot!(machine.rows(), @r#"
    hf:a/b/m-00001-of-00002.gguf · m · a/b · 1 of 2 parts
    lmstudio:p/r/m-00001-of-00002.gguf · m · p/r · ready
    "#);
}

#[test]
fn two_models_of_one_id_are_told_apart() {
    let mut machine = Machine::new();
    machine.env.system = Some(machine.root().join("system"));
    machine.ollama("registry.ollama.ai/library/m/latest", &[("model", &model("user"))]);
    let user = machine.home().join(".ollama");
    let service = machine.root().join("system/usr/share/ollama/.ollama");
    fs::create_dir_all(service.parent().unwrap()).unwrap();
    fs::rename(&user, &service).unwrap();
    machine.ollama("registry.ollama.ai/library/m/latest", &[("model", &model("service"))]);
    let models = machine.list().models;
    assert_eq!(models.len(), 2);
    assert_eq!(models[0].id, "ollama:m:latest");
    assert!(models[1].id.starts_with("ollama:m:latest@"), "{}", models[1].id);
}

#[test]
fn what_llama_cpp_does_not_run() {
    let mut machine = Machine::new();
    for (name, config) in [
        ("plain", r#"{"model_type":"llama","torch_dtype":"bfloat16","max_position_embeddings":4096}"#),
        ("mlx", r#"{"model_type":"qwen2","quantization":{"bits":4,"group_size":64}}"#),
        ("gptq", r#"{"model_type":"llama","quantization_config":{"quant_method":"gptq","bits":4}}"#),
        ("awq", r#"{"model_type":"llama","quantization_config":{"quant_method":"awq","bits":4}}"#),
        ("fp8", r#"{"model_type":"deepseek_v3","quantization_config":{"quant_method":"fp8"}}"#),
        ("broken", "{"),
    ] {
        let repository = format!("models--owner--{name}");
        machine.blob(&repository, "1", "config.json", "c", config.as_bytes());
        machine.blob(&repository, "1", "README.md", "r", b"---\nlicense: mit\nbase_model: a/b\n---\n");
        for number in 1..=2 {
            let file = format!("model-0000{number}-of-00002.safetensors");
            machine.blob(&repository, "1", file, &format!("{number}"), name.as_bytes());
        }
    }
    fs::remove_file(machine.hub().join("models--owner--awq/snapshots/1/model-00001-of-00002.safetensors")).unwrap();
    let folder = machine.folder();
    write(&folder.join("repo/config.json"), b"{}");
    write(&folder.join("repo/model.safetensors"), b"weights");
    // Weights alone are anything.
    write(&folder.join("lone/model.safetensors"), b"weights");
    insta::assert_snapshot!(machine.rows(), @r#"
    hf:owner/awq · awq · owner/awq · 1 of 2 parts
    hf:owner/broken · broken · owner/broken · safetensors; llama.cpp runs GGUF
    hf:owner/fp8 · fp8 · owner/fp8 · FP8; llama.cpp runs GGUF
    hf:owner/gptq · gptq · owner/gptq · GPTQ; llama.cpp runs GGUF
    hf:owner/mlx · mlx · owner/mlx · MLX; llama.cpp runs GGUF
    hf:owner/plain · plain · owner/plain · safetensors; llama.cpp runs GGUF
    folder:[root]/models/repo · repo · — · safetensors; llama.cpp runs GGUF
    "#);
    let listing = machine.list();
    let mlx = listing.models.iter().find(|model| model.name == "mlx").unwrap();
    assert_eq!(mlx.format, Format::Mlx);
    assert_eq!((mlx.files.len(), mlx.size.0), (2, 6));
    assert_eq!(mlx.quant(), Some("MLX-4"));
    assert_eq!(mlx.summary.as_ref().unwrap().architecture.as_deref(), Some("qwen2"));
    assert_eq!(mlx.card.as_deref().unwrap().base_models, ["a/b"]);
}

#[test]
fn a_listing_tells_which_part_is_short() {
    let machine = Machine::new();
    let repository = "models--a--b";
    machine.blob(repository, "1", "config.json", "c", b"{}");
    for (number, bytes) in [(1, &b"whole"[..]), (2, b"sh")] {
        machine.blob(repository, "1", format!("m-0000{number}-of-00002.safetensors"), &format!("{number}"), bytes);
    }
    let status = || machine.list().models[0].status.clone();
    assert!(matches!(status(), Status::OtherFormat(_)), "without a listing the names are all there is");
    let entry = |number: u32, size: u64| {
        let digest = "ab".repeat(32);
        format!(r#""m-0000{number}-of-00002.safetensors":{{"size":{size},"lfs_sha256":"{digest}"}}"#)
    };
    let tree = |second: u64| {
        let tree = format!(r#"{{"format_version":1,"files":{{{},{}}}}}"#, entry(1, 5), entry(2, second));
        write(&machine.hub().join(repository).join("trees/1.json"), tree.as_bytes());
    };
    tree(5);
    assert_eq!(status(), Status::Damaged("m-00002-of-00002.safetensors has 2 B of 5 B".to_owned()));
    tree(2);
    assert!(matches!(status(), Status::OtherFormat(_)));
}
