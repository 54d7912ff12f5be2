//! The course of a suite, driven as the program drives it: models in turn, prompt by prompt, then the judge.

use std::path::PathBuf;
use std::sync::Arc;

use wire::{Channel, Event as Said, Finish};

use super::energy::metered;
use super::race::program as race;
use super::{Program, finished, generate, loaded, text};
use crate::ui::{Action, BenchTab, Overlay, Screen, SuiteEntry};
use domain::bench::Plan;
use domain::command::{Force, What};
use domain::event::WorkerEvent;
use domain::history::{Kind, Record};
use domain::model::{Model, Status};
use domain::quality::QualityOrder;
use domain::race::{Entry, Order, RaceOrder};
use domain::record::Body;
use domain::session::{Turn, WorkerId};
use domain::settings::SessionSettings;
use domain::suite::answer::Answer;
use domain::suite::run::{Cell, Phase, Recalled, Stage, SuiteFile, SuiteOrder, SuiteRun};
use domain::suite::tally::Cost;
use domain::{Effect, Event};

const TWO: &str = r#"
name = "two"
[[prompt]]
id = "a"
text = "one and one?"
max_tokens = 9
checks = [{ number = 2 }]
[[prompt]]
id = "b"
text = "two and two?"
checks = [{ number = 4 }]
"#;

const JUDGED: &str = r#"
name = "judged"
judge = "beta"
[[prompt]]
id = "a"
text = "why?"
checks = [{ min_words = 1 }, { judge = "Is it polite?" }]
"#;

fn order(program: &Program, models: &[&str], suite: &str) -> SuiteOrder {
    let model = |name: &&str| program.state.domain.model(name).unwrap().clone();
    let suite = SuiteFile::parse(PathBuf::from("two.toml"), suite.to_owned()).unwrap();
    let settings = suite.settings(SessionSettings::default()).unwrap();
    SuiteOrder {
        judge: suite.suite.judge.as_ref().map(|name| model(&name.as_str())),
        suite: Arc::new(suite),
        models: models.iter().map(model).collect(),
        settings,
        stop: Vec::new(),
        fresh: false,
        force: Force::No,
    }
}

/// A suite that runs over these models, which have answered nothing before.
fn started(models: &[&str], suite: &str) -> Program {
    let mut program = Program::sampled(4, 10_000_000_000);
    let order = order(&program, models, suite);
    program.command(What::StartSuite(Box::new(order)));
    let n_models = run(&program).models.len();
    recall(&mut program, vec![Vec::new(); n_models]);
    program
}

fn run(program: &Program) -> &SuiteRun {
    program.state.domain.suite.as_deref().unwrap()
}

fn recall(program: &mut Program, answers: Vec<Vec<Answer>>) -> Vec<Effect> {
    let known = answers.into_iter().enumerate();
    let known = known.map(|(place, answers)| Recalled { name: format!("{place}.jsonl"), answers });
    let event = Event::SuiteRecalled { run: run(program).id, result: Ok(known.collect()) };
    program.happens(event)
}

fn worker(program: &Program) -> WorkerId {
    program.state.domain.sessions.last().unwrap().worker
}

fn load(program: &mut Program) -> Vec<Effect> {
    let worker = worker(program);
    program.happens(Event::Worker(worker, WorkerEvent::Spawned { pid: 7 }));
    program.said(worker, loaded())
}

/// The session that answers says this, and its answer is written down.
fn answer(program: &mut Program, effects: &[Effect], said: &str) -> Vec<Effect> {
    let effects = say(program, effects, said);
    assert!(generate(&effects).is_none(), "the next prompt waits until the answer is on the disk");
    let kept = effects.iter().any(|effect| matches!(effect, Effect::KeepAnswer { .. }));
    assert!(kept, "{effects:?}");
    let id = run(program).id;
    program.happens(Event::SuiteKept { run: id, error: None })
}

fn say(program: &mut Program, effects: &[Effect], said: &str) -> Vec<Effect> {
    let id = generate(effects).expect("a question").id;
    let worker = worker(program);
    program.said(worker, text(id, Channel::Answer, said, 3));
    program.said(worker, finished(id, Finish::Stop))
}

