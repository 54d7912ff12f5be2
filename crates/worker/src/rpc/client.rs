//! A server's devices as devices of a model here.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::net::SocketAddrV4;
use std::sync::{Mutex, PoisonError};

use llama_cpp_sys_2 as sys;
use wire::{Failure, FailureKind, RpcServer};

use super::probe::{RpcDevice, probe};
use crate::backend::fail;

unsafe extern "C" {
    /// Of `ggml-rpc.h`, for which the sys crate has no declarations. Aborts over a server that is not there.
    fn ggml_backend_rpc_add_server(endpoint: *const c_char) -> sys::ggml_backend_reg_t;
    fn ggml_backend_rpc_init(endpoint: *const c_char, device: u32) -> sys::ggml_backend_t;
}

/// A server that llama.cpp is connected to.
struct Connected {
    devices: Vec<RpcDevice>,
    /// Numbers of its devices among all of llama.cpp.
    places: Vec<usize>,
}

static SERVERS: Mutex<BTreeMap<SocketAddrV4, Connected>> = Mutex::new(BTreeMap::new());
/// ggml's names of the buffers of these devices, with those that users know.
static NAMES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// The number of a server's device among those of llama.cpp. The server is asked and connected to first.
pub(super) fn place(server: &RpcServer, name: &str) -> Result<usize, Failure> {
    let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let RpcServer { name: server_name, address } = server;
    if !servers.contains_key(address) {
        let status = probe(*address).map_err(|error| {
            let message = format!("the RPC server {server_name} at {address} {error}");
            fail(FailureKind::Load, message, &error.hint(*address))
        })?;
        servers.insert(*address, connect(server, status.devices)?);
    }
    let Connected { devices, places } = &servers[address];
    let found = devices.iter().zip(places).find(|(device, _)| device.name == name);
    found.map(|(_, place)| *place).ok_or_else(|| {
        let names: Vec<String> = devices.iter().map(|device| format!("{server_name}:{}", device.name)).collect();
        let message = format!("the RPC server {server_name} at {address} has no device `{name}`");
        fail(FailureKind::Load, message, &format!("it has {}", names.join(", ")))
    })
}

fn connect(server: &RpcServer, devices: Vec<RpcDevice>) -> Result<Connected, Failure> {
    let RpcServer { name, address } = server;
    let lost = |what: &str| {
        let message = format!("the RPC server {name} at {address} {what}");
        fail(FailureKind::Load, message, "restart it, and try again")
    };
    let endpoint = CString::new(address.to_string()).ok().ok_or_else(|| lost("has no address"))?;
    // SAFETY: the endpoint is a string that ends in a zero, which ggml copies. The server answered a moment ago.
    let registry = unsafe { ggml_backend_rpc_add_server(endpoint.as_ptr()) };
    if registry.is_null() {
        return Err(lost("has no devices"));
    }
    // SAFETY: the registry is one that ggml made, which stays; its devices are counted before one is named.
    let (first, count) = unsafe {
        let first = sys::ggml_backend_dev_count();
        sys::ggml_backend_register(registry);
        (first, sys::ggml_backend_dev_count() - first)
    };
    if count != devices.len() {
        return Err(lost("has other devices now than a moment ago"));
    }
    // Each time that nothing holds the connection, ggml ends it and makes another: this one stays with the process.
    // SAFETY: as above, and there is a first device.
    unsafe { ggml_backend_rpc_init(endpoint.as_ptr(), 0) };
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    for (device, place) in devices.iter().zip(first..) {
        let shown = format!("{name}:{}", device.name);
        // SAFETY: a device that was counted, with a name and a type of buffers that stay.
        let known = unsafe {
            let device = sys::ggml_backend_dev_get(place);
            let buffers = sys::ggml_backend_dev_buffer_type(device);
            [sys::ggml_backend_dev_name(device), sys::ggml_backend_buft_name(buffers)].map(|name| CStr::from_ptr(name))
        };
        names.extend(known.map(|name| (name.to_string_lossy().into_owned(), shown.clone())));
    }
    #[cfg(target_os = "linux")]
    super::watch::watch(server.clone());
    Ok(Connected { places: (first..first + count).collect(), devices })
}

/// A text of llama.cpp with the names that the user knows.
pub(super) fn reworded(text: String) -> String {
    let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    // The longer first, of which the others are the beginning.
    names.iter().rev().fold(text, |text, (name, shown)| text.replace(name, shown))
}

/// The name of ggml's device or buffers as the user knows it.
pub(super) fn shown(name: String) -> String {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned().unwrap_or(name)
}
