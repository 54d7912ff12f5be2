//! What follows from the hub's answers, from downloads, and from wishes on the hub's face of the library.

use super::{command, next_id, notify};
use crate::action::Action;
use crate::command::{Cause, Refused, Value, What};
use crate::download::{Download, DownloadEvent, DownloadId, Order, Phase};
use crate::effect::Effect;
use crate::hub::{Failure, Files, HubEvent, Quant, RemoteFile, Repository, Search, Sort, preselected, quants};
use crate::state::State;
use crate::ui::{Face, Overlay, Screen};
use crate::units::Bytes;

/// Repositories whose files are asked for unasked, so that the list shows what would fit.
const MAX_ASKED: usize = 20;
/// Downloads in the list; beyond it those that are over go.
const MAX_DOWNLOADS: usize = 50;
/// A page, in rows.
const PAGE: i32 = 10;

/// Whether the hub's face has the keys.
pub(super) fn has_keys(state: &State) -> bool {
    state.ui.screen == Screen::Library && state.ui.library.face == Face::Hub
}

/// Whether the face takes this action for itself.
pub(super) fn takes(action: &Action) -> bool {
    matches!(
        action,
        Action::Filter
            | Action::Move(_)
            | Action::Page(_)
            | Action::First
            | Action::Last
            | Action::Choose
            | Action::Back
            | Action::Focus
            | Action::Edit(_)
            | Action::Sort
            | Action::Reverse
    )
}

/// Carry out an action on the face.
pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Filter => {
            state.ui.hub.typing = true;
            state.ui.hub.in_downloads = false;
        }
        Action::Move(by) => return travel(state, by),
        Action::Page(by) => return travel(state, by * PAGE),
        Action::First => return travel(state, i32::MIN),
        Action::Last => return travel(state, i32::MAX),
        Action::Choose => return choose(state),
        Action::Back => back(state),
        Action::Focus => {
            state.ui.hub.in_downloads = !state.ui.hub.in_downloads && !state.domain.downloads.all.is_empty();
        }
        Action::Edit(edit) if state.ui.hub.typing => {
            state.ui.hub.field.apply(&edit);
        }
        Action::Sort => {
            state.ui.hub.sort = state.ui.hub.sort.next();
            sort(state);
            // The hub knows more than it showed: its first by one measure are others than by another.
            if state.ui.hub.search != Search::Idle {
                return search(state);
            }
        }
        _ => {}
    }
    Vec::new()
}

/// The face comes up: without results there is nothing to do but to type.
pub(super) fn enter(state: &mut State) {
    if has_keys(state) && state.ui.hub.results.is_empty() && state.domain.downloads.all.is_empty() {
        state.ui.hub.typing = true;
    }
}

fn travel(state: &mut State, by: i32) -> Vec<Effect> {
    let step = |place: usize, count: usize| place.saturating_add_signed(by as isize).min(count.saturating_sub(1));
    let hub = &mut state.ui.hub;
    if hub.in_downloads {
        hub.chosen_download = step(hub.chosen_download, state.domain.downloads.all.len());
    } else if let Some(place) = hub.open {
        let count = match hub.repository().map(|repository| &repository.files) {
            Some(Files::Known(quants)) => quants.len(),
            _ => 0,
        };
        hub.open = Some(step(place, count));
    } else {
        hub.chosen = step(hub.chosen, hub.results.len());
        let chosen = hub.repository().filter(|repository| repository.files == Files::Unasked);
        if let Some(id) = chosen.map(|repository| repository.id.clone()) {
            return ask(state, &id);
        }
    }
    Vec::new()
}

fn back(state: &mut State) {
    let hub = &mut state.ui.hub;
    if hub.typing {
        hub.typing = false;
        if hub.results.is_empty() && state.domain.downloads.all.is_empty() {
            state.ui.library.face = Face::Models;
        }
    } else if hub.in_downloads {
        hub.in_downloads = false;
    } else if hub.open.take().is_none() {
        state.ui.library.face = Face::Models;
    }
}

