//! NVIDIA's GPUs, with a driver that behaves as documented (NVML API reference: units, and which cards support what).

use super::*;
use domain::units::{Bytes, Celsius, Ratio};

/// A change to a card's answers.
type Change<'a> = &'a dyn Fn(&mut Reading);

const AWAKE: &str = "0000:01:00.0";
const ASLEEP: &str = "0000:02:00.0";

/// A card of 24 GB that draws 143 W of its 350.
pub(super) fn card() -> Reading {
    Reading {
        index: 0,
        name: "NVIDIA GeForce RTX 3090\u{1b}[31m".to_owned(),
        usage: Some(88),
        memory: Some((24_000_000_000, 19_100_000_000)),
        temperature: Some(71),
        power: Some(143_000),
        limit: Some(350_000),
        energy: Some(1_000_000),
        processes: vec![(4242, 18_000_000_000), (900, 100_000_000)],
        shares: vec![(4242, 86)],
        mhz: Some(1860),
        held_by: vec!["heat", "power limit"],
    }
}

/// The workstation without other meters, a driver with one card, and a sampler of both after its first sample.
pub(super) fn machine(card: Reading) -> (Tree, Fake, Sampler) {
    let (tree, fake) = (Tree::workstation(), Fake::default());
    tree.remove("sys/class/power");
    fake.0.lock().unwrap().open = Ok(());
    fake.0.lock().unwrap().cards.insert(AWAKE.to_owned(), Ok(card));
    let mut sampler = with(&tree, fake.clone(), Counted::default());
    let first = sampler.sample(at(0), &[]);
    assert_eq!(row(&first, "nvml"), "— the driver is asked from the second sample on");
    assert_eq!(fake.0.lock().unwrap().n_opened, 0);
    (tree, fake, sampler)
}

fn change(fake: &Fake, with: impl Fn(&mut Reading)) {
    if let Some(Ok(card)) = fake.0.lock().unwrap().cards.get_mut(AWAKE) {
        with(card);
    }
}

#[test]
fn a_card_tells_everything() {
    let (_, fake, mut sampler) = machine(card());
    sampler.sample(at(0), &[]);
    change(&fake, |card| card.energy = Some(1_150_000));
    let sample = sampler.sample(at(1000), &[]);
    // The counter takes precedence over the power meter.
    assert_eq!(powers(&sample), ["gpu-0 150 W +"]);
    assert_eq!(sample.power[0].energy.map(|energy| energy.0.round()), Some(150.0));
    let gpu = &sample.gpus[0];
    // Terminal control sequences are removed from the name.
    assert_eq!(gpu.name, "NVIDIA GeForce RTX 3090[31m");
    assert_eq!(gpu.usage.value().map(ToString::to_string).as_deref(), Some("88%"));
    assert_eq!(gpu.memory(), Some((Bytes(19_100_000_000), Bytes(24_000_000_000))));
    assert_eq!(gpu.temperature, Some(Celsius(71.0)));
    assert_eq!(gpu.processes[0], (4242, Bytes(18_000_000_000)));
    assert_eq!((gpu.shares.as_slice(), gpu.mhz), (&[(4242, Ratio(0.86))][..], Some(1860)));
    assert_eq!(gpu.held_by, "heat, power limit");
    assert_eq!(row(&sample, "nvml"), "1 read · 1 asleep");
}

#[test]
fn meters_that_fail_are_not_believed() {
    let cases: [(&str, Change, Change, &str); 9] = [
        ("no counter", &|card| card.energy = None, &|_| (), "143 W +"),
        ("counter reset by a reload of the driver", &|_| (), &|card| card.energy = Some(5), "143 W +"),
        ("counter that stands still", &|_| (), &|_| (), "143 W +"),
        ("counter that jumps", &|_| (), &|card| card.energy = Some(9_000_000), "143 W +"),
        (
            "laptops that report 593 W at idle",
            &|card| card.energy = None,
            &|card| (card.power, card.limit) = (Some(593_000), Some(80_000)),
            "— dropped a reading of 593 W: more than 120 W can't be +",
        ),
        (
            "such a laptop with a counter",
            &|card| card.limit = Some(80_000),
            &|card| (card.power, card.energy) = (Some(593_000), Some(1_012_000)),
            "12.0 W +",
        ),
        ("no limit", &|card| card.energy = None, &|card| (card.limit, card.power) = (None, Some(593_000)), "593 W +"),
        ("neither", &|card| (card.energy, card.power) = (None, None), &|_| (), "— the card reports no power +"),
        ("zero", &|card| (card.energy, card.power) = (None, Some(0)), &|_| (), "— the card reports no power +"),
    ];
    for (name, before, between, expected) in cases {
        let mut first = card();
        before(&mut first);
        let (_, fake, mut sampler) = machine(first);
        sampler.sample(at(0), &[]);
        change(&fake, between);
        let sample = sampler.sample(at(1000), &[]);
        assert_eq!(powers(&sample), [format!("gpu-0 {expected}")], "{name}");
        no_zero_watts(&sample);
    }
}

