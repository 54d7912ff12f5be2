//! What is written down while an answer comes, and a conversation that no longer fits.

use wire::{Channel, Event as Said, Failure, FailureKind, Finish, Prompt, Role};

use super::{Program, finished, generate, sample, start, text};
use crate::ui::Action;
use domain::event::WorkerEvent;
use domain::history::Record;
use domain::record::{Finished, RunRecord};
use domain::session::{Phase, WorkerId};
use domain::settings::ContextFull;
use domain::{Effect, Event};

const MEMORY: u64 = 64_000_000_000;

/// The last version of each draft that nothing has come of yet.
fn drafts(program: &Program) -> Vec<(u64, Record)> {
    let mut drafts: Vec<(u64, Record)> = Vec::new();
    for effect in &program.effects {
        match effect {
            Effect::SaveDraft { draft, record } => {
                drafts.retain(|(id, _)| id != draft);
                drafts.push((*draft, (**record).clone()));
            }
            Effect::DiscardDraft(draft) | Effect::Remember { draft: Some(draft), .. } => {
                drafts.retain(|(id, _)| id != draft);
            }
            _ => {}
        }
    }
    drafts
}

fn run(record: &Record) -> &RunRecord {
    record.body.run().unwrap()
}

fn kept(program: &Program) -> Vec<Record> {
    let records = program.effects.iter().filter_map(|effect| match effect {
        Effect::Remember { record, .. } => Some((**record).clone()),
        _ => None,
    });
    records.collect()
}

fn too_long(program: &mut Program, worker: WorkerId, id: u64) -> Vec<Effect> {
    let failure = Failure {
        id: Some(id),
        kind: FailureKind::PromptTooLong,
        message: "the prompt of 600 tokens does not fit the context of 512 tokens".into(),
        hint: None,
    };
    program.said(worker, Said::Failed(failure))
}

fn told(effects: &[Effect]) -> Vec<(Role, String)> {
    let Some(Prompt::Chat(chat)) = generate(effects).map(|generate| generate.prompt) else { return Vec::new() };
    chat.messages.iter().map(|message| (message.role, message.text().into_owned())).collect()
}

#[test]
fn what_shows_is_written_down_until_the_answer_is_kept() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    let generation = program.ask("why?");
    assert_eq!(run(&drafts(&program)[0].1).turns[0].text, "why?");
    program.said(worker, text(generation, Channel::Answer, "Because", 1));
    program.said(worker, text(generation, Channel::Answer, " it is", 2));
    let written = drafts(&program);
    assert_eq!(written.len(), 1);
    assert_eq!(run(&written[0].1).document.text.as_deref(), Some("Because it is"));
    assert_eq!(run(&written[0].1).document.finish, Some(Finished::Interrupted));
    program.said(worker, finished(generation, Finish::Stop));
    assert!(drafts(&program).is_empty());
    assert_eq!(kept(&program).len(), 1);
    assert_eq!(run(&kept(&program)[0]).document.finish, Some(Finished::Stop));
}

/// What ends an answer, given how its worker exits.
type End = fn(&mut Program, WorkerId, WorkerEvent);

#[test]
fn every_end_of_an_answer_keeps_it_once() {
    let exit = |expected| WorkerEvent::Exited { reason: "killed by signal 9".into(), expected, hint: None };
    let ends: [(&str, End); 6] = [
        ("stopped", |program, worker, _| {
            program.act(Action::Stop);
            program.act(Action::Yes);
            let exited = WorkerEvent::Exited { reason: "stopped".into(), expected: true, hint: None };
            program.happens(Event::Worker(worker, exited));
        }),
        ("killed", |program, worker, exit| {
            program.happens(Event::Worker(worker, exit));
        }),
        ("killed and removed", |program, worker, exit| {
            program.happens(Event::Worker(worker, exit));
            program.act(Action::Stop);
        }),
        ("restarted", |program, _, _| {
            program.act(Action::Restart);
            program.act(Action::Yes);
        }),
        ("quit", |program, _, _| {
            program.act(Action::Quit);
            program.act(Action::Yes);
            program.happens(Event::Closing);
        }),
        ("a signal", |program, _, _| {
            program.happens(Event::Closing);
        }),
    ];
    for (name, end) in ends {
        let mut program = Program::sampled(2, MEMORY);
        let worker = program.ready("alpha");
        let generation = program.ask("why?");
        program.said(worker, text(generation, Channel::Answer, "Because", 1));
        end(&mut program, worker, exit(false));
        program.happens(Event::Closing);
        let kept = kept(&program);
        assert_eq!(kept.len(), 1, "{name}");
        let (answer, turns) = (&run(&kept[0]).document, &run(&kept[0]).turns);
        assert_eq!((answer.text.as_deref(), turns[0].text.as_str()), (Some("Because"), "why?"));
        assert!(answer.error.is_some(), "{name}");
        assert!(drafts(&program).is_empty(), "{name}");
    }
}

