//! A session's memory, settled: what llama.cpp says it took against what the system and the drivers count, and where the
//! layers went against where they were meant to go.

use serde::{Deserialize, Serialize};

use crate::session::Session;
use crate::units::Bytes;

/// What a worker's memory is made of. Every figure is known or the whole account is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    /// Mapped weights: in all, and of them what is in memory now, at most.
    pub mapped: (Bytes, Bytes),
    /// What llama.cpp took in main memory for itself: context, compute buffers, weights that it copied.
    pub taken: Bytes,
    /// Of that, what no page stands for yet: the system gives memory when it is first written to.
    pub untouched: Bytes,
    /// What the process has in main memory and in swap, mapped files included.
    pub counted: Bytes,
    /// What of it nothing above explains: the program itself, its vocabulary, its libraries.
    pub unexplained: Bytes,
    /// What llama.cpp took on GPUs.
    pub taken_on_gpus: Bytes,
    /// What the driver counts there and llama.cpp does not: the driver's own context and its kernels; `None` where no
    /// driver tells.
    pub unexplained_on_gpus: Option<Bytes>,
    /// What llama.cpp took on devices of other machines.
    #[serde(default)]
    pub elsewhere: Bytes,
}

/// Settle a session's account; `None` before its model is loaded and its process was read.
pub fn account(session: &Session) -> Option<Account> {
    let devices = &session.loaded.as_ref()?.ledger.devices;
    let process = session.process?;
    let of_file = process.resident.saturating_sub(process.anonymous);
    let (mut mapped, mut taken, mut on_gpus, mut elsewhere) = (Bytes(0), Bytes(0), Bytes(0), Bytes(0));
    for device in devices {
        let own = Bytes(device.context) + Bytes(device.compute);
        match kind(&device.device) {
            Kind::Mapped => {
                mapped = mapped + Bytes(device.weights);
                taken = taken + own;
            }
            Kind::Memory => taken = taken + own + Bytes(device.weights),
            Kind::Gpu => on_gpus = on_gpus + own + Bytes(device.weights),
            Kind::Elsewhere => elsewhere = elsewhere + own + Bytes(device.weights),
        }
    }
    let held = process.anonymous + process.swapped;
    let in_memory = of_file.min(mapped);
    Some(Account {
        mapped: (mapped, in_memory),
        taken,
        untouched: taken.saturating_sub(held),
        counted: process.resident + process.swapped,
        unexplained: held.saturating_sub(taken) + of_file.saturating_sub(in_memory),
        taken_on_gpus: on_gpus,
        unexplained_on_gpus: session.gpu_memory.map(|counted| counted.saturating_sub(on_gpus)),
        elsewhere,
    })
}

#[derive(PartialEq, Eq)]
pub(super) enum Kind {
    /// A file in the page cache.
    Mapped,
    /// Main memory, what a GPU's driver pins there included.
    Memory,
    Gpu,
    /// A device of another machine.
    Elsewhere,
}

/// By ggml's names of buffer types: `CPU`, `CPU_Mapped`, `CPU_REPACK`, `CUDA_Host`, `CUDA0`, `Metal_Mapped`; a device of
/// another machine has that one's name before it, `box:CUDA0`.
pub(super) fn kind(device: &str) -> Kind {
    if device.contains(':') {
        Kind::Elsewhere
    } else if device.ends_with("_Mapped") {
        Kind::Mapped
    } else if device.starts_with("CPU") || device.ends_with("_Host") || matches!(device, "AMX" | "BLAS") {
        Kind::Memory
    } else {
        Kind::Gpu
    }
}

/// Whether ggml's buffers of this name are in the memory of a GPU, or of another machine.
pub fn is_on_gpu(device: &str) -> bool {
    matches!(kind(device), Kind::Gpu | Kind::Elsewhere)
}

/// Bytes that llama.cpp took on devices of other machines; 0 before the model is loaded.
pub fn elsewhere(session: &Session) -> Bytes {
    let devices = session.loaded.iter().flat_map(|loaded| &loaded.ledger.devices);
    let there = devices.filter(|device| kind(&device.device) == Kind::Elsewhere);
    there.map(|device| Bytes(device.weights) + Bytes(device.context) + Bytes(device.compute)).sum()
}

/// Layers that did not go where they were meant to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misplaced {
    /// Layers that were meant for GPUs.
    pub wanted: u32,
    /// Layers that are there.
    pub placed: u32,
    /// Layers in all.
    pub n_layers: u32,
    /// The devices were named, and are not just any GPU.
    #[serde(default)]
    pub named: bool,
}

impl Misplaced {
    /// Whether nothing at all runs on a GPU.
    pub fn is_total(&self) -> bool {
        self.placed == 0
    }

