//! The Hub's tab of the Library screen: results, quantizations, downloads, the search.

use domain::download::{Download, Phase};

use super::{Binding, Hint, bind, shown, when};
use crate::ui::update::{hub, storage};
use crate::ui::{Action, State};

pub(super) const RESULTS: &[Binding] = &[
    bind(Action::Choose, &["enter"], |state| when(!state.ui.hub.results.is_empty(), "open"), hub::open_selected),
    bind(Action::Back, &["esc"], |_| shown("models"), hub::back_to_models),
    bind(Action::Focus, &["tab"], |state| when(download(state).is_some(), "downloads"), hub::to_downloads),
];

pub(super) const QUANTS: &[Binding] = &[
    bind(Action::Choose, &["enter"], |_| shown("download"), hub::download_selected),
    bind(Action::Back, &["esc"], |_| shown("back"), hub::close_repository),
    bind(Action::Focus, &["tab"], |state| when(download(state).is_some(), "downloads"), hub::to_downloads),
];

pub(super) const DOWNLOADS: &[Binding] = &[
    bind(Action::Choose, &["enter"], choose_download, hub::choose_download),
    bind(Action::Back, &["esc"], |_| shown("back"), hub::leave_downloads),
    bind(Action::Focus, &["tab"], |_| shown("list"), hub::leave_downloads),
];

pub(super) const TABLE: &[Binding] = &[
    bind(Action::Filter, &["/"], |_| shown("search"), hub::type_search),
    bind(Action::PauseDownload, &["p"], pause, hub::pause_selected).anywhere(),
    bind(Action::CancelDownload, &["x"], cancel, hub::ask_cancel).anywhere(),
    bind(Action::Sort, &["s"], |state| when(state.ui.hub.results.len() > 1, "sort"), hub::turn_sort),
    bind(Action::DiskUsage, &["u"], |_| shown("disk usage"), storage::show),
];

pub(super) const SEARCH: &[Binding] = &[
    bind(Action::Choose, &["enter"], |_| shown("search"), hub::start_search),
    bind(Action::Back, &["esc"], |_| shown("close"), hub::leave_search),
];

fn download(state: &State) -> Option<&Download> {
    state.domain.downloads.all.get(state.ui.hub.chosen_download)
}

fn is_paused(download: &Download) -> bool {
    matches!(download.phase, Phase::Paused | Phase::Failed(_))
}

fn choose_download(state: &State) -> Hint {
    match download(state) {
        Some(download) if is_paused(download) => shown("resume"),
        Some(download) => when(download.phase == Phase::Done, "show"),
        None => Hint::Hidden,
    }
}

fn pause(state: &State) -> Hint {
    let Some(download) = download(state).filter(|download| download.phase != Phase::Done) else { return Hint::Hidden };
    shown(if is_paused(download) { "resume" } else { "pause" })
}

fn cancel(state: &State) -> Hint {
    let Some(download) = download(state) else { return Hint::Hidden };
    shown(if download.phase == Phase::Done { "remove from the list" } else { "cancel" })
}
