//! NVIDIA's driver, behind the interface that the sensor source needs.
//!
//! The library is loaded at run time when it is first needed. It is optional.

use nvml_wrapper::bitmasks::InitFlags;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::{SampleValue, UsedGpuMemory};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_POWER_INSTANT;
use nvml_wrapper::{Device, Nvml};

/// A driver of GPUs.
pub(super) trait Driver: Send {
    /// Load the library if it is not loaded; this wakes no GPU.
    fn open(&mut self) -> Result<(), Closed>;
    /// The PCI addresses of the GPUs.
    fn addresses(&mut self) -> Vec<String>;
    /// Read one GPU. This wakes a sleeping GPU.
    fn read(&mut self, address: &str) -> Result<Reading, String>;
}

/// Why a driver can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Closed {
    /// The library is not installed.
    Missing,
    /// The library is installed but fails.
    Broken(String),
}

/// The readings of a GPU; `None` where it does not report a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Reading {
    pub(super) index: u32,
    pub(super) name: String,
    /// Percent.
    pub(super) usage: Option<u32>,
    /// Total bytes and bytes in use.
    pub(super) memory: Option<(u64, u64)>,
    /// Degrees Celsius.
    pub(super) temperature: Option<u32>,
    /// Milliwatts, instantaneous if supported.
    pub(super) power: Option<u64>,
    /// The power limit in milliwatts.
    pub(super) limit: Option<u64>,
    /// Millijoules since the driver was loaded.
    pub(super) energy: Option<u64>,
    /// Process ids with the bytes that each uses.
    pub(super) processes: Vec<(u32, u64)>,
    /// Process ids with the recent GPU utilization of each, in percent.
    pub(super) shares: Vec<(u32, u32)>,
    /// Clock of the cores, MHz.
    pub(super) mhz: Option<u32>,
    /// Reasons for a reduced clock.
    pub(super) held_by: Vec<&'static str>,
}

/// The NVIDIA management library.
#[derive(Default)]
pub(super) struct Nvidia(Option<Nvml>);

impl Driver for Nvidia {
    fn open(&mut self) -> Result<(), Closed> {
        if self.0.is_none() {
            let opened = Nvml::init_with_flags(InitFlags::NO_GPUS | InitFlags::NO_ATTACH);
            self.0 = Some(opened.map_err(|error| match error {
                NvmlError::LibloadingError(_) => Closed::Missing,
                other => Closed::Broken(other.to_string()),
            })?);
        }
        Ok(())
    }

    fn addresses(&mut self) -> Vec<String> {
        let Some(nvml) = &self.0 else { return Vec::new() };
        let count = nvml.device_count().unwrap_or(0).min(64);
        let address = |index| Some(nvml.device_by_index(index).ok()?.pci_info().ok()?.bus_id);
        (0..count).filter_map(address).collect()
    }

    fn read(&mut self, address: &str) -> Result<Reading, String> {
        let nvml = self.0.as_ref().ok_or("the driver is not open")?;
        let device = nvml.device_by_pci_bus_id(address).map_err(|error| error.to_string())?;
        // A card that has fallen off the bus fails all calls, so the first one decides.
        let name = device.name().map_err(|error| error.to_string())?;
        Ok(Reading {
            index: device.index().map_err(|error| error.to_string())?,
            name,
            usage: device.utilization_rates().ok().map(|rates| rates.gpu),
            memory: device.memory_info().ok().map(|memory| (memory.total, memory.used)),
            temperature: device.temperature(TemperatureSensor::Gpu).ok(),
            power: instant_power(&device).or_else(|| device.power_usage().ok().map(u64::from)),
            limit: device.enforced_power_limit().ok().map(u64::from),
            energy: device.total_energy_consumption().ok(),
            processes: processes(&device),
            shares: shares(&device),
            mhz: device.clock_info(Clock::Graphics).ok(),
            held_by: device.current_throttle_reasons().map(held_by).unwrap_or_default(),
        })
    }
}

/// `power_usage` is averaged over a second on newer cards; this field is not.
fn instant_power(device: &Device<'_>) -> Option<u64> {
    let answers = device.field_values_for(&[FieldId(NVML_FI_DEV_POWER_INSTANT)]).ok()?;
    match answers.into_iter().next()?.ok()?.value.ok()? {
        SampleValue::U32(milliwatts) => Some(u64::from(milliwatts)),
        SampleValue::U64(milliwatts) => Some(milliwatts),
        SampleValue::I64(_) | SampleValue::F64(_) => None,
    }
    .filter(|milliwatts| *milliwatts > 0)
}

/// The driver's GPU time per process. It keeps several samples of each process; the newest is used.
fn shares(device: &Device<'_>) -> Vec<(u32, u32)> {
    let mut samples = device.process_utilization_stats(None).unwrap_or_default();
    samples.sort_by_key(|sample| (sample.pid, std::cmp::Reverse(sample.timestamp)));
    samples.dedup_by_key(|sample| sample.pid);
    // A process that has been idle for a while keeps its last sample, so samples much older than the newest are
    // ignored.
    let newest = samples.iter().map(|sample| sample.timestamp).max().unwrap_or(0);
    samples.retain(|sample| newest - sample.timestamp < 2_000_000 && sample.sm_util > 0);
    samples.into_iter().map(|sample| (sample.pid, sample.sm_util)).collect()
}

/// Descriptions of the limits that reduce performance; an idle clock or one set by the user is not a limit.
fn held_by(reasons: ThrottleReasons) -> Vec<&'static str> {
    let heat = ThrottleReasons::SW_THERMAL_SLOWDOWN | ThrottleReasons::HW_THERMAL_SLOWDOWN;
    let all = [
        (heat, "heat"),
        (ThrottleReasons::SW_POWER_CAP, "power limit"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power supply"),
    ];
    let known = all.into_iter().filter(|(reason, _)| reasons.intersects(*reason)).map(|(_, word)| word);
    let known: Vec<_> = known.collect();
    // The hardware slowdown is reported with its specific reason if there is one.
    let is_slowed = known.is_empty() && reasons.contains(ThrottleReasons::HW_SLOWDOWN);
    if is_slowed { vec!["the card itself"] } else { known }
}

/// A process that uses both compute and graphics is in both lists with the same memory.
fn processes(device: &Device<'_>) -> Vec<(u32, u64)> {
    let mut all: Vec<(u32, u64)> = Vec::new();
    let compute = device.running_compute_processes().unwrap_or_default();
    let graphics = device.running_graphics_processes().unwrap_or_default();
    for process in compute.into_iter().chain(graphics).take(4096) {
        let used = match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => bytes,
            UsedGpuMemory::Unavailable => 0,
        };
        match all.iter_mut().find(|(pid, _)| *pid == process.pid) {
            Some((_, most)) => *most = (*most).max(used),
            None => all.push((process.pid, used)),
        }
    }
    all
}
