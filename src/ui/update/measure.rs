//! How much of the selected model's files is in memory.

use std::time::Duration;

use domain::units::Ratio;

use super::Client;
use crate::ui::{Effect, LibraryTab, Residency, Screen};

/// How long the answer holds: it changes when something reads the file, and asking takes milliseconds.
const FRESH: Duration = Duration::from_secs(5);

/// Ask how much of the chosen model is in memory, where it shows and was not asked just now.
pub(super) fn residency(client: &mut Client<'_>) -> Vec<Effect> {
    if client.ui.screen != Screen::Library || client.ui.library.tab != LibraryTab::Models {
        return Vec::new();
    }
    // Files of another machine may have the paths of files here.
    let chosen = client.chosen_model().filter(|model| model.machine.is_none());
    let Some(model) = chosen else { return Vec::new() };
    let (id, files) = (model.id.clone(), model.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>());
    let now = client.domain.now;
    let residency = &mut client.ui.library.residency;
    let is_fresh = |last: &Residency| last.model == id && now.uptime.saturating_sub(last.at.uptime) < FRESH;
    // One question at a time: files on a slow disk must not pile up threads.
    if residency.as_ref().is_some_and(|last| is_fresh(last) || last.share.is_none()) {
        return Vec::new();
    }
    // What is being asked for again keeps its figure until the answer comes.
    let share = residency.take().filter(|last| last.model == id).and_then(|last| last.share);
    *residency = Some(Residency { model: id.clone(), at: now, share: None, before: share });
    vec![Effect::Residency { model: id, files }]
}

/// Take the answer.
pub(super) fn resident(client: &mut Client<'_>, model: String, share: Result<Ratio, String>) {
    client.ui.library.residency = Some(Residency { model, at: client.domain.now, share: Some(share), before: None });
}
