//! The process that serves devices: llama.cpp's own server, on a port of the loopback interface.

use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2 as sys;
use wire::{Device, DeviceKind};

use super::opened::{Opened, ServeOptions};
use super::probe::{MAX_DEVICES, RpcDevice};
use super::protocol::{NO_RPC, protocol};
use crate::{backend, build_info, log, process};

unsafe extern "C" {
    /// Of `ggml-rpc.h`. Returns when it can't listen, and never else.
    fn ggml_backend_rpc_start_server(
        endpoint: *const c_char,
        cache_folder: *const c_char,
        n_threads: usize,
        n_devices: usize,
        devices: *mut sys::ggml_backend_dev_t,
    );
}

/// Address space beyond the machine's memory that such a process may have where it serves the processor: a client that asks
/// for more is refused, and does not take the machine's memory from everyone.
const BEYOND_MEMORY: u64 = 4 << 30;

/// Serve devices to one client after the other until the process is killed. It may die over what a client sends.
pub fn serve(options: &ServeOptions) -> ExitCode {
    let Ok(out) = process::take_stdout() else { return ExitCode::FAILURE };
    let reason = match open(options) {
        Ok((opened, devices)) => return listen(out, &opened, devices, options.n_threads),
        Err(reason) => reason,
    };
    tell(out, &Opened::Nothing { reason });
    ExitCode::FAILURE
}

/// The devices' indices in llama.cpp, and what is reported about them.
fn open(options: &ServeOptions) -> Result<(Opened, Vec<usize>), String> {
    let missing = build_info::missing_extensions();
    if !missing.is_empty() {
        return Err(format!("this build of llama.cpp needs {}, which this processor lacks", missing.join(", ")));
    }
    log::capture(options.verbose);
    let llama = LlamaBackend::init().map_err(|error| error.to_string())?;
    // It stays for as long as the process does.
    std::mem::forget(llama);
    let all = backend::devices();
    let chosen = choose(&all, &options.devices)?;
    let protocol = protocol().ok_or(NO_RPC)?;
    let device = |place: &usize| {
        let Device { name, description, total, free, .. } = all[*place].clone();
        RpcDevice { name, description, total, free }
    };
    let devices: Vec<RpcDevice> = chosen.iter().map(device).collect();
    let is_gpu = |place: &usize| !matches!(all[*place].kind, DeviceKind::Cpu);
    // A GPU's driver maps its memory and more.
    let limit = (!chosen.iter().any(is_gpu)).then(|| devices.iter().filter_map(|device| device.total).max()).flatten();
    process::confine(limit.map(|total| total + BEYOND_MEMORY)).map_err(|error| error.to_string())?;
    // llama.cpp opens the port itself and does not report one chosen by the system, so use one that was free a moment ago.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    Ok((Opened::On { port, protocol, devices }, chosen))
}

/// The places of the devices that are wanted: those named, else the GPUs, else the processor.
fn choose(all: &[Device], wanted: &[String]) -> Result<Vec<usize>, String> {
    let place = |name: &String| {
        all.iter().position(|device| device.name == *name).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|device| device.name.as_str()).collect();
            format!("this machine has no device `{name}` that llama.cpp can use: it has {}", names.join(", "))
        })
    };
    let mut chosen = wanted.iter().map(place).collect::<Result<Vec<usize>, String>>()?;
    let of =
        |kinds: &[DeviceKind]| (0..all.len()).filter(|place| kinds.contains(&all[*place].kind)).collect::<Vec<_>>();
    if chosen.is_empty() {
        chosen = of(&[DeviceKind::Gpu, DeviceKind::IntegratedGpu]);
    }
    if chosen.is_empty() {
        chosen = of(&[DeviceKind::Cpu]);
    }
    chosen.truncate(MAX_DEVICES as usize);
    if chosen.is_empty() { Err("llama.cpp finds no device here".to_owned()) } else { Ok(chosen) }
}

fn tell(mut out: File, opened: &Opened) {
    let line = serde_json::to_string(opened).unwrap_or_default();
    let _ = out.write_all(format!("{line}\n").as_bytes());
}

fn listen(out: File, opened: &Opened, places: Vec<usize>, n_threads: u32) -> ExitCode {
    let Opened::On { port, .. } = opened else { return ExitCode::FAILURE };
    let Ok(endpoint) = CString::new(format!("127.0.0.1:{port}")) else { return ExitCode::FAILURE };
    tell(out, opened);
    // SAFETY: places are those of devices that ggml listed, and there are none fewer since.
    let mut devices: Vec<_> = places.into_iter().map(|place| unsafe { sys::ggml_backend_dev_get(place) }).collect();
    // SAFETY: the endpoint is a string that ends in a zero, no folder is a null pointer, and the devices are as many as told.
    unsafe {
        ggml_backend_rpc_start_server(
            endpoint.as_ptr(),
            std::ptr::null(),
            n_threads.max(1) as usize,
            devices.len(),
            devices.as_mut_ptr(),
        );
    }
    ExitCode::FAILURE
}
