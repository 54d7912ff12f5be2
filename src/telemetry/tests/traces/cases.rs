//! The machines and answers of the simulated traces.

use super::*;

pub(super) const fn answer(session: usize, from: u64, prompt: u64, decode: u64, cores: f64) -> Answer {
    Answer { session, from, prompt, decode, cores }
}

pub(super) fn alone() -> Vec<Answer> {
    vec![answer(0, 2300, 1500, 20_000, 4.0)]
}

pub(super) fn cases() -> Vec<Case> {
    let case =
        |name, has_card, answers, foreign, faults, grade| Case { name, has_card, answers, foreign, faults, grade };
    let two = vec![answer(0, 2300, 1000, 20_000, 3.0), answer(1, 7450, 500, 20_000, 4.0)];
    let following = vec![answer(0, 2300, 1000, 11_000, 4.0), answer(0, 14_400, 1000, 12_000, 4.0)];
    vec![
        case("one session, with wraps", false, alone(), vec![], vec![], Measured),
        case("one session on a card", true, alone(), vec![], vec![], Measured),
        case("two answers in a row", false, following, vec![], vec![], Measured),
        case("two sessions", false, two.clone(), vec![], vec![], Apportioned),
        case("two sessions on a card", true, two, vec![], vec![], Apportioned),
        case("foreign load", false, alone(), vec![(0, 40_000, 2.0, 0.0)], vec![], Apportioned),
        case("foreign load that comes and goes", false, alone(), vec![(5000, 12_500, 3.0, 0.0)], vec![], Apportioned),
        case("a stranger on the card", true, alone(), vec![(3000, 15_000, 0.0, 0.5)], vec![], Apportioned),
        case(
            "a counter that stands still",
            false,
            alone(),
            vec![],
            vec![(8, |m| m.frozen = true), (10, |m| m.frozen = false)],
            Measured,
        ),
        case(
            "readings that fail",
            false,
            alone(),
            vec![],
            vec![(8, |m| m.tree.fail(COUNTER, ErrorKind::TimedOut)), (11, |m| m.tree.set(COUNTER, 0))],
            Measured,
        ),
        case(
            "a reset",
            false,
            alone(),
            vec![],
            vec![(9, |m| {
                m.tree.remove(RANGE);
                m.range = u64::MAX;
                m.offset = (m.joules * 1e6) as u64 - 5_000_000;
            })],
            Apportioned,
        ),
        case(
            "a meter that disappears",
            false,
            alone(),
            vec![],
            vec![(17, |m| m.tree.remove("sys/class/powercap"))],
            Apportioned,
        ),
        case("a clock that jumps back", false, alone(), vec![], vec![(12, |m| m.skew = -30_000)], Apportioned),
        case(
            "suspended for a minute",
            false,
            alone(),
            vec![],
            vec![(12, |m| {
                m.skew = 60_000;
                m.joules += 180.0;
            })],
            Apportioned,
        ),
        case(
            "a worker that dies",
            false,
            alone(),
            vec![],
            vec![(17, |m| {
                m.dead.push(pid(0));
                m.tree.remove("proc/5000/");
                let worker = m.workers[0];
                let reason = "killed by signal 9".to_owned();
                m.happens(Event::Worker(worker, WorkerEvent::Exited { reason, expected: false, hint: None }));
            })],
            Apportioned,
        ),
    ]
}
