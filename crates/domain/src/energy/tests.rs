mod baselines;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::figure::{Figure, Grade, Uncertain};
use crate::machine::{Core, Domain, Gpu, Power, Process, Sample, Source};
use crate::moment::Moment;
use crate::session::SessionId;
use crate::settings::Energy;
use crate::units::{Bytes, Joules, Ratio, Watts};

fn power(domain: Domain, watts: f64) -> Power {
    let adds = matches!(domain, Domain::Package(_) | Domain::Dram(_) | Domain::Gpu(_));
    let name = match &domain {
        Domain::Package(n) => format!("package-{n}"),
        Domain::Dram(n) => format!("package-{n} dram"),
        Domain::Gpu(n) => format!("gpu-{n}"),
        other => format!("{other:?}"),
    };
    let source = if matches!(domain, Domain::Gpu(_)) { "nvml" } else { "powercap" };
    let watts = Figure::measured(Watts(watts), format!("{source} {name}"));
    Power { domain, name, watts, energy: None, counted: None, adds }
}

fn gpu(index: u32, processes: &[(u32, u64)], shares: &[(u32, f64)]) -> Gpu {
    Gpu {
        index,
        name: "card".to_owned(),
        usage: Figure::unknown("test"),
        memory_total: Some(Bytes(100)),
        memory_used: Some(Bytes(50)),
        temperature: None,
        processes: processes.iter().map(|(pid, bytes)| (*pid, Bytes(*bytes))).collect(),
        shares: shares.iter().map(|(pid, share)| (*pid, Ratio(*share))).collect(),
        mhz: None,
        held_by: String::new(),
    }
}

fn process(pid: u32, share: f64) -> Process {
    Process { pid, cpu_share: Some(Ratio(share)), resident: Bytes(1000), ..Process::default() }
}

/// A second of a machine with four cores, half of them busy, whose package draws 40 W; process 7 has 60 % of the time.
fn sample(second: u64) -> Sample {
    Sample {
        at: Moment { uptime: Duration::from_secs(second), unix: 0 },
        elapsed: Duration::from_secs(1),
        cpu: Some(Ratio(0.5)),
        cores: vec![Core { usage: None, mhz: None }; 4],
        power: vec![power(Domain::Package(0), 40.0)],
        processes: vec![process(7, 0.6), process(8, 0.1)],
        own: Some(process(1, 0.01)),
        ..Sample::default()
    }
}

/// A session whose worker is `pid`, busy for so much of the second before `second`.
fn consumer(pid: u32, second: u64, busy: f64) -> Consumer {
    let to = Duration::from_secs(second);
    let busy = Duration::from_secs_f64(busy);
    let done = if busy.is_zero() {
        Done::default()
    } else {
        let interval = WorkInterval { generation: u64::from(pid), decode: busy, ..WorkInterval::default() };
        Done { intervals: vec![interval], spans: vec![(to.saturating_sub(busy), to)] }
    };
    Consumer { session: SessionId(u64::from(pid)), pid: Some(pid), is_loaded: true, done }
}

/// What changes in a sample.
type Change<'a> = &'a dyn Fn(&mut Sample);
/// Who there is at a second.
type Tenants<'a> = &'a dyn Fn(u64) -> Vec<Consumer>;

const PERIOD: Duration = Duration::from_secs(1);

/// One tick of a fresh attribution, with the first consumer's watts as they are shown and how they came about.
fn watts(sample: &Sample, busy: &[(u32, f64)]) -> String {
    let mut attribution = Attribution::default();
    let consumers: Vec<_> = busy.iter().map(|(pid, busy)| consumer(*pid, 1, *busy)).collect();
    let (shared, _) = attribution.tick(sample, &consumers, PERIOD);
    match &shared[0].watts {
        Figure::Known { value, grade, source } => format!("{value}, {}, {source}", grade.word()),
        Figure::Unknown { reason, remedy } => format!("— {reason}{}", remedy.as_deref().map_or("", |_| " →")),
    }
}

