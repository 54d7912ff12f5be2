//! What follows from the wish to delete something, to tidy up, or to take it back.
//!
//! The plan is made first, by the driver; what it says is asked; then it is done, in the background.

use std::sync::Arc;

use super::notify;
use crate::effect::Effect;
use crate::house::{Chore, Grouping, News, Plan, Request, Work, family};
use crate::model::Model;
use crate::session::Session;
use crate::state::State;
use crate::ui::{Face, Overlay, Screen};

/// Look at the disks, where the disk use shows and nothing looks yet.
pub(super) fn survey(state: &mut State) -> Vec<Effect> {
    let shows = state.ui.screen == Screen::Library && state.ui.library.face == Face::Usage;
    if !shows || state.domain.house.surveying || state.domain.library.scanning {
        return Vec::new();
    }
    state.domain.house.surveying = true;
    vec![Effect::House(Chore::Survey)]
}

/// Ask what deleting the chosen model, or tidying up the chosen row, would do.
pub(super) fn delete(state: &mut State) -> Vec<Effect> {
    if let Some(work) = &state.domain.house.work {
        let text = format!("{} is still being done", work.title);
        notify(state, text, true);
        return Vec::new();
    }
    let request = match (state.ui.screen, state.ui.library.face) {
        (Screen::Library, Face::Models) => {
            state.chosen_model().map(|model| Request::Remove { models: vec![Arc::clone(model)] })
        }
        (Screen::Library, Face::Usage) => of_row(state),
        _ => None,
    };
    let Some(request) = request else { return Vec::new() };
    if let Request::Remove { models } | Request::Prune { unused: models, .. } = &request
        && let Some(model) = models.iter().find(|model| is_loaded(state, model))
    {
        let text = format!("{} is loaded by a session; stop that first", model.name);
        notify(state, text, true);
        return Vec::new();
    }
    if matches!(request, Request::Dedupe { read: true, .. }) {
        notify(state, "comparing likely duplicates, at the speed of the disk; a question follows", false);
    }
    vec![Effect::House(Chore::Plan(request))]
}

/// What the chosen row of the disk use could do.
fn of_row(state: &mut State) -> Option<Request> {
    let (house, view) = (&state.domain.house, state.ui.usage);
    if let Some(tidy) = house.tidy().get(view.chosen) {
        return Some(tidy.request.clone());
    }
    let place = view.chosen.checked_sub(house.tidy().len())?;
    let usage = &house.survey.as_ref()?.usage;
    let is_meant = |model: &&Arc<Model>| match view.grouping {
        Grouping::Model => usage.models.get(place).is_some_and(|share| share.id == model.id),
        Grouping::Family => usage.families.get(place).is_some_and(|share| share.name == family(model)),
        Grouping::Store => false,
    };
    let models: Vec<_> = state.domain.library.models.iter().filter(is_meant).cloned().collect();
    if models.is_empty() {
        notify(state, "choose a model or a family; a store is too much at once", true);
        return None;
    }
    Some(Request::Remove { models })
}

fn is_loaded(state: &State, model: &Model) -> bool {
    state.domain.sessions.iter().any(|session| session.model.id == model.id && Session::is_live(session))
}

/// Have a plan carried out that was agreed to.
pub(super) fn perform(state: &mut State, request: Request, plan: Plan) -> Vec<Effect> {
    state.domain.house.work = Some(Work { title: request.title(), done: 0, count: plan.steps().count() });
    vec![Effect::House(Chore::Perform { request, plan })]
}

/// Take back what was done last.
pub(super) fn take_back(state: &mut State) -> Vec<Effect> {
    if state.domain.house.work.is_some() {
        return Vec::new();
    }
    state.domain.house.work = Some(Work { title: "undo".to_owned(), done: 0, count: 0 });
    vec![Effect::House(Chore::Undo)]
}

