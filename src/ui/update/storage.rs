//! The disk use's tab of the Library screen, and the plan that is shown before the stores change.

use std::sync::Arc;

use domain::command::What;
use domain::house::{Grouping, News, Plan, Request, family};
use domain::model::Model;

use super::{Client, notify};
use crate::ui::{Effect, Face, Overlay, Screen};

/// Look at the disks, where the disk use shows and nothing looks yet.
pub(super) fn survey(state: &mut Client<'_>) -> Vec<Effect> {
    let shows = state.ui.screen == Screen::Library && state.ui.library.face == Face::Usage;
    if shows { vec![What::SurveyStorage.into()] } else { Vec::new() }
}

/// Ask what deleting the chosen model, or tidying up the chosen row, would do.
pub(super) fn delete(state: &mut Client<'_>) -> Vec<Effect> {
    let request = match (state.ui.screen, state.ui.library.face) {
        (Screen::Library, Face::Models) => {
            state.chosen_model().map(|model| Request::Remove { models: vec![Arc::clone(model)] })
        }
        (Screen::Library, Face::Usage) => of_row(state),
        _ => None,
    };
    let Some(request) = request else { return Vec::new() };
    if matches!(request, Request::Dedupe { read: true, .. }) {
        notify(state, "comparing likely duplicates, at the speed of the disk; a question follows", false);
    }
    state.ui.usage.awaits_plan = true;
    vec![What::PlanStorage(Box::new(request)).into()]
}

/// What the chosen row of the disk use could do.
fn of_row(state: &mut Client<'_>) -> Option<Request> {
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

/// Have a plan carried out that was agreed to.
pub(super) fn perform(request: Request, plan: Plan) -> Vec<Effect> {
    vec![What::ApplyStorage { request: Box::new(request), plan: Box::new(plan) }.into()]
}

/// Whether this screen asked for a plan. Another one of the same server is not asked about it.
fn is_for_screen(state: &mut Client<'_>) -> bool {
    std::mem::take(&mut state.ui.usage.awaits_plan) || state.ui.server.is_none()
}

/// Take what the driver reports.
pub(super) fn on_event(state: &mut Client<'_>, news: &News) {
    match news {
        News::Surveyed(_) => {
            let last = state.domain.house.n_rows(state.ui.usage.grouping).saturating_sub(1);
            state.ui.usage.chosen = state.ui.usage.chosen.min(last);
        }
        // A question never takes the place of another.
        News::Planned { request, plan }
            if !plan.items.is_empty() && state.ui.overlay.is_none() && is_for_screen(state) =>
        {
            let (request, plan) = (Box::new(request.clone()), Box::new(plan.clone()));
            state.ui.overlay = Some(Overlay::Plan { request, plan, scroll: 0 });
        }
        _ => {}
    }
}
