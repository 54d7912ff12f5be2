//! The course of races, driven as the program drives them: whatever the workers do, each column ends and says how.

mod lockstep;
mod records;

use proptest::prelude::*;
use records::kept;
use wire::{Channel, Counters, Event as Said, Failure, FailureKind, Finish, Piece, Request, Token, TopLogprob};

use super::energy::metered;
use super::{Program, loaded, sample};
use crate::ui::Action;
use crate::ui::{Overlay, Screen};
use domain::command::{Force, What};
use domain::event::{HistoryEvent, WorkerEvent};
use domain::lab::race::rating::{Contender, Vote};
use domain::lab::race::{Entry, Order, RaceOrder, Stage};
use domain::moment::Moment;
use domain::record::{Award, Body, Entry as HistoryEntry, Kind, Record};
use domain::session::{Phase, WorkerId};
use domain::settings::SessionSettings;
use domain::{Effect, Event};

pub(super) fn program(models: &[&str], order: Order, blind: bool) -> Program {
    let mut program = Program::new();
    program.happens(Event::Sample(Box::new(sample(4, 10_000_000_000))));
    let entries = models
        .iter()
        .map(|name| Entry::new(program.state.domain.model(name).unwrap().clone(), SessionSettings::default()))
        .collect();
    let prompt = "why?".to_owned();
    program.command(What::StartRace(Box::new(RaceOrder {
        entries,
        order,
        prompt,
        system: None,
        stop: Vec::new(),
        lockstep: false,
        blind,
    })));
    program
}

fn stages(program: &Program) -> Vec<&'static str> {
    let race = program.state.domain.race.as_ref().unwrap();
    let word = |stage: &Stage| match stage {
        Stage::Waiting => "waiting",
        Stage::Starting => "starting",
        Stage::Answering => "answering",
        Stage::Unloading => "leaving",
        Stage::Done => "done",
        Stage::Failed { .. } => "failed",
    };
    race.columns.iter().map(|column| word(&column.stage)).collect()
}

fn worker(program: &Program, column: usize) -> WorkerId {
    let race = program.state.domain.race.as_ref().unwrap();
    program.state.domain.session(race.columns[column].session.id.unwrap()).unwrap().worker
}

pub(super) fn load(program: &mut Program, column: usize) -> Vec<Effect> {
    let worker = worker(program, column);
    program.happens(Event::Worker(worker, WorkerEvent::Message(loaded())))
}

fn generation(program: &Program, column: usize) -> u64 {
    let race = program.state.domain.race.as_ref().unwrap();
    race.columns[column].session.request.expect("the column answers").0
}

pub(super) fn answer(program: &mut Program, column: usize, text: &str) -> Vec<Effect> {
    let (worker, id) = (worker(program, column), generation(program, column));
    let counters = Counters {
        n_generated: text.len() as u32,
        ttft_us: Some(1000 * (column as u64 + 1)),
        generation_us: 500,
        ..Counters::default()
    };
    let pieces = vec![Piece { channel: Channel::Answer, text: text.to_owned() }];
    program.happens(Event::Worker(
        worker,
        WorkerEvent::Message(Said::Text { id, pieces, tool_calls: Vec::new(), counters, tokens: Vec::new() }),
    ));
    program.happens(Event::Worker(worker, WorkerEvent::Message(Said::Finished { id, finish: Finish::Stop, counters })))
}

fn exit(program: &mut Program, worker: WorkerId, expected: bool) -> Vec<Effect> {
    let reason = "killed by signal 9".to_owned();
    program.happens(Event::Worker(worker, WorkerEvent::Exited { reason, expected, hint: None }))
}

#[test]
fn in_turn_each_loads_answers_and_is_stopped_before_the_next() {
    let mut program = program(&["alpha", "beta"], Order::InTurn, false);
    assert_eq!(program.state.ui.screen, Screen::Race);
    assert_eq!(stages(&program), ["starting", "waiting"]);
    let effects = load(&mut program, 0);
    let told: Vec<&Request> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { request, .. } => Some(request),
            _ => None,
        })
        .collect();
    assert_eq!(told.first(), Some(&&Request::ClearCache), "an earlier prompt's tokens must not help");
    let Some(Request::Generate(generate)) = told.last() else { panic!("{told:?}") };
    assert_eq!((generate.sampling.temperature, generate.sampling.seed), (Some(0.0), Some(1)));
    let first = worker(&program, 0);
    let effects = answer(&mut program, 0, "because");
    assert!(effects.contains(&Effect::Stop { worker: first }));
    assert_eq!(stages(&program), ["leaving", "waiting"], "the next waits until the memory is free");
    exit(&mut program, first, true);
    assert_eq!(stages(&program), ["done", "starting"]);
    load(&mut program, 1);
    answer(&mut program, 1, "so");
    let second = worker(&program, 1);
    exit(&mut program, second, true);
    assert_eq!(stages(&program), ["done", "done"]);
    assert!(program.state.domain.sessions.is_empty());
    let race = program.state.domain.race.as_ref().unwrap();
    let winners = race.winners();
    assert_eq!(Award::ALL.map(|award| winners.of(award).to_vec()), [vec![0], vec![0], vec![], vec![1]]);
}

