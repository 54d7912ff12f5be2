//! The cards of AMD and Intel.

use proptest::prelude::*;

use super::*;
use domain::units::{Bytes, Celsius};

const CARD: &str = "sys/class/drm/card1/device";
const METRICS: &str = "sys/class/drm/card1/device/gpu_metrics";
const POWER: &str = "sys/class/drm/card1/device/hwmon/hwmon3/power1_average";

/// The metrics table in this revision, with this many counts of 2^-16 J.
fn metrics(format: u8, content: u8, energy: u64) -> Vec<u8> {
    let mut bytes = vec![0; 120];
    bytes[..4].copy_from_slice(&[120, 0, format, content]);
    bytes[24..32].copy_from_slice(&energy.to_le_bytes());
    bytes
}

fn joules(joules: u64) -> u64 {
    joules << 16
}

/// The workstation with these cards and without its other meters.
fn machine(cards: &str) -> Tree {
    let tree = Tree::workstation();
    tree.remove("sys/class/power");
    tree.plant(cards);
    tree
}

fn radeon() -> Tree {
    let tree = machine(include_str!("../../../tests/fixtures/telemetry/radeon.tree"));
    tree.set_bytes(METRICS, metrics(1, 3, joules(1000)));
    tree.set_bytes("sys/class/drm/card2/device/gpu_metrics", metrics(2, 2, joules(7)));
    tree
}

#[test]
fn a_card_of_amd_tells_everything_and_an_apu_never_adds() {
    let tree = radeon();
    let mut sampler = sampler(&tree);
    let first = sampler.sample(at(0), &[4242]);
    assert_eq!(powers(&first), ["gpu-2 180 W +", "gpu-3 with its processor 25.0 W"]);
    tree.set_bytes(METRICS, metrics(1, 3, joules(1150)));
    let sample = sampler.sample(at(1000), &[4242]);
    // The counter takes precedence over the power meter.
    assert_eq!(powers(&sample), ["gpu-2 150 W +", "gpu-3 with its processor 25.0 W"]);
    assert_eq!(sample.total_power().map(|watts| watts.0.round()), Some(150.0));
    assert_eq!(sample.power[0].energy.map(|energy| energy.0.round()), Some(150.0));
    assert_eq!(row(&sample, "amdgpu"), "2 read · 1 asleep");
    let card = &sample.gpus[0];
    // NVIDIA's two cards, one of them asleep, come first.
    assert_eq!((card.index, card.name.as_str()), (2, "AMD GPU 0x744c"));
    assert_eq!(card.usage.value().map(ToString::to_string).as_deref(), Some("97%"));
    assert_eq!(card.memory(), Some((Bytes(18_000_000_000), Bytes(25_753_026_560))));
    assert_eq!(card.temperature, Some(Celsius(64.0)));
    // A client that is listed twice counts once.
    let ours = (17_000_000 << 10) + (1 << 20);
    assert_eq!(card.processes, [(4242, Bytes(ours)), (0, Bytes(18_000_000_000 - ours))]);
    let apu = &sample.gpus[1];
    assert_eq!((apu.index, apu.name.as_str(), apu.memory_total), (3, "Radeon 890M", None));
}

#[test]
fn an_apu_is_known_without_its_metrics_too() {
    let tree = radeon();
    tree.remove("sys/class/drm/card2/device/gpu_metrics");
    tree.remove(METRICS);
    let sample = sampler(&tree).sample(at(0), &[]);
    assert_eq!(powers(&sample), ["gpu-2 180 W +", "gpu-3 with its processor 25.0 W"]);
}