#[test]
fn power_of_a_session() {
    let dram = |sample: &mut Sample| sample.power.push(power(Domain::Dram(0), 10.0));
    let denied = |sample: &mut Sample| {
        sample.power[0].watts = Figure::Unknown { reason: "root only".into(), remedy: Some("sudo".into()) };
    };
    let card = |sample: &mut Sample, gpu: Gpu| {
        sample.power.push(power(Domain::Gpu(0), 100.0));
        sample.gpus.push(gpu);
    };
    let cases: [(&str, Change, &str); 13] = [
        ("by processor time", &|_| (), "24.0 W, apportioned, powercap package-0 by CPU time [cpu]"),
        (
            "alone",
            &|sample| sample.processes[0] = process(7, 0.99),
            "39.6 W, measured, powercap package-0 by CPU time [cpu]",
        ),
        (
            "with memory",
            &|sample| dram(sample),
            "30.0 W, estimated, powercap package-0 by CPU time + powercap package-0 dram by CPU time [cpu+dram]",
        ),
        (
            "memory alone is not the processor",
            &|sample| {
                dram(sample);
                denied(sample);
            },
            "— root only →",
        ),
        ("no counter may be read", &|sample| denied(sample), "— root only →"),
        ("first seen", &|sample| sample.processes[0].cpu_share = None, "— no sensor was found"),
        (
            "on a card, alone",
            &|sample| card(sample, gpu(0, &[(7, 40)], &[])),
            "124 W, apportioned, powercap package-0 by CPU time + nvml gpu-0 [gpu+cpu]",
        ),
        (
            "on a card, no processor",
            &|sample| {
                denied(sample);
                card(sample, gpu(0, &[(7, 40)], &[]));
            },
            "100 W, measured, nvml gpu-0 [gpu]",
        ),
        (
            "on another's card",
            &|sample| card(sample, gpu(0, &[(9, 40)], &[])),
            "24.0 W, apportioned, powercap package-0 by CPU time [cpu]",
        ),
        (
            "beside a desktop",
            &|sample| {
                denied(sample);
                card(sample, gpu(0, &[(7, 97), (3, 3)], &[]));
            },
            "100 W, apportioned, nvml gpu-0 [gpu]",
        ),
        (
            "shared, and not told",
            &|sample| card(sample, gpu(0, &[(7, 40), (9, 40)], &[])),
            "— gpu-0 is shared by 2 processes, whose work can't be separated →",
        ),
        (
            "shared, and told",
            &|sample| {
                denied(sample);
                card(sample, gpu(0, &[(7, 40), (9, 40)], &[(7, 0.5), (9, 1.0)]));
            },
            "50.0 W, apportioned, nvml gpu-0 [gpu]",
        ),
        ("on a card without a meter", &|sample| sample.gpus.push(gpu(0, &[(7, 40)], &[])), "— no meter for the GPU"),
    ];
    for (name, change, expected) in cases {
        let mut sample = sample(1);
        change(&mut sample);
        assert_eq!(watts(&sample, &[(7, 1.0)]), expected, "{name}");
    }
}

/// A chip whose one meter holds the GPU as well.
#[test]
fn one_meter_over_gpu_and_processor_is_not_split() {
    let mut sample = sample(1);
    sample.power.push(Power { adds: false, ..power(Domain::Gpu(0), 20.0) });
    sample.gpus.push(gpu(0, &[(7, 40)], &[]));
    let told = watts(&sample, &[(7, 1.0)]);
    assert_eq!(told, "— one meter covers the GPU and the processor, whose work can't be separated");
}

#[test]
fn a_reason_comes_from_the_sources() {
    let mut sample = sample(1);
    sample.power.clear();
    let reading = Figure::Unknown { reason: "no RAPL".to_owned(), remedy: Some("modprobe".to_owned()) };
    let (name, covers, age) = ("powercap".to_owned(), "energy of the processor".to_owned(), Duration::ZERO);
    sample.sources = vec![Source { name, covers, reading, period: age, age }];
    assert_eq!(watts(&sample, &[(7, 1.0)]), "— powercap: no RAPL →");
}

