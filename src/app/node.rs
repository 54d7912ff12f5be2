//! The program as Slurm starts it on a node.

use std::path::Path;
use std::process::ExitCode;

use super::log;
use crate::engine::{Program, slurm};

/// Be the node of the job in this folder, until the job ends.
pub fn run(folder: &Path, verbose: bool) -> ExitCode {
    log::catch_panics();
    // The job's output is where somebody looks.
    let _ = log::start(verbose, true);
    // Workers die with the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| Ok((runtime, Program::own()?))) {
        Ok((runtime, program)) => {
            let code = runtime.block_on(slurm::serve(folder, &program));
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            tracing::error!(%error, "the node can't start");
            ExitCode::FAILURE
        }
    }
}
