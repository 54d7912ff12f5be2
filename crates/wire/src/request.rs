//! What a supervisor requests from a worker.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Chat, Message, Query};

/// A request; one frame each, answered by [`crate::Event`]s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
#[expect(clippy::large_enum_variant, reason = "nearly all requests are of the large kind, and each is sent at once")]
pub enum Request {
    /// Load a weight file and create a context. The first request, once per worker.
    Load(Load),
    /// Answer a prompt. At most [`Load::n_parallel`] at once: one more fails with [`crate::FailureKind::Busy`].
    Generate(Generate),
    /// Score a chunk of text; answered by [`crate::Event::Scored`]. Fails with [`crate::FailureKind::Busy`] while
    /// anything else runs.
    Score(Score),
    /// End the generation with this id within one decode step; unknown ids are ignored.
    Cancel {
        /// The id of the generation.
        id: u64,
    },
    /// Allow the generation with this id to draw this many more tokens, see [`Generate::credits`]; unknown ids are ignored.
    Continue {
        /// The id of the generation.
        id: u64,
        /// Tokens.
        n_tokens: u32,
    },
    /// Use this many threads from the next decode step on.
    Threads {
        /// Threads for generation and prompt alike, at least 1.
        n_threads: u32,
    },
    /// Answered immediately with [`crate::Event::Pong`], even during a decode step.
    Ping {
        /// Repeated in the answer.
        nonce: u64,
    },
    /// Clear the cached tokens of all sequences; those of a running one are cleared when it ends.
    ClearCache,
    /// Measure a speed once, in a separate context; answered by [`crate::Event::Measured`]. Only while nothing else
    /// runs, like [`Request::Score`]; cancelled like [`Request::Generate`].
    Measure(Measure),
    /// A job that runs alongside generations; answered by [`crate::Event::Queried`]. It needs no sequence: its steps
    /// run between decode calls. Cancelled like [`Request::Generate`].
    Query(Query),
    /// Free everything and exit with status 0.
    Shutdown,
}

/// One repetition of one bench case: random tokens, no sampling. With `n_prompt`, reading them is timed; with
/// `n_generate`, each step; with both, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Chosen by the supervisor; repeated in the answer.
    pub id: u64,
    /// Tokens of each prompt.
    pub n_prompt: u32,
    /// Tokens to generate in each sequence.
    pub n_generate: u32,
    /// Tokens already in each sequence; not timed.
    pub n_depth: u32,
    /// Sequences, decoded together.
    pub n_parallel: u32,
    /// Tokens per call of llama.cpp.
    pub n_batch: u32,
    /// Tokens computed at once.
    pub n_ubatch: u32,
    /// Context length of each sequence, in tokens. The context is kept for the next repetition with the same settings.
    pub n_ctx: u32,
}

/// How to load a model and create its context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Load {
    /// The GGUF file, or the first part of a split one.
    pub path: PathBuf,
    /// Context length of each sequence in tokens; 0 for the model's training length.
    pub n_ctx: u32,
    /// Tokens passed to llama.cpp in one call.
    pub n_batch: u32,
    /// Tokens computed at once.
    pub n_ubatch: u32,
    /// Initial number of threads, at least 1.
    pub n_threads: u32,
    /// Layers to place on GPUs; `None` leaves it to llama.cpp, which places as many as fit.
    pub n_gpu_layers: Option<u32>,
    /// The devices to divide these layers among; `None` for this machine's GPUs, an empty list for the CPU only.
    #[serde(default)]
    pub devices: Option<Vec<LoadDevice>>,
    /// Type of the keys in the KV cache.
    pub cache_type_k: CacheType,
    /// Type of the values in the KV cache.
    pub cache_type_v: CacheType,
    /// Flash attention.
    pub flash_attention: FlashAttention,
    /// Map the file instead of reading it.
    pub mmap: bool,
    /// Lock the weights in memory.
    pub mlock: bool,
    /// Sequences decoded together, each with a context of `n_ctx` tokens: the maximum number of concurrent requests.
    #[serde(default = "one")]
    pub n_parallel: u32,
    /// One KV cache for all sequences instead of one each: faster with several, but an answer then depends on what
    /// else runs. Each sequence still has `n_ctx` tokens.
    #[serde(default)]
    pub kv_unified: bool,
    /// Allow weights in AMX layout if the CPU has AMX: llama.cpp aborts with some models then.
    #[serde(default)]
    pub amx: bool,
    /// Bytes of memory for the states of prompts that had to leave their sequence, and for rollback points; 0 keeps none.
    #[serde(default)]
    pub prompt_cache: u64,
    /// Where prompt states are kept on disk; `None` keeps none.
    #[serde(default)]
    pub kept_prompts: Option<KeptPrompts>,
}

