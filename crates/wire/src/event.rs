//! What a worker reports.

use serde::{Deserialize, Serialize};

use crate::{Queried, Sampling, ToolCallDelta};

/// One event; one frame each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The greeting, always first.
    Hello(Hello),
    /// How much of the weights has been read, 0 to 1.
    Loading {
        /// 0 to 1, never decreasing.
        fraction: f32,
    },
    /// The model is ready for prompts.
    Loaded(Box<Loaded>),
    /// A generation has started: its prompt is rendered and tokenized.
    Started(Started),
    /// Prompt tokens evaluated so far; one event per decode call, of `n_ubatch` tokens on the processor and `n_batch` with
    /// layers on a GPU.
    Prompt {
        /// The generation.
        id: u64,
        /// Prompt tokens now in the context, including cached ones.
        n_done: u32,
    },
    /// Generated text: everything decoded since the last such event, a few milliseconds ago at most.
    Text {
        /// The generation.
        id: u64,
        /// The text by channel, in order.
        pieces: Vec<Piece>,
        /// Deltas of tool calls, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCallDelta>,
        /// The figures so far.
        counters: Counters,
        /// The tokens behind the text with their alternatives, if the request asked for them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tokens: Vec<Token>,
    },
    /// A chunk of text was scored.
    Scored(Box<Scored>),
    /// A query succeeded.
    Queried(Box<Queried>),
    /// A generation completed or was cancelled, and its sequence is free again; or a query was cancelled.
    Finished {
        /// The generation or the query.
        id: u64,
        /// Why it ended.
        finish: Finish,
        /// The figures at the end.
        counters: Counters,
    },
    /// A repetition of a bench is complete.
    Measured(Measured),
    /// Something failed. With an id the worker stays usable; without one it exits.
    Failed(Failure),
    /// The answer to a ping.
    Pong {
        /// As in the request.
        nonce: u64,
        /// Decode calls completed so far.
        n_decodes: u64,
        /// Steps of work so far, each far shorter than a decode call; `None` while the engine waits for work. If the
        /// count stops rising, the engine is stuck: pings are answered by another thread.
        #[serde(default)]
        n_steps: Option<u64>,
    },
}

/// Identifies the worker and its protocol version.
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
    /// Memory in bytes; `None` if the device does not report it.
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
    /// Context length of each sequence, in tokens.
    pub n_ctx: u32,
    /// Context length that the model was trained with, in tokens.
    pub n_ctx_train: u32,
    /// Layers placed on GPUs; the output layer counts as one.
    pub n_gpu_layers: u32,
    /// Total number of layers.
    pub n_layers: u32,
    /// Memory as llama.cpp reports it.
    pub ledger: Ledger,
    /// Whether the file has a chat template.
    pub has_template: bool,
    /// Whether it is an embedding model: requests to generate, score or render a chat are refused.
    #[serde(default)]
    pub embeds_only: bool,
    /// The sampling settings used where a request leaves them unset.
    pub sampling: Sampling,
    /// Time from the request to this event, in microseconds.
    pub load_us: u64,
    /// CPU time of the whole process so far, in microseconds; `None` if the system does not report it.
    #[serde(default)]
    pub load_cpu_us: Option<u64>,
}

/// Bytes by device and purpose, exactly as llama.cpp allocated or mapped them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// One row per buffer type.
    pub devices: Vec<DeviceMemory>,
}

/// Memory on one device.
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

/// The start of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The generation.
    pub id: u64,
    /// Tokens of the rendered prompt.
    pub n_prompt: u32,
    /// Of these, tokens still in the context from the previous turn.
    pub n_cached: u32,
    /// The sampling settings used, every field set.
    pub sampling: Sampling,
}

/// A generated token and its alternatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its bytes, not necessarily whole characters.
    pub bytes: Vec<u8>,
    /// The most likely tokens, most likely first, before any sampler: `n_top_logprobs` of them, or the whole vocabulary.
    pub top_logprobs: Vec<TopLogprob>,
}

/// An alternative token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopLogprob {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// 0 to 1, over the whole vocabulary.
    pub probability: f32,
}

/// A scored chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// As in the request.
    pub id: u64,
    /// As in the request.
    pub chunk: u32,
    /// Number of chunks that are scored: whole ones, plus the shorter rest if every token is scored.
    pub n_chunks: u32,
    /// SHA-256 of the vocabulary's tokens: equal if two models have the same tokens.
    pub vocabulary: [u8; 32],
    /// The bytes of the tokens before the scored ones.
    pub before: Vec<u8>,
    /// The scored tokens, in order.
    pub tokens: Vec<Weight>,
}

