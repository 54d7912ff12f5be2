//! Death at any step, and whatever order things are asked in.

use super::*;

/// Die behind so many steps, as by `kill -9`: nothing that follows is run.
fn die(yard: &Yard, request: &Request, at_once: bool, steps: usize) {
    let plan = yard.cleanup.plan(request);
    let died = catch_unwind(AssertUnwindSafe(|| {
        let _ = yard.cleanup.perform(request, &plan, at_once, &mut |done, _, _| assert!(done < steps, "killed"));
    }));
    let _ = died;
}

#[test]
fn after_death_at_any_step_the_stores_are_as_before_or_as_planned() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let mut n_taken_back = 0;
    for index in 0..Yard::new().requests().len() {
        for at_once in [false, true] {
            let planned = Yard::new();
            planned.age();
            let before = planned.tree();
            let n_steps = planned.cleanup.plan(&planned.requests()[index]).steps().count();
            planned.perform(&planned.requests()[index], at_once).unwrap();
            for steps in 1..=n_steps {
                let yard = Yard::new();
                yard.age();
                die(&yard, &yard.requests()[index], at_once, steps);
                let said = recover(&yard.env);
                assert_eq!(said.len(), 1, "{index} {steps}: {said:?}");
                if said[0].contains("as before") {
                    n_taken_back += 1;
                    assert_eq!(yard.tree(), before, "{index} {steps}");
                    assert_eq!(yard.shared(), [] as [PathBuf; 0]);
                    assert_eq!(yard.trash(), [] as [PathBuf; 0]);
                    assert_eq!(yard.cleanup.records().0, []);
                } else {
                    assert!(said[0].contains("it is complete"), "{said:?}");
                    assert_eq!(steps, n_steps);
                    assert_eq!(yard.tree(), planned.tree(), "{index} {steps}");
                    assert_eq!(yard.shared(), planned.shared());
                }
                assert_eq!(recover(&yard.env), [] as [String; 0]);
            }
        }
    }
    std::panic::set_hook(hook);
    assert!(n_taken_back > 20);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// Several commands, each killed somewhere, each mended: afterwards all that was kept can be taken back one by one.
    #[test]
    fn deaths_in_a_row_lose_nothing(deaths in proptest::collection::vec((0_usize..10, 1_usize..12), 1..4)) {
        let yard = Yard::new();
        yard.age();
        let before = yard.tree();
        for (index, steps) in deaths {
            // What an earlier one took away is not there to be asked for.
            let Ok(requests) = catch_unwind(AssertUnwindSafe(|| yard.requests())) else { break };
            die(&yard, &requests[index], false, steps);
            recover(&yard.env);
            prop_assert!(yard.cleanup.records().0.iter().all(|record| record.phase == Phase::Done));
        }
        while yard.cleanup.undo(None, &mut |_, _, _| ()).is_ok() {}
        prop_assert_eq!(yard.tree(), before);
        prop_assert_eq!(yard.trash(), [] as [PathBuf; 0]);
    }
}
