//! One file per source of readings. Each fills its part of a sample.

pub(super) mod allowed;
pub(super) mod amdgpu;
#[cfg(any(target_os = "macos", test))]
pub(super) mod apple;
pub(super) mod battery;
pub(super) mod cpu;
pub(super) mod disks;
pub(super) mod foreign;
pub(super) mod hwmon;
pub(super) mod intel;
pub(super) mod limits;
pub(super) mod memory;
pub(super) mod network;
pub(super) mod nvidia;
pub(super) mod perf;
pub(super) mod powercap;
pub(super) mod pressure;
pub(super) mod rpc;
pub(super) mod temperatures;