#[test]
fn a_worker_that_dies_while_it_is_stopped_holds_nobody_up() {
    let mut program = program(&["alpha", "beta"], Order::InTurn, false);
    load(&mut program, 0);
    let first = worker(&program, 0);
    answer(&mut program, 0, "because");
    exit(&mut program, first, false);
    assert_eq!(stages(&program), ["done", "starting"]);
}

#[test]
fn at_once_all_are_asked_when_the_last_is_loaded() {
    let mut program = program(&["alpha", "beta", "alpha"], Order::Together, false);
    assert_eq!(stages(&program), ["starting"; 3]);
    load(&mut program, 0);
    load(&mut program, 2);
    assert_eq!(stages(&program), ["starting"; 3]);
    load(&mut program, 1);
    assert_eq!(stages(&program), ["answering"; 3]);
    for column in 0..3 {
        answer(&mut program, column, "x");
    }
    assert_eq!(stages(&program), ["done"; 3]);
    assert_eq!(program.state.domain.sessions.len(), 3, "what is loaded stays for the next race");
    program.act(Action::Restart);
    assert_eq!(stages(&program), ["answering"; 3], "loaded sessions are used again");
}

#[test]
fn a_column_that_dies_says_so_and_the_race_goes_on() {
    for order in [Order::InTurn, Order::Together] {
        let mut program = program(&["alpha", "beta"], order, false);
        load(&mut program, 0);
        if order == Order::Together {
            load(&mut program, 1);
        }
        let dead = worker(&program, 0);
        exit(&mut program, dead, false);
        if order == Order::InTurn {
            load(&mut program, 1);
        }
        answer(&mut program, 1, "so");
        let race = program.state.domain.race.as_ref().unwrap();
        let reason = "killed by signal 9".to_owned();
        assert_eq!(race.columns[0].stage, Stage::Failed { reason, hint: None }, "{order:?}");
        assert!(race.columns[1].has_finished());
        assert_eq!(race.winners().first, [1]);
    }
}

#[test]
fn a_prompt_too_long_for_one_context_is_said_in_its_column() {
    let header = gguf::Header::read(gguf::testing::Builder::tiny_llama().build().as_slice()).unwrap();
    for (trained, expected) in
        [(None, "`context=N` in its settings)"), (Some(4096), "at most 4096"), (Some(512), "made for no longer one")]
    {
        let mut program = program(&["alpha", "beta"], Order::InTurn, false);
        let mut model = (*program.state.domain.sessions[0].model).clone();
        model.summary =
            trained.map(|length| gguf::Summary { context_length: Some(length), rope: None, ..header.summary() });
        program.state.domain.sessions[0].model = model.into();
        load(&mut program, 0);
        let (first, id) = (worker(&program, 0), generation(&program, 0));
        let reason = "the prompt of 900 tokens does not fit the context of 512 tokens".to_owned();
        let failure = Failure {
            id: Some(id),
            kind: FailureKind::PromptTooLong,
            message: reason.clone(),
            hint: Some("begin a new chat".to_owned()),
        };
        program.happens(Event::Worker(first, WorkerEvent::Message(Said::Failed(failure))));
        exit(&mut program, first, true);
        assert_eq!(stages(&program), ["failed", "starting"]);
        let race = program.state.domain.race.as_ref().unwrap();
        let Stage::Failed { reason: said, hint: Some(hint) } = &race.columns[0].stage else { panic!("{race:?}") };
        assert_eq!(*said, reason);
        assert!(hint.contains(expected) && hint.contains("leave it out of the race"), "not a chat's hint: {hint}");
        load(&mut program, 1);
        answer(&mut program, 1, "so");
        let race = program.state.domain.race.as_ref().unwrap();
        assert!(race.columns[1].has_finished(), "the other column goes on");
    }
}