/// The score of one token of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weight {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Negative log-likelihood, nats.
    pub surprise: f32,
    /// KL divergence of this model from the reference at this position, nats, if compared.
    pub divergence: Option<f32>,
    /// Whether both models rank the same token first, if compared.
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
    /// Valid UTF-8: a character split over tokens is held back until complete. Control characters are as the model produced them.
    pub text: String,
}

/// The counters of one generation so far. Times are from the worker's monotonic clock, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Prompt tokens evaluated, excluding cached ones.
    pub n_prompt: u32,
    /// Time spent evaluating them; a decode call shared by several requests is split by their tokens.
    pub prompt_us: u64,
    /// From the request's arrival to the first token's text, including templates and tokenizing; `None` before it.
    pub ttft_us: Option<u64>,
    /// Tokens generated, including reasoning, excluding the end token.
    pub n_generated: u32,
    /// Of these, reasoning tokens.
    pub n_reasoning: u32,
    /// Time from the first token to the last, including sampling.
    pub generation_us: u64,
    /// Time inside llama.cpp's decode call, for prompt and generation: the worker's busy time. A call shared by
    /// several requests is split by their tokens, so the parts add up to the time spent.
    pub decode_us: u64,
    /// Tokens in the context now.
    pub n_past: u32,
    /// Tokens dropped from the middle of the context to make room for the answer.
    #[serde(default)]
    pub n_shifted: u32,
    /// The part of [`Self::ttft_us`] that the engine spent by its own clock, if it is another program and reports it;
    /// the rest is network time.
    #[serde(default)]
    pub engine_ttft_us: Option<u64>,
    /// Decode calls of the worker so far, for all requests; 0 if another program answers.
    #[serde(default)]
    pub n_decodes: u64,
}

impl Counters {
    /// Prompt tokens per second; `None` before any.
    pub fn prompt_rate(&self) -> Option<f64> {
        (self.n_prompt > 0 && self.prompt_us > 0).then(|| f64::from(self.n_prompt) * 1e6 / self.prompt_us as f64)
    }

    /// Generated tokens per second; `None` before the second token, since the first one's time counts as prompt time.
    pub fn generation_rate(&self) -> Option<f64> {
        (self.n_generated > 1 && self.generation_us > 0)
            .then(|| f64::from(self.n_generated - 1) * 1e6 / self.generation_us as f64)
    }
}

/// The times of one [`crate::Measure`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// As in the request.
    pub id: u64,
    /// False if it was cancelled: the times are then meaningless.
    pub is_whole: bool,
    /// Time to read all prompts until their logits are ready, in microseconds; 0 without a prompt.
    pub prompt_us: u64,
    /// Time of each generation step in microseconds; a step adds one token to each sequence.
    pub step_us: Vec<u32>,
    /// Total generation time in microseconds, for a remote engine: it does not report steps.
    #[serde(default)]
    pub generation_us: Option<u64>,
    /// Time until the first token arrived, in microseconds, for a remote engine: includes the network.
    #[serde(default)]
    pub ttft_us: Option<u64>,
    /// The part of it that the engine spent by its own clock, if it reports that.
    #[serde(default)]
    pub engine_ttft_us: Option<u64>,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended its turn.
    Stop,
    /// It wrote one of the request's stop texts: the one at this index.
    StopText(u32),
    /// `max_tokens` was reached.
    Length,
    /// The context is full.
    ContextFull,
    /// The supervisor cancelled it.
    Cancelled,
}

/// An error reported by the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The failed generation or query; `None` for the worker as a whole.
    pub id: Option<u64>,
    /// What kind of failure.
    pub kind: FailureKind,
    /// One sentence without a full stop.
    pub message: String,
    /// What the user could do, if known.
    pub hint: Option<String>,
}

/// The kinds of failure that callers distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request is not valid or not supported.
    Request,
    /// The model could not be loaded.
    Load,
    /// The context could not be created.
    Context,
    /// The chat template failed.
    Template,
    /// The prompt is longer than the context.
    PromptTooLong,
    /// All sequences are in use.
    Busy,
    /// llama.cpp failed while decoding.
    Decode,
}
