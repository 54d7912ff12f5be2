//! The server from outside: the binary, its workers, the starter models, real connections.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests too")]

#[cfg(all(unix, feature = "llama"))]
mod anthropic;
#[cfg(all(unix, feature = "llama"))]
mod connections;
#[cfg(all(unix, feature = "llama"))]
mod embedders;
#[cfg(all(unix, feature = "llama"))]
#[path = "../../src/library/hub/fake.rs"]
#[expect(dead_code, unreachable_pub, reason = "the unit tests use more of it")]
mod fake_hub;
#[cfg(all(unix, feature = "llama"))]
mod guard;
#[cfg(all(unix, feature = "llama"))]
mod launch;
#[cfg(all(unix, feature = "llama"))]
mod manage;
#[cfg(all(unix, feature = "llama"))]
mod ollama;
#[cfg(all(unix, feature = "llama"))]
mod openai;
#[cfg(all(unix, feature = "llama"))]
mod openapi;
#[cfg(all(unix, feature = "llama"))]
mod queries;
mod sampling;
#[cfg(all(unix, feature = "llama"))]
mod seen;
#[cfg(all(unix, feature = "llama"))]
mod support;
