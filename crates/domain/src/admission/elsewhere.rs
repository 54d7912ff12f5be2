//! What of a model goes to devices of other machines, and whether they have room for it.

use super::{MemoryEstimate, memory_estimate};
use crate::machine::{RpcDevice, RpcMachine};
use crate::model::Model;
use crate::settings::{DeviceName, Devices, SessionSettings};
use crate::state::Domain;
use crate::units::Bytes;

/// What a device of another machine keeps for itself beyond its layers and its compute buffers: a driver's own context.
const KEPT: Bytes = Bytes(256 << 20);

/// How the layers of a model are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Division {
    /// Layers in all, the output layer among them.
    n_layers: u32,
    /// What a layer takes: weights and context.
    per_layer: Bytes,
    /// Layers that other machines have room for; `None` where one of them does not report it.
    room: Option<u32>,
    /// What is free on them together, where all report it.
    free: Option<Bytes>,
}

/// The memory that a model is expected to take, with what of it goes to other machines.
pub fn planned(domain: &Domain, model: &Model, settings: &SessionSettings) -> MemoryEstimate {
    let estimate = memory_estimate(model, settings);
    let elsewhere = division(domain, model, settings, estimate).map(|division| {
        let n_layers = layers(domain, model, settings).unwrap_or(division.n_layers).min(division.n_layers);
        // Devices of this machine take the rest; how llama.cpp divides among both is its own.
        let n_there =
            if settings.devices.may_be_local() { division.room.map_or(0, |room| room.min(n_layers)) } else { n_layers };
        Bytes(division.per_layer.0.saturating_mul(u64::from(n_there)))
    });
    MemoryEstimate { elsewhere: elsewhere.unwrap_or_default(), ..estimate }
}

/// The layers that go to devices: the number requested, else as many as other machines have room for if these are the
/// only devices; `None` leaves it to llama.cpp, which places all.
pub fn layers(domain: &Domain, model: &Model, settings: &SessionSettings) -> Option<u32> {
    if settings.gpu_layers.is_some() || settings.devices.may_be_local() {
        return settings.gpu_layers;
    }
    let division = division(domain, model, settings, memory_estimate(model, settings))?;
    division.room.filter(|room| *room < division.n_layers)
}

/// Layers that were asked for and that other machines have no room for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{model} with {asked} layers on {devices} would need about {needed} there, where {free} are free")]
pub struct NoRoomElsewhere {
    /// The model.
    pub model: String,
    /// Layers that were asked for.
    pub asked: u32,
    /// Where.
    pub devices: String,
    /// What they would need.
    pub needed: Bytes,
    /// What is free there.
    pub free: Bytes,
    /// Layers that fit.
    pub fitting: u32,
}

impl NoRoomElsewhere {
    /// What could be done, in one clause.
    pub fn remedy(&self) -> String {
        format!("{} layers fit; --gpu-layers auto takes as many, --force starts it anyway", self.fitting)
    }
}

/// Whether other machines have room for the layers that were asked for, as far as that is known.
pub fn fits_elsewhere(domain: &Domain, model: &Model, settings: &SessionSettings) -> Result<(), NoRoomElsewhere> {
    let Some(asked) = settings.gpu_layers.filter(|_| !settings.devices.may_be_local()) else { return Ok(()) };
    let division = division(domain, model, settings, memory_estimate(model, settings));
    let Some(Division { n_layers, per_layer, room: Some(fitting), free: Some(free) }) = division else { return Ok(()) };
    let asked = asked.min(n_layers);
    if asked <= fitting {
        return Ok(());
    }
    let needed = Bytes(per_layer.0.saturating_mul(u64::from(asked)));
    Err(NoRoomElsewhere {
        model: model.name.clone(),
        asked,
        devices: settings.devices.to_string(),
        needed,
        free,
        fitting,
    })
}

/// What is free on the devices of other machines that these settings name, where all report it.
pub fn free_elsewhere(domain: &Domain, settings: &SessionSettings) -> Option<Bytes> {
    settings.devices.elsewhere().next()?;
    settings.devices.elsewhere().map(|name| device(domain, name)?.free).sum()
}