fn choose(state: &mut State) -> Vec<Effect> {
    if state.ui.hub.typing {
        state.ui.hub.typing = false;
        state.ui.hub.open = None;
        return search(state);
    }
    if state.ui.hub.in_downloads {
        let Some(download) = state.domain.downloads.all.get(state.ui.hub.chosen_download) else { return Vec::new() };
        let id = download.id;
        return match download.phase {
            Phase::Done => {
                show_model(state);
                Vec::new()
            }
            Phase::Paused | Phase::Failed(_) => command::issue(state, What::PauseDownload(id)),
            _ => Vec::new(),
        };
    }
    let Some(repository) = state.ui.hub.repository().cloned() else { return Vec::new() };
    let Some(place) = state.ui.hub.open else { return open(state, &repository) };
    match &repository.files {
        Files::Known(quants) => match quants.get(place) {
            Some(quant) if quant.is_fetchable() => command::issue(state, What::Download(order(&repository.id, quant))),
            Some(quant) => {
                notify(state, format!("{} can't be fetched: parts of it are missing on the hub", quant.label), true);
                Vec::new()
            }
            None => Vec::new(),
        },
        Files::Failed(_) => ask(state, &repository.id),
        Files::Unasked | Files::Asked => Vec::new(),
    }
}

/// Show what a repository has, the best that fits chosen.
fn open(state: &mut State, repository: &Repository) -> Vec<Effect> {
    state.ui.hub.open = Some(preselected(&state.domain, repository).map_or(0, |choice| choice.index));
    match repository.files {
        Files::Unasked | Files::Failed(_) => ask(state, &repository.id),
        Files::Asked | Files::Known(_) => Vec::new(),
    }
}

fn ask(state: &mut State, id: &str) -> Vec<Effect> {
    let Some(repository) = state.ui.hub.results.iter_mut().find(|repository| repository.id == id) else {
        return Vec::new();
    };
    repository.files = Files::Asked;
    vec![Effect::Files { repository: id.to_owned(), revision: "main".to_owned() }]
}

fn search(state: &mut State) -> Vec<Effect> {
    state.ui.hub.generation += 1;
    state.ui.hub.search = Search::Running;
    let text = state.ui.hub.field.text().trim().to_owned();
    vec![Effect::Search { generation: state.ui.hub.generation, text, sort: state.ui.hub.sort }]
}

/// Most first; what is not known stands last.
fn sort(state: &mut State) {
    let hub = &mut state.ui.hub;
    let chosen = hub.repository().map(|repository| repository.id.clone());
    match hub.sort {
        Sort::Downloads => hub.results.sort_by_key(|repository| std::cmp::Reverse(repository.downloads)),
        Sort::Likes => hub.results.sort_by_key(|repository| std::cmp::Reverse(repository.likes)),
        Sort::Updated => hub.results.sort_by_key(|repository| std::cmp::Reverse(repository.updated)),
    }
    let place = hub.results.iter().position(|repository| Some(&repository.id) == chosen.as_ref());
    hub.chosen = place.unwrap_or(0);
}

/// Take what the hub answered.
pub(super) fn heard(state: &mut State, event: HubEvent) -> Vec<Effect> {
    match event {
        HubEvent::Found { generation, .. } if generation != state.ui.hub.generation => Vec::new(),
        HubEvent::Found { results: Ok(results), .. } => {
            let hub = &mut state.ui.hub;
            hub.search = Search::Done;
            let chosen = hub.repository().map(|repository| repository.id.clone());
            let before = std::mem::replace(&mut hub.results, results);
            hub.open = None;
            sort(state);
            // The choice stays where the same repositories came in another order.
            let place = state.ui.hub.results.iter().position(|repository| Some(&repository.id) == chosen.as_ref());
            state.ui.hub.chosen = place.unwrap_or(0);
            // What is known already, from a search that was sorted otherwise, is not asked for again.
            for old in before.into_iter().filter(|old| matches!(old.files, Files::Known(_))) {
                if let Some(new) = state.ui.hub.results.iter_mut().find(|new| new.id == old.id) {
                    new.files = old.files;
                }
            }
            let ids: Vec<_> = {
                let first = state.ui.hub.results.iter().take(MAX_ASKED);
                let unknown = first.filter(|repository| repository.files == Files::Unasked);
                unknown.map(|repository| repository.id.clone()).collect()
            };
            ids.iter().flat_map(|id| ask(state, id)).collect()
        }
        HubEvent::Found { results: Err(failure), .. } => {
            state.ui.hub.search = Search::Failed(failure);
            Vec::new()
        }
        HubEvent::Files { repository: id, files } => {
            files_known(state, &id, files);
            Vec::new()
        }
        HubEvent::Interrupted(interrupted) => {
            state.domain.downloads.kept.get_or_insert_default();
            for one in interrupted {
                if state.domain.downloads.all.iter().all(|download| !download.order.is_same(&one.order)) {
                    add(state, one.order, Phase::Paused, one.done);
                }
            }
            Vec::new()
        }
    }
}