fn exit(program: &mut Program, expected: bool) -> Vec<Effect> {
    let worker = worker(program);
    let reason = "killed by signal 9".to_owned();
    program.happens(Event::Worker(worker, WorkerEvent::Exited { reason, expected, hint: None }))
}

fn kept(effects: &[Effect]) -> Vec<&Record> {
    let records = effects.iter().filter_map(|effect| match effect {
        Effect::Remember { record, .. } => Some(&**record),
        _ => None,
    });
    records.collect()
}

fn glyphs(program: &Program) -> Vec<String> {
    let run = run(program);
    let glyph = |cell| match cell {
        Cell::Waiting => '.',
        Cell::Running => '>',
        Cell::ToJudge(_) => '?',
        Cell::Passed(_) => 'p',
        Cell::Failed(_) => 'f',
        Cell::Error(_) => '!',
    };
    let row = |model| (0..run.suite().prompts.len()).map(|prompt| glyph(run.cell(model, prompt))).collect();
    (0..run.models.len()).map(row).collect()
}

#[test]
fn models_take_turns_and_each_prompt_waits_for_the_answer_before_to_be_kept() {
    let mut program = started(&["alpha", "beta", "alpha"], TWO);
    assert_eq!(glyphs(&program), ["..", ".."], "one that is named twice is asked once");
    let asked = load(&mut program);
    let first = generate(&asked).unwrap();
    assert_eq!((first.max_tokens, first.sampling.temperature), (Some(9), Some(0.0)));
    assert_eq!(glyphs(&program), [">.", ".."]);
    let asked = answer(&mut program, &asked, "it is 2");
    assert_eq!(glyphs(&program), ["p>", ".."]);
    let effects = say(&mut program, &asked, "it is 5");
    let stops = Effect::Stop { worker: worker(&program) };
    assert!(effects.contains(&stops), "nothing is left to ask, so nothing waits: {effects:?}");
    let id = run(&program).id;
    program.happens(Event::SuiteKept { run: id, error: None });
    assert_eq!(run(&program).models[0].stage, Stage::Unloading);
    exit(&mut program, true);
    assert_eq!(glyphs(&program), ["pf", ".."]);
    let asked = load(&mut program);
    let asked = answer(&mut program, &asked, "2");
    answer(&mut program, &asked, "4");
    let effects = exit(&mut program, true);
    assert_eq!((glyphs(&program), &run(&program).phase), (vec!["pf".to_owned(), "pp".to_owned()], &Phase::Done));
    assert!(program.state.domain.sessions.is_empty());
    let [record] = kept(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((record.kind(), record.title.as_str()), (Kind::Suite, "two · passed 1/2, 2/2"));
    let Body::Suite(kept) = &record.body else { panic!("{record:?}") };
    let model = &kept.document.models[1];
    assert_eq!((model.answers[0].text.as_str(), model.joules_grade.as_str()), ("2", "unknown"));
}

#[test]
fn what_earlier_runs_answered_is_not_asked_again_and_makes_no_record() {
    let mut program = started(&["alpha"], TWO);
    let asked = load(&mut program);
    let asked = answer(&mut program, &asked, "2");
    answer(&mut program, &asked, "4");
    let known = run(&program).models[0].answers.clone();
    exit(&mut program, true);
    // All of it: nothing is loaded.
    let again = order(&program, &["alpha"], TWO);
    program.command(What::StartSuite(Box::new(again.clone())));
    let effects = recall(&mut program, vec![known.clone()]);
    assert!(effects.is_empty() && program.state.domain.sessions.is_empty(), "{effects:?}");
    assert_eq!(run(&program).phase, Phase::Done);
    // A part: the rest is asked.
    program.command(What::StartSuite(Box::new(again)));
    recall(&mut program, vec![known[..1].to_vec()]);
    assert_eq!(run(&program).models[0].n_open, 1);
    let asked = load(&mut program);
    assert_eq!(glyphs(&program), ["p>"]);
    answer(&mut program, &asked, "4");
    assert_eq!(kept(&exit(&mut program, true)).len(), 1);
}

#[test]
fn a_model_that_fails_costs_its_own_row() {
    let mut program = Program::sampled(4, 10_000_000_000);
    let damaged = Model { status: Status::Damaged("cut off".to_owned()), ..Model::clone(&super::model("gamma", 3)) };
    program.happens(Event::Library(domain::event::LibraryEvent::Found(vec![Arc::new(damaged)])));
    let order = order(&program, &["gamma", "alpha", "beta"], TWO);
    program.command(What::StartSuite(Box::new(order)));
    recall(&mut program, vec![Vec::new(); 3]);
    assert_eq!(glyphs(&program)[0], "!!", "it is refused, and the next one's turn has come");
    let asked = load(&mut program);
    answer(&mut program, &asked, "2");
    exit(&mut program, false);
    assert_eq!(glyphs(&program)[1], "p!");
    let asked = load(&mut program);
    let asked = answer(&mut program, &asked, "2");
    answer(&mut program, &asked, "4");
    let effects = exit(&mut program, true);
    let [record] = kept(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(record.models, ["beta"], "only whoever answered all prompts is compared");
}

#[test]
fn a_cancelled_suite_keeps_its_answers_and_makes_no_record() {
    let mut program = started(&["alpha", "beta"], TWO);
    let asked = load(&mut program);
    let asked = answer(&mut program, &asked, "2");
    let id = generate(&asked).unwrap().id;
    let worker = worker(&program);
    let effects = program.command(What::CancelSuite);
    assert_eq!(effects, [Effect::Tell { worker, request: wire::Request::Cancel { id } }]);
    let effects = program.said(worker, finished(id, Finish::Cancelled));
    assert!(effects.contains(&Effect::Stop { worker }), "{effects:?}");
    let effects = exit(&mut program, true);
    assert_eq!((glyphs(&program), &run(&program).phase), (vec!["p.".to_owned(), "..".to_owned()], &Phase::Cancelled));
    assert!(kept(&effects).is_empty() && program.state.domain.sessions.is_empty());
    // Also while it loads, or reads what there is.
    for step in 0..2 {
        let order = order(&program, &["alpha"], TWO);
        program.command(What::StartSuite(Box::new(order)));
        if step == 1 {
            recall(&mut program, vec![Vec::new()]);
        }
        program.command(What::CancelSuite);
        if step == 1 {
            exit(&mut program, true);
        }
        assert_eq!(run(&program).phase, Phase::Cancelled);
        assert!(program.state.domain.sessions.is_empty());
    }
}

#[test]
fn a_judge_says_yes_or_no_behind_the_models() {
    let mut program = started(&["alpha"], JUDGED);
    let asked = load(&mut program);
    let effects = say(&mut program, &asked, "please");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::KeepAnswer { .. })), "it is not judged yet");
    assert_eq!(glyphs(&program), ["?"]);
    exit(&mut program, true);
    assert_eq!(run(&program).phase, Phase::Judging);
    let asked = load(&mut program);
    let question = generate(&asked).unwrap();
    assert!(question.grammar.is_some() && question.max_tokens == Some(8));
    let effects = say(&mut program, &asked, "yes");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::KeepAnswer { .. })), "{effects:?}");
    let id = run(&program).id;
    exit(&mut program, true);
    let effects = program.happens(Event::SuiteKept { run: id, error: Some("the disk is full".to_owned()) });
    assert_eq!((glyphs(&program), &run(&program).phase), (vec!["p".to_owned()], &Phase::Done));
    assert_eq!(run(&program).warning.as_deref(), Some("the disk is full"));
    assert_eq!(kept(&effects).len(), 1);
}