#[test]
fn an_estimate_needs_a_tdp_and_no_sensor() {
    let mut sample = sample(1);
    let settings = Energy { tdp_watts: Some(65.0), idle_watts: Some(10.0), ..Energy::default() };
    assert_eq!(estimated(&sample, &settings), None);
    sample.power.clear();
    assert_eq!(estimated(&sample, &Energy::default()), None);
    let power = estimated(&sample, &settings).unwrap();
    // 10 + (65 - 10) x 0.5.
    assert_eq!(power.energy, Some(Joules(37.5)));
    sample.power.push(power);
    assert_eq!(watts(&sample, &[(7, 1.0)]), "22.5 W, estimated, est: TDP 65 W x load, no sensor [cpu]");
    let mut energy_account = EnergyAccount::default();
    let mut attribution = Attribution::default();
    let (shared, _) = attribution.tick(&sample, &[consumer(7, 1, 1.0)], PERIOD);
    let interval = shared[0].shares[0].intervals[0];
    for _ in 0..20 {
        energy_account.spend(&interval);
        energy_account.book(&shared[0].shares[0], &interval);
    }
    assert!(energy_account.is_modelled());
    let report = Report::of(&energy_account, 0, 45, &Figure::unknown("test"), &settings);
    assert_eq!(report.per_token.graded("J/tok"), "~10.0 J/tok (5.00–20.0)");
    // It knows nothing of idle energy, and who waits for that waits in vain.
    let Figure::Unknown { reason, .. } = &report.dynamic_per_token else { panic!("{report:?}") };
    assert!(reason.contains("estimate"), "{reason}");
    let total = attribution.total;
    // Split, it is no better.
    let other = Process { cpu_share: Some(Ratio(0.5)), ..Process::default() };
    assert_eq!(attribution.foreign_power(&other).grade(), Some(Grade::Estimated));
    // Without an answer there is nothing to split, and no baseline will come.
    attribution.tick(&sample, &[], PERIOD);
    let Figure::Unknown { reason, .. } = attribution.foreign_power(&other) else { panic!("{attribution:?}") };
    assert!(reason.contains("estimate"), "{reason}");
    let settings = Energy { g_per_kwh: Some(360.0), price_per_kwh: Some(0.36), ..settings };
    let [energy, carbon, cost] = of_totals(&total, Grade::Estimated, &settings);
    // 37.5 J.
    assert_eq!(energy.graded("Wh"), "~0.010 Wh (0.0052–0.021)");
    assert_eq!(carbon.graded("g"), "~0.0038 g (0.0019–0.0075)");
    assert_eq!(cost.graded("EUR"), "~0.0000037 EUR (0.0000019–0.0000075)");
    let [_, carbon, _] = of_totals(&total, Grade::Measured, &Energy::default());
    assert!(carbon.value().is_none(), "no country is guessed");
}

