//! taffrail: a keyboard-driven terminal dashboard for the language models on a workstation.
//!
//! The library half of the program, so that benches and tests can reach it; `main.rs` is the other. ARCHITECTURE.md is
//! the map.

#[cfg(not(unix))]
compile_error!("taffrail is for Linux and macOS: workers, locks and signals are Unix's");

pub mod app;
pub mod atomic_file;
pub mod cli;
pub mod columns;
pub mod config;
pub mod engine;
pub mod history;
pub mod json;
pub mod library;
pub mod server;
pub mod telemetry;
pub mod ui;
