//! This machine's devices for models that run on other ones.

use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

use crate::engine::Program;
pub use crate::engine::rpc::{DEFAULT_ADDRESS, Remark};
use crate::engine::rpc::{MainMemory, Options, RpcServer};
use crate::telemetry;
use domain::settings::Settings;
pub use worker::rpc::RpcStatus;

/// What is served, and where.
#[derive(Debug, Clone)]
pub struct Serve {
    /// The address, of the loopback interface.
    pub address: SocketAddrV4,
    /// The devices by llama.cpp's names; none takes the GPUs, or the processor where there is no GPU.
    pub devices: Vec<String>,
    /// Threads of the processor; `None` takes all that this program may use.
    pub threads: Option<u32>,
}

/// Serve until a signal ends it. `opened` is told where, what, and with how many threads; `remark` what happens then.
///
/// # Errors
///
/// Why nothing can be served, in one clause.
pub async fn serve(
    serve: Serve,
    settings: &Settings,
    opened: impl FnOnce(SocketAddrV4, &RpcStatus, u32),
    mut remark: impl FnMut(Remark),
) -> Result<&'static str, String> {
    let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal).into_iter();
    let mut next = || signals.next().transpose().map_err(|error| error.to_string());
    let (Some(mut interrupt), Some(mut terminate), Some(mut hangup)) = (next()?, next()?, next()?) else {
        return Err("signals can't be handled".to_owned());
    };
    let clock = super::Clock::start();
    let mut sampler = telemetry::Sampler::new("/".into(), settings.telemetry.interval);
    let n_threads = serve.threads.unwrap_or_else(|| sampler.sample(clock.now(), &[]).threads());
    let sampler = Mutex::new(sampler);
    // What may be used, which in a container is less than the machine has.
    let memory: MainMemory = Arc::new(move || {
        let mut sampler = sampler.lock().unwrap_or_else(PoisonError::into_inner);
        sampler.sample(clock.now(), &[]).memory.map(|memory| (memory.available.0, memory.total.0))
    });
    let options = Options {
        n_threads,
        devices: serve.devices,
        scheduling: domain::settings::SchedulingPolicy {
            wait_policy: settings.engine.wait_policy,
            nice: settings.engine.nice,
        },
        verbose: false,
    };
    let program = Program::own().map_err(|error| error.to_string())?;
    let (server, mut remarks) = RpcServer::open(serve.address, program, options, memory).await?;
    let std::net::SocketAddr::V4(address) = server.address().map_err(|error| error.to_string())? else {
        return Err("it listens on no IPv4 address".to_owned());
    };
    opened(address, &server.status().await?, n_threads);
    let serving = server.serve();
    tokio::pin!(serving);
    loop {
        tokio::select! {
            error = &mut serving => return Err(format!("{address} can't be listened on any more: {error}")),
            Some(what) = remarks.recv() => remark(what),
            _ = interrupt.recv() => return Ok("it was interrupted"),
            _ = terminate.recv() => return Ok("it was terminated"),
            _ = hangup.recv() => return Ok("its terminal was closed"),
        }
    }
}