/// The uncertainty is the root of the sum of the squares of sensor, window and split.
#[test]
fn uncertainty_grows_with_sharing_and_with_short_windows() {
    let settings = Energy { g_per_kwh: Some(360.0), price_per_kwh: Some(0.36), ..Energy::default() };
    let interval = WorkInterval { generation: 1, decode: Duration::from_secs(1), ..WorkInterval::default() };
    let share = |part, is_shared, grade| Share {
        part,
        meter: format!("{part:?}"),
        gross: 2.0,
        dynamic: None,
        covered: 1.0,
        grade,
        is_shared,
        is_modelled: false,
        source: "test".to_owned(),
        update: 0.1,
        intervals: vec![interval],
        cpu: None,
        seconds: 1.0,
        late: 0.0,
    };
    let (measured, apportioned) = (Grade::Measured, Grade::Apportioned);
    for (seconds, shares, expected, shown) in [
        (1, vec![share(MeteredPart::Gpu, false, measured)], 0.111_803, "2.00 J/tok ±11%"),
        (10, vec![share(MeteredPart::Gpu, false, measured)], 0.050_990, "2.00 J/tok ±5%"),
        (10, vec![share(MeteredPart::Gpu, true, apportioned)], 0.255_147, "≈2.00 J/tok"),
        (10, vec![share(MeteredPart::Dram, true, Grade::Estimated)], 0.502_593, "~2.00 J/tok (1.33–3.01)"),
        // Two parts of the same size, one of them shared.
        (
            10,
            vec![share(MeteredPart::Gpu, false, measured), share(MeteredPart::Cpu, true, apportioned)],
            0.130_096,
            "≈4.00 J/tok",
        ),
    ] {
        let mut energy_account = EnergyAccount::default();
        for _ in 0..seconds {
            energy_account.spend(&interval);
            for share in &shares {
                energy_account.book(share, &interval);
            }
        }
        let report = Report::of(&energy_account, 0, seconds, &Figure::unknown("test"), &settings);
        let Figure::Known { value: Uncertain { relative, .. }, .. } = report.per_token else { panic!("{report:?}") };
        assert!((relative - expected).abs() < 1e-5, "{relative}");
        assert_eq!(report.per_token.graded("J/tok"), shown);
        // Without a baseline there is no dynamic part, and it says so.
        assert_eq!(report.dynamic_per_token.value(), None);
        let joules = report.energy.value().unwrap().value;
        let wh = joules / 3600.0;
        let close =
            |figure: &Figure<Uncertain>, expected: f64| (figure.value().unwrap().value - expected).abs() < 1e-12;
        assert!(
            close(&report.watt_hours, wh) && close(&report.carbon, wh * 0.36) && close(&report.cost, wh * 0.000_36)
        );
    }
    let bare = Report::of(&EnergyAccount::default(), 0, 1, &Figure::unknown("no sensor"), &Energy::default());
    for figure in [&bare.per_token, &bare.energy, &bare.watt_hours, &bare.carbon, &bare.cost] {
        assert!(matches!(figure, Figure::Unknown { reason, .. } if reason == "no sensor"), "{figure:?}");
    }
}

#[test]
fn carbon_and_cost_wait_for_the_user() {
    let energy = || Figure::measured(Uncertain { value: 3600.0, relative: 0.05 }, "test");
    for (figure, remedy) in [
        (carbon(energy(), &Energy::default()), "set energy.g_per_kwh"),
        (cost(energy(), &Energy::default()), "set energy.price_per_kwh"),
    ] {
        assert!(matches!(figure, Figure::Unknown { remedy: Some(told), .. } if told == remedy));
    }
}

