//! See the module of the same name.

use super::Program;
use crate::ui::Action;
use domain::event::LibraryEvent;
use domain::ids::StorageJobId;
use domain::model::Store;
use domain::storage::{
    CleanupCandidate, CleanupJob, CleanupPlan, DiskUsageReport, Item, Kind, ModelShare, Operation, Request, Share,
    Skipped, Step, StorageEvent, Usage,
};
use domain::units::Bytes;
use domain::{Effect, Event};

fn hear(program: &mut Program, news: StorageEvent) -> Vec<Effect> {
    program.happens(Event::Library(LibraryEvent::Storage(Box::new(news))))
}

/// The plan that is asked of the driver.
fn planned(effects: &[Effect]) -> (StorageJobId, Request) {
    let [Effect::Storage(CleanupJob::Plan { job, request })] = effects else { panic!("{effects:?}") };
    (*job, request.clone())
}

fn plan() -> CleanupPlan {
    let item = Item {
        what: "alpha".to_owned(),
        kind: Kind::Model,
        store: Store::Folder,
        root: "/models".into(),
        steps: vec![Step { act: Operation::Move, path: "/models/alpha".into(), frees: Bytes(5) }],
        note: None,
    };
    CleanupPlan { items: vec![item], ..CleanupPlan::default() }
}

#[test]
fn a_model_is_deleted_once_its_plan_was_agreed_to() {
    let mut program = Program::new();
    program.act(Action::Library);
    let effects = program.act(Action::DeleteSelected);
    let (first, request) = planned(&effects);
    let plan_of = |job| StorageEvent::Planned { job, request: request.clone(), plan: plan() };
    hear(&mut program, plan_of(first));
    assert!(program.state.ui.overlay.is_some());
    assert_eq!(program.act(Action::No), []);
    assert!(program.state.ui.overlay.is_none());
    // It was asked about once.
    hear(&mut program, plan_of(first));
    assert!(program.state.ui.overlay.is_none());
    let second = planned(&program.act(Action::DeleteSelected)).0;
    // The plan of another client, for the same models.
    hear(&mut program, plan_of(StorageJobId(1_000_000)));
    assert!(program.state.ui.overlay.is_none());
    hear(&mut program, plan_of(second));
    let effects = program.act(Action::Yes);
    let [Effect::Storage(CleanupJob::Perform { job, request: performed, plan: agreed })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((performed, agreed), (&request, &plan()));
    assert!(*job != first && *job != second);
    // One at a time.
    assert_eq!(program.act(Action::DeleteSelected), []);
    hear(&mut program, StorageEvent::Progress(1, 1));
    assert_eq!(program.state.domain.cleanup.work.as_ref().map(|work| work.done), Some(1));
    let ended = StorageEvent::Ended { job: *job, text: "done".to_owned(), is_error: false };
    assert_eq!(hear(&mut program, ended), [Effect::Scan]);
    assert!(program.state.domain.cleanup.work.is_none());
    assert!(matches!(program.act(Action::UndoCleanup)[..], [Effect::Storage(CleanupJob::Undo { .. })]));
}

#[test]
fn what_can_not_be_done_is_said_and_not_asked() {
    let mut program = Program::new();
    let reason = "it is used by ollama runner, pid 123".to_owned();
    let refusal = Skipped { what: "alpha".to_owned(), reason, hint: None };
    let plan = CleanupPlan { refusals: vec![refusal], ..CleanupPlan::default() };
    let request = Request::Remove { models: Vec::new() };
    hear(&mut program, StorageEvent::Planned { job: StorageJobId(1), request, plan });
    assert!(program.state.ui.overlay.is_none());
    let said = &program.state.ui.notices.back().unwrap().text;
    assert_eq!(said, "alpha: it is used by ollama runner, pid 123");
}

#[test]
fn a_model_that_a_session_holds_is_not_deleted() {
    let mut program = Program::new();
    program.act(Action::Library);
    program.act(Action::Choose);
    assert_eq!(program.state.domain.sessions.len(), 1);
    program.act(Action::Library);
    assert_eq!(program.act(Action::DeleteSelected), []);
    assert!(program.state.ui.notices.back().unwrap().text.contains("loaded by a session"));
}

#[test]
fn rows_of_the_disk_use_ask_for_what_they_show() {
    let mut program = Program::new();
    assert_eq!(program.act(Action::DiskUsage), [Effect::Storage(CleanupJob::DiskUsageReport)]);
    let request = Request::Empty { before: None };
    let beta = program.state.domain.library.models.iter().find(|model| model.name == "beta").unwrap().id.clone();
    let share = |name: &str| Share { name: name.to_owned(), bytes: Bytes(5), n_models: 1 };
    let usage = Usage {
        models: vec![ModelShare { share: share("beta"), id: beta, family: "beta".to_owned() }],
        stores: vec![share("hf")],
        ..Usage::default()
    };
    let reclaimable =
        |kind, request: &Request| CleanupCandidate { kind, count: 1, frees: Bytes(1), request: request.clone() };
    let compare = Request::Dedupe { models: Vec::new(), read: true, link_folders: false };
    let reclaimable = vec![reclaimable(Kind::LikelyDuplicate, &compare), reclaimable(Kind::Trash, &request)];
    hear(&mut program, StorageEvent::Surveyed(DiskUsageReport { usage, reclaimable, ..DiskUsageReport::default() }));
    // What takes long says so.
    assert_eq!(planned(&program.act(Action::Choose)).1, compare);
    assert!(program.state.ui.notices.back().unwrap().text.starts_with("comparing"));
    program.act(Action::Down);
    assert_eq!(planned(&program.act(Action::Choose)).1, request);
    program.act(Action::Down);
    let Request::Remove { models } = planned(&program.act(Action::DeleteSelected)).1 else { panic!("no removal") };
    assert_eq!(models[0].name, "beta");
    // A store is too much at once.
    program.act(Action::Group);
    program.act(Action::Group);
    program.act(Action::Last);
    assert_eq!(program.act(Action::DeleteSelected), []);
}
