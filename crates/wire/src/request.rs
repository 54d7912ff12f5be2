//! What a supervisor asks of a worker.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Chat, Message, Query};

/// A request; one frame each, answered by [`crate::Event`]s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
#[expect(clippy::large_enum_variant, reason = "nearly all requests are of the large kind, and each is sent at once")]
pub enum Request {
    /// Load a weight file and make a context. Once per worker, first.
    Load(Load),
    /// Answer a prompt. As many at once as [`Load::n_parallel`] says: one more fails with [`crate::FailureKind::Busy`].
    Generate(Generate),
    /// Score a chunk of a text; answered by [`crate::Event::Scored`]. Only while nothing else runs;
    /// otherwise it fails with [`crate::FailureKind::Busy`].
    Score(Score),
    /// End the generation with this id within one decode step; unknown ids are ignored.
    Cancel {
        /// The id of the generation.
        id: u64,
    },
    /// Let the generation with this id draw so many more tokens, see [`Generate::credits`]; unknown ids are ignored.
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
    /// Answered at once with [`crate::Event::Pong`], also in the middle of a decode step.
    Ping {
        /// Returned in the answer.
        nonce: u64,
    },
    /// Clear the cached tokens of all sequences; of one that runs, when it has ended.
    ClearCache,
    /// Measure a speed once, in a context of its own; answered by [`crate::Event::Measured`]. Only
    /// while nothing else runs, like [`Request::Score`]; cancelled like [`Request::Generate`].
    Measure(Measure),
    /// A job beside answers; answered by [`crate::Event::Queried`]. It waits for no sequence, and a step of it is taken between
    /// two decode calls. Cancelled like [`Request::Generate`].
    Query(Query),
    /// Free everything and exit with status 0.
    Shutdown,
}

/// One repetition of one cell of a bench: random tokens, no sampling. With `n_prompt` the time of reading them is taken,
/// with `n_generate` the time of each step; with both, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Chosen by the supervisor; repeated in the answer.
    pub id: u64,
    /// Tokens of each prompt.
    pub n_prompt: u32,
    /// Tokens to generate in each sequence.
    pub n_generate: u32,
    /// Tokens in each sequence before; not timed.
    pub n_depth: u32,
    /// Sequences, decoded together.
    pub n_parallel: u32,
    /// Tokens per call of llama.cpp.
    pub n_batch: u32,
    /// Tokens computed at once.
    pub n_ubatch: u32,
    /// Context length of each sequence, in tokens. A context is kept for the next repetition that wants the same.
    pub n_ctx: u32,
}

/// How to load a model and build its context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Load {
    /// The GGUF file, or the first part of a split one.
    pub path: PathBuf,
    /// Context length of each sequence in tokens; 0 takes the model's trained length.
    pub n_ctx: u32,
    /// Tokens handed to llama.cpp in one call.
    pub n_batch: u32,
    /// Tokens computed at once.
    pub n_ubatch: u32,
    /// Threads to begin with, at least 1.
    pub n_threads: u32,
    /// Layers to place on GPUs; `None` leaves it to llama.cpp, which places all that fit.
    pub n_gpu_layers: Option<u32>,
    /// The devices that these layers are divided among; `None` takes the GPUs of this machine, and no device at all leaves
    /// everything on the processor.
    #[serde(default)]
    pub devices: Option<Vec<LoadDevice>>,
    /// Type of the keys in the KV cache.
    pub cache_type_k: CacheType,
    /// Type of the values in the KV cache.
    pub cache_type_v: CacheType,
    /// Flash attention.
    pub flash_attention: FlashAttention,
    /// Map the file rather than read it.
    pub mmap: bool,
    /// Lock the weights in memory.
    pub mlock: bool,
    /// Sequences that are decoded together, each with a context of `n_ctx` tokens: the most requests that run at once.
    #[serde(default = "one")]
    pub n_parallel: u32,
    /// One KV cache for all sequences rather than one for each: more tokens per second with several, but an answer then
    /// depends on what else runs. Each sequence has `n_ctx` tokens all the same.
    #[serde(default)]
    pub kv_unified: bool,
    /// Weights may be laid out for AMX where there is one: llama.cpp aborts over some models then.
    #[serde(default)]
    pub amx: bool,
    /// Bytes of memory for the states of prompts that had to leave their sequence, and for places to roll back to; 0 keeps none.
    #[serde(default)]
    pub prompt_cache: u64,
    /// Where states of prompts are kept on disk; `None` keeps none.
    #[serde(default)]
    pub kept_prompts: Option<KeptPrompts>,
}

/// A device for layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadDevice {
    /// Its name on its machine, such as `CUDA0` or `CPU`; a number counts the devices of a server that names none.
    pub name: String,
    /// The server that has it; `None` for one of this machine.
    pub server: Option<RpcServer>,
}

/// A server of llama.cpp's RPC on another machine, at this end of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RpcServer {
    /// What the user calls it.
    pub name: String,
    /// Where it is reached.
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

/// The most states that [`Load::prompt_cache`] keeps in memory, those to roll back to not counted.
pub const MAX_CACHED_PROMPTS: u64 = 8;

/// Where states of prompts are kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPrompts {
    /// The folder, which several workers may share; it is made where it is missing.
    pub folder: PathBuf,
    /// The most bytes that all files there may have; the oldest go first.
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

