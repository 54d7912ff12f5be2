//! The program from outside: the command line, the terminal, and what breaks. Everything is real: the binary, its
//! workers, the starter models, a pseudo-terminal.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests too")]

#[cfg(all(unix, feature = "llama"))]
mod chats;
#[cfg(target_os = "linux")]
mod cleanup;
#[cfg(unix)]
mod command_line;
#[cfg(unix)]
#[path = "../../src/library/hub/fake.rs"]
#[expect(dead_code, unreachable_pub, reason = "the unit tests use more of it")]
mod fake_hub;
#[cfg(all(unix, feature = "llama"))]
mod faults;
#[cfg(all(unix, feature = "llama"))]
mod first_minute;
#[cfg(unix)]
mod getting;
#[cfg(unix)]
mod history;
#[cfg(all(target_os = "linux", feature = "llama"))]
mod json;
#[cfg(all(target_os = "linux", feature = "llama"))]
mod machines;
#[cfg(all(target_os = "linux", feature = "llama"))]
#[path = "../../examples/make_cache.rs"]
#[expect(dead_code, reason = "it is a program too")]
mod make_cache;
#[cfg(all(unix, feature = "llama"))]
mod prompts;
#[cfg(unix)]
mod pull;
#[cfg(all(unix, feature = "llama"))]
mod race;
#[cfg(all(unix, feature = "llama"))]
mod real_vocabulary;
#[cfg(all(target_os = "linux", feature = "llama"))]
mod requests;
#[cfg(all(target_os = "linux", feature = "llama"))]
mod rpc;
#[cfg(all(target_os = "linux", feature = "llama"))]
mod server;
#[cfg(unix)]
mod settings;
#[cfg(unix)]
#[cfg_attr(not(feature = "llama"), expect(dead_code, reason = "the terminal is for the tests that start models"))]
mod support;
#[cfg(all(unix, feature = "llama"))]
mod terminal;
#[cfg(unix)]
mod top;
#[cfg(all(unix, feature = "llama"))]
mod vocabularies;
