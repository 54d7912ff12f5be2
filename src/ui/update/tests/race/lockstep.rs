//! Races whose columns decode together.

use super::*;

/// A race in lockstep of two columns that are loaded.
fn lockstep() -> Program {
    let mut program = Program::new();
    program.happens(Event::Sample(Box::new(sample(4, 10_000_000_000))));
    let entry = |name: &&str| Entry::new(program.state.domain.model(name).unwrap().clone(), SessionSettings::default());
    let entries = ["alpha", "beta"].iter().map(entry).collect();
    let prompt = "why?".to_owned();
    let order = RaceOrder {
        entries,
        order: Order::Together,
        prompt,
        system: None,
        stop: Vec::new(),
        lockstep: true,
        blind: false,
    };
    program.command(What::StartRace(Box::new(order)));
    load(&mut program, 0);
    let effects = load(&mut program, 1);
    assert_eq!(allowed(&program, &effects), [(0, 1), (1, 1)], "each draws its first token");
    program
}

/// Which columns may draw how many tokens more.
fn allowed(program: &Program, effects: &[Effect]) -> Vec<(usize, u32)> {
    let column = |of: &WorkerId| (0..2).find(|column| worker(program, *column) == *of);
    let tell = |effect: &Effect| match effect {
        Effect::Send { worker, request: Request::Continue { n_tokens, .. } } => Some((column(worker)?, *n_tokens)),
        _ => None,
    };
    effects.iter().filter_map(tell).collect()
}

fn tell(program: &mut Program, column: usize, token: &str) -> Vec<(usize, u32)> {
    let (worker, id) = (worker(program, column), generation(program, column));
    let pieces = vec![Piece { channel: Channel::Answer, text: token.to_owned() }];
    let top_logprobs = vec![TopLogprob { bytes: token.as_bytes().to_vec(), probability: 0.5 }];
    let tokens = vec![Token { bytes: token.as_bytes().to_vec(), top_logprobs }];
    let said = Said::Text { id, pieces, tool_calls: Vec::new(), counters: Counters::default(), tokens };
    let effects = program.happens(Event::Worker(worker, WorkerEvent::Message(said)));
    allowed(program, &effects)
}

#[test]
fn lockstep_decodes_the_columns_together_and_stops_where_they_part() {
    let mut program = lockstep();
    assert_eq!(tell(&mut program, 0, "The"), [], "it waits for the other");
    // The other cuts the text otherwise: who is behind in bytes goes on alone.
    assert_eq!(tell(&mut program, 1, "The sea"), [(0, 1)]);
    assert_eq!(tell(&mut program, 0, " sea"), [(0, 1), (1, 1)]);
    assert_eq!(tell(&mut program, 1, " is"), []);
    assert_eq!(program.state.ui.race.divergence, None);
    // They part, and nobody draws before the user says so.
    assert_eq!(tell(&mut program, 0, " was"), []);
    let divergence = program.state.ui.race.divergence.clone().unwrap();
    assert_eq!((divergence.before.as_str(), divergence.together), ("The sea ", true));
    assert_eq!(divergence.columns.iter().flatten().map(|step| step.text.as_str()).collect::<Vec<_>>(), [" was", " is"]);
    assert_eq!(divergence.columns[1].as_ref().unwrap().probable.len(), 1);
    assert!(program.state.domain.is_racing());
    let effects = program.act(Action::Continue);
    assert_eq!(allowed(&program, &effects), [(0, u32::MAX), (1, u32::MAX)]);
    let finish = |program: &mut Program, column| {
        let (worker, id) = (worker(program, column), generation(program, column));
        let said = Said::Finished { id, finish: Finish::Stop, counters: Counters::default() };
        program.happens(Event::Worker(worker, WorkerEvent::Message(said)));
    };
    finish(&mut program, 0);
    finish(&mut program, 1);
    assert_eq!(stages(&program), ["done", "done"]);
    assert_eq!(program.state.ui.race.divergence, Some(divergence), "the first parting stays marked");
}

#[test]
fn a_column_that_dies_in_lockstep_leaves_the_other_free() {
    let mut program = lockstep();
    tell(&mut program, 0, "The");
    let second = worker(&program, 1);
    let effects = exit(&mut program, second, false);
    assert_eq!(allowed(&program, &effects), [(0, u32::MAX)]);
    assert_eq!(stages(&program), ["answering", "failed"]);
}

#[test]
fn escape_ends_columns_that_wait_for_each_other() {
    let mut program = lockstep();
    tell(&mut program, 0, "The");
    let effects = program.act(Action::Cancel);
    let cancels =
        effects.iter().filter(|effect| matches!(effect, Effect::Send { request: Request::Cancel { .. }, .. }));
    assert_eq!(cancels.count(), 2);
}
