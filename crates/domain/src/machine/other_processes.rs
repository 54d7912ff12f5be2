//! Other programs that run or train models on this machine: which they are, and which model they have loaded.
//!
//! Owned here: the table of known engines, and what follows from a process's name, its command line and the files it
//! has mapped. Absent: reading any of that, which `telemetry` does, and starting or changing such a program.

use serde::{Deserialize, Serialize};

use crate::machine::process::Process;
use crate::model::Model;
use crate::units::Bytes;

/// A process of another program that runs or trains models.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OtherProcess {
    /// Its figures, as those of our own workers.
    pub process: Process,
    /// When it started, in clock ticks after boot: with the process id it names the process for good.
    pub started: u64,
    /// What it is, such as `ollama runner` or `python train.py`.
    pub engine: String,
    /// Its model: a path, or a name as its command line writes it.
    pub model: Option<String>,
    /// What the library calls that model, where it knows it.
    pub name: Option<String>,
    /// Model files that it has mapped, bytes of address space: what of them is in memory counts as available, since the
    /// system can drop it.
    pub mapped: Bytes,
    /// What drivers say that it holds on GPUs; `None` where none names it.
    pub gpu_memory: Option<Bytes>,
    /// Which files it has mapped is kept from this user.
    pub closed: bool,
}

impl OtherProcess {
    /// What names the process for good: its id, and when it started.
    pub fn id(&self) -> (u32, u64) {
        (self.process.pid, self.started)
    }

    /// Resident pages of its model's file, at most: the system calls them available, and the program needs them.
    pub fn weights_in_memory(&self) -> Bytes {
        self.process.resident.saturating_sub(self.process.anonymous).min(self.mapped)
    }

    /// The model as a person calls it: by the library's name, else by its file's.
    pub fn model_name(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| {
            let model = self.model.as_deref()?;
            let is_path = model.starts_with('/') || is_model_file(model);
            Some(if is_path { base(model) } else { model })
        })
    }

    /// What a question calls it: `ollama runner (process 4242, llama3.2:3b)`.
    pub fn title(&self) -> String {
        let model = self.model_name().map(|name| format!(", {name}")).unwrap_or_default();
        format!("{} (process {}{model})", self.engine, self.process.pid)
    }
}

/// What is known of a process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clue<'a> {
    /// Its name by the kernel, 15 bytes at most.
    pub name: &'a str,
    /// Its executable; empty if unknown.
    pub executable: &'a str,
    /// Its command line.
    pub arguments: &'a [String],
    /// Files that it has mapped, with their length in its address space.
    pub mapped: &'a [(String, u64)],
    /// A driver lists it as using a GPU.
    pub holds_gpu: bool,
}

/// An engine, with the words that identify it: parts of the program's name or its folder's, or of the script's that an
/// interpreter runs. A word after `=` must be the whole name, since folders may have it for other reasons.
struct Known {
    engine: &'static str,
    words: &'static [&'static str],
}