/// A suite over `alpha`, which was loaded for something else before.
fn over_a_loaded_session() -> (Program, Vec<Effect>) {
    let mut program = Program::sampled(4, 10_000_000_000);
    let model = program.state.domain.model("alpha").unwrap().clone();
    let settings = Entry::new(model, SessionSettings::default()).settings;
    program.command(What::StartSession { model: "alpha".into(), settings: Box::new(settings), force: Force::No });
    load(&mut program);
    program.state.domain.sessions[0].turns.push(Turn::new(wire::Role::System, "keep me".into()));
    let order = order(&program, &["alpha"], TWO);
    program.command(What::StartSuite(Box::new(order)));
    let asked = recall(&mut program, vec![Vec::new()]);
    (program, asked)
}

#[test]
fn a_suite_leaves_the_conversation_of_a_loaded_session_alone() {
    let (mut program, asked) = over_a_loaded_session();
    let turns = |program: &Program| program.state.domain.sessions[0].turns.len();
    assert_eq!((turns(&program), glyphs(&program)), (1, vec![">.".to_owned()]));
    // What the user writes meanwhile is answered in its own conversation, and the next prompt waits for that.
    let session = program.state.domain.sessions[0].id;
    program.command(What::SendPrompt { session, text: "hello".to_owned() });
    let chat = say(&mut program, &asked, "2");
    assert_eq!((turns(&program), glyphs(&program)), (2, vec!["p.".to_owned()]));
    let id = run(&program).id;
    let effects = program.happens(Event::SuiteKept { run: id, error: None });
    assert!(generate(&effects).is_none(), "the conversation is being answered");
    assert_eq!(glyphs(&program), ["p."]);
    let asked = say(&mut program, &chat, "hi");
    assert_eq!((turns(&program), glyphs(&program)), (3, vec!["p>".to_owned()]));
    answer(&mut program, &asked, "4");
    assert_eq!((turns(&program), &run(&program).phase), (3, &Phase::Done));
    assert!(program.state.domain.sessions[0].is_live(), "a session that was there stays");
}

