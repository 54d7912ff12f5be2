//! The hub's tab of the Library screen: searches, their results, downloads.

use domain::command::What;
use domain::download::{Order, Phase};
use domain::hub::{Failure, Files, HubEvent, Quant, RemoteFile, Search, Sort, preselected, quants};

use super::Client;
use super::step::step;
use crate::ui::{Effect, LibraryTab, Overlay, Screen};

/// Repositories whose files are asked for unasked, so that the list shows what would fit.
pub(super) const MAX_ASKED: usize = 20;
/// Show the Hub's tab.
pub(super) fn show(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.screen = Screen::Library;
    client.ui.library.tab = LibraryTab::Hub;
    client.ui.library.filtering = false;
    // Without results there is nothing to do but to type.
    if client.ui.hub.results.is_empty() && client.domain.downloads.all.is_empty() {
        client.ui.hub.typing = true;
    }
    Vec::new()
}

/// Type what to search for.
pub(super) fn type_search(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.hub.typing = true;
    client.ui.hub.in_downloads = false;
    Vec::new()
}

/// Sort the results by the next measure.
pub(super) fn turn_sort(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.hub.sort = client.ui.hub.sort.next();
    sort(client);
    // The hub knows more than it showed: its first by one measure are others than by another.
    if client.ui.hub.search == Search::Idle { Vec::new() } else { search(client) }
}

/// Give the downloads the keys, where there are any.
pub(super) fn to_downloads(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.hub.in_downloads = !client.domain.downloads.all.is_empty();
    Vec::new()
}

/// Give the list the keys.
pub(super) fn leave_downloads(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.hub.in_downloads = false;
    Vec::new()
}

/// Show the repositories again.
pub(super) fn close_repository(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.hub.open = None;
    Vec::new()
}

/// Show the models of this machine.
pub(super) fn back_to_models(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.library.tab = LibraryTab::Models;
    Vec::new()
}

/// Leave the field.
pub(super) fn leave_search(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.hub.typing = false;
    if client.ui.hub.results.is_empty() && client.domain.downloads.all.is_empty() {
        return back_to_models(client);
    }
    Vec::new()
}

/// Search for what was typed.
pub(super) fn start_search(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.hub.typing = false;
    client.ui.hub.open = None;
    search(client)
}

/// Move the selection of the list that has the keys.
pub(super) fn move_selection(client: &mut Client<'_>, by: i32) -> Vec<Effect> {
    let hub = &mut client.ui.hub;
    if hub.in_downloads {
        hub.chosen_download = step(hub.chosen_download, by, client.domain.downloads.all.len());
    } else if let Some(place) = hub.open {
        let count = match hub.repository().map(|repository| &repository.files) {
            Some(Files::Known(quants)) => quants.len(),
            _ => 0,
        };
        hub.open = Some(step(place, by, count));
    } else {
        hub.chosen = step(hub.chosen, by, hub.results.len());
        let chosen = hub.repository().filter(|repository| repository.files == Files::Unasked);
        if let Some(id) = chosen.map(|repository| repository.id.clone()) {
            return ask(client, &id);
        }
    }
    Vec::new()
}

/// Resume the selected download, or show its model.
pub(super) fn choose_download(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(download) = client.domain.downloads.all.get(client.ui.hub.chosen_download) else { return Vec::new() };
    match download.phase {
        Phase::Done => {
            show_model(client);
            Vec::new()
        }
        Phase::Paused | Phase::Failed(_) => Effect::command(What::PauseDownload(download.id)),
        _ => Vec::new(),
    }
}

/// Download the selected quantization.
pub(super) fn download_selected(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(repository) = client.ui.hub.repository() else { return Vec::new() };
    match &repository.files {
        Files::Known(quants) => match client.ui.hub.open.and_then(|place| quants.get(place)) {
            Some(quant) if quant.is_fetchable() => Effect::command(What::Download(order(&repository.id, quant))),
            Some(quant) => {
                let text = format!("{} can't be downloaded: parts of it are missing on the Hub", quant.label);
                client.notify(text, true);
                Vec::new()
            }
            None => Vec::new(),
        },
        Files::Failed(_) => {
            let id = repository.id.clone();
            ask(client, &id)
        }
        Files::Unasked | Files::Asked => Vec::new(),
    }
}

/// Show what the selected repository has, the best that fits selected.
pub(super) fn open_selected(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(repository) = client.ui.hub.repository() else { return Vec::new() };
    let place = preselected(client.domain, repository).map_or(0, |choice| choice.index);
    let (id, files) = (repository.id.clone(), repository.files.clone());
    client.ui.hub.open = Some(place);
    match files {
        Files::Unasked | Files::Failed(_) => ask(client, &id),
        Files::Asked | Files::Known(_) => Vec::new(),
    }
}

