//! The hub's tab of the Library screen: searches, their results, downloads.

use domain::command::What;
use domain::download::hub::{Failure, Files, HubEvent, Quant, RemoteFile, Repository, Search, Sort, quants};
use domain::download::preselection::preselected;
use domain::download::{Order, Phase};

use super::{Client, command, notify};
use crate::ui::action::Action;
use crate::ui::{Effect, Face, Overlay, Screen};

/// Repositories whose files are asked for unasked, so that the list shows what would fit.
pub(super) const MAX_ASKED: usize = 20;
/// A page, in rows.
const PAGE: i32 = 10;

/// Whether the hub's face has the keys.
pub(super) fn has_keys(state: &Client<'_>) -> bool {
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
pub(super) fn act(state: &mut Client<'_>, action: Action) -> Vec<Effect> {
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
pub(super) fn enter(state: &mut Client<'_>) {
    if has_keys(state) && state.ui.hub.results.is_empty() && state.domain.downloads.all.is_empty() {
        state.ui.hub.typing = true;
    }
}

fn travel(state: &mut Client<'_>, by: i32) -> Vec<Effect> {
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

fn back(state: &mut Client<'_>) {
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

fn choose(state: &mut Client<'_>) -> Vec<Effect> {
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
            Phase::Paused | Phase::Failed(_) => command(What::PauseDownload(id)),
            _ => Vec::new(),
        };
    }
    let Some(repository) = state.ui.hub.repository().cloned() else { return Vec::new() };
    let Some(place) = state.ui.hub.open else { return open(state, &repository) };
    match &repository.files {
        Files::Known(quants) => match quants.get(place) {
            Some(quant) if quant.is_fetchable() => command(What::Download(order(&repository.id, quant))),
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
fn open(state: &mut Client<'_>, repository: &Repository) -> Vec<Effect> {
    state.ui.hub.open = Some(preselected(state.domain, repository).map_or(0, |choice| choice.index));
    match repository.files {
        Files::Unasked | Files::Failed(_) => ask(state, &repository.id),
        Files::Asked | Files::Known(_) => Vec::new(),
    }
}

fn ask(state: &mut Client<'_>, id: &str) -> Vec<Effect> {
    let Some(repository) = state.ui.hub.results.iter_mut().find(|repository| repository.id == id) else {
        return Vec::new();
    };
    repository.files = Files::Asked;
    vec![Effect::Files { repository: id.to_owned(), revision: "main".to_owned() }]
}

fn search(state: &mut Client<'_>) -> Vec<Effect> {
    state.ui.hub.generation += 1;
    state.ui.hub.search = Search::Running;
    let text = state.ui.hub.field.text().trim().to_owned();
    vec![Effect::Search { generation: state.ui.hub.generation, text, sort: state.ui.hub.sort }]
}

/// Most first; what is not known stands last.
fn sort(state: &mut Client<'_>) {
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
pub(super) fn on_event(state: &mut Client<'_>, event: HubEvent) -> Vec<Effect> {
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
        HubEvent::Interrupted(_) => Vec::new(),
    }
}

fn files_known(state: &mut Client<'_>, id: &str, files: Result<Vec<RemoteFile>, Failure>) {
    let Some(place) = state.ui.hub.results.iter().position(|repository| repository.id == id) else { return };
    state.ui.hub.results[place].files = match files {
        Ok(files) => Files::Known(quants(&files)),
        Err(failure) => Files::Failed(failure),
    };
    // It is open already, with nothing chosen yet.
    if state.ui.hub.chosen == place && state.ui.hub.open.is_some() {
        let choice = preselected(state.domain, &state.ui.hub.results[place]);
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

/// Pause the selected download, or resume it.
pub(super) fn pause_selected(state: &mut Client<'_>) -> Vec<Effect> {
    let Some(id) = state.domain.downloads.all.get(state.ui.hub.chosen_download).map(|download| download.id) else {
        return Vec::new();
    };
    command(What::PauseDownload(id))
}

/// Ask whether the selected download is to end; one that is over just leaves the list.
pub(super) fn ask_cancel(state: &mut Client<'_>) -> Vec<Effect> {
    let Some(download) = state.domain.downloads.all.get(state.ui.hub.chosen_download) else { return Vec::new() };
    let id = download.id;
    if download.phase == Phase::Done {
        return vec![What::CancelDownload(id).into()];
    }
    let question = format!("Cancel {} and discard the {} downloaded so far?", download.order.name(), download.done);
    state.ui.overlay = Some(Overlay::Confirm { question, then: Box::new(What::CancelDownload(id).into()) });
    Vec::new()
}

/// The selection stays within the downloads that there are.
pub(super) fn clamp(state: &mut Client<'_>) {
    let n = state.domain.downloads.all.len();
    let view = &mut state.ui.hub;
    view.chosen_download = view.chosen_download.min(n.saturating_sub(1));
    view.in_downloads &= n > 0;
}

/// Go to the chosen download's model among the models.
fn show_model(state: &mut Client<'_>) {
    let Some(download) = state.domain.downloads.all.get(state.ui.hub.chosen_download) else { return };
    let repository = download.order.repository.clone();
    let file = download.order.files.first().map(|file| file.path.clone()).unwrap_or_default();
    let is_it = |id: &str| id == format!("hf:{repository}/{file}");
    let rows = &state.ui.library.rows;
    let place = rows.iter().position(|row| state.domain.library.models.get(*row).is_some_and(|model| is_it(&model.id)));
    state.ui.library.chosen = place.unwrap_or(state.ui.library.chosen);
    state.ui.library.face = Face::Models;
}
