//! `taffrail rpc-serve`: this machine's devices for a model that runs on another one.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use clap::Args;

use super::Exit;
use super::failure::{Failure, print_error};
use super::progress::Progress;
use crate::app::rpc::{self, DEFAULT_ADDRESS, Remark, RpcStatus};
use domain::settings::Settings;
use domain::units::{self, Bytes};

/// Serve this machine's devices to a model that runs on another one, until Ctrl-C.
#[derive(Debug, Args)]
pub struct RpcServe {
    /// Where to listen, on this machine alone: others come by a tunnel of ssh. Port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = DEFAULT_ADDRESS.to_string())]
    listen: String,
    /// The devices to serve, by llama.cpp's names and separated by commas; without it the GPUs, or else the processor
    #[arg(long, value_name = "DEVICES", value_delimiter = ',')]
    device: Vec<String>,
    /// Threads, where the processor is served; without it all that may be used
    #[arg(short, long, value_name = "THREADS", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
}

/// Be the process that serves one client.
#[derive(Debug, Args)]
pub struct RpcWorker {
    /// Threads of the processor.
    #[arg(long, default_value_t = 1)]
    pub threads: u32,
    /// A device.
    #[arg(long)]
    pub device: Vec<String>,
}

impl RpcWorker {
    /// Serve until it is killed.
    pub fn run(&self, verbose: bool) -> std::process::ExitCode {
        let (n_threads, devices) = (self.threads, self.device.clone());
        worker::rpc::serve(&worker::rpc::ServeOptions { n_threads, devices, verbose })
    }
}

/// Serve.
pub async fn run(arguments: &RpcServe, settings: &Settings) -> Exit {
    let address = match address(&arguments.listen) {
        Ok(address) => address,
        Err(failure) => return failure.print(),
    };
    let serve = rpc::Serve { address, devices: arguments.device.clone(), threads: arguments.threads };
    let progress = Progress::begin("looking for devices");
    let opened = |address: SocketAddrV4, status: &RpcStatus, n_threads: u32| {
        drop(progress);
        // Whoever started it may read no more; it serves all the same.
        let _ = tell(address, status, n_threads);
    };
    match Box::pin(rpc::serve(serve, settings, opened, |remark| print_error(&text(&remark), None))).await {
        Ok(_) => Exit::Done,
        Err(reason) => Failure::new(Exit::Failed, reason).print(),
    }
}

/// The address, which must be one of this machine alone.
fn address(text: &str) -> Result<SocketAddrV4, Failure> {
    let text = text.replace("localhost:", "127.0.0.1:");
    // A bare port, as `ssh -L` takes it.
    let parsed = text.parse::<SocketAddr>().ok();
    let parsed = parsed.or_else(|| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, text.parse::<u16>().ok()?))));
    match parsed {
        Some(SocketAddr::V4(address)) if address.ip().is_loopback() => Ok(address),
        Some(address) => {
            let port = address.port();
            let reason = format!(
                "{address} is not this machine alone: llama.cpp's RPC asks for no key, and whoever reaches it may run code here"
            );
            let hint = format!(
                "listen on 127.0.0.1:{port}, and on the machine that runs the model make a tunnel: \
                 `ssh -N -L {port}:127.0.0.1:{port} THIS_HOST`"
            );
            Err(Failure::new(Exit::Refused, reason).with_hint(hint))
        }
        None => {
            let reason = format!("`{text}` is not an address to listen on");
            Err(Failure::new(Exit::Usage, reason).with_hint("write ADDRESS:PORT, such as 127.0.0.1:50052"))
        }
    }
}

/// What is served, and how the other machine comes to it.
fn tell(address: SocketAddrV4, status: &RpcStatus, n_threads: u32) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "serving by llama.cpp's RPC {} on {address}, until Ctrl-C", status.protocol)?;
    for device in &status.devices {
        let memory = match (device.free, device.total) {
            (Some(free), Some(total)) => format!("{} of {} free", Bytes(free), Bytes(total)),
            (None, Some(total)) => format!("{}; free is not reported", Bytes(total)),
            (_, None) => "memory not reported".to_owned(),
        };
        let threads = if device.name == "CPU" { format!(" · {n_threads} threads") } else { String::new() };
        let description = gguf::clean(&device.description, 80);
        writeln!(out, "  {:<8} {description} · {memory}{threads}", device.name)?;
    }
    let host = "THIS_HOST";
    let port = address.port();
    writeln!(out, "on the machine that runs the model:")?;
    writeln!(out, "  ssh -N -L {port}:127.0.0.1:{port} {host}")?;
    writeln!(out, "and in its config.toml:")?;
    writeln!(out, "  [rpc.box]\n  address = \"127.0.0.1:{port}\"")?;
    let first = status.devices.first().map_or("CPU", |device| device.name.as_str());
    writeln!(out, "then `taffrail run MODEL PROMPT --device box:{first}`")?;
    out.flush()
}

fn text(remark: &Remark) -> String {
    match remark {
        Remark::Came(client) => format!("{client}: connected"),
        Remark::Left { client, after, sent, taken } => {
            format!("{client}: left after {}; it sent {} and took {}", units::span(*after), Bytes(*sent), Bytes(*taken))
        }
        Remark::Lost { client, reason } => format!("{client}: its process ended: {reason}"),
        Remark::Refused { client, reason } => format!("{client}: not served: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_listened_on() {
        for (text, expected) in [
            ("127.0.0.1:50052", Ok("127.0.0.1:50052")),
            ("localhost:7", Ok("127.0.0.1:7")),
            ("127.8.0.1:0", Ok("127.8.0.1:0")),
            ("50053", Ok("127.0.0.1:50053")),
            ("0.0.0.0:50052", Err(Exit::Refused)),
            ("192.168.1.5:50052", Err(Exit::Refused)),
            ("[::]:50052", Err(Exit::Refused)),
            ("[::1]:50052", Err(Exit::Refused)),
            ("127.0.0.1", Err(Exit::Usage)),
            ("box:50052", Err(Exit::Usage)),
            ("127.0.0.1:70000", Err(Exit::Usage)),
            ("", Err(Exit::Usage)),
        ] {
            let got = address(text).map(|address| address.to_string()).map_err(|failure| failure.exit);
            assert_eq!(got, expected.map(str::to_owned), "{text}");
        }
        let failure = address("0.0.0.0:50052").unwrap_err();
        assert!(failure.hint.unwrap().contains("ssh -N -L 50052:127.0.0.1:50052"));
    }
}