fn ask(client: &mut Client<'_>, id: &str) -> Vec<Effect> {
    let Some(repository) = client.ui.hub.results.iter_mut().find(|repository| repository.id == id) else {
        return Vec::new();
    };
    repository.files = Files::Asked;
    vec![Effect::Files { repository: id.to_owned(), revision: "main".to_owned() }]
}

fn search(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.hub.generation += 1;
    client.ui.hub.search = Search::Running;
    let text = client.ui.hub.field.text().trim().to_owned();
    vec![Effect::Search { generation: client.ui.hub.generation, text, sort: client.ui.hub.sort }]
}

/// Most first; what is not known stands last.
fn sort(client: &mut Client<'_>) {
    let hub = &mut client.ui.hub;
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
pub(super) fn on_event(client: &mut Client<'_>, event: HubEvent) -> Vec<Effect> {
    match event {
        HubEvent::Found { generation, .. } if generation != client.ui.hub.generation => Vec::new(),
        HubEvent::Found { results: Ok(results), .. } => {
            let hub = &mut client.ui.hub;
            hub.search = Search::Done;
            let chosen = hub.repository().map(|repository| repository.id.clone());
            let before = std::mem::replace(&mut hub.results, results);
            hub.open = None;
            sort(client);
            // The choice stays where the same repositories came in another order.
            let place = client.ui.hub.results.iter().position(|repository| Some(&repository.id) == chosen.as_ref());
            client.ui.hub.chosen = place.unwrap_or(0);
            // What is known already, from a search that was sorted otherwise, is not asked for again.
            for old in before.into_iter().filter(|old| matches!(old.files, Files::Known(_))) {
                if let Some(new) = client.ui.hub.results.iter_mut().find(|new| new.id == old.id) {
                    new.files = old.files;
                }
            }
            let ids: Vec<_> = {
                let first = client.ui.hub.results.iter().take(MAX_ASKED);
                let unknown = first.filter(|repository| repository.files == Files::Unasked);
                unknown.map(|repository| repository.id.clone()).collect()
            };
            ids.iter().flat_map(|id| ask(client, id)).collect()
        }
        HubEvent::Found { results: Err(failure), .. } => {
            client.ui.hub.search = Search::Failed(failure);
            Vec::new()
        }
        HubEvent::Files { repository: id, files } => {
            files_known(client, &id, files);
            Vec::new()
        }
        HubEvent::Interrupted(_) => Vec::new(),
    }
}

fn files_known(client: &mut Client<'_>, id: &str, files: Result<Vec<RemoteFile>, Failure>) {
    let Some(place) = client.ui.hub.results.iter().position(|repository| repository.id == id) else { return };
    client.ui.hub.results[place].files = match files {
        Ok(files) => Files::Known(quants(&files)),
        Err(failure) => Files::Failed(failure),
    };
    // It is open already, with nothing chosen yet.
    if client.ui.hub.chosen == place && client.ui.hub.open.is_some() {
        let choice = preselected(client.domain, &client.ui.hub.results[place]);
        client.ui.hub.open = Some(choice.map_or(0, |choice| choice.index));
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
pub(super) fn pause_selected(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(id) = client.domain.downloads.all.get(client.ui.hub.chosen_download).map(|download| download.id) else {
        return Vec::new();
    };
    Effect::command(What::PauseDownload(id))
}

/// Ask whether the selected download is to end; one that is over just leaves the list.
pub(super) fn ask_cancel(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(download) = client.domain.downloads.all.get(client.ui.hub.chosen_download) else { return Vec::new() };
    let id = download.id;
    if download.phase == Phase::Done {
        return vec![What::CancelDownload(id).into()];
    }
    let question = format!("Cancel {} and discard the {} downloaded so far?", download.order.name(), download.done);
    client.ui.overlay = Some(Overlay::Confirm { question, then: What::CancelDownload(id).into() });
    Vec::new()
}

/// The selection stays within the downloads that there are.
pub(super) fn clamp(client: &mut Client<'_>) {
    let n = client.domain.downloads.all.len();
    let view = &mut client.ui.hub;
    view.chosen_download = view.chosen_download.min(n.saturating_sub(1));
    view.in_downloads &= n > 0;
}

/// Go to the chosen download's model among the models.
fn show_model(client: &mut Client<'_>) {
    let Some(download) = client.domain.downloads.all.get(client.ui.hub.chosen_download) else { return };
    let repository = download.order.repository.clone();
    let file = download.order.files.first().map(|file| file.path.clone()).unwrap_or_default();
    let is_it = |id: &str| id == format!("hf:{repository}/{file}");
    let rows = &client.ui.library.rows;
    let place =
        rows.iter().position(|row| client.domain.library.models.get(*row).is_some_and(|model| is_it(&model.id)));
    client.ui.library.chosen = place.unwrap_or(client.ui.library.chosen);
    client.ui.library.tab = LibraryTab::Models;
}