/// A device to place layers on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadDevice {
    /// Its name on its machine, such as `CUDA0` or `CPU`; a number is an index into the devices of a server that names none.
    pub name: String,
    /// The server that has it; `None` for this machine.
    pub server: Option<RpcServer>,
}

/// A llama.cpp RPC server on another machine, at the local end of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RpcServer {
    /// The user's name for it.
    pub name: String,
    /// Its local address.
    pub address: SocketAddrV4,
}

impl std::fmt::Display for LoadDevice {
    /// As the user writes it: `CUDA0`, `NAME:CUDA0`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.server {
            Some(server) => write!(f, "{}:{}", server.name, self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The maximum number of states that [`Load::prompt_cache`] keeps in memory, not counting rollback points.
pub const MAX_CACHED_PROMPTS: u64 = 8;

/// Where prompt states are kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPrompts {
    /// The folder, created if missing; several workers may share it.
    pub folder: PathBuf,
    /// Limit for the total size of its files; the oldest are deleted first.
    pub max_bytes: u64,
}

fn one() -> u32 {
    1
}

/// The KV cache types that llama.cpp accepts; the others make it return null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is ggml's type of that name")]
pub enum CacheType {
    F32,
    #[default]
    F16,
    #[serde(rename = "bf16")]
    BF16,
    Q8_0,
    Q5_1,
    Q5_0,
    Q4_1,
    Q4_0,
}

/// Whether flash attention is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlashAttention {
    /// llama.cpp decides by model and device.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// One answer to generate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generate {
    /// Chosen by the supervisor; repeated in each event of this generation.
    pub id: u64,
    /// The prompt.
    pub prompt: Prompt,
    /// Maximum number of tokens to generate, including reasoning; `None` continues until the context is full.
    pub max_tokens: Option<u32>,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Tokens made more or less likely, before all samplers.
    #[serde(default)]
    pub logit_bias: Vec<LogitBias>,
    /// The required format of the answer; `None` for free text. Reasoning is not constrained, but is closed when half
    /// of the room is used, so that the answer still fits.
    pub grammar: Option<Grammar>,
    /// Texts that end the answer when the model writes one of them; they are not part of it. Reasoning is not searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// How many of the most likely tokens to report at each step, see [`crate::Token`]; 0 for none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub n_top_logprobs: u32,
    /// Tokens that may be drawn before the worker waits for [`Request::Continue`]. `None` never waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<u32>,
    /// Context tokens to reserve for the answer; a prompt that leaves fewer is too long.
    #[serde(default, skip_serializing_if = "is_none")]
    pub min_room: u32,
    /// When the context fills up during the answer, drop the older half of the tokens after the beginning and
    /// continue. Only if the context supports shifting; otherwise the answer ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context_shift: bool,
}

/// The required format of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grammar {
    /// A GBNF grammar as llama.cpp reads it, with the start rule `root`.
    Gbnf(String),
    /// A JSON schema; the answer is one JSON document that conforms to it.
    JsonSchema(String),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

/// A stretch of text to score: how likely the model finds each of its tokens.
///
/// The text is split into chunks of `n_chunk` tokens. Each is read into an empty context, and the tokens of its second
/// half are scored, so that each has at least half a chunk before it. If the vocabulary wants a begin-of-text token,
/// it replaces the chunk's first token. llama-perplexity does the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Chosen by the supervisor; repeated in the answer.
    pub id: u64,
    /// The text; `None` for the text of the previous request.
    pub text: Option<String>,
    /// Tokens per chunk.
    pub n_chunk: u32,
    /// The chunk's index, from 0.
    pub chunk: u32,
    /// Score every token except a chunk's first, and the rest after the last whole chunk as a shorter one; otherwise
    /// only the second half of each whole chunk.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every: bool,
    /// What to do with the full distributions.
    pub distributions: Distributions,
}

