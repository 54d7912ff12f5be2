//! llama.cpp as a whole: its start, its version, its devices.

use std::ffi::CStr;

use llama_cpp_sys_2 as sys;
use wire::{Device, DeviceKind, Failure, FailureKind};

/// Start llama.cpp. Once per process, before anything else of this module.
pub(crate) fn start() {
    // SAFETY: called once, from one thread, before any other call.
    unsafe { sys::llama_backend_init() }
}

/// llama.cpp's version and the processor features it was built with.
pub(crate) fn version() -> String {
    // SAFETY: both return strings that live as long as the program.
    let (version, features) =
        unsafe { (CStr::from_ptr(sys::llama_version()), CStr::from_ptr(sys::llama_print_system_info())) };
    format!("llama.cpp {}, {}", version.to_string_lossy(), features.to_string_lossy().trim_end_matches([' ', '|']))
}

/// The devices that llama.cpp found.
pub(crate) fn devices() -> Vec<Device> {
    // SAFETY: the devices are registered by now and stay; their names live as long as the program.
    let device = |idx| unsafe {
        let device = sys::ggml_backend_dev_get(idx);
        let (mut free, mut total) = (0, 0);
        sys::ggml_backend_dev_memory(device, &raw mut free, &raw mut total);
        Device {
            name: CStr::from_ptr(sys::ggml_backend_dev_name(device)).to_string_lossy().into_owned(),
            description: CStr::from_ptr(sys::ggml_backend_dev_description(device)).to_string_lossy().into_owned(),
            kind: match sys::ggml_backend_dev_type(device) {
                sys::GGML_BACKEND_DEVICE_TYPE_CPU => DeviceKind::Cpu,
                sys::GGML_BACKEND_DEVICE_TYPE_GPU => DeviceKind::Gpu,
                sys::GGML_BACKEND_DEVICE_TYPE_IGPU => DeviceKind::IntegratedGpu,
                _ => DeviceKind::Accelerator,
            },
            total: total as u64,
            free: free as u64,
        }
    };
    // SAFETY: no argument, no state.
    (0..unsafe { sys::ggml_backend_dev_count() }).map(device).collect()
}

/// Whether there is a device that layers can be placed on.
pub(crate) fn has_gpu() -> bool {
    devices().iter().any(|device| matches!(device.kind, DeviceKind::Gpu | DeviceKind::IntegratedGpu))
}

/// A failure of the worker as a whole.
pub(crate) fn fail(kind: FailureKind, message: String, hint: &str) -> Failure {
    Failure { id: None, kind, message, hint: Some(hint.to_owned()) }
}