const fn known(engine: &'static str, words: &'static [&'static str]) -> Known {
    Known { engine, words }
}

/// Engines and trainers. Programs that begin with `llama-` are llama.cpp's and go by their own name.
const KNOWN: [Known; 31] = [
    known("docker model runner", &["docker-model-runner", "com.docker.llama-server"]),
    known("ollama runner", &["ollama_llama_server"]),
    known("LM Studio", &["lmstudio", "lm-studio", "lm studio", "llmworker", "llmster"]),
    known("vLLM", &["vllm"]),
    known("SGLang", &["sglang"]),
    known("ComfyUI", &["comfyui"]),
    known("Jan", &["=jan", "=cortex", "cortex-server"]),
    known("koboldcpp", &["koboldcpp", "koboldcpp-linux-x64", "koboldcpp_cu12"]),
    known("text-generation-webui", &["text-generation-webui", "textgen"]),
    known("TGI", &["text-generation-launcher", "text-generation-router", "text-generation-server"]),
    known("LocalAI", &["local-ai", "localai"]),
    known("GPT4All", &["gpt4all"]),
    known("llamafile", &["llamafile"]),
    known("RamaLama", &["=ramalama"]),
    known("MLX", &["mlx_lm", "mlx-lm"]),
    known("TabbyAPI", &["tabbyapi"]),
    known("Aphrodite", &["aphrodite"]),
    known("LMDeploy", &["lmdeploy"]),
    known("mistral.rs", &["mistralrs-server", "mistralrs"]),
    known("Triton", &["tritonserver"]),
    known("TensorRT-LLM", &["trtllm-serve", "tensorrt_llm"]),
    known("whisper.cpp", &["whisper-server", "whisper-cli"]),
    known("stable-diffusion.cpp", &["sd-server"]),
    known("stable-diffusion-webui", &["stable-diffusion-webui", "sd-webui-forge"]),
    known("InvokeAI", &["invokeai", "invokeai-web"]),
    known("Axolotl", &["axolotl"]),
    known("LLaMA-Factory", &["llamafactory", "llamafactory-cli", "llama-factory"]),
    known("Accelerate", &["=accelerate"]),
    known("DeepSpeed", &["deepspeed"]),
    known("torchrun", &["torchrun"]),
    known("llama-cpp-python", &["llama_cpp"]),
];

/// Options whose value names a model.
const MODEL_OPTIONS: [&str; 16] = [
    "-m",
    "--model",
    "--model-path",
    "--model_path",
    "--model-name-or-path",
    "--model_name_or_path",
    "--pretrained_model_name_or_path",
    "--model-id",
    "--model_id",
    "--checkpoint",
    "--ckpt",
    "--gguf",
    "-hf",
    "-hfr",
    "--hf-repo",
    "--base_model",
];

/// How names of model files end.
const SUFFIXES: [&str; 4] = [".gguf", ".safetensors", ".ggml", ".llamafile"];

/// The longest name of an engine or a model that is kept, bytes.
const MAX_NAME: usize = 256;

/// What a process is, its model, and how much of model files it has mapped; `None` if it has nothing to do with models.
pub fn identify(clue: &Clue<'_>) -> Option<(String, Option<String>, Bytes)> {
    let program = program(clue);
    let models = || clue.mapped.iter().filter(|(path, _)| is_model_file(path));
    let largest = models().max_by_key(|(_, length)| *length).map(|(path, _)| path.clone());
    let engine = by_name(clue, program).or_else(|| {
        if largest.is_none() && !(clue.holds_gpu && is_python(program)) {
            return None;
        }
        let script = script(clue.arguments).filter(|_| is_interpreter(program)).map(base);
        let name = if is_interpreter(program) { interpreter_name(program) } else { program };
        Some(script.map_or_else(|| name.to_owned(), |script| format!("{name} {script}")))
    })?;
    // The windows and helpers of a desktop program hold no model.
    if largest.is_none() && clue.arguments.iter().any(|argument| argument.starts_with("--type=")) {
        return None;
    }
    let model = named_model(clue.arguments, is_interpreter(program)).or(largest);
    let length = models().fold(0_u64, |sum, (_, length)| sum.saturating_add(*length));
    Some((gguf::clean(&engine, MAX_NAME), model.map(|model| gguf::clean(&model, MAX_NAME * 4)), Bytes(length)))
}

/// The program's name: the executable's, which can't be changed, else the name that the process gives itself.
fn program<'a>(clue: &Clue<'a>) -> &'a str {
    let executable = base(clue.executable.trim_end_matches(" (deleted)"));
    if executable.is_empty() { clue.name } else { executable }
}

fn by_name(clue: &Clue<'_>, program: &str) -> Option<String> {
    let lower = program.to_lowercase();
    let called = clue.arguments.first().map_or("", |first| base(first)).to_lowercase();
    if lower == "ollama" || called == "ollama" {
        // The others are clients, which hold nothing.
        return match clue.arguments.get(1).map(String::as_str) {
            Some("runner") => Some("ollama runner".to_owned()),
            Some("serve") | None => Some("ollama".to_owned()),
            Some(_) => None,
        };
    }
    if lower == "taffrail" {
        let is_worker = clue.arguments.get(1).is_some_and(|argument| argument == "worker");
        return is_worker.then(|| "taffrail elsewhere".to_owned());
    }
    let is_llama = |name: &&str| name.starts_with("llama-");
    let names = [lower.as_str(), called.as_str(), clue.name];
    if let Some(name) = names.into_iter().find(is_llama) {
        let is_ollamas = words(clue.executable).any(|word| word == "ollama");
        return Some(if is_ollamas { "ollama runner".to_owned() } else { name.to_owned() });
    }
    let own = if is_interpreter(&lower) { script(clue.arguments).unwrap_or_default() } else { clue.executable };
    let mut texts = [clue.name, own, called.as_str()].into_iter();
    texts.find_map(|text| {
        KNOWN.iter().find(|known| known.words.iter().any(|word| says(text, word))).map(|known| known.engine.to_owned())
    })
}