#[test]
fn what_does_not_fit_together_is_offered_in_turn_with_the_figures() {
    let mut program = program(&["alpha", "beta"], Order::InTurn, false);
    let mut state = program.state.clone();
    state.domain.race = None;
    program.state = state;
    for session in std::mem::take(&mut program.state.domain.sessions) {
        exit(&mut program, session.worker, true);
    }
    program.state.domain.settings.budget.memory = Some(domain::units::Bytes(1));
    program.state.ui.race.order = Order::Together;
    program.state.ui.race.entries.iter_mut().for_each(|entry| {
        let mut model = (*entry.model).clone();
        model.summary =
            Some(gguf::Header::read(gguf::testing::Builder::tiny_llama().build().as_slice()).unwrap().summary());
        entry.model = std::sync::Arc::new(model);
    });
    program.act(Action::Restart);
    let Some(Overlay::Confirm { question, .. }) = &program.state.ui.overlay else { panic!("no question") };
    assert!(
        question.contains("2 models to be loaded would need about") && question.contains("1 B are free"),
        "{question}"
    );
    program.act(Action::Yes);
    assert_eq!(program.state.domain.race.as_ref().unwrap().order, Order::InTurn);
}

#[test]
fn a_loaded_session_keeps_its_conversation() {
    let mut program = Program::new();
    program.happens(Event::Sample(Box::new(sample(4, 10_000_000_000))));
    let settings =
        Entry::new(program.state.domain.model("alpha").unwrap().clone(), SessionSettings::default()).settings;
    program.command(What::StartSession { model: "alpha".into(), settings: Box::new(settings), force: Force::No });
    let session = program.state.domain.sessions[0].worker;
    program.happens(Event::Worker(session, WorkerEvent::Message(loaded())));
    let said = domain::session::Turn::new(wire::Role::System, "keep me".into());
    program.state.domain.sessions[0].turns.push(said.clone());
    program.act(Action::Mark);
    program.state.ui.screen = Screen::Library;
    program.state.ui.library.chosen = program
        .state
        .ui
        .library
        .rows
        .iter()
        .position(|row| program.state.domain.library.models[*row].id == "beta")
        .unwrap();
    program.act(Action::Mark);
    program.act(Action::RaceMarked);
    program.happens(crate::ui::Event::Text("why?".into()));
    program.act(Action::Send);
    assert_eq!(stages(&program), ["answering", "waiting"]);
    assert_eq!(worker(&program, 0), session);
    answer(&mut program, 0, "because");
    assert_eq!(program.state.domain.session_of(session).unwrap().turns, [said]);
    assert_eq!(stages(&program), ["done", "starting"], "a session that was there stays");
}

#[test]
fn a_blind_race_waits_for_its_shuffle_and_hides_names_until_the_vote() {
    let mut program = program(&["alpha", "beta"], Order::Together, true);
    assert_eq!(stages(&program), ["waiting"; 2]);
    program.happens(Event::Random(7));
    load(&mut program, 0);
    load(&mut program, 1);
    answer(&mut program, 0, "x");
    answer(&mut program, 1, "yy");
    let name = |program: &Program| program.state.domain.race.as_ref().unwrap().name(0);
    assert_eq!(name(&program), "model A");
    program.act(Action::Vote);
    program.act(Action::Down);
    let records = kept(program.act(Action::Choose));
    assert_ne!(name(&program), "model A");
    let vote = &program.state.domain.votes[0];
    // What the history keeps of it is the same vote to a later start.
    let read = Vote::of(records[0].at, &records[0].body.race().unwrap().document).unwrap();
    assert!(read.is_same(vote) && read.blind, "{read:?}");
    assert_eq!((vote.winner, vote.blind), (Some(1), true));
    program.act(Action::Vote);
    assert_eq!(program.state.domain.votes.len(), 1, "one race, one vote");
}

#[test]
fn a_cancelled_race_ends_and_keeps_what_came() {
    let mut program = program(&["alpha", "beta"], Order::InTurn, false);
    load(&mut program, 0);
    let (first, id) = (worker(&program, 0), generation(&program, 0));
    let effects = program.act(Action::Back);
    assert!(effects.contains(&Effect::Send { worker: first, request: Request::Cancel { id } }));
    let counters = Counters::default();
    program.happens(Event::Worker(
        first,
        WorkerEvent::Message(Said::Finished { id, finish: Finish::Cancelled, counters }),
    ));
    exit(&mut program, first, true);
    assert_eq!(stages(&program), ["done", "failed"]);
    assert!(!program.state.domain.is_racing());
}