/// How a model's layers are divided; `None` if no other machine is named, or the header doesn't list its layers.
fn division(domain: &Domain, model: &Model, settings: &SessionSettings, estimate: MemoryEstimate) -> Option<Division> {
    if settings.devices == Devices::Auto || settings.gpu_layers == Some(0) {
        return None;
    }
    settings.devices.elsewhere().next()?;
    let n_layers = u32::try_from(model.summary.as_ref()?.block_count?).ok()?.checked_add(1)?;
    let per_layer = Bytes((estimate.weights + estimate.context).0.div_ceil(u64::from(n_layers)));
    let free: Option<Vec<Bytes>> =
        settings.devices.elsewhere().map(|name| device(domain, name).and_then(|device| device.free)).collect();
    let room = free.as_ref().map(|free| {
        let layers = |free: &Bytes| free.saturating_sub(estimate.compute).saturating_sub(KEPT).0 / per_layer.0.max(1);
        free.iter().map(layers).fold(0, u64::saturating_add).min(u64::from(n_layers)) as u32
    });
    Some(Division { n_layers, per_layer, room, free: free.map(|free| free.into_iter().sum()) })
}

/// A device of another machine, as it was last read.
fn device<'a>(domain: &'a Domain, name: DeviceName<'_>) -> Option<&'a RpcDevice> {
    let machines: &[RpcMachine] = &domain.machine.sample.as_ref()?.rpc;
    let machine = machines.iter().find(|machine| Some(machine.name.as_str()) == name.server)?;
    machine.devices.iter().find(|device| device.name == name.name)
}

#[cfg(test)]
mod tests {
    use gguf::Header;
    use gguf::testing::deepseek_v3;

    use super::*;
    use crate::machine::Sample;
    use crate::settings::Settings;

    fn domain(free: Option<Bytes>) -> Domain {
        let mut domain = Domain::new(Settings::default());
        let device = RpcDevice { name: "CPU".to_owned(), free, ..RpcDevice::default() };
        let machine = RpcMachine { name: "box".to_owned(), devices: vec![device], ..RpcMachine::default() };
        domain.machine.sample = Some(Box::new(Sample { rpc: vec![machine], ..Sample::default() }));
        domain
    }

    /// A model of nine layers and the output layer.
    fn model() -> Model {
        let mut summary = Header::read(&deepseek_v3("x", true).sparse()).unwrap().summary();
        summary.block_count = Some(9);
        Model { summary: Some(summary), ..crate::testing::model("ten layers") }
    }

    fn settings(devices: &str, gpu_layers: Option<u32>) -> SessionSettings {
        SessionSettings { devices: devices.parse().unwrap(), gpu_layers, ..SessionSettings::default() }
    }

    #[test]
    fn layers_go_where_there_is_room() {
        let model = model();
        let estimate = memory_estimate(&model, &SessionSettings::default());
        let per_layer = (estimate.weights + estimate.context).0.div_ceil(10);
        // The size of this many layers and a half.
        let room = |n_layers: u64| Some(Bytes(KEPT.0 + estimate.compute.0 + per_layer * n_layers + per_layer / 2));
        for (devices, gpu_layers, free, expected, there, fits) in [
            // None elsewhere: as asked, and nothing there.
            ("auto", None, room(20), None, 0, true),
            ("none", Some(3), room(20), Some(3), 0, true),
            ("CUDA0", None, room(20), None, 0, true),
            // All that fit.
            ("box:CPU", None, room(20), None, 10, true),
            ("box:CPU", None, room(4), Some(4), 4, true),
            ("box:CPU", None, Some(Bytes(0)), Some(0), 0, true),
            // What is not known refuses nothing.
            ("box:CPU", None, None, None, 10, true),
            ("box:GPU", Some(4), room(1), Some(4), 4, true),
            // The requested number, unless they don't fit.
            ("box:CPU", Some(3), room(20), Some(3), 3, true),
            ("box:CPU", Some(99), room(20), Some(99), 10, true),
            ("box:CPU", Some(3), room(2), Some(3), 3, false),
            ("box:CPU", Some(0), room(1), Some(0), 0, true),
            // llama.cpp divides among both.
            ("CUDA0,box:CPU", None, room(4), None, 4, true),
        ] {
            let (domain, settings) = (domain(free), settings(devices, gpu_layers));
            let name = format!("{devices} {gpu_layers:?} {free:?}");
            assert_eq!(layers(&domain, &model, &settings), expected, "{name}");
            let planned = planned(&domain, &model, &settings);
            assert_eq!(planned.elsewhere.0 / per_layer, there, "{name}: {planned:?}");
            assert_eq!(fits_elsewhere(&domain, &model, &settings).is_ok(), fits, "{name}");
        }
        let refused = fits_elsewhere(&domain(room(2)), &model, &settings("box:CPU", Some(8))).unwrap_err();
        assert!(refused.to_string().contains("8 layers on box:CPU would need about"), "{refused}");
        assert!(refused.remedy().contains("2 layers fit"));
    }
}