#[test]
fn the_next_prompt_waits_for_the_last_energy_of_the_answer_before() {
    let mut program = started(&["alpha"], TWO);
    program.happens(Event::Sample(metered(1, 40.0)));
    let asked = load(&mut program);
    let effects = say(&mut program, &asked, "2");
    assert!(generate(&effects).is_none());
    assert_eq!(glyphs(&program), [">."], "its energy is not known yet");
    let effects = program.happens(Event::Sample(metered(2, 40.0)));
    assert_eq!(glyphs(&program), ["p."], "{effects:?}");
    let id = run(&program).id;
    program.happens(Event::SuiteKept { run: id, error: None });
    assert_eq!(glyphs(&program), ["p>"]);
}

#[test]
fn jobs_that_measure_do_not_share_the_machine() {
    let mut program = race(&["alpha", "beta"], Order::InTurn, false);
    let order = order(&program, &["alpha"], TWO);
    program.command(What::StartSuite(Box::new(order)));
    assert!(program.state.domain.suite.is_none());
    let notice = &program.state.ui.notices.back().unwrap().text;
    assert_eq!(notice, "a race is running: wait for it, or cancel it");
    assert!(!matches!(program.state.ui.overlay, Some(Overlay::Confirm { .. })));
    assert_eq!(program.state.ui.screen, Screen::Race);
}

#[test]
fn nothing_that_measures_begins_while_a_suite_runs() {
    let mut program = started(&["alpha"], TWO);
    let entries = ["alpha", "beta"].map(|name| program.state.domain.model(name).unwrap().clone());
    let entries = entries.map(|model| Entry::new(model, SessionSettings::default())).to_vec();
    let race = RaceOrder {
        entries: entries.clone(),
        order: Order::InTurn,
        prompt: "why?".to_owned(),
        system: None,
        stop: Vec::new(),
        lockstep: false,
        blind: false,
    };
    let text = QualityOrder {
        model: entries[0].clone(),
        reference: None,
        text: "a text".to_owned(),
        n_chunk: 8,
        max_chunks: None,
        every: false,
        file: PathBuf::new(),
    };
    let bench = Plan { models: vec!["alpha".to_owned()], ..Plan::default() };
    let again = order(&program, &["beta"], TWO);
    for what in [
        What::StartRace(Box::new(race)),
        What::StartBench(Box::new(bench)),
        What::StartPerplexity(Box::new(text)),
        What::StartSuite(Box::new(again)),
    ] {
        program.state.ui.notices.clear();
        assert_eq!(program.command(what), []);
        let notice = &program.state.ui.notices.back().unwrap().text;
        assert_eq!(notice, "a suite is running: wait for it, or cancel it");
    }
}