proptest! {
    /// Whatever workers say in whatever order, no column is lost, and once all workers are gone the race is over.
    #[test]
    fn every_race_ends(
        is_together: bool,
        blind: bool,
        steps in prop::collection::vec((0_u8..7, 0_usize..3), 0..60),
    ) {
        let order = if is_together { Order::Together } else { Order::InTurn };
        let mut program = program(&["alpha", "beta", "alpha"], order, blind);
        for (what, column) in steps {
            let race = program.state.domain.race.as_ref();
            let id = race.and_then(|race| race.columns[column].session.id).filter(|id| program.state.domain.session(*id).is_some());
            match (what, id) {
                (0, _) => { program.happens(Event::Random(column as u64)); }
                (1, Some(_)) => { load(&mut program, column); }
                (2, Some(id)) if program.state.domain.session(id).unwrap().is_busy() => { answer(&mut program, column, "x"); }
                (3, Some(id)) => {
                    let stops = program.state.domain.session(id).unwrap().phase == Phase::Stopping;
                    let gone = worker(&program, column);
                    exit(&mut program, gone, stops);
                }
                (4, _) => { program.act(Action::Cancel); }
                (5, Some(id)) => { program.state.ui.fleet.chosen = Some(id); program.state.ui.screen = Screen::Fleet; program.act(Action::Stop); }
                _ => { program.act(Action::NextTab); }
            }
            program.state.ui.screen = Screen::Race;
            program.state.ui.overlay = None;
        }
        program.happens(Event::Random(1));
        for _ in 0..8 {
            let workers: Vec<_> = program.state.domain.sessions.iter().map(|session| session.worker).collect();
            for gone in workers {
                exit(&mut program, gone, true);
            }
        }
        prop_assert_eq!(program.state.race_n_columns(), 3);
        prop_assert!(!program.state.domain.is_racing(), "{:?}", stages(&program));
    }
}

/// Where a meter ticks, a column is not over before the tick that pays for its end; where the tick is late, it is.
#[test]
fn an_answer_waits_for_the_last_of_its_energy_and_not_for_ever() {
    for is_late in [false, true] {
        let mut program = program(&["alpha", "beta"], Order::InTurn, false);
        program.happens(Event::Sample(metered(2, 40.0)));
        load(&mut program, 0);
        answer(&mut program, 0, "because");
        assert_eq!(stages(&program), ["answering", "waiting"], "its energy is not whole yet");
        if is_late {
            program.happens(crate::ui::Event::Redraw);
            assert_eq!(stages(&program)[0], "answering");
            program.happens(crate::ui::Event::Redraw);
            program.happens(crate::ui::Event::Redraw);
        } else {
            program.happens(Event::Sample(metered(5, 40.0)));
        }
        assert_eq!(stages(&program), ["leaving", "waiting"]);
        let race = program.state.domain.race.as_ref().unwrap();
        assert_eq!(race.columns[0].ended().unwrap().is_settled, !is_late);
        assert!(race.columns[0].measured.is_some());
    }
}

#[test]
fn a_blind_race_that_goes_away_without_a_vote_can_be_revealed() {
    let mut program = program(&["alpha", "beta"], Order::Together, true);
    program.happens(Event::Random(1));
    load(&mut program, 0);
    load(&mut program, 1);
    answer(&mut program, 0, "so");
    answer(&mut program, 1, "so");
    program.act(Action::Fleet);
    program.act(Action::Race);
    assert!(program.state.domain.race.is_some(), "another screen loses nothing");
    program.act(Action::Back);
    assert!(program.state.domain.race.is_some(), "nor does Esc");
    program.act(Action::Stop);
    assert!(
        program.state.domain.race.is_some() && program.state.ui.race.drafts,
        "nor do other columns for the next one"
    );
    program.act(Action::Back);
    assert!(program.state.race().is_some() && !program.state.ui.race.drafts, "Esc shows it again");
    program.act(Action::History);
    assert!(program.act(Action::Reveal).is_empty());
    assert!(program.state.ui.overlay.is_none(), "nothing is hidden in an empty list");
    let entry = HistoryEntry {
        id: 4,
        kind: Kind::Race,
        at: 0,
        models: vec!["model A".to_owned()],
        title: "why?".to_owned(),
        rate: None,
        joules: None,
        is_sealed: true,
    };
    let generation = program.state.ui.history.generation;
    program.happens(Event::History(HistoryEvent::Listed { generation, entries: vec![entry], more: false }));
    program.act(Action::Reveal);
    assert!(matches!(program.act(Action::Yes)[..], [Effect::Reveal(4)]));
    program.screen.clear();
    program.happens(Event::History(HistoryEvent::Revealed(4)));
    let wanted = &program.screen;
    assert!(matches!(wanted[..], [crate::ui::Effect::ListHistory { .. }]), "the list is read again: {wanted:?}");
}