/// Whether a path, a module's name or a process title has this word as a part. Of a path the name and its folder count.
fn says(text: &str, word: &str) -> bool {
    if let Some(word) = word.strip_prefix('=') {
        return base(text).eq_ignore_ascii_case(word);
    }
    let mut tail = text.rsplit(['/', '\\']).take(2).filter(|part| !part.is_empty());
    tail.any(|part| part.eq_ignore_ascii_case(word) || words(part).any(|part| part == word))
}

/// The parts of a path, a module's name or a process title, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(['/', '\\', '.', ':', ' ']).filter(|part| !part.is_empty()).map(str::to_lowercase)
}

fn is_python(program: &str) -> bool {
    program.starts_with("python") || program.starts_with("pypy")
}

fn is_interpreter(program: &str) -> bool {
    is_python(program) || matches!(program, "node" | "bun" | "deno")
}

/// `python` for `python3.11`.
fn interpreter_name(program: &str) -> &str {
    program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
}

/// The script or module that an interpreter runs.
fn script(arguments: &[String]) -> Option<&str> {
    let mut arguments = arguments.iter().skip(1).map(String::as_str);
    while let Some(argument) = arguments.next() {
        match argument {
            "-m" => return arguments.next(),
            "-c" => return None,
            "-W" | "-X" => drop(arguments.next()),
            option if option.starts_with('-') => {}
            script => return Some(script),
        }
    }
    None
}

/// The model that a command line names.
fn named_model(arguments: &[String], interpreted: bool) -> Option<String> {
    let looks_like_one = |value: &str| value.contains('/') || is_model_file(value);
    let mut at = arguments.iter().map(String::as_str).peekable();
    while let Some(argument) = at.next() {
        let (option, value) =
            argument.split_once('=').map_or((argument, None), |(option, value)| (option, Some(value)));
        if MODEL_OPTIONS.contains(&option) {
            let value = value.or_else(|| at.peek().copied().filter(|value| !value.starts_with('-')));
            // The interpreter's own `-m` names a module.
            if let Some(value) = value.filter(|value| option != "-m" || !interpreted || looks_like_one(value)) {
                return Some(value.to_owned());
            }
        }
    }
    let serves = arguments.iter().position(|argument| argument == "serve").and_then(|at| arguments.get(at + 1));
    let model = serves.filter(|value| looks_like_one(value) && !value.starts_with('-'));
    model.or_else(|| arguments.iter().skip(1).find(|argument| is_model_file(argument))).cloned()
}

/// Whether a file of this name holds a model: by its ending, or as one of the blobs of Ollama's store.
pub fn is_model_file(path: &str) -> bool {
    let name = base(path.trim_end_matches(" (deleted)"));
    is_blob(name) || SUFFIXES.iter().any(|suffix| name.len() > suffix.len() && ends_with(name, suffix))
}

fn ends_with(name: &str, suffix: &str) -> bool {
    name.len()
        .checked_sub(suffix.len())
        .and_then(|at| name.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// A file that is named by its content's hash.
fn is_blob(name: &str) -> bool {
    name.strip_prefix("sha256-")
        .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// What the library calls the model of this file. Ollama's blobs go by their name, since a container sees its store
/// elsewhere; other files by their whole path.
pub fn name_in_library<'a>(model: &str, models: impl IntoIterator<Item = &'a Model>) -> Option<String> {
    let blob = Some(base(model)).filter(|name| is_blob(name));
    let is_it = |path: &std::path::Path| match blob {
        Some(blob) => path.file_name().is_some_and(|name| name == blob),
        None => path == std::path::Path::new(model),
    };
    let mut models = models.into_iter();
    let found = models.find(|known| known.places().any(|place| place.files.iter().any(|file| is_it(&file.path))))?;
    Some(found.name.clone())
}

#[cfg(test)]
mod tests;