#[test]
fn a_prompt_for_a_worker_that_never_loads_is_kept() {
    let mut program = Program::sampled(2, MEMORY);
    program.command(start("alpha"));
    let worker = program.state.domain.sessions[0].worker;
    program.type_in("are you there?");
    program.act(Action::Send);
    let exited = WorkerEvent::Exited { reason: "killed by signal 9".into(), expected: false, hint: None };
    program.happens(Event::Worker(worker, exited));
    let kept = kept(&program);
    assert_eq!(kept.len(), 1);
    assert_eq!(run(&kept[0]).turns[0].text, "are you there?");
    assert!(run(&kept[0]).document.text.is_none());
}

#[test]
fn a_full_context_drops_the_oldest_exchange_and_goes_on() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    for (prompt, answer) in [("one", "1"), ("two", "2")] {
        let generation = program.ask(prompt);
        program.said(worker, text(generation, Channel::Answer, answer, 1));
        program.said(worker, finished(generation, Finish::Stop));
    }
    program.type_in("three");
    let effects = program.act(Action::Send);
    let asked = generate(&effects).unwrap();
    assert_eq!(asked.min_room, 128, "a quarter of the context is left for the answer");
    let effects = too_long(&mut program, worker, asked.id);
    let user = |text: &str| (Role::User, text.to_owned());
    let answered = |text: &str| (Role::Assistant, text.to_owned());
    assert_eq!(told(&effects), [user("two"), answered("2"), user("three")]);
    let again = generate(&effects).unwrap();
    let effects = too_long(&mut program, worker, again.id);
    assert_eq!(told(&effects), [user("three")]);
    let last = generate(&effects).unwrap();
    assert_eq!(last.min_room, 0, "nothing is left to drop");
    program.said(worker, text(last.id, Channel::Answer, "3", 1));
    program.said(worker, finished(last.id, Finish::Stop));
    // Everything is on the screen and in the history still.
    let session = &program.state.domain.sessions[0];
    assert_eq!((session.turns.len(), session.n_dropped), (6, 4));
    assert_eq!(run(kept(&program).last().unwrap()).turns.len(), 5);
    assert_eq!(program.state.ui.notices.iter().filter(|notice| notice.text.contains("full")).count(), 1);
    // The next prompt goes without what was dropped.
    program.type_in("four");
    assert_eq!(told(&program.act(Action::Send)), [user("three"), answered("3"), user("four")]);
}

#[test]
fn a_prompt_that_never_fits_goes_back_to_the_editor() {
    for context_full in [ContextFull::DropOldest, ContextFull::Stop] {
        let mut program = Program::sampled(2, MEMORY);
        let worker = program.ready("alpha");
        program.state.domain.sessions[0].settings.context_full = context_full;
        let mut n_turns = 0;
        if context_full == ContextFull::Stop {
            let generation = program.ask("one");
            program.said(worker, finished(generation, Finish::Stop));
            n_turns = 2;
        }
        let generation = program.ask("far too long");
        program.type_in("typed meanwhile");
        too_long(&mut program, worker, generation);
        let session = &program.state.domain.sessions[0];
        assert_eq!((session.turns.len(), &session.phase), (n_turns, &Phase::Ready));
        let id = session.id;
        assert_eq!(program.state.ui.fleet.prompts[&id].text(), "far too long\ntyped meanwhile");
        assert!(program.state.ui.notices.back().unwrap().text.contains("back in the editor"));
        assert!(drafts(&program).is_empty());
        // Nothing is blocked.
        program.act(Action::DeleteToStart);
        program.ask("short");
    }
}

#[test]
fn a_tick_writes_down_what_has_come_since() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    let generation = program.ask("why?");
    program.said(worker, text(generation, Channel::Reasoning, "hm", 1));
    let n_written =
        |program: &Program| program.effects.iter().filter(|effect| matches!(effect, Effect::SaveDraft { .. })).count();
    let before = n_written(&program);
    program.happens(Event::Sample(Box::new(sample(2, MEMORY))));
    assert_eq!(n_written(&program), before, "nothing has come");
    program.said(worker, text(generation, Channel::Reasoning, " hm", 2));
    program.happens(Event::Sample(Box::new(sample(2, MEMORY))));
    assert_eq!(run(&drafts(&program)[0].1).document.reasoning.as_deref(), Some("hm hm"));
}

#[test]
fn nothing_is_written_down_where_nothing_is_kept() {
    let mut program = Program::sampled(2, MEMORY);
    program.state.domain.settings.history.keep = false;
    let worker = program.ready("alpha");
    let generation = program.ask("why?");
    program.said(worker, text(generation, Channel::Answer, "Because", 1));
    program.said(worker, finished(generation, Finish::Stop));
    program.happens(Event::Closing);
    assert!(drafts(&program).is_empty() && kept(&program).is_empty());
}