#[test]
fn counters_of_amd_that_fail_leave_the_power_meter() {
    let gone = Vec::new();
    for (name, first, second, expected) in [
        ("counts", metrics(1, 1, joules(5)), metrics(1, 1, joules(105)), "100 W +"),
        ("newest that is known", metrics(1, 4, joules(5)), metrics(1, 4, joules(105)), "100 W +"),
        ("stuck", metrics(1, 3, joules(5)), metrics(1, 3, joules(5)), "180 W +"),
        ("not supported", metrics(1, 3, u64::MAX), metrics(1, 3, u64::MAX), "180 W +"),
        ("before there was one", metrics(1, 0, joules(5)), metrics(1, 0, joules(105)), "180 W +"),
        ("other layout", metrics(1, 5, joules(5)), metrics(1, 5, joules(105)), "180 W +"),
        ("reset", metrics(1, 3, joules(500)), metrics(1, 3, joules(1)), "180 W +"),
        ("jump", metrics(1, 3, joules(5)), metrics(1, 3, joules(5000)), "180 W +"),
        ("cut off", metrics(1, 3, joules(5))[..30].to_vec(), metrics(1, 3, joules(5))[..3].to_vec(), "180 W +"),
        ("empty", gone.clone(), gone, "180 W +"),
    ] {
        let tree = radeon();
        tree.set_bytes(METRICS, first);
        let mut sampler = sampler(&tree);
        sampler.sample(at(0), &[]);
        tree.set_bytes(METRICS, second);
        assert_eq!(powers(&sampler.sample(at(1000), &[]))[0], format!("gpu-2 {expected}"), "{name}");
    }
}

/// Two readings in quick succession, as by a command, do not restart the counter.
#[test]
fn a_second_look_at_once_begins_no_counter_anew() {
    let tree = radeon();
    tree.set_bytes(METRICS, metrics(1, 3, joules(1000)));
    let mut sampler = sampler(&tree);
    sampler.sample(at(0), &[]);
    sampler.sample(at(1), &[]);
    tree.set_bytes(METRICS, metrics(1, 3, joules(1075)));
    let sample = sampler.sample(at(500), &[]);
    let power = sample.power.iter().find(|power| power.adds).unwrap();
    let Figure::Known { value, source, .. } = &power.watts else { panic!("{power:?}") };
    assert_eq!((value.0.round(), source.as_str()), (150.0, "amdgpu energy gpu-2"));
    assert_eq!(power.energy.map(|energy| energy.0.round()), Some(75.0));
}

#[test]
fn power_that_can_not_be_is_dropped() {
    for (power, expected) in [
        ("593000000", "— dropped a reading of 593 W: more than 450 W can't be +"),
        ("0", "— the card reports no power +"),
        ("garbage", "— the card reports no power +"),
    ] {
        let tree = radeon();
        tree.remove(METRICS);
        tree.set(POWER, power);
        let sample = sampler(&tree).sample(at(0), &[]);
        assert_eq!(powers(&sample)[0], format!("gpu-2 {expected}"));
        no_zero_watts(&sample);
    }
}

#[test]
fn a_sleeping_card_of_amd_is_asked_for_its_state_only() {
    let tree = radeon();
    let mut sampler = sampler(&tree);
    sampler.sample(at(0), &[4242]);
    let asked = tree.asked("sys/class/drm/card3/");
    assert_eq!(asked, ["device/power/runtime_status", "device/uevent", "device/vendor"]);

    // A card that falls asleep is not listed until it wakes, and its counter restarts.
    tree.set(&format!("{CARD}/power/runtime_status"), "suspended");
    let sample = sampler.sample(at(1000), &[]);
    assert_eq!(powers(&sample), ["gpu-3 with its processor 25.0 W"]);
    tree.set(&format!("{CARD}/power/runtime_status"), "active");
    tree.set_bytes(METRICS, metrics(1, 3, joules(20)));
    assert_eq!(powers(&sampler.sample(at(2000), &[]))[0], "gpu-2 180 W +");
    tree.set_bytes(METRICS, metrics(1, 3, joules(90)));
    assert_eq!(powers(&sampler.sample(at(3000), &[]))[0], "gpu-2 70.0 W +");

    tree.remove("sys/class/drm/card1/");
    tree.remove("sys/class/drm/card2/");
    let text = row(&sampler.sample(at(4000), &[]), "amdgpu");
    assert_eq!(text, "— asleep, and not woken to be read → it wakes when a session uses it");
}

