//! The messages between the supervisor and a worker, and the frames that carry them.
//!
//! Owned here: the messages, the frame, its limits and the protocol version. Absent: processes, pipes and llama.cpp. A
//! worker sends [`Event::Hello`] first; a supervisor that finds another [`VERSION`] in it terminates the worker.

mod chat;
mod event;
mod frame;
mod query;
mod request;

pub use chat::{Chat, Message, Part, Role, Tool, ToolCall, ToolCallDelta, ToolChoice, add_deltas};
pub use event::{
    Channel, Counters, Device, DeviceKind, DeviceMemory, Event, Failure, FailureKind, Finish, Hello, Ledger, Loaded,
    Measured, Piece, Scored, Started, Token, TopLogprob, Weight,
};
pub use frame::{Decoder, Error, MAX_FRAME, encode, read, write};
pub use query::{Input, MAX_INPUTS, Queried, Query, QueryJob, QueryResult};
pub use request::{
    CacheType, Distributions, FlashAttention, Generate, Grammar, KeptPrompts, Load, LoadDevice, LogitBias,
    MAX_CACHED_PROMPTS, Measure, Prompt, Request, RpcServer, Sampling, Score,
};

/// The protocol version, raised with every change that an older peer would misread.
pub const VERSION: u32 = 13;