/// News of the driver.
pub(super) fn heard(state: &mut State, news: News) -> Vec<Effect> {
    match news {
        News::Surveyed(survey) => {
            state.domain.house.surveying = false;
            state.domain.house.survey = Some(survey);
            state.ui.usage.chosen =
                state.ui.usage.chosen.min(state.domain.house.n_rows(state.ui.usage.grouping).saturating_sub(1));
        }
        News::Planned { plan, .. } if plan.items.is_empty() => {
            let text = match plan.refusals.first() {
                None => "there is nothing to do".to_owned(),
                Some(refusal) => match &refusal.hint {
                    None => format!("{}: {}", refusal.what, refusal.reason),
                    Some(hint) => format!("{}: {}; {hint}", refusal.what, refusal.reason),
                },
            };
            notify(state, text, true);
        }
        // A question never takes the place of another.
        News::Planned { .. } if state.ui.overlay.is_some() => {}
        News::Planned { request, plan } => {
            state.ui.overlay = Some(Overlay::Plan { request: Box::new(request), plan: Box::new(plan), scroll: 0 });
        }
        News::Progress(done, count) => {
            if let Some(work) = &mut state.domain.house.work {
                (work.done, work.count) = (done, count);
            }
        }
        News::Ended { text, is_error } => {
            state.domain.house.work = None;
            notify(state, text, is_error);
            if !state.domain.library.scanning {
                return vec![Effect::Scan];
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::LibraryEvent;
    use crate::house::{Act, Item, Kind, ModelShare, Refusal, Share, Step, Survey, Tidy, Usage};
    use crate::model::Store;
    use crate::units::Bytes;
    use crate::update::tests::Program;
    use crate::{Action, Event};

    fn hear(program: &mut Program, news: News) -> Vec<Effect> {
        program.happens(Event::Library(LibraryEvent::House(Box::new(news))))
    }

    fn plan() -> Plan {
        let item = Item {
            what: "alpha".to_owned(),
            kind: Kind::Model,
            store: Store::Folder,
            root: "/models".into(),
            steps: vec![Step { act: Act::Move, path: "/models/alpha".into(), frees: Bytes(5) }],
            note: None,
        };
        Plan { items: vec![item], ..Plan::default() }
    }

    #[test]
    fn a_model_is_deleted_once_its_plan_was_agreed_to() {
        let mut program = Program::new();
        program.act(Action::Show(Screen::Library));
        let effects = program.act(Action::Delete);
        let [Effect::House(Chore::Plan(request))] = &effects[..] else { panic!("{effects:?}") };
        let news = || News::Planned { request: request.clone(), plan: plan() };
        hear(&mut program, news());
        assert_eq!(program.act(Action::Confirm(false)), []);
        assert!(program.state.ui.overlay.is_none());
        hear(&mut program, news());
        let chore = Chore::Perform { request: request.clone(), plan: plan() };
        assert_eq!(program.act(Action::Confirm(true)), [Effect::House(chore)]);
        // One at a time.
        assert_eq!(program.act(Action::Delete), []);
        hear(&mut program, News::Progress(1, 1));
        assert_eq!(program.state.domain.house.work.as_ref().map(|work| work.done), Some(1));
        let ended = News::Ended { text: "done".to_owned(), is_error: false };
        assert_eq!(hear(&mut program, ended), [Effect::Scan]);
        assert!(program.state.domain.house.work.is_none());
        assert_eq!(program.act(Action::TakeBack), [Effect::House(Chore::Undo)]);
    }

    #[test]
    fn what_can_not_be_done_is_said_and_not_asked() {
        let mut program = Program::new();
        let reason = "it is used by ollama runner, pid 123".to_owned();
        let refusal = Refusal { what: "alpha".to_owned(), reason, hint: None };
        let plan = Plan { refusals: vec![refusal], ..Plan::default() };
        hear(&mut program, News::Planned { request: Request::Remove { models: Vec::new() }, plan });
        assert!(program.state.ui.overlay.is_none());
        let said = &program.state.ui.notices.back().unwrap().text;
        assert_eq!(said, "alpha: it is used by ollama runner, pid 123");
    }

    #[test]
    fn a_model_that_a_session_holds_is_not_deleted() {
        let mut program = Program::new();
        program.act(Action::Show(Screen::Library));
        program.act(Action::Choose);
        assert_eq!(program.state.domain.sessions.len(), 1);
        program.act(Action::Show(Screen::Library));
        assert_eq!(program.act(Action::Delete), []);
        assert!(program.state.ui.notices.back().unwrap().text.contains("loaded by a session"));
    }

    #[test]
    fn rows_of_the_disk_use_ask_for_what_they_show() {
        let mut program = Program::new();
        assert_eq!(program.act(Action::Face(Face::Usage)), [Effect::House(Chore::Survey)]);
        let request = Request::Empty { before: None };
        let beta = program.state.domain.library.models.iter().find(|model| model.name == "beta").unwrap().id.clone();
        let share = |name: &str| Share { name: name.to_owned(), bytes: Bytes(5), n_models: 1 };
        let usage = Usage {
            models: vec![ModelShare { share: share("beta"), id: beta, family: "beta".to_owned() }],
            stores: vec![share("hf")],
            ..Usage::default()
        };
        let tidy = |kind, request: &Request| Tidy { kind, count: 1, frees: Bytes(1), request: request.clone() };
        let compare = Request::Dedupe { models: Vec::new(), read: true, link_folders: false };
        let tidy = vec![tidy(Kind::Alike, &compare), tidy(Kind::Trash, &request)];
        hear(&mut program, News::Surveyed(Survey { usage, tidy, ..Survey::default() }));
        // What takes long says so.
        assert_eq!(program.act(Action::Choose), [Effect::House(Chore::Plan(compare))]);
        assert!(program.state.ui.notices.back().unwrap().text.starts_with("comparing"));
        program.act(Action::Move(1));
        assert_eq!(program.act(Action::Choose), [Effect::House(Chore::Plan(request))]);
        program.act(Action::Move(1));
        let effects = program.act(Action::Delete);
        let [Effect::House(Chore::Plan(Request::Remove { models }))] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(models[0].name, "beta");
        // A store is too much at once.
        program.act(Action::Group);
        program.act(Action::Group);
        program.act(Action::Last);
        assert_eq!(program.act(Action::Delete), []);
    }
}