/// One answer to be generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generate {
    /// Chosen by the supervisor; repeated in each event of this generation.
    pub id: u64,
    /// What to answer.
    pub prompt: Prompt,
    /// The most tokens to generate, reasoning included; `None` goes on until the context is full.
    pub max_tokens: Option<u32>,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Tokens that are made more or less likely, before all samplers.
    #[serde(default)]
    pub logit_bias: Vec<LogitBias>,
    /// What the answer must look like; `None` leaves it free. Reasoning is free, and is closed when half of the room is used
    /// up, so that an answer comes.
    pub grammar: Option<Grammar>,
    /// Texts that end the answer where the model writes one of them; they are no part of it. Reasoning is not looked
    /// through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// How many of the likeliest tokens to tell at each step, see [`crate::Token`]; 0 tells none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub n_top_logprobs: u32,
    /// Tokens that may be drawn before [`Request::Continue`] lets more be; then the worker waits. `None` never waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<u32>,
    /// Tokens of the context that must be left for the answer; a prompt that leaves fewer is too long.
    #[serde(default, skip_serializing_if = "is_none")]
    pub min_room: u32,
    /// Where the context is full in the middle of the answer: drop the older half of the tokens behind the beginning, and go
    /// on. Only a context whose tokens can be moved is shifted; another one ends the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context_shift: bool,
}

/// What an answer must look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grammar {
    /// A grammar in llama.cpp's GBNF, which begins at the rule `root`.
    Gbnf(String),
    /// A JSON schema that the answer, one JSON document, is to obey.
    JsonSchema(String),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

/// A stretch of text to be weighed: how likely the model finds each of its tokens.
///
/// The text is cut into chunks of `n_chunk` tokens. Each is read into an empty context, begun by the begin-of-text token
/// where the vocabulary wants one (it takes the place of the chunk's first token), and the tokens of its second half are
/// weighed, so that each has half a chunk before it at least. This is how llama-perplexity does it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Chosen by the supervisor; repeated in the answer.
    pub id: u64,
    /// The text; `None` goes on with the one of the request before.
    pub text: Option<String>,
    /// Tokens of a chunk.
    pub n_chunk: u32,
    /// Which chunk, from 0.
    pub chunk: u32,
    /// Weigh every token but a chunk's first, and what is left behind the last whole chunk as a shorter one; otherwise
    /// the second half of each whole chunk.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every: bool,
    /// What to do with the whole distributions.
    pub distributions: Distributions,
}

/// What is done with a model's probabilities for all tokens at each position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distributions {
    /// Nothing.
    Drop,
    /// They are written to this file as natural logarithms, 32-bit floats in the machine's order, position by position.
    Write(PathBuf),
    /// They are compared with those that another model wrote to this file for the same chunk.
    Compare(PathBuf),
}

/// What a model is to go on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// A conversation.
    Chat(Chat),
    /// Text as it stands, with special tokens read as such.
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

/// Sampler settings. The chain runs in llama.cpp's order: biases, penalties, top-n-sigma, top-k, typical-p, top-p, min-p, XTC,
/// temperature, draw. With Mirostat it is biases, penalties, temperature, Mirostat.
/// `None` leaves a setting to the file's `general.sampling.*`, then to the default named here.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 is greedy. Default 0.8.
    pub temperature: Option<f32>,
    /// Keep the k likeliest; 0 keeps all. Default 40.
    pub top_k: Option<u32>,
    /// Keep the likeliest that together reach p. Default 0.95.
    pub top_p: Option<f32>,
    /// Keep those at least p times as likely as the most likely. Default 0.05.
    pub min_p: Option<f32>,
    /// Keep those whose surprise is nearest to the expected one, until together they reach p; 1 is off. Default 1.
    pub typical_p: Option<f32>,
    /// Keep those whose logit is at most so many standard deviations below the greatest; 0 is off. Default 0.
    pub top_n_sigma: Option<f32>,
    /// How often the likeliest are left out, 0 to 1, where a less likely one reaches [`Self::xtc_threshold`]. Default 0.
    pub xtc_probability: Option<f32>,
    /// How likely a token must be for the likelier ones to be left out; above 0.5 is off. Default 0.1.
    pub xtc_threshold: Option<f32>,
    /// Divide the logits of tokens in the window by this; 1 is off. Default 1.
    pub repeat_penalty: Option<f32>,
    /// Subtract this from the logit of a token for each time that it stands in the window. Default 0.
    pub frequency_penalty: Option<f32>,
    /// Subtract this once from the logit of a token that stands in the window. Default 0.
    pub presence_penalty: Option<f32>,
    /// How many of the last tokens, the prompt's among them, the penalties look at: their window. Default 64.
    pub repeat_last_n: Option<u32>,
    /// Mirostat: 0 is off, 1 or 2 the version. Default 0.
    pub mirostat: Option<u32>,
    /// The surprise that Mirostat aims at, in bits. Default 5.
    pub mirostat_tau: Option<f32>,
    /// How fast Mirostat learns. Default 0.1.
    pub mirostat_eta: Option<f32>,
    /// Seed of the draw; `None` takes a new one each time, reported in [`crate::Started`].
    pub seed: Option<u32>,
}

impl Sampling {
    /// Everything is left open.
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

/// A token that is made more or less likely.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogitBias {
    /// The token, by its number in the model's vocabulary.
    pub token: u32,
    /// What is added to its logit.
    pub bias: f32,
}
