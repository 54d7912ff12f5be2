//! Who makes room for whom.

use super::*;

#[test]
fn who_goes_for_whom() {
    // What is loaded: name, by hand, pinned, idle seconds. What is asked for; what happens.
    type Case<'a> = (&'a [(&'a str, bool, bool, u64)], &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        (&[("small", false, false, 60)], "middle", "fits"),
        (&[("small", false, false, 60)], "large", "evicts small"),
        (&[("small", false, false, 60)], "huge", "refused"),
        (&[("small", true, false, 60)], "large", "refused"),
        (&[("small", false, true, 60)], "large", "refused"),
        (&[("small", false, false, 2)], "large", "waits small"),
        // One is enough, and the one that has been idle for longer goes.
        (&[("small", false, false, 20), ("tiny", false, false, 60)], "middle", "evicts tiny"),
        (&[("small", false, false, 600), ("tiny", false, false, 60)], "middle", "evicts small"),
        // The smaller is not enough.
        (&[("tiny", false, false, 600), ("small", false, false, 20)], "large", "evicts small"),
        // Both are needed.
        (&[("tiny", false, false, 60), ("small", false, false, 60)], "large", "evicts small"),
        (&[("small", false, false, 60), ("small", false, false, 60)], "small", "loaded"),
        (&[("middle", false, false, 60), ("tiny", true, false, 60)], "large", "evicts middle"),
        (&[("middle", false, false, 2), ("tiny", false, false, 60)], "large", "waits middle"),
    ];
    for (loaded, wanted, expected) in cases {
        let mut bed = Bed::new();
        let mut loaded = loaded.to_vec();
        loaded.sort_by_key(|(_, _, _, idle)| std::cmp::Reverse(*idle));
        let longest = loaded.first().map_or(0, |one| one.3);
        for (name, by_hand, pinned, idle) in &loaded {
            bed.now = seconds(longest - idle);
            bed.sample();
            if *by_hand {
                bed.start(name).unwrap();
                bed.load(name);
                continue;
            }
            let mut settings = SessionSettings::default();
            settings.residence.pinned = *pinned;
            settings.residence.keep_alive = Some(KeepAlive::Forever);
            let request = bed.ask_as(name, |ask| ask.settings = Some(Box::new(settings))).unwrap();
            if bed.holder(request).phase != Phase::Ready {
                bed.load(name);
            }
            bed.answer(request);
        }
        bed.now = seconds(longest);
        bed.sample();
        let names =
            |all: &[crate::eviction::Candidate]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>().join(" ");
        let plan = bed.plan(wanted);
        let got = match &plan.outcome {
            Outcome::Loaded(_) => "loaded".to_owned(),
            Outcome::Fits => "fits".to_owned(),
            Outcome::Evicts(all) => format!("evicts {}", names(all)),
            Outcome::Waits(all) => format!("waits {}", names(all)),
            Outcome::Refused { .. } => "refused".to_owned(),
            Outcome::Unknown => "unknown".to_owned(),
        };
        assert_eq!(got, *expected, "{loaded:?} {wanted}: {plan:?}");
    }
}

#[test]
fn a_plan_says_who_goes_and_why() {
    let mut bed = Bed::new();
    let told = |bed: &Bed, name: &str| {
        let plan = bed.plan(name);
        let reasons: Vec<String> = plan.candidates().iter().map(crate::eviction::Candidate::reason).collect();
        (plan.summary(), reasons.join("; "))
    };
    assert_eq!(told(&bed, "large"), ("fits".to_owned(), String::new()));
    let request = bed.ask("small");
    bed.load("small");
    assert_eq!(told(&bed, "small"), ("is loaded, or is about to be".to_owned(), String::new()));
    assert_eq!(told(&bed, "large"), ("waits for small".to_owned(), "1 request".to_owned()));
    bed.answer(request);
    let recent = "loaded a moment ago, stays for another 10.0 s".to_owned();
    assert_eq!(told(&bed, "large"), ("waits for small".to_owned(), recent));
    bed.pass(60);
    assert_eq!(told(&bed, "large"), ("unloads small".to_owned(), "idle for 1 min".to_owned()));
    let (refused, _) = told(&bed, "huge");
    assert!(refused.starts_with("would need about 20.0 GB"), "{refused}");
    let plan = bed.plan("large");
    assert_eq!((plan.needed.total(), plan.free), (Bytes(6 * GB), Some(Bytes(5 * GB))));
    // Who holds what on which device is what was measured.
    let small = bed.machine.sessions[0].id;
    assert_eq!(plan.devices[0].held, [(small, Bytes(2 * GB))]);
}

#[test]
fn memory_of_gpus_counts_where_it_is_used() {
    let mut bed = Bed::new();
    let card = |used: u64| crate::machine::Gpu {
        index: 0,
        name: "card".into(),
        usage: crate::figure::Figure::unknown("not told"),
        memory_total: Some(Bytes(24 * GB)),
        memory_used: Some(Bytes(used * GB)),
        temperature: None,
        processes: Vec::new(),
        shares: Vec::new(),
        mhz: None,
        held_by: String::new(),
    };
    bed.machine.machine.sample.as_mut().unwrap().gpus = vec![card(1)];
    // 9 GB of main memory and 23 GB on the card are free.
    assert_eq!(bed.plan("huge").outcome, Outcome::Fits);
    assert_eq!(bed.plan("huge").devices[1].free, Bytes(23 * GB));
    // One that stays off the card has the main memory alone.
    let mut settings = SessionSettings::default();
    settings.set("gpu_layers", "0").unwrap();
    let refused = bed.ask_as("huge", |ask| ask.settings = Some(Box::new(settings))).unwrap_err();
    assert!(matches!(refused.cause, Cause::Memory(_)), "{refused:?}");
    bed.ask("huge");
    assert_eq!(bed.sessions(), ["huge loading"]);
}
