//! What the program must withstand, over and over at random: mutated files, `kill -9` at any moment, also within
//! cleanup, a hub that lies, and thousands of clients that misbehave. Everything is real: the binary, its workers, the starter models, a pseudo-terminal.
//!
//! A size that CI bears, unless `TAFFRAIL_TORTURE` is `full` (`./dev torture`). A case that fails names its seed;
//! `TAFFRAIL_TORTURE_SEED` runs that one alone, together with the name of its test.

#![cfg(all(target_os = "linux", feature = "llama"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests too")]

mod cases;
mod cleanup;
#[path = "../../src/library/hub/fake.rs"]
#[expect(dead_code, unreachable_pub, reason = "the unit tests use more of it")]
mod fake_hub;
mod headers;
mod hub;
mod kills;
mod requests;
#[path = "../serve/support.rs"]
#[expect(dead_code, reason = "the tests of the server use more of it")]
mod server;
mod stores;
#[path = "../program/support.rs"]
#[expect(dead_code, reason = "the tests of the program use more of it")]
mod support;
