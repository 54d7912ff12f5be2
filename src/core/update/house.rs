//! What follows from the wish to delete something, to tidy up, or to take it back.
//!
//! The plan is made first, by the driver; what it says is asked; then it is done, in the background.

use std::sync::Arc;

use super::super::effect::Effect;
use super::super::house::{Chore, Grouping, News, Plan, Request, Work, family};
use super::super::model::Model;
use super::super::session::Session;
use super::super::state::{Face, Overlay, Screen, State};
use super::notify;

/// Look at the disks, where the disk use shows and nothing looks yet.
pub(super) fn survey(state: &mut State) -> Vec<Effect> {
    let shows = state.screen == Screen::Library && state.library.face == Face::Usage;
    if !shows || state.house.surveying || state.library.scanning {
        return Vec::new();
    }
    state.house.surveying = true;
    vec![Effect::House(Chore::Survey)]
}

/// Ask what deleting the chosen model, or tidying up the chosen row, would do.
pub(super) fn delete(state: &mut State) -> Vec<Effect> {
    if let Some(work) = &state.house.work {
        let text = format!("{} is still being done", work.title);
        notify(state, text, true);
        return Vec::new();
    }
    let request = match (state.screen, state.library.face) {
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
    vec![Effect::House(Chore::Plan(request))]
}

/// What the chosen row of the disk use could do.
fn of_row(state: &mut State) -> Option<Request> {
    let house = &state.house;
    if let Some(tidy) = house.tidy().get(house.chosen) {
        return Some(tidy.request.clone());
    }
    let shares = house.shares();
    let name = &shares.get(house.chosen.checked_sub(house.tidy().len())?)?.name;
    let is_meant = |model: &&Arc<Model>| match house.grouping {
        Grouping::Model => model.name == *name,
        Grouping::Family => family(model) == *name,
        Grouping::Store => false,
    };
    let models: Vec<_> = state.library.models.iter().filter(is_meant).cloned().collect();
    if models.is_empty() {
        notify(state, "choose a model or a family; a store is too much at once", true);
        return None;
    }
    Some(Request::Remove { models })
}

fn is_loaded(state: &State, model: &Model) -> bool {
    state.fleet.sessions.iter().any(|session| session.model.id == model.id && Session::is_live(session))
}

/// Have a plan carried out that was agreed to.
pub(super) fn perform(state: &mut State, request: Request, plan: Plan) -> Vec<Effect> {
    state.house.work = Some(Work { title: request.title(), done: 0, count: plan.steps().count() });
    vec![Effect::House(Chore::Perform { request, plan })]
}

/// Take back what was done last.
pub(super) fn take_back(state: &mut State) -> Vec<Effect> {
    if state.house.work.is_some() {
        return Vec::new();
    }
    state.house.work = Some(Work { title: "undo".to_owned(), done: 0, count: 0 });
    vec![Effect::House(Chore::Undo)]
}

/// News of the driver.
pub(super) fn heard(state: &mut State, news: News) -> Vec<Effect> {
    match news {
        News::Surveyed(survey) => {
            state.house.surveying = false;
            state.house.survey = Some(survey);
            state.house.chosen = state.house.chosen.min(state.house.n_rows().saturating_sub(1));
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
        News::Planned { .. } if state.overlay.is_some() => {}
        News::Planned { request, plan } => {
            state.overlay = Some(Overlay::Plan { request: Box::new(request), plan: Box::new(plan), scroll: 0 });
        }
        News::Progress(done, count) => {
            if let Some(work) = &mut state.house.work {
                (work.done, work.count) = (done, count);
            }
        }
        News::Ended { text, is_error } => {
            state.house.work = None;
            notify(state, text, is_error);
            if !state.library.scanning {
                return vec![Effect::Scan];
            }
        }
    }
    Vec::new()
}
