//! The disk use's tab of the Library screen, and the plan that is shown before the stores change.

use std::sync::Arc;

use domain::command::What;
use domain::model::Model;
use domain::storage::{CleanupPlan, Grouping, Request, StorageEvent, family};

use super::Client;
use crate::ui::{Effect, LibraryTab, Overlay, Screen};

/// Look at the disks, where the disk use shows and nothing looks yet.
pub(super) fn disk_usage(client: &mut Client<'_>) -> Vec<Effect> {
    let shows = client.ui.screen == Screen::Library && client.ui.library.tab == LibraryTab::DiskUsage;
    if shows { vec![What::MeasureDiskUsage.into()] } else { Vec::new() }
}

/// Show the disk usage.
pub(super) fn show(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.screen = Screen::Library;
    client.ui.library.tab = LibraryTab::DiskUsage;
    client.ui.library.filtering = false;
    disk_usage(client)
}

/// Show it by something else.
pub(super) fn turn_grouping(client: &mut Client<'_>) -> Vec<Effect> {
    let view = &mut client.ui.usage;
    view.grouping = view.grouping.next();
    view.chosen = view.chosen.min(client.domain.cleanup.n_rows(view.grouping).saturating_sub(1));
    Vec::new()
}

/// Rescan all stores.
pub(super) fn rescan(_: &mut Client<'_>) -> Vec<Effect> {
    Effect::command(What::Rescan)
}

/// Undo the last deletion or deduplication.
pub(super) fn undo(_: &mut Client<'_>) -> Vec<Effect> {
    Effect::command(What::UndoStorage)
}

/// Ask what deleting the marked models would do, or the selected one where none is marked.
pub(super) fn delete_model(client: &mut Client<'_>) -> Vec<Effect> {
    let mut models = client.suite_models();
    // A model may be marked twice, with other settings.
    let mut seen = std::collections::HashSet::new();
    models.retain(|model| seen.insert(model.id.clone()));
    if models.is_empty() {
        return Vec::new();
    }
    if let Some(text) = client.ui.told_marked(client.domain, "asking about") {
        client.notify(text, false);
    }
    plan(Request::Remove { models })
}

/// Ask what cleaning up the selected row would do.
pub(super) fn clean_up(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(request) = of_row(client) else { return Vec::new() };
    if matches!(request, Request::Dedupe { read: true, .. }) {
        client.notify("comparing likely duplicates, which reads them whole; a question follows", false);
    }
    plan(request)
}

fn plan(request: Request) -> Vec<Effect> {
    Effect::command(What::PlanStorage(Box::new(request)))
}

/// What the chosen row of the disk use could do.
fn of_row(client: &mut Client<'_>) -> Option<Request> {
    let (cleanup, view) = (&client.domain.cleanup, client.ui.usage);
    if let Some(reclaimable) = cleanup.reclaimable().get(view.chosen) {
        return Some(reclaimable.request.clone());
    }
    let place = view.chosen.checked_sub(cleanup.reclaimable().len())?;
    let usage = &cleanup.disk_usage.as_ref()?.usage;
    let is_meant = |model: &&Arc<Model>| match view.grouping {
        Grouping::Model => usage.models.get(place).is_some_and(|share| share.id == model.id),
        Grouping::Family => usage.families.get(place).is_some_and(|share| share.name == family(model)),
        Grouping::Store => false,
    };
    let here = client.domain.library.models.iter().filter(|model| model.machine.is_none());
    let models: Vec<_> = here.filter(is_meant).cloned().collect();
    if models.is_empty() {
        client.notify("select a model or a family; a whole store can't be deleted at once", true);
        return None;
    }
    Some(Request::Remove { models })
}

/// Have a plan carried out that was agreed to.
pub(super) fn perform(request: Request, plan: CleanupPlan) -> Vec<Effect> {
    vec![What::ApplyStorage { request: Box::new(request), plan: Box::new(plan) }.into()]
}

/// Take what the driver reports.
pub(super) fn on_event(client: &mut Client<'_>, news: &StorageEvent) {
    match news {
        StorageEvent::Surveyed(_) => {
            let last = client.domain.cleanup.n_rows(client.ui.usage.grouping).saturating_sub(1);
            client.ui.usage.chosen = client.ui.usage.chosen.min(last);
        }
        // Other clients' plans are not this screen's question, and a question never replaces another.
        StorageEvent::Planned { job, request, plan }
            if client.ui.usage.awaits_plan.take_if(|awaited| awaited == job).is_some()
                && !plan.items.is_empty()
                && client.ui.overlay.is_none() =>
        {
            let (request, plan) = (Box::new(request.clone()), Box::new(plan.clone()));
            client.ui.overlay = Some(Overlay::Plan { request, plan, scroll: 0 });
        }
        _ => {}
    }
}