    /// One clause for the user.
    pub fn reason(&self) -> String {
        let Self { wanted, placed, .. } = self;
        let device = if self.named { "the devices that were named" } else { "a GPU" };
        match placed {
            0 => format!("runs on the processor, though {wanted} layers were meant for {device}"),
            _ => format!("only {placed} of {wanted} layers are on {device}, the others run on the processor"),
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::{DeviceMemory, Ledger, Loaded};

    use super::*;
    use crate::machine::{Gpu, Process, Sample};
    use crate::moment::Moment;
    use crate::session::placement::misplaced;
    use crate::session::{SessionId, WorkerId};
    use crate::settings::{SessionSettings, Settings};
    use crate::state::Domain;

    fn session(devices: &[(&str, [u64; 3])], n_gpu_layers: u32, gpu_layers: Option<u32>) -> Session {
        let model = std::sync::Arc::new(crate::testing::model("x"));
        let settings = SessionSettings { gpu_layers, ..SessionSettings::default() };
        let mut session = Session::new(SessionId(1), WorkerId(1), model, "x".to_owned(), settings, 10);
        session.since = Moment::default();
        let devices = devices.iter().map(|(device, [weights, context, compute])| DeviceMemory {
            device: (*device).to_owned(),
            weights: *weights,
            context: *context,
            compute: *compute,
        });
        session.loaded = Some(Box::new(Loaded {
            n_ctx: 8,
            n_ctx_train: 8,
            n_gpu_layers,
            n_layers: 33,
            ledger: Ledger { devices: devices.collect() },
            has_template: true,
            embeds_only: false,
            sampling: wire::Sampling::default(),
            load_us: 1,
            load_cpu_us: None,
        }));
        session
    }

    #[test]
    fn accounts_are_settled() {
        const MB: u64 = 1_000_000;
        type Case = (&'static [(&'static str, [u64; 3])], [u64; 3], Option<u64>, [u64; 6], Option<u64>);
        // Devices; resident, anonymous and swapped; the driver's count; mapped, in memory, taken, untouched, unexplained,
        // taken on GPUs; unexplained there.
        let cases: [Case; 6] = [
            (&[("CPU_Mapped", [100, 0, 0]), ("CPU", [0, 40, 10])], [180, 62, 0], None, [100, 100, 50, 0, 30, 0], None),
            // Half of the weights are dropped, and most of the context was never written to.
            (&[("CPU_Mapped", [100, 0, 0]), ("CPU", [0, 40, 10])], [70, 20, 0], None, [100, 50, 50, 30, 0, 0], None),
            // Copied weights are anonymous; what was swapped out is still taken.
            (&[("CPU", [100, 40, 10])], [110, 100, 60], None, [0, 0, 150, 0, 20, 0], None),
            (
                &[("CPU_Mapped", [10, 0, 0]), ("CUDA0", [100, 40, 10]), ("CUDA_Host", [0, 0, 5])],
                [60, 40, 0],
                Some(400),
                [10, 10, 5, 0, 45, 150],
                Some(250),
            ),
            // What another machine holds is none of this one's.
            (
                &[("CPU_Mapped", [10, 0, 0]), ("CPU", [0, 5, 5]), ("box:CPU", [90, 40, 10])],
                [40, 30, 0],
                None,
                [10, 10, 10, 0, 20, 0],
                None,
            ),
            (&[("CPU_REPACK", [80, 0, 0]), ("CPU_Mapped", [20, 0, 0])], [90, 80, 0], None, [20, 10, 80, 0, 0, 0], None),
        ];
        for (devices, [resident, anonymous, swapped], driver, expected, on_gpus) in cases {
            let devices: Vec<_> = devices.iter().map(|(name, parts)| (*name, parts.map(|part| part * MB))).collect();
            let mut session = session(&devices, 0, None);
            assert_eq!(account(&session), None);
            session.process = Some(Process {
                resident: Bytes(resident * MB),
                anonymous: Bytes(anonymous * MB),
                swapped: Bytes(swapped * MB),
                ..Process::default()
            });
            session.gpu_memory = driver.map(|count| Bytes(count * MB));
            let account = account(&session).unwrap();
            let got = [
                account.mapped.0,
                account.mapped.1,
                account.taken,
                account.untouched,
                account.unexplained,
                account.taken_on_gpus,
            ];
            assert_eq!(got.map(|bytes| bytes.0 / MB), expected, "{devices:?}");
            assert_eq!(account.unexplained_on_gpus.map(|bytes| bytes.0 / MB), on_gpus);
            // Nothing is lost: what the system counts is explained, or said not to be.
            let explained = account.mapped.1 + account.taken.saturating_sub(account.untouched) + account.unexplained;
            assert_eq!(explained, account.counted, "{devices:?}");
        }
    }

    #[test]
    fn layers_that_went_astray() {
        let mut state = Domain::new(Settings::default());
        let gpu = |total| Gpu {
            index: 0,
            name: String::new(),
            usage: crate::figure::Figure::unknown(""),
            memory_total: Some(Bytes(total)).filter(|total| *total > Bytes(0)),
            memory_used: Some(Bytes(0)),
            temperature: None,
            processes: vec![],
            shares: vec![],
            mhz: None,
            held_by: String::new(),
        };
        for (gpus, asked, device, n_gpu_layers, expected) in [
            (&[][..], None, "CPU_Mapped", 0, None),
            (&[], Some(0), "CPU_Mapped", 0, None),
            (&[], Some(20), "CPU_Mapped", 0, Some((20, 0))),
            // What shares the main memory is no place of its own.
            (&[0], None, "CPU_Mapped", 0, None),
            (&[24], None, "CPU_Mapped", 0, Some((33, 0))),
            (&[24], None, "CUDA0", 33, None),
            (&[24], Some(99), "CUDA0", 33, None),
            (&[24], Some(0), "CPU_Mapped", 0, None),
            (&[24], None, "CUDA0", 20, Some((33, 20))),
            (&[24], Some(20), "CUDA0", 20, None),
            // A build without the driver's backend reports layers that it did not place.
            (&[24], Some(99), "CPU_Mapped", 33, Some((33, 0))),
        ] {
            let gpus = gpus.iter().map(|total| gpu(*total)).collect();
            state.machine.sample = Some(Box::new(Sample { gpus, ..Sample::default() }));
            let session = session(&[(device, [100, 1, 1])], n_gpu_layers, asked);
            let misplaced = misplaced(&state, &session).map(|misplaced| (misplaced.wanted, misplaced.placed));
            assert_eq!(misplaced, expected, "{asked:?} {device} {n_gpu_layers}");
        }
    }
}
