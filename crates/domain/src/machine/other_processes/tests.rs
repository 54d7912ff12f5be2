use super::*;

const BLOB: &str = "sha256-dde5aa3fc5ffc17176b5e8bdc82f587b24b2678c6c66101bf7da77af9f7ccdff";

/// The first word of a line is the executable, the whole line its arguments, split at blanks.
fn told(name: &str, line: &str, mapped: &[&str], holds_gpu: bool) -> Option<String> {
    let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let mapped: Vec<_> = mapped.iter().map(|path| ((*path).to_owned(), 1000)).collect();
    let clue = Clue { name, executable: &arguments[0], arguments: &arguments, mapped: &mapped, holds_gpu };
    let (engine, model, _) = identify(&clue)?;
    Some(format!("{engine} · {}", model.as_deref().unwrap_or("—")))
}

#[test]
fn engines_by_their_command_lines() {
    for (name, line, expected) in [
        ("ollama", "/usr/local/bin/ollama serve", "ollama · —"),
        (
            "ollama",
            "/usr/local/bin/ollama runner --ollama-engine --model /home/u/.ollama/models/blobs/sha256-1 --port 36391",
            "ollama runner · /home/u/.ollama/models/blobs/sha256-1",
        ),
        (
            "ollama_llama_se",
            "/tmp/ollama1/runners/cuda_v12/ollama_llama_server --model /b/sha256-2 --ctx-size 8192",
            "ollama runner · /b/sha256-2",
        ),
        ("llama-server", "/usr/lib/ollama/llama-server -m /m/a.gguf", "ollama runner · /m/a.gguf"),
        ("llama-server", "/opt/llama.cpp/build/bin/llama-server -m /m/a.gguf -ngl 99", "llama-server · /m/a.gguf"),
        ("llama-cli", "/usr/bin/llama-cli --model=/m/b.gguf -p hi", "llama-cli · /m/b.gguf"),
        ("llama-server", "llama-server -hf ggml-org/gemma-3-1b-it-GGUF", "llama-server · ggml-org/gemma-3-1b-it-GGUF"),
        ("lm-studio", "/tmp/.mount_LM-Stu8Qd/lm-studio", "LM Studio · —"),
        ("node", "/home/u/.lmstudio/.internal/utils/node /home/u/.lmstudio/bin/llmworker.js", "LM Studio · —"),
        (
            "python3",
            "/usr/bin/python3.11 -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-8B",
            "vLLM · Qwen/Qwen3-8B",
        ),
        ("vllm", "/venv/bin/python3 /venv/bin/vllm serve Qwen/Qwen3-8B --port 8000", "vLLM · Qwen/Qwen3-8B"),
        ("VLLM::EngineCor", "VLLM::EngineCore", "vLLM · —"),
        ("python", "/usr/bin/python -m sglang.launch_server --model-path /m/Llama-3.1-8B", "SGLang · /m/Llama-3.1-8B"),
        ("sglang::schedul", "sglang::scheduler_TP0", "SGLang · —"),
        ("python", "/usr/bin/python /home/u/ComfyUI/main.py --listen", "ComfyUI · —"),
        ("python", "/usr/bin/python ComfyUI/main.py", "ComfyUI · —"),
        ("Jan", "/opt/Jan/Jan", "Jan · —"),
        ("koboldcpp", "/opt/koboldcpp --model /m/c.gguf", "koboldcpp · /m/c.gguf"),
        ("python3", "/usr/bin/python3 koboldcpp.py --model /m/c.gguf", "koboldcpp · /m/c.gguf"),
        ("python", "/usr/bin/python /srv/text-generation-webui/server.py --model x", "text-generation-webui · x"),
        ("accelerate", "/v/bin/python /v/bin/accelerate launch train.py --base_model m/x", "Accelerate · m/x"),
        ("taffrail", "/usr/bin/taffrail worker", "taffrail elsewhere · —"),
    ] {
        assert_eq!(told(name, line, &[], false).as_deref(), Some(expected), "{line}");
    }
}

