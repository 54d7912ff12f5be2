//! A worker without a supervisor, and what it is asked. Shared by the benches that leave out the server.

use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use wire::{CacheType, Event, FlashAttention, Generate, Load, Prompt, Request, Sampling};

/// How threads wait, as for the peers: with spinning ones the figures are those of whatever else runs.
pub(crate) const WAIT_POLICY: (&str, &str) = ("OMP_WAIT_POLICY", "passive");

/// What a supervisor sets as well.
const HUGE_PAGES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");

/// A worker without a supervisor.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    pub(crate) fn load(load: Load) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail"));
        command.arg("worker").env("GGML_NO_BACKTRACE", "1").stderr(Stdio::null());
        command.env(WAIT_POLICY.0, WAIT_POLICY.1).env(HUGE_PAGES.0, HUGE_PAGES.1);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut worker = Self { child, input, output };
        worker.send([Request::Load(load)]);
        while !matches!(worker.event(), Event::Loaded(_)) {}
        worker
    }

    /// Unload the model as a supervisor does.
    pub(crate) fn stop(mut self) {
        self.send([Request::Shutdown]);
        self.child.wait().unwrap();
    }

    /// Send requests so that the worker reads them at once.
    pub(crate) fn send(&mut self, requests: impl IntoIterator<Item = Request>) {
        let frames: Vec<u8> = requests.into_iter().flat_map(|request| wire::encode(&request).unwrap()).collect();
        self.input.write_all(&frames).unwrap();
    }

    pub(crate) fn event(&mut self) -> Event {
        match wire::read(&mut self.output).unwrap() {
            Some(Event::Failed(failure)) => panic!("{}", failure.message),
            Some(event) => event,
            None => panic!("the worker is gone"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a model is loaded: by the processor alone, with sequences of so many tokens.
pub(crate) fn load(model: &Path, n_ctx: u32, n_threads: u32, n_parallel: u32) -> Load {
    Load {
        path: model.to_owned(),
        n_ctx,
        n_batch: 2048,
        n_ubatch: 512,
        n_threads,
        n_gpu_layers: Some(0),
        devices: None,
        cache_type_k: CacheType::F16,
        cache_type_v: CacheType::F16,
        flash_attention: FlashAttention::Auto,
        mmap: true,
        mlock: false,
        n_parallel,
        kv_unified: false,
        amx: true,
        prompt_cache: 0,
        kept_prompts: None,
    }
}

/// Generate from a plain text.
pub(crate) fn generate(id: u64, prompt: &str, max_tokens: u32, sampling: Sampling) -> Request {
    Request::Generate(Generate {
        id,
        prompt: Prompt::Raw(prompt.to_owned()),
        max_tokens: Some(max_tokens),
        sampling,
        grammar: None,
        stop: Vec::new(),
        n_top_logprobs: 0,
        logit_bias: Vec::new(),
        credits: None,
        min_room: 0,
        context_shift: false,
    })
}
