//! The devices that a load names, among those of llama.cpp.

use llama_cpp_2::model::params::LlamaModelParams;
use wire::{Failure, FailureKind, Load, LoadDevice};

#[cfg(has_rpc)]
use super::client;
use crate::backend::{self, fail};

/// The name of ggml's device or buffer type as the user knows it.
pub(crate) fn shown(name: String) -> String {
    #[cfg(has_rpc)]
    let name = client::shown(name);
    name
}

/// A text of llama.cpp, with such names in it as the user knows them.
pub(crate) fn reworded(text: String) -> String {
    #[cfg(has_rpc)]
    let text = client::reworded(text);
    text
}

/// The parameters with the devices that a load names. Remote servers are probed first, because llama.cpp terminates
/// the process if one is missing.
pub(crate) fn with_devices(params: LlamaModelParams, load: &Load) -> Result<LlamaModelParams, Failure> {
    let Some(devices) = &load.devices else { return Ok(params) };
    let places = devices.iter().map(place).collect::<Result<Vec<usize>, Failure>>()?;
    params.with_devices(&places).map_err(|error| {
        fail(FailureKind::Load, format!("the devices can't be used: {error}"), "name at most 16 devices")
    })
}

/// The number of a device among those of llama.cpp.
fn place(device: &LoadDevice) -> Result<usize, Failure> {
    let Some(server) = &device.server else {
        let all = backend::devices();
        return all.iter().position(|one| one.name == device.name).ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            let message = format!("this machine has no device `{}` that llama.cpp can use", device.name);
            fail(FailureKind::Load, message, &format!("it has {}", names.join(", ")))
        });
    };
    #[cfg(has_rpc)]
    {
        client::place(server, &device.name)
    }
    #[cfg(not(has_rpc))]
    {
        let message = format!("the RPC server {} at {} can't be used", server.name, server.address);
        Err(fail(FailureKind::Load, message, super::protocol::NO_RPC))
    }
}