#[test]
fn processes_by_what_they_hold() {
    let model = "/m/a.safetensors";
    let blob = format!("/var/lib/ollama/blobs/{BLOB}");
    for (name, line, mapped, holds_gpu, expected) in [
        ("python3", "/usr/bin/python3.11 /home/u/train.py --lr 1e-4", &[][..], true, Some("python train.py · —")),
        ("python3", "/usr/bin/python3 -m my.trainer", &[], true, Some("python my.trainer · —")),
        ("python3", "/usr/bin/python3 -c pass", &["/lib/libc.so", model], false, Some("python · /m/a.safetensors")),
        ("embedder", "/usr/bin/embedder", &[blob.as_str()], false, Some("embedder · BLOB")),
        ("python3", "/usr/bin/python3 /home/u/train.py", &["/lib/libc.so"], false, None),
        // What draws on a GPU runs no model.
        ("Xorg", "/usr/lib/xorg/Xorg :0", &[], true, None),
    ] {
        let expected = expected.map(|text| text.replace("BLOB", &blob));
        assert_eq!(told(name, line, mapped, holds_gpu), expected, "{line}");
    }
}

#[test]
fn what_only_sounds_like_an_engine_is_none() {
    for (name, line) in [
        ("ollama", "/usr/local/bin/ollama run llama3.2"),
        ("vim", "/usr/bin/vim /home/u/vllm/notes.txt"),
        ("bash", "/home/jan/bin/bash"),
        ("python3", "/home/u/vllm/.venv/bin/python3 -m pip install x"),
        ("python3", "/usr/bin/python3 /home/u/vllm/docs/conf/build.py"),
        ("Jan", "/opt/Jan/Jan --type=renderer"),
        ("lm-studio", "/opt/lm-studio --type=zygote"),
        ("taffrail", "/usr/bin/taffrail"),
        ("kthreadd", ""),
    ] {
        assert_eq!(told(name, line, &[], false), None, "{line}");
    }
}

#[test]
fn names_from_outside_are_cleaned_and_bounded() {
    let long = "x".repeat(5000);
    let told = told("llama-\u{1b}[2J", &format!("/x/llama-\u{1b}[2J -m /{long}\u{9b}.gguf"), &[], false).unwrap();
    assert!(!told.chars().any(gguf::is_harmful), "{told:?}");
    assert!(told.chars().count() < 1400);
}

#[test]
fn the_library_names_a_blob_wherever_it_lies() {
    let file = |path: &str| crate::model::ModelFile { path: path.into(), size: Bytes(1), modified: 0, digest: None };
    let mut model = crate::testing::model("llama3.2:3b");
    model.files = vec![file(&format!("/usr/share/ollama/.ollama/models/blobs/{BLOB}"))];
    let mut other = crate::testing::model("a");
    other.files = vec![file("/m/a.gguf")];
    let models = [model, other];
    for (path, name) in [
        (format!("/var/lib/ollama/models/blobs/{BLOB}"), Some("llama3.2:3b")),
        ("/m/a.gguf".to_owned(), Some("a")),
        ("/elsewhere/a.gguf".to_owned(), None),
        (BLOB.replace("dde5", "0000"), None),
    ] {
        assert_eq!(name_in_library(&path, &models).as_deref(), name, "{path}");
    }
}

#[test]
fn only_what_is_of_the_model_and_in_memory_counts() {
    for (resident, anonymous, mapped, expected) in
        [(5000, 1000, 10_000, 4000), (5000, 1000, 300, 300), (5000, 5000, 9, 0)]
    {
        let process = Process { resident: Bytes(resident), anonymous: Bytes(anonymous), ..Process::default() };
        let foreign = OtherProcess { process, mapped: Bytes(mapped), ..OtherProcess::default() };
        assert_eq!(foreign.weights_in_memory(), Bytes(expected));
    }
}
