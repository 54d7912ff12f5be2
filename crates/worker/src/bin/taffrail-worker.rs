//! A worker on its own, for this crate's tests and for trials by hand. taffrail itself runs the same as a subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    let memory_limit = std::env::var("TAFFRAIL_WORKER_MEMORY").ok().and_then(|bytes| bytes.parse().ok());
    let verbose = std::env::var_os("TAFFRAIL_WORKER_VERBOSE").is_some();
    if std::env::var_os("TAFFRAIL_WORKER_RPC").is_some() {
        return worker::rpc::serve(&worker::rpc::ServeOptions { n_threads: 1, verbose, ..Default::default() });
    }
    worker::run(&worker::Options { memory_limit, verbose })
}