prop_compose! {
    /// A tick of any machine: meters that tell or don't, processes that are read or not, cards that are shared or not.
    fn any_tick()(
        elapsed in prop_oneof![4 => Just(1.0), 1 => 0.0..120.0f64],
        cpu in proptest::option::of(0.0..1.0f64),
        meters in proptest::collection::vec(proptest::option::of(0.0..300.0f64), 4),
        counted in proptest::collection::vec(any::<bool>(), 4),
        shares in proptest::collection::vec(proptest::option::of(0.0..0.7f64), 3),
        busy in proptest::collection::vec(0.0..1.5f64, 3),
        on in proptest::collection::vec(any::<bool>(), 4),
        told in proptest::collection::vec(0.0..1.2f64, 4),
        tells in any::<bool>(),
        loaded in any::<bool>(),
    ) -> (Sample, Vec<Consumer>) {
        let domains = [Domain::Package(0), Domain::Package(1), Domain::Dram(0), Domain::Gpu(0)];
        let mut sample = sample(1);
        sample.elapsed = Duration::from_secs_f64(elapsed);
        sample.cpu = cpu.map(Ratio);
        sample.power = domains.into_iter().zip(meters).zip(counted).map(|((domain, watts), counted)| {
            let mut power = power(domain, watts.unwrap_or(0.0));
            match watts {
                Some(watts) if counted => power.energy = Some(Joules(watts * 1.7)),
                Some(_) => {}
                None => power.watts = Figure::unknown("test"),
            }
            power
        }).collect();
        sample.processes = shares.iter().enumerate().map(|(index, share)| Process {
            cpu_share: share.map(Ratio), ..process(7 + index as u32, 0.0)
        }).collect();
        let pids = [7, 8, 9, 900];
        let processes: Vec<_> = pids.iter().zip(&on).filter(|(_, on)| **on).map(|(pid, _)| (*pid, 10)).collect();
        let shares: Vec<_> = pids.iter().zip(told).collect();
        let shares: Vec<_> = shares.into_iter().filter(|_| tells).map(|(pid, share)| (*pid, share)).collect();
        sample.gpus = vec![gpu(0, &processes, &shares)];
        let consumers = busy.iter().enumerate().map(|(index, busy)| {
            let mut consumer = consumer(7 + index as u32, 2, (busy - 0.5).max(0.0));
            consumer.is_loaded = loaded;
            consumer
        }).collect();
        (sample, consumers)
    }
}

proptest! {
    /// Whatever happens, energy is neither made nor lost, and nobody owes a negative amount.
    #[test]
    fn energy_is_conserved(
        ticks in proptest::collection::vec(any_tick(), 1..60),
        (empty, loaded) in (0.0..150.0f64, 0.0..150.0f64),
    ) {
        let mut attribution = Attribution::default();
        let baseline = |meter: &str, idle, watts| Baseline {
            meter: meter.into(), device: String::new(), idle, watts: Watts(watts), unix: 0, is_calibrated: true, grade: Grade::Measured
        };
        attribution.baselines.recall(vec![
            baseline("package-0", Idle::Empty, empty), baseline("package-0", Idle::Loaded, loaded),
            Baseline { device: "card".into(), ..baseline("gpu-0", Idle::Loaded, loaded) },
        ]);
        let mut measured = 0.0;
        for (second, (mut sample, consumers)) in ticks.into_iter().enumerate() {
            sample.at.uptime = Duration::from_secs(second as u64);
            let (shared, _) = attribution.tick(&sample, &consumers, PERIOD);
            let seconds = sample.elapsed.as_secs_f64();
            let read = |power: &Power| {
                let watts = power.watts.value()?.0;
                (seconds > 0.0).then(|| power.energy.map_or(watts * seconds, |energy| energy.0))
            };
            let energy: f64 = sample.power.iter().filter_map(read).sum();
            measured += energy;
            let tally = attribution.tally;
            prop_assert!((tally.measured() - energy).abs() <= 1e-9 * energy.max(1.0));
            for joules in [tally.sessions, tally.foreign, tally.standby, tally.idle, tally.unattributed] {
                prop_assert!(joules >= -1e-9 * energy.max(1.0), "{tally:?}");
            }
            // What the sessions are told is what was taken off for them.
            let told: f64 = shared.iter().flat_map(|shared| &shared.shares).map(|share| share.gross).sum();
            prop_assert!(told <= tally.sessions + 1e-9 * energy.max(1.0));
            let standby: f64 = shared.iter().map(|shared| shared.standby.0).sum();
            prop_assert!((standby - tally.standby).abs() <= 1e-9 * energy.max(1.0));
        }
        prop_assert!((attribution.total.measured() - measured).abs() <= 1e-6 * measured.max(1.0));
    }
}

fn energy_account_of(shares: &[Share]) -> EnergyAccount {
    let mut energy_account = EnergyAccount::default();
    for share in shares {
        for interval in &share.intervals {
            energy_account.book(share, interval);
        }
    }
    for interval in &shares[0].intervals {
        energy_account.spend(interval);
    }
    energy_account
}