#[test]
fn a_card_of_amd_that_disappears_is_gone() {
    let tree = radeon();
    let mut sampler = sampler(&tree);
    sampler.sample(at(0), &[]);
    tree.remove("sys/class/drm");
    let sample = sampler.sample(at(1000), &[]);
    assert_eq!((sample.gpus.len(), sample.power.len(), sample.total_power()), (0, 0, None));
    assert_eq!(row(&sample, "amdgpu"), "— no AMD GPU");
}

const ARC: &str = "sys/class/drm/card1/device/hwmon/hwmon2/energy1_input";
const XE: &str = "sys/class/drm/card2/device/hwmon/hwmon3/energy2_input";

#[test]
fn cards_of_intel_count_their_energy() {
    let tree = machine(include_str!("../../../tests/fixtures/telemetry/arc.tree"));
    let mut sampler = sampler(&tree);
    let first = sampler.sample(at(0), &[4242]);
    let untold = "— first reading; power needs two +";
    assert_eq!(powers(&first), [format!("gpu-3 {untold}"), format!("gpu-4 package {untold}")]);
    tree.add(ARC, 60_000_000);
    tree.add(XE, 40_000_000);
    let sample = sampler.sample(at(1000), &[4242]);
    assert_eq!(powers(&sample), ["gpu-3 60.0 W +", "gpu-4 package 40.0 W +"]);
    let text = "2 read · 1 by its package's counter, since the card's is stuck at 0";
    assert_eq!(row(&sample, "intel"), text);
    let (arc, xe) = (&sample.gpus[0], &sample.gpus[1]);
    assert_eq!(
        (arc.name.as_str(), arc.memory()),
        ("Intel GPU 0x56a0", Some((Bytes(12_000_000_000), Bytes(16_000_000_000))))
    );
    assert_eq!(
        (xe.temperature, xe.processes.as_slice()),
        (Some(Celsius(51.0)), &[(4242, Bytes(800 << 10)), (0, Bytes(0))][..])
    );

    // Its register has 32 bits. When it wraps, the reading is dropped and the next one is used.
    tree.set(ARC, 5_000_000);
    assert_eq!(powers(&sampler.sample(at(2000), &[]))[0], "gpu-3 — the counter was reset +");
    tree.add(ARC, 50_000_000);
    assert_eq!(powers(&sampler.sample(at(3000), &[]))[0], "gpu-3 50.0 W +");
    tree.add(ARC, 500_000_000);
    let dropped = "gpu-3 — dropped a jump of 500 W: more than 285 W can't be +";
    assert_eq!(powers(&sampler.sample(at(4000), &[]))[0], dropped);
}

#[test]
fn graphics_in_the_processor_have_no_meter() {
    let tree = machine(include_str!("../../../tests/fixtures/telemetry/arc.tree"));
    tree.remove("sys/class/drm/card1");
    tree.remove("sys/class/drm/card2");
    let mut sampler = sampler(&tree);
    let sample = sampler.sample(at(0), &[]);
    assert_eq!((sample.gpus.len(), sample.power.len()), (0, 0));
    let text = row(&sample, "intel");
    assert_eq!(text, "— graphics in the processor have no meter of their own; the package's includes them");
    tree.remove("sys/class/drm");
    assert_eq!(row(&sampler.sample(at(1000), &[]), "intel"), "— no Intel graphics");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the files contain, no power figure is zero, and nothing fails.
    #[test]
    fn garbage_is_no_figure(bytes in prop::collection::vec(any::<u8>(), 0..200), at_file in any::<prop::sample::Index>()) {
        let tree = radeon();
        tree.plant(include_str!("../../../tests/fixtures/telemetry/board.tree"));
        tree.plant(include_str!("../../../tests/fixtures/telemetry/events.tree"));
        let paths: Vec<_> = tree.0.lock().unwrap().keys().filter(|path| path.starts_with("sys/")).cloned().collect();
        tree.set_bytes(&paths[at_file.index(paths.len())], bytes);
        let mut sampler = sampler(&tree);
        for second in 0..2 {
            no_zero_watts(&sampler.sample(at(second * 1000), &[4242]));
        }
    }
}