fn files_known(state: &mut State, id: &str, files: Result<Vec<RemoteFile>, Failure>) {
    let Some(place) = state.ui.hub.results.iter().position(|repository| repository.id == id) else { return };
    state.ui.hub.results[place].files = match files {
        Ok(files) => Files::Known(quants(&files)),
        Err(failure) => Files::Failed(failure),
    };
    // It is open already, with nothing chosen yet.
    if state.ui.hub.chosen == place && state.ui.hub.open.is_some() {
        let choice = preselected(&state.domain, &state.ui.hub.results[place]);
        state.ui.hub.open = Some(choice.map_or(0, |choice| choice.index));
    }
}

/// The order for one of a repository's models.
fn order(repository: &str, quant: &Quant) -> Order {
    Order {
        repository: repository.to_owned(),
        revision: "main".to_owned(),
        label: quant.label.clone(),
        files: quant.files.clone(),
    }
}

/// Download an order, or resume it where it is known.
pub(super) fn fetch(state: &mut State, order: Order) -> (Value, Vec<Effect>) {
    let known = state.domain.downloads.all.iter_mut().find(|download| download.order.is_same(&order));
    let id = match known {
        Some(download) => {
            let id = download.id;
            if matches!(download.phase, Phase::Paused | Phase::Failed(_) | Phase::Done) {
                download.order = order;
                download.phase = Phase::Queued;
            } else {
                notify(state, format!("{} is being downloaded already", order.name()), false);
            }
            id
        }
        None => add(state, order, Phase::Queued, Bytes(0)),
    };
    (Value::Download(id), begin(state))
}

fn add(state: &mut State, order: Order, phase: Phase, done: Bytes) -> DownloadId {
    let id = DownloadId(next_id(state));
    let downloads = &mut state.domain.downloads.all;
    if downloads.len() >= MAX_DOWNLOADS
        && let Some(place) = downloads.iter().position(|download| download.phase == Phase::Done)
    {
        downloads.remove(place);
    }
    downloads.push(Download::new(id, order, phase, done));
    id
}

/// Start what waits, as many as may run at once.
fn begin(state: &mut State) -> Vec<Effect> {
    let most = state.domain.settings.hub.downloads as usize;
    let running = state.domain.downloads.all.iter().filter(|download| download.is_active()).count();
    let queued = state.domain.downloads.all.iter_mut().filter(|download| download.phase == Phase::Queued);
    queued
        .take(most.saturating_sub(running))
        .map(|download| {
            download.phase = Phase::Preparing("asks the hub".to_owned());
            Effect::Download { id: download.id, order: download.order.clone() }
        })
        .collect()
}

/// Have the orders written down that have not begun, where they are others than last time.
pub(super) fn keep_queue(state: &mut State) -> Option<Effect> {
    let downloads = &mut state.domain.downloads;
    let waits = |download: &&Download| match download.phase {
        // It has no journal before the hub has answered.
        Phase::Queued | Phase::Preparing(_) => true,
        Phase::Paused => download.done == Bytes(0),
        _ => false,
    };
    let waiting = downloads.all.iter().filter(waits).map(|download| &download.order);
    // What an earlier run kept is not written over before it is known.
    let kept = downloads.kept.as_mut()?;
    if waiting.clone().eq(&*kept) {
        return None;
    }
    *kept = waiting.cloned().collect();
    Some(Effect::KeepQueue(kept.clone()))
}

fn find(state: &mut State, id: DownloadId) -> Result<&mut Download, Refused> {
    let found = state.domain.downloads.all.iter_mut().find(|download| download.id == id);
    found.ok_or_else(|| Refused::new(Cause::NotFound, "this download is gone"))
}