#[test]
fn what_one_meter_told_the_other_does_not_tell_again() {
    let (_, fake, mut sampler) = machine(card());
    let mut energy = |second: u64, counter| {
        change(&fake, |card| card.energy = Some(counter));
        sampler.sample(at(second * 1000), &[]).power[0].energy.map(|energy| energy.0.round())
    };
    assert_eq!(energy(1, 1_000_000), None);
    assert_eq!(energy(2, 1_150_000), Some(150.0));
    assert_eq!(energy(3, 1_150_000), Some(143.0), "the counter does not advance: power times time");
    assert_eq!(energy(4, 1_340_000), Some(143.0), "the counter catches up, and must not tell it again");
    assert_eq!(energy(5, 1_390_000), Some(50.0));
}

#[test]
fn energy_without_a_counter_is_power_times_time() {
    let (_, fake, mut sampler) = machine(Reading { energy: None, power: Some(100_000), ..card() });
    assert_eq!(sampler.sample(at(0), &[]).power[0].energy, None);
    change(&fake, |card| card.power = Some(200_000));
    assert_eq!(sampler.sample(at(2000), &[]).power[0].energy.map(|energy| energy.0), Some(300.0));
}

#[test]
fn a_sleeping_card_is_left_alone() {
    let (tree, fake, mut sampler) = machine(card());
    for (file, state) in
        [("power/runtime_status", "suspended\n"), ("power_state", "D3hot\n"), ("power_state", "D3cold\n")]
    {
        tree.set(&format!("sys/bus/pci/devices/{AWAKE}/power/runtime_status"), "active\n");
        tree.set(&format!("sys/bus/pci/devices/{AWAKE}/{file}"), state);
        let sample = sampler.sample(at(0), &[]);
        assert_eq!(row(&sample, "nvml"), "— asleep, and not woken to be read → it wakes when a session uses it");
        assert_eq!((sample.gpus.len(), sample.power.len()), (0, 0));
    }
    assert_eq!(fake.0.lock().unwrap().n_opened, 0, "the driver is not even loaded");

    tree.set(&format!("sys/bus/pci/devices/{AWAKE}/power_state"), "D0\n");
    fake.0.lock().unwrap().cards.insert(ASLEEP.to_owned(), Ok(Reading { index: 1, ..card() }));
    let sample = sampler.sample(at(1000), &[]);
    assert_eq!(sample.gpus.iter().map(|gpu| gpu.index).collect::<Vec<_>>(), [0], "only the one that is awake");
    assert_eq!(fake.0.lock().unwrap().n_read, 1);
}

#[test]
fn a_card_that_disappears_is_told_and_may_come_back() {
    let (_, fake, mut sampler) = machine(card());
    sampler.sample(at(0), &[]);
    let lost = Err("the GPU has fallen off the bus".to_owned());
    fake.0.lock().unwrap().cards.insert(AWAKE.to_owned(), lost);
    let sample = sampler.sample(at(1000), &[]);
    assert_eq!((sample.gpus.len(), sample.power.len(), sample.total_power()), (0, 0, None));
    let text = row(&sample, "nvml");
    let expected = "— the GPU at 0000:01:00.0 does not answer: the GPU has fallen off the bus → `sudo dmesg";
    assert!(text.starts_with(expected), "{text}");

    fake.0.lock().unwrap().cards.insert(AWAKE.to_owned(), Ok(Reading { energy: Some(7), ..card() }));
    assert_eq!(powers(&sampler.sample(at(2000), &[])), ["gpu-0 143 W +"], "its counter begins anew");
    change(&fake, |card| card.energy = Some(120_007));
    assert_eq!(powers(&sampler.sample(at(3000), &[])), ["gpu-0 120 W +"]);
}

#[test]
fn a_driver_that_is_missing_is_no_trouble() {
    let (tree, fake, mut sampler) = machine(card());
    fake.0.lock().unwrap().open = Err(Closed::Missing);
    let text = row(&sampler.sample(at(0), &[]), "nvml");
    assert_eq!(text, "— no NVIDIA driver library found, though there is a card → install NVIDIA's driver");
    tree.remove("sys/bus/pci");
    assert_eq!(row(&sampler.sample(at(1000), &[]), "nvml"), "— no NVIDIA driver library found");

    // It is retried after a minute, not at each tick.
    assert_eq!(fake.0.lock().unwrap().n_opened, 1);
    fake.0.lock().unwrap().open = Err(Closed::Broken("driver/library version mismatch".to_owned()));
    let text = row(&sampler.sample(at(60_000), &[]), "nvml");
    assert!(text.starts_with("— NVIDIA's driver does not answer: driver/library version mismatch → "), "{text}");
    assert_eq!(fake.0.lock().unwrap().n_opened, 2);

    // Where the kernel lists no card, as in WSL, the driver does.
    fake.0.lock().unwrap().open = Ok(());
    let sample = sampler.sample(at(120_000), &[]);
    assert_eq!(row(&sample, "nvml"), "1 read");
    fake.0.lock().unwrap().cards.clear();
    assert_eq!(row(&sampler.sample(at(121_000), &[]), "nvml"), "— the driver knows no GPU");
}

#[test]
fn what_a_card_does_not_tell_is_unknown() {
    let (_, _, mut sampler) = machine(Reading { name: "vGPU".to_owned(), ..Reading::default() });
    let sample = sampler.sample(at(0), &[]);
    let gpu = &sample.gpus[0];
    assert_eq!((gpu.usage.value(), gpu.temperature, gpu.processes.len()), (None, None, 0));
    assert_eq!(powers(&sample), ["gpu-0 — the card reports no power +"]);
}