#[test]
fn an_answer_of_an_older_worker_changes_nothing() {
    let mut program = started(&["alpha"], TWO);
    let asked = load(&mut program);
    let id = generate(&asked).unwrap().id;
    program.said(WorkerId(9999), Said::Finished { id, finish: Finish::Stop, counters: wire::Counters::default() });
    assert_eq!(glyphs(&program), [">."]);
}

#[test]
fn a_suite_is_picked_run_watched_and_read_by_keys() {
    let mut program = Program::sampled(4, 10_000_000_000);
    program.act(Action::Suites);
    assert_eq!(program.screen.last(), Some(&crate::ui::Effect::ListSuites));
    let suite = |name: &str, text: &str| SuiteEntry {
        name: name.to_owned(),
        file: PathBuf::from(name),
        suite: SuiteFile::parse(PathBuf::from(name), text.to_owned()).map(Arc::new).map_err(|error| error.to_string()),
    };
    program.happens(crate::ui::Event::Suites(vec![suite("wrong", "name = 1"), suite("two", TWO)]));
    program.act(Action::Choose);
    assert!(program.state.ui.notices.back().unwrap().text.starts_with("wrong: line 1"), "and nothing runs");
    assert!(program.state.domain.suite.is_none());
    program.act(Action::Down);
    program.act(Action::Choose);
    assert_eq!(run(&program).models.len(), 1, "the selected model, since none is marked");
    recall(&mut program, vec![Vec::new()]);
    let asked = load(&mut program);
    program.act(Action::Choose);
    assert_eq!(program.state.ui.notices.back().unwrap().text, "not answered yet");
    let asked = answer(&mut program, &asked, "2");
    // Esc cancels what runs, then leaves the tab; the result stays.
    let id = generate(&asked).unwrap().id;
    program.act(Action::Back);
    let worker = worker(&program);
    program.said(worker, finished(id, Finish::Cancelled));
    exit(&mut program, true);
    assert_eq!((run(&program).phase.clone(), glyphs(&program)), (Phase::Cancelled, vec!["p.".to_owned()]));
    program.act(Action::Choose);
    let Some(Overlay::Record { title, text, .. }) = program.state.ui.overlay.take() else { panic!("no answer shows") };
    assert!(title == "alpha · a" && text.contains("one and one?") && text.contains("passed: "), "{title}: {text}");
    let cost = |program: &Program| program.state.ui.suites.cost(run(program));
    let costs = [0, 1, 2].map(|_| {
        program.act(Action::PlotAxis);
        cost(&program)
    });
    assert_eq!(costs, [Cost::Memory, Cost::Energy, Cost::Time], "without a sensor it begins with the time");
    program.act(Action::PickSuite);
    assert!(program.state.ui.shows_suites(&program.state.domain));
    program.act(Action::Back);
    assert!(!program.state.ui.shows_suites(&program.state.domain));
    program.act(Action::Fleet);
    program.act(Action::PickSuite);
    assert_eq!(program.state.ui.screen, Screen::Bench, "the palette has it everywhere");
    program.act(Action::Back);
    program.act(Action::RerunSuite);
    assert!(run(&program).order.fresh && run(&program).phase == Phase::Recalling);
    program.act(Action::Back);
    program.act(Action::Back);
    assert_eq!(program.state.ui.bench_tab, BenchTab::Benches);
}

#[test]
fn without_a_model_nothing_is_asked() {
    let mut program = Program::sampled(4, 10_000_000_000);
    program.state.ui.library.rows.clear();
    let order = order(&program, &[], TWO);
    program.command(What::StartSuite(Box::new(order)));
    assert_eq!(program.state.ui.notices.back().unwrap().text, "choose a model to ask first");
}
