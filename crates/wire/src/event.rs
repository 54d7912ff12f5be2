//! What a worker reports.

use serde::{Deserialize, Serialize};

use crate::{Queried, Sampling, ToolCallDelta};

/// One event; one frame each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The greeting, before anything else.
    Hello(Hello),
    /// How much of the weights is read, 0 to 1.
    Loading {
        /// 0 to 1, never falling.
        fraction: f32,
    },
    /// The model is ready for prompts.
    Loaded(Box<Loaded>),
    /// A generation has begun: its prompt is rendered and counted.
    Started(Started),
    /// Prompt tokens evaluated so far; one event per decode call, of `n_ubatch` tokens on the processor and `n_batch` with
    /// layers on a GPU.
    Prompt {
        /// The generation.
        id: u64,
        /// Tokens of the prompt that are in the context now, cached ones included.
        n_done: u32,
    },
    /// Generated text: all that was decoded since the last such event, which is at most some milliseconds ago.
    Text {
        /// The generation.
        id: u64,
        /// The text by channel, in order.
        pieces: Vec<Piece>,
        /// What has come of calls of tools, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCallDelta>,
        /// The figures so far.
        counters: Counters,
        /// The tokens behind the text with what else was likely, where the request wants it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tokens: Vec<Token>,
    },
    /// A chunk of a text was weighed.
    Scored(Box<Scored>),
    /// A query has ended well.
    Queried(Box<Queried>),
    /// A generation has ended well or was cancelled; its sequence is free again. Or a query was cancelled.
    Finished {
        /// The generation, or the query.
        id: u64,
        /// Why it ended.
        finish: Finish,
        /// The figures at the end.
        counters: Counters,
    },
    /// A repetition of a bench has ended.
    Measured(Measured),
    /// Something failed. With an id the worker stays usable; without one it exits.
    Failed(Failure),
    /// The answer to a ping.
    Pong {
        /// As asked.
        nonce: u64,
        /// Decode calls finished so far.
        n_decodes: u64,
        /// Steps of work so far, each far shorter than a decode call; `None` while the engine waits for work. A count that
        /// stands still is that of an engine which is stuck: another thread answers pings.
        #[serde(default)]
        n_steps: Option<u64>,
    },
}

/// Who speaks, and for which protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::VERSION`] of the worker.
    pub version: u32,
    /// Process id.
    pub pid: u32,
    /// llama.cpp's build and the processor features it was compiled with.
    pub engine: String,
    /// Devices that llama.cpp can use.
    pub devices: Vec<Device>,
}

/// A compute device as llama.cpp names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Short name, such as `CUDA0`.
    pub name: String,
    /// Long name, such as the card's.
    pub description: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Memory in bytes; `None` where the device does not report it.
    pub total: Option<u64>,
    /// Free memory in bytes as the device reports it; not meaningful for the CPU.
    pub free: Option<u64>,
}

/// The kind of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DeviceKind {
    Cpu,
    Gpu,
    IntegratedGpu,
    Accelerator,
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    /// Context length of each sequence that was made, in tokens.
    pub n_ctx: u32,
    /// Context length that the model was trained for, in tokens.
    pub n_ctx_train: u32,
    /// Layers placed on GPUs, and layers in all (the output layer counts as one).
    pub n_gpu_layers: u32,
    /// Layers in all.
    pub n_layers: u32,
    /// Memory as llama.cpp reports it.
    pub ledger: Ledger,
    /// Whether the file has a chat template.
    pub has_template: bool,
    /// Whether it only makes vectors of texts: what is generated, scored or told as a conversation is refused.
    #[serde(default)]
    pub embeds_only: bool,
    /// The sampling that applies where a request leaves a setting open.
    pub sampling: Sampling,
    /// From the request to here, in microseconds.
    pub load_us: u64,
    /// Processor time of the whole process until here, in microseconds; `None` where the system does not report it.
    #[serde(default)]
    pub load_cpu_us: Option<u64>,
}

/// Bytes by device and purpose, exactly as llama.cpp allocated or mapped them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// One row per buffer type.
    pub devices: Vec<DeviceMemory>,
}

/// One device's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceMemory {
    /// The buffer type's name, such as `CPU`, `CPU_Mapped`, `CUDA0`.
    pub device: String,
    /// Weights, bytes.
    pub weights: u64,
    /// KV cache or recurrent state, bytes.
    pub context: u64,
    /// Compute buffers, bytes. The output buffer, 4 bytes per token of the vocabulary, is not in llama.cpp's account.
    pub compute: u64,
}

/// The begin of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The generation.
    pub id: u64,
    /// Tokens of the rendered prompt.
    pub n_prompt: u32,
    /// Of these, tokens still in the context from the turn before.
    pub n_cached: u32,
    /// The sampling in force, every field set.
    pub sampling: Sampling,
}

/// A generated token and what else was likely in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its bytes, which need not be whole characters.
    pub bytes: Vec<u8>,
    /// The likeliest tokens, likeliest first, before any sampler: `n_top_logprobs` of them, or the whole vocabulary.
    pub top_logprobs: Vec<TopLogprob>,
}