/// What to do with a model's probabilities for all tokens at each position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distributions {
    /// Nothing.
    Drop,
    /// Write them to this file as natural logarithms: 32-bit floats in native byte order, position by position.
    Write(PathBuf),
    /// Compare them with those that another model wrote to this file for the same chunk.
    Compare(PathBuf),
}

/// What a model is to continue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// A conversation.
    Chat(Chat),
    /// Text as is, with special tokens parsed.
    Raw(String),
}

impl From<Vec<Message>> for Prompt {
    fn from(messages: Vec<Message>) -> Self {
        Self::Chat(messages.into())
    }
}

impl FromIterator<Message> for Prompt {
    fn from_iter<I: IntoIterator<Item = Message>>(messages: I) -> Self {
        Self::Chat(messages.into_iter().collect())
    }
}

/// Sampler settings. The chain runs in llama.cpp's order: biases, penalties, top-n-sigma, top-k, typical-p, top-p,
/// min-p, XTC, temperature, draw. With Mirostat: biases, penalties, temperature, Mirostat.
/// `None` uses the file's `general.sampling.*`, then the default given here.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 is greedy. Default 0.8.
    pub temperature: Option<f32>,
    /// Keep the k most likely tokens; 0 keeps all. Default 40.
    pub top_k: Option<u32>,
    /// Keep the most likely tokens that together reach p. Default 0.95.
    pub top_p: Option<f32>,
    /// Keep tokens at least p times as likely as the most likely one. Default 0.05.
    pub min_p: Option<f32>,
    /// Keep the tokens whose surprise is nearest to the expected one, until together they reach p; 1 is off. Default 1.
    pub typical_p: Option<f32>,
    /// Keep tokens whose logit is at most this many standard deviations below the greatest; 0 is off. Default 0.
    pub top_n_sigma: Option<f32>,
    /// How often the most likely tokens are left out, 0 to 1, if a less likely one reaches [`Self::xtc_threshold`]. Default 0.
    pub xtc_probability: Option<f32>,
    /// How likely a token must be for more likely ones to be left out; above 0.5 is off. Default 0.1.
    pub xtc_threshold: Option<f32>,
    /// Divide the logits of tokens in the window by this; 1 is off. Default 1.
    pub repeat_penalty: Option<f32>,
    /// Subtract this from a token's logit for each occurrence in the window. Default 0.
    pub frequency_penalty: Option<f32>,
    /// Subtract this once from the logit of each token that occurs in the window. Default 0.
    pub presence_penalty: Option<f32>,
    /// The penalties' window: how many of the last tokens they look at, prompt included. Default 64.
    pub repeat_last_n: Option<u32>,
    /// Mirostat: 0 is off, 1 or 2 the version. Default 0.
    pub mirostat: Option<u32>,
    /// Mirostat's target surprise, in bits. Default 5.
    pub mirostat_tau: Option<f32>,
    /// Mirostat's learning rate. Default 0.1.
    pub mirostat_eta: Option<f32>,
    /// Random seed; `None` chooses a new one each time, reported in [`crate::Started`].
    pub seed: Option<u32>,
}

impl Sampling {
    /// Nothing is set.
    pub const OPEN: Self = Self {
        temperature: None,
        top_k: None,
        top_p: None,
        min_p: None,
        typical_p: None,
        top_n_sigma: None,
        xtc_probability: None,
        xtc_threshold: None,
        repeat_penalty: None,
        frequency_penalty: None,
        presence_penalty: None,
        repeat_last_n: None,
        mirostat: None,
        mirostat_tau: None,
        mirostat_eta: None,
        seed: None,
    };
}

/// A token made more or less likely.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogitBias {
    /// The token's id in the model's vocabulary.
    pub token: u32,
    /// What is added to its logit.
    pub bias: f32,
}
