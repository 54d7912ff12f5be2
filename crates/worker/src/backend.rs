//! llama.cpp as a whole: its version, its devices.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_2::{LlamaBackendDevice, LlamaBackendDeviceType};
use llama_cpp_sys_2 as sys;
use wire::{Device, DeviceKind, Failure, FailureKind, Load};

/// llama.cpp's version and the processor features it was built with.
pub(crate) fn version() -> String {
    // SAFETY: both return strings that live as long as the program.
    let (version, features) =
        unsafe { (CStr::from_ptr(sys::llama_version()), CStr::from_ptr(sys::llama_print_system_info())) };
    format!("llama.cpp {}, {}", version.to_string_lossy(), features.to_string_lossy().trim_end_matches([' ', '|']))
}

/// Whether llama.cpp multiplies with AMX here: it was compiled to, and the system lets a process use the unit.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn has_amx() -> bool {
    /// `ARCH_GET_XCOMP_SUPP` of Linux's `asm/prctl.h`: what a process may ask for.
    const GET_SUPPORTED: libc::c_int = 0x1021;
    /// `XFEATURE_XTILEDATA`, a bit of the answer.
    const TILE_DATA: u64 = 1 << 18;
    // SAFETY: both return constants of the build.
    let is_compiled = unsafe { sys::ggml_cpu_has_amx_int8() != 0 && sys::ggml_cpu_has_avx512_vnni() != 0 };
    let mut supported: u64 = 0;
    // SAFETY: the call writes 64 bits to the address, or fails.
    is_compiled
        && unsafe { libc::syscall(libc::SYS_arch_prctl, GET_SUPPORTED, &raw mut supported) } == 0
        && supported & TILE_DATA != 0
}

/// Whether llama.cpp multiplies with AMX here: no other system has it.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn has_amx() -> bool {
    false
}

unsafe extern "C" {
    /// What `cmake/tiles.h` asks before it lets ggml have the unit.
    static taffrail_no_amx: AtomicBool;
}

/// Let weights be laid out for AMX, or not. ggml decides once, with the first model of the process.
pub(crate) fn allow_amx(is_allowed: bool) {
    // SAFETY: `ledger.cpp` defines it as an atomic bool of a byte.
    unsafe { &taffrail_no_amx }.store(!is_allowed, Ordering::Relaxed);
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

/// Whether a load has a device that layers can be placed on: one that it names, else a GPU of this machine.
pub(crate) fn can_offload(load: &Load) -> bool {
    let is_gpu = |device: &Device| matches!(device.kind, DeviceKind::Gpu | DeviceKind::IntegratedGpu);
    load.devices.as_ref().map_or_else(|| devices().iter().any(is_gpu), |devices| !devices.is_empty())
}

/// A failure of the worker as a whole.
pub(crate) fn fail(kind: FailureKind, message: String, hint: &str) -> Failure {
    Failure { id: None, kind, message, hint: Some(hint.to_owned()) }
}