/// A counter that has told nothing for four ticks: its power is over the seconds that it covers, for all owners.
#[test]
fn a_late_reading_is_over_its_seconds() {
    let mut attribution = Attribution::default();
    let mut told = Vec::new();
    for second in 1..=10 {
        let mut sample = sample(second);
        if second % 5 == 0 {
            sample.power[0].energy = Some(Joules(200.0));
        } else {
            sample.power[0].watts = Figure::unknown("the counter does not advance");
        }
        let (shared, _) = attribution.tick(&sample, &[consumer(7, second, 1.0)], PERIOD);
        told.extend(shared[0].watts.value().map(|watts| watts.0.round()));
        let process = process(8, 0.1);
        told.extend(attribution.foreign_power(&process).value().map(|watts| watts.0.round()));
        if second % 5 == 0 {
            told.push(attribution.power.measured().round());
        }
    }
    assert_eq!(told, [24.0, 4.0, 40.0, 24.0, 4.0, 40.0]);
}

/// A model is loaded by one core for six tenths of a second, and answers with two for the rest of it.
#[test]
fn loading_is_no_answers() {
    let mut attribution = Attribution::default();
    attribution.baselines.recall(vec![Baseline {
        meter: "package-0".into(),
        device: String::new(),
        idle: Idle::Loaded,
        watts: Watts(20.0),
        unix: 0,
        is_calibrated: true,
        grade: Grade::Measured,
    }]);
    let mut sample = sample(1);
    // 1.4 seconds of two cores: 20 W at rest, 30 W a core.
    sample.cores.truncate(2);
    sample.cpu = Some(Ratio(0.7));
    sample.power = vec![power(Domain::Package(0), 20.0 + 1.4 * 30.0)];
    sample.processes = vec![process(7, 1.0)];
    let ms = Duration::from_millis;
    let intervals = vec![
        WorkInterval { generation: LOAD, prompt: ms(600), cpu: ms(600), ..WorkInterval::default() },
        WorkInterval { generation: 1, decode: ms(400), ..WorkInterval::default() },
    ];
    let done = Done { intervals, spans: vec![(Duration::ZERO, Duration::from_secs(1))] };
    let consumers = [Consumer { session: SessionId(7), pid: Some(7), is_loaded: true, done }];
    let (shared, _) = attribution.tick(&sample, &consumers, PERIOD);
    let share = &shared[0].shares[0];
    let told: Vec<_> = share.intervals.iter().map(|interval| share.of_interval(interval)).collect();
    // 0.6 s of rest and 0.6 core seconds; 0.4 s and 0.8.
    for ((gross, dynamic), expected) in told.into_iter().zip([(30.0, 18.0), (32.0, 24.0)]) {
        assert!(
            (gross - expected.0).abs() < 1e-9 && (dynamic.unwrap() - expected.1).abs() < 1e-9,
            "{gross} {dynamic:?}"
        );
    }
}

/// Two packages are split by one and the same share of processor time, so what that may be off by does not average out.
#[test]
fn a_split_of_two_packages_errs_as_one() {
    let relative = |n: u32| {
        let mut attribution = Attribution::default();
        let mut sample = sample(1);
        sample.power = (0..n).map(|index| power(Domain::Package(index), 40.0)).collect();
        let (shared, _) = attribution.tick(&sample, &[consumer(7, 1, 1.0)], PERIOD);
        let all: Vec<_> = shared[0].shares.iter().map(|share| Share { update: 0.01, ..share.clone() }).collect();
        let energy_account = energy_account_of(&all);
        let figure = energy_account.answer(&Energy::default(), &Figure::unknown("test"));
        figure.value().unwrap().relative
    };
    let (one, two) = (relative(1), relative(2));
    assert!(two >= 0.25 && two < one, "{one} {two}: the split is the same, the sensors are two");
}