/// A token that might have come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopLogprob {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// 0 to 1, of the whole vocabulary.
    pub probability: f32,
}

/// A chunk that was weighed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// As asked.
    pub id: u64,
    /// As asked.
    pub chunk: u32,
    /// Chunks of the text that are weighed: whole ones, and where every token is weighed the rest as well.
    pub n_chunks: u32,
    /// SHA-256 of the vocabulary's tokens: two models with the same one have the same tokens.
    pub vocabulary: [u8; 32],
    /// The bytes of the tokens before those that were weighed.
    pub before: Vec<u8>,
    /// The tokens that were weighed, in order.
    pub tokens: Vec<Weight>,
}

/// How likely a token of a text was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Negative logarithm of its probability, nats.
    pub surprise: f32,
    /// Kullback and Leibler's divergence of this model from the reference at this position, nats, where compared.
    pub divergence: Option<f32>,
    /// Whether both models find the same token likeliest, where compared.
    pub agrees: Option<bool>,
}

/// Which stream a piece of text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Between `<think>` and `</think>`.
    Reasoning,
    /// Everything else.
    Answer,
}

/// A run of text in one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Its channel.
    pub channel: Channel,
    /// Valid UTF-8; a character split over tokens is held back until whole. Control characters are as the model sent them.
    pub text: String,
}

/// The figures of one generation so far. Times are the worker's monotonic clock, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Prompt tokens evaluated, cached ones excluded.
    pub n_prompt: u32,
    /// Time spent evaluating them; of a decode call that several requests share, the part of its own tokens.
    pub prompt_us: u64,
    /// From the request's arrival to the first token's text, templates and tokenising included; `None` before it.
    pub ttft_us: Option<u64>,
    /// Tokens generated, reasoning included, the end token excluded.
    pub n_generated: u32,
    /// Of these, tokens of reasoning.
    pub n_reasoning: u32,
    /// Time from the first token to the last, sampling included.
    pub generation_us: u64,
    /// Time inside llama.cpp's decode call, over prompt and generation: the worker's busy time. A call that several
    /// requests share is split by their tokens, so that all parts together are the time that was spent.
    pub decode_us: u64,
    /// Tokens in the context now.
    pub n_past: u32,
    /// Tokens that were dropped from the middle of the context, so that the answer could go on.
    #[serde(default)]
    pub n_shifted: u32,
    /// The part of [`Self::ttft_us`] that the engine spent by its own clock, where it is another program's and tells it; the
    /// rest is the network's and whatever lies between.
    #[serde(default)]
    pub engine_ttft_us: Option<u64>,
    /// Decode calls of the worker so far, whatever request they were for; 0 where another program answers.
    #[serde(default)]
    pub n_decodes: u64,
}

impl Counters {
    /// Prompt tokens per second; `None` before any.
    pub fn prompt_rate(&self) -> Option<f64> {
        (self.n_prompt > 0 && self.prompt_us > 0).then(|| f64::from(self.n_prompt) * 1e6 / self.prompt_us as f64)
    }

    /// Generated tokens per second; `None` before the second token, since the first one's time is the prompt's.
    pub fn generation_rate(&self) -> Option<f64> {
        (self.n_generated > 1 && self.generation_us > 0)
            .then(|| f64::from(self.n_generated - 1) * 1e6 / self.generation_us as f64)
    }
}

/// The times of one [`crate::Measure`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// As asked.
    pub id: u64,
    /// False where it was cancelled: the times are then of no use.
    pub is_whole: bool,
    /// Time of reading all prompts, until the logits after them are there, in microseconds; 0 without a prompt.
    pub prompt_us: u64,
    /// Time of each step of the generation, in microseconds; a step gives one token to each sequence.
    pub step_us: Vec<u32>,
    /// Time of the whole generation in microseconds, of an engine elsewhere: it tells no steps.
    #[serde(default)]
    pub generation_us: Option<u64>,
    /// Time until the first token was seen in microseconds, of an engine elsewhere: with the network's part.
    #[serde(default)]
    pub ttft_us: Option<u64>,
    /// What that engine spent of it by its own clock, where it tells.
    #[serde(default)]
    pub engine_ttft_us: Option<u64>,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended its turn.
    Stop,
    /// It wrote one of the request's stop texts: the one at this place.
    StopText(u32),
    /// `max_tokens` were generated.
    Length,
    /// The context is full.
    ContextFull,
    /// The supervisor cancelled it.
    Cancelled,
}

/// An error as the worker tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The generation or query that failed; `None` for the worker as a whole.
    pub id: Option<u64>,
    /// What kind of failure.
    pub kind: FailureKind,
    /// One sentence without a full stop.
    pub message: String,
    /// What the user could do, if anything is known.
    pub hint: Option<String>,
}

/// The kinds of failure that a caller tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request can't be carried out as it stands.
    Request,
    /// The model could not be loaded.
    Load,
    /// The context could not be made.
    Context,
    /// The chat template failed.
    Template,
    /// The prompt is longer than the context.
    PromptTooLong,
    /// As many generations run as there are sequences.
    Busy,
    /// llama.cpp failed while decoding.
    Decode,
}