/// Pause a download, or resume it.
pub(super) fn pause(state: &mut State, id: DownloadId) -> Result<Vec<Effect>, Refused> {
    let download = find(state, id)?;
    match download.phase {
        Phase::Queued => download.phase = Phase::Paused,
        Phase::Preparing(_) | Phase::Running | Phase::Waiting(_) => {
            download.phase = Phase::Pausing;
            return Ok(vec![Effect::Pause(id)]);
        }
        Phase::Paused | Phase::Failed(_) => {
            download.phase = Phase::Queued;
            return Ok(begin(state));
        }
        Phase::Pausing | Phase::Cancelling | Phase::Done => {}
    }
    Ok(Vec::new())
}

/// Pause the selected download, or resume it.
pub(super) fn pause_selected(state: &mut State) -> Vec<Effect> {
    let Some(id) = state.domain.downloads.all.get(state.ui.hub.chosen_download).map(|download| download.id) else {
        return Vec::new();
    };
    command::issue(state, What::PauseDownload(id))
}

/// Ask whether the selected download is to end; one that is over just leaves the list.
pub(super) fn ask_cancel(state: &mut State) -> Vec<Effect> {
    let Some(download) = state.domain.downloads.all.get(state.ui.hub.chosen_download) else { return Vec::new() };
    let id = download.id;
    if download.phase == Phase::Done {
        remove(state, id);
        return Vec::new();
    }
    let question = format!("Cancel {} and discard the {} downloaded so far?", download.order.name(), download.done);
    state.ui.overlay = Some(Overlay::Confirm { question, then: Box::new(What::CancelDownload(id).into()) });
    Vec::new()
}

/// End a download and discard what came.
pub(super) fn cancel(state: &mut State, id: DownloadId) -> Result<Vec<Effect>, Refused> {
    let download = find(state, id)?;
    if download.is_active() {
        download.phase = Phase::Cancelling;
        return Ok(vec![Effect::CancelDownload(id)]);
    }
    let order = download.order.clone();
    remove(state, id);
    Ok(vec![Effect::Discard(order)])
}

fn remove(state: &mut State, id: DownloadId) {
    let downloads = &mut state.domain.downloads.all;
    downloads.retain(|download| download.id != id);
    let view = &mut state.ui.hub;
    view.chosen_download = view.chosen_download.min(downloads.len().saturating_sub(1));
    view.in_downloads &= !downloads.is_empty();
}

/// Take what happened to a download.
pub(super) fn download(state: &mut State, id: DownloadId, event: DownloadEvent) -> Vec<Effect> {
    let now = state.domain.now;
    let Some(download) = state.domain.downloads.all.iter_mut().find(|download| download.id == id) else {
        return Vec::new();
    };
    let name = download.order.name();
    let is_over =
        !matches!(event, DownloadEvent::Progress(_) | DownloadEvent::Preparing(_) | DownloadEvent::Waiting(_));
    download.hear(now, event.clone());
    let mut effects = Vec::new();
    match event {
        DownloadEvent::Done { .. } => {
            notify(state, format!("{name} is downloaded"), false);
            effects.push(Effect::Scan);
        }
        DownloadEvent::Failed(failure) => notify(state, format!("{name}: {failure}"), true),
        DownloadEvent::Cancelled => remove(state, id),
        _ => {}
    }
    if is_over {
        effects.extend(begin(state));
    }
    effects
}

/// Go to the chosen download's model among the models.
fn show_model(state: &mut State) {
    let Some(download) = state.domain.downloads.all.get(state.ui.hub.chosen_download) else { return };
    let repository = download.order.repository.clone();
    let file = download.order.files.first().map(|file| file.path.clone()).unwrap_or_default();
    let is_it = |id: &str| id == format!("hf:{repository}/{file}");
    let rows = &state.ui.library.rows;
    let place = rows.iter().position(|row| state.domain.library.models.get(*row).is_some_and(|model| is_it(&model.id)));
    state.ui.library.chosen = place.unwrap_or(state.ui.library.chosen);
    state.ui.library.face = Face::Models;
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
