//! Apple chips: power of the processor, graphics, neural engine, memory and the whole machine, and graphics
//! utilization.
//!
//! macOS reports them in the "Energy Model" group of `IOReport`. The figures are believed to be modelled by the chip
//! rather than metered, so they are graded as estimates. The power of the whole machine is reported by its controller
//! (SMC). Read with `macmon`, on macOS only; this source is not used elsewhere.

use std::time::Duration;

use crate::telemetry::{Source, Tick, label};
use domain::figure::{Figure, Grade};
use domain::machine::{Domain, Gpu, Power, Sample};
use domain::units::{Celsius, Joules, Ratio, Watts};

/// The chip's source.
pub(in crate::telemetry) struct Apple {
    chip: Box<dyn Chip>,
    /// When it was read last.
    before: Option<Duration>,
}

/// A reader of the chip. A reading covers the time since the previous one.
pub(in crate::telemetry) trait Chip: Send {
    /// Read the chip.
    fn read(&mut self) -> Result<Reading, String>;
}

/// Mean power since the last reading, in watts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::telemetry) struct Reading {
    /// The chip's name.
    pub(in crate::telemetry) name: String,
    pub(in crate::telemetry) processor: f32,
    /// Including its own memory.
    pub(in crate::telemetry) graphics: f32,
    pub(in crate::telemetry) neural: f32,
    pub(in crate::telemetry) memory: f32,
    /// The whole machine; `None` if the controller does not report it.
    pub(in crate::telemetry) machine: Option<f32>,
    /// The graphics utilization, 0 to 1.
    pub(in crate::telemetry) graphics_busy: f32,
    /// Of the graphics, degrees Celsius.
    pub(in crate::telemetry) temperature: Option<f32>,
    /// Clock of the graphics, MHz.
    pub(in crate::telemetry) graphics_mhz: u32,
}

pub(in crate::telemetry) const COVERS: &str = "power of Apple's chips";
/// No machine of Apple's draws more. Watts.
const MOST: f32 = 2000.0;

impl Apple {
    pub(in crate::telemetry) fn new(chip: Box<dyn Chip>) -> Self {
        Self { chip, before: None }
    }
}

impl Source for Apple {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let elapsed = self.before.replace(tick.at).and_then(|before| tick.at.checked_sub(before));
        let reading = match self.chip.read() {
            // The first reading covers an unknown time.
            Ok(reading) => tell(&reading, elapsed.filter(|elapsed| !elapsed.is_zero()), sample),
            Err(reason) => Figure::unknown(label(&reason)),
        };
        sample.sources.push(tick.row("apple", COVERS, reading));
    }
}

/// Add a reading over this time to the sample; returns the text of the row.
fn tell(reading: &Reading, elapsed: Option<Duration>, sample: &mut Sample) -> Figure<String> {
    let name = label(&reading.name);
    sample.gpus.push(Gpu {
        index: 0,
        name: name.clone(),
        usage: Figure::measured(Ratio(f64::from(reading.graphics_busy.clamp(0.0, 1.0))), "ioreport"),
        // It shares the main memory.
        memory_total: None,
        memory_used: None,
        temperature: reading.temperature.filter(|celsius| celsius.is_finite()).map(Celsius),
        processes: Vec::new(),
        shares: Vec::new(),
        mhz: Some(reading.graphics_mhz.into()).filter(|mhz| *mhz > 0),
        held_by: String::new(),
    });
    // Each of them uses some power while the machine is on.
    let estimate = |watts: f32, who: &str| {
        if watts > 0.0 && watts <= MOST {
            Figure::Known { value: Watts(watts.into()), grade: Grade::Estimated, source: format!("ioreport {who}") }
        } else {
            Figure::unknown("the chip reports power that can't be true")
        }
    };
    let mut add = |domain, who: &str, watts: f32, adds| {
        let watts = estimate(watts, who);
        let energy = watts.value().zip(elapsed).map(|(watts, elapsed)| Joules(watts.0 * elapsed.as_secs_f64()));
        sample.power.push(Power { domain, name: who.to_owned(), watts, energy, counted: None, adds });
    };
    add(Domain::Package(0), "processor", reading.processor, true);
    add(Domain::Gpu(0), "graphics", reading.graphics, true);
    add(Domain::Dram(0), "memory", reading.memory, true);
    // It may be powered off.
    if reading.neural > 0.0 {
        add(Domain::Meter("neural engine".to_owned()), "neural engine", reading.neural, true);
    }
    if let Some(machine) = reading.machine {
        add(Domain::Platform, "machine", machine, false);
    }
    let sum: f32 = reading.processor + reading.graphics + reading.memory + reading.neural;
    estimate(sum, "energy model").map(|watts| format!("{name}: {watts}"))
}

/// The chip of this machine, read by `macmon` on its own thread, since its handles can't be moved between threads.
#[cfg(target_os = "macos")]
pub(in crate::telemetry) struct Own {
    orders: std::sync::mpsc::Sender<()>,
    answers: std::sync::mpsc::Receiver<Result<Reading, String>>,
}

#[cfg(target_os = "macos")]
impl Default for Own {
    fn default() -> Self {
        let (orders, inbox) = std::sync::mpsc::channel();
        let (outbox, answers) = std::sync::mpsc::channel();
        let work = move || {
            let mut sampler = None;
            while let Ok(()) = inbox.recv() {
                if outbox.send(read(&mut sampler)).is_err() {
                    return;
                }
            }
        };
        // If spawning fails, the channels are closed, which is reported.
        let _ = std::thread::Builder::new().name("apple-chip".to_owned()).spawn(work);
        Self { orders, answers }
    }
}

#[cfg(target_os = "macos")]
impl Chip for Own {
    fn read(&mut self) -> Result<Reading, String> {
        // If the request is not delivered, there is no answer either.
        let _ = self.orders.send(());
        self.answers.recv().unwrap_or_else(|_| Err("its reader has ended".to_owned()))
    }
}

/// The mean since the last call; the first call opens the chip.
#[cfg(target_os = "macos")]
fn read(sampler: &mut Option<macmon::Sampler>) -> Result<Reading, String> {
    if sampler.is_none() {
        *sampler = Some(macmon::Sampler::new().map_err(|error| error.to_string())?);
    }
    let Some(open) = sampler else { return Err("it can't be opened".to_owned()) };
    let name = open.get_soc_info().chip_name.clone();
    // Zero means no wait: the metrics cover the time since the last call.
    let told = open.get_metrics(0).map_err(|error| error.to_string())?;
    Ok(Reading {
        name,
        processor: told.cpu_power,
        graphics: told.gpu_power + told.gpu_ram_power,
        neural: told.ane_power,
        memory: told.ram_power,
        machine: Some(told.sys_power).filter(|watts| *watts > 0.0),
        graphics_busy: told.gpu_active_ratio,
        temperature: told.temp.gpu_temp_avg,
        graphics_mhz: told.gpu_freq_mhz,
    })
}
