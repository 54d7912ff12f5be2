//! llama.cpp as a whole: its version, its devices.

use std::ffi::CStr;

use llama_cpp_2::{LlamaBackendDevice, LlamaBackendDeviceType};
use llama_cpp_sys_2 as sys;
use wire::{Device, DeviceKind, Failure, FailureKind};

/// llama.cpp's version and the processor features it was built with.
pub(crate) fn version() -> String {
    // SAFETY: both return strings that live as long as the program.
    let (version, features) =
        unsafe { (CStr::from_ptr(sys::llama_version()), CStr::from_ptr(sys::llama_print_system_info())) };
    format!("llama.cpp {}, {}", version.to_string_lossy(), features.to_string_lossy().trim_end_matches([' ', '|']))
}

/// The devices that llama.cpp found.
pub(crate) fn devices() -> Vec<Device> {
    let device = |device: LlamaBackendDevice| Device {
        name: device.name,
        description: device.description,
        kind: match device.device_type {
            LlamaBackendDeviceType::Cpu => DeviceKind::Cpu,
            LlamaBackendDeviceType::Gpu => DeviceKind::Gpu,
            LlamaBackendDeviceType::IntegratedGpu => DeviceKind::IntegratedGpu,
            LlamaBackendDeviceType::Accelerator | LlamaBackendDeviceType::Unknown => DeviceKind::Accelerator,
        },
        // A device that does not report its memory has 0 of both.
        total: Some(device.memory_total as u64).filter(|total| *total > 0),
        free: Some(device.memory_free as u64).filter(|_| device.memory_total > 0),
    };
    llama_cpp_2::list_llama_ggml_backend_devices().into_iter().map(device).collect()
}

/// Whether there is a device that layers can be placed on.
pub(crate) fn has_gpu() -> bool {
    devices().iter().any(|device| matches!(device.kind, DeviceKind::Gpu | DeviceKind::IntegratedGpu))
}

/// A failure of the worker as a whole.
pub(crate) fn fail(kind: FailureKind, message: String, hint: &str) -> Failure {
    Failure { id: None, kind, message, hint: Some(hint.to_owned()) }
}
