//! Power of an idle machine: how the baseline is found.

use super::*;

/// 31 idle seconds at so many watts.
fn rest(attribution: &mut Attribution, from: u64, watts: f64, consumers: &[Consumer]) {
    for second in from..from + 31 {
        let mut sample = sample(second);
        sample.power = vec![power(Domain::Package(0), watts)];
        attribution.tick(&sample, consumers, PERIOD);
    }
}

#[test]
fn a_baseline_is_the_lowest_mean_of_thirty_seconds() {
    let mut attribution = Attribution::default();
    let of = |attribution: &Attribution, idle| attribution.baselines.get("package-0", "", idle).map(|b| b.watts.0);
    rest(&mut attribution, 1, 14.0, &[]);
    assert_eq!(of(&attribution, Idle::Empty), Some(14.0));
    // A second of peace is no baseline, a busy half minute is none either.
    attribution.tick(&Sample { power: vec![power(Domain::Package(0), 2.0)], ..sample(33) }, &[], PERIOD);
    assert!(of(&attribution, Idle::Empty).unwrap() > 13.0);
    rest(&mut attribution, 40, 90.0, &[]);
    assert!(of(&attribution, Idle::Empty).unwrap() < 14.0);
    // With a model loaded it is another.
    assert_eq!(of(&attribution, Idle::Loaded), None);
    rest(&mut attribution, 80, 17.0, &[consumer(7, 0, 0.0)]);
    assert_eq!(of(&attribution, Idle::Loaded), Some(17.0));
    // An answer between breaks the row.
    let mut other = Attribution::default();
    for second in 1..60 {
        let busy = if second % 20 == 0 { 0.5 } else { 0.0 };
        other.tick(&sample(second), &[consumer(7, second, busy)], PERIOD);
    }
    assert_eq!(other.baselines.known, []);
}

#[test]
fn a_calibration_sets_the_baseline_or_says_why_not() {
    let mut attribution = Attribution::default();
    rest(&mut attribution, 1, 9.0, &[]);
    attribution.baselines.calibrate(Idle::Empty, Duration::from_secs(40));
    let mut ended = Vec::new();
    for second in 41..75 {
        let mut sample = sample(second);
        sample.power = vec![power(Domain::Package(0), 14.0)];
        ended.extend(attribution.tick(&sample, &[], PERIOD).1);
        if second == 50 {
            assert_eq!(attribution.baselines.calibration.unwrap().watched, Duration::from_secs(10));
        }
    }
    // It replaces what was lower before, for the user asked.
    assert_eq!(ended, [Ended::Complete]);
    assert_eq!(attribution.baselines.calibrated().len(), 1);
    assert_eq!(attribution.baselines.calibrated()[0].watts, Watts(14.0));

    let busy = |second| vec![consumer(7, second, 0.5)];
    let loaded = |second| vec![consumer(7, second, 0.0)];
    let cases: [(Tenants, bool, &str); 3] = [
        (&busy, true, "an answer came between"),
        (&loaded, true, "a model was loaded or unloaded"),
        (&|_| Vec::new(), false, "no meter gave readings for 30 s"),
    ];
    for (consumers, is_metered, reason) in cases {
        let mut attribution = Attribution::default();
        attribution.baselines.calibrate(Idle::Empty, Duration::ZERO);
        let mut ended = None;
        for second in 1..200 {
            let mut sample = sample(second);
            if !is_metered {
                sample.power.clear();
            }
            ended = ended.or(attribution.tick(&sample, &consumers(second), PERIOD).1);
        }
        assert_eq!(ended, Some(Ended::Broken(reason)));
        assert_eq!(attribution.baselines.calibrated(), []);
    }
}

/// Without a baseline idle energy and standby are not zero but unknown.
#[test]
fn idle_energy_is_known_with_a_baseline() {
    let mut attribution = Attribution::default();
    attribution.tick(&sample(1), &[consumer(7, 1, 1.0)], PERIOD);
    assert_eq!((attribution.knows(), attribution.ever_known), ((false, false), (false, false)));
    rest(&mut attribution, 2, 14.0, &[]);
    assert_eq!(attribution.knows(), (true, true), "no model is loaded, so that none stands by");
    attribution.tick(&sample(40), &[consumer(7, 40, 0.0)], PERIOD);
    assert_eq!((attribution.knows(), attribution.ever_known), ((true, false), (true, true)));
}
