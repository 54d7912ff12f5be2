//! The process that runs one model with llama.cpp.
//!
//! Owned here: everything between the wire protocol and llama.cpp: loading, chat templates, sampling, the split of
//! reasoning from answer, the memory ledger, cancelling. A worker reads [`wire::Request`]s from standard input and writes
//! [`wire::Event`]s to standard output; its log is standard error. Absent: stores, budgets, restarts, all of which are
//! the supervisor's. Only the feature `llama` links llama.cpp; the modules that need none of it build without.

use std::process::ExitCode;

pub mod build_info;
pub mod clock;
pub mod gbnf;
mod note;
mod options;
pub mod probable;
pub mod residency;
pub mod rpc;
pub mod sampler;
pub mod stop;
pub mod template;
pub mod think;
pub mod utf8;

#[cfg(feature = "llama")]
mod backend;
#[cfg(feature = "llama")]
mod batch;
#[cfg(feature = "llama")]
mod bench;
#[cfg(feature = "llama")]
mod chat;
#[cfg(feature = "llama")]
mod constrain;
#[cfg(feature = "llama")]
mod contention;
#[cfg(feature = "llama")]
mod control;
#[cfg(feature = "llama")]
mod cpu_time;
#[cfg(feature = "llama")]
mod embed;
#[cfg(feature = "llama")]
mod engine;
#[cfg(feature = "llama")]
mod gather;
#[cfg(feature = "llama")]
mod grammar;
#[cfg(feature = "llama")]
mod growth;
#[cfg(feature = "llama")]
mod ledger;
#[cfg(feature = "llama")]
mod log;
#[cfg(feature = "llama")]
#[cfg_attr(not(target_os = "linux"), allow(unused, reason = "elsewhere nothing is given back"))]
mod mapping;
#[cfg(feature = "llama")]
mod micros;
#[cfg(feature = "llama")]
mod model;
#[cfg(feature = "llama")]
mod out;
#[cfg(feature = "llama")]
mod process;
#[cfg(feature = "llama")]
mod prompts;
#[cfg(feature = "llama")]
mod run;
#[cfg(feature = "llama")]
mod scheduler;
#[cfg(feature = "llama")]
mod score;
#[cfg(feature = "llama")]
mod session;
#[cfg(feature = "llama")]
mod stream;

pub use options::Options;

#[cfg(feature = "llama")]
pub use backend::has_amx;

/// Whether llama.cpp multiplies with AMX here: it is not built in.
#[cfg(not(feature = "llama"))]
pub fn has_amx() -> bool {
    false
}

/// Run as a worker until standard input closes or the supervisor requests a shutdown.
#[cfg(feature = "llama")]
pub fn run(options: &Options) -> ExitCode {
    // Its first step would end the process without a word.
    let missing = build_info::missing_extensions();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        note::note(&format!(
            "this build of llama.cpp needs {missing}, which this processor lacks: build taffrail on this machine"
        ));
        return ExitCode::FAILURE;
    }
    run::run(options)
}

/// Say that this build has no engine.
#[cfg(not(feature = "llama"))]
pub fn run(_options: &Options) -> ExitCode {
    note::note("taffrail was built without its engine; build it with the feature `llama`");
    ExitCode::FAILURE
}
