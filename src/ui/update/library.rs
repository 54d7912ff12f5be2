//! The models of the Library screen: what is done with the selected one.

use domain::admission;
use domain::command::{Force, What};
use domain::lab::bench::Plan;
use domain::model::{Model, Store};
use domain::settings::SessionSettings;

use super::{Client, to_session};
use crate::ui::{Effect, Form, FormPurpose, LibraryTab, Overlay, Welcome};

/// Rows that a page of the card scrolls.
pub(super) const SCROLL: i32 = 5;

/// Show the models of this machine.
pub(super) fn show_models(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.library.tab = LibraryTab::Models;
    Vec::new()
}

/// Welcome a first start, once it is known that there are the starters alone.
pub(super) fn welcome(client: &mut Client<'_>) {
    let library = &client.domain.library;
    if client.ui.welcome != Welcome::Pending || library.scanning || library.models.is_empty() {
        return;
    }
    let is_starter = |model: &std::sync::Arc<Model>| model.store == Store::Starter;
    client.ui.welcome = if library.models.iter().all(is_starter) { Welcome::Shown } else { Welcome::Done };
}

/// Start a model.
pub(super) fn start_session(model: String, settings: SessionSettings, force: Force) -> Vec<Effect> {
    Effect::command(What::StartSession { model, settings: Box::new(settings), force })
}

/// Go to the selected model's session where it runs, or join the one that its machine's server has; else start it.
pub(super) fn open(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(model) = client.chosen_model() else { return Vec::new() };
    if let Some(session) = client.domain.running(&model.id).map(|session| session.id) {
        return to_session::show(client, session);
    }
    if client.domain.session_there(model).is_some() {
        return Effect::command(What::JoinSession { model: model.id.clone() });
    }
    start(client)
}

/// Start the selected model, once more where it runs.
pub(super) fn start(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(model) = client.chosen_model().map(|model| model.id.clone()) else { return Vec::new() };
    start_session(model, client.domain.settings.session, Force::No)
}

/// Open its settings, to start it with.
pub(super) fn configure(client: &mut Client<'_>) -> Vec<Effect> {
    if let Some(model) = client.chosen_model() {
        let settings = admission::settings_for(model, client.domain.settings.session);
        let form = Form::new(model.id.clone(), settings, client.domain.settings.chat.clone(), FormPurpose::Start);
        client.ui.overlay = Some(Overlay::Form(Box::new(form)));
    }
    Vec::new()
}

/// Scroll its card by so many rows; negative is up.
pub(super) fn scroll(client: &mut Client<'_>, by: i32) -> Vec<Effect> {
    client.ui.library.scrolled = client
        .chosen_model()
        .map(|model| (model.id.clone(), client.ui.library.scroll(model).saturating_add_signed(by as isize)));
    Vec::new()
}

/// Measure the speed of the marked models, or of the selected one, with the usual test cases.
pub(super) fn bench(client: &mut Client<'_>) -> Vec<Effect> {
    let models: Vec<_> = client.suite_models().iter().map(|model| model.id.clone()).collect();
    if models.is_empty() {
        return Vec::new();
    }
    if let Some(text) = client.ui.told_marked(client.domain, "measuring") {
        client.notify(text, false);
    }
    let plan = Plan { models, settings: client.domain.settings.session, ..Plan::default() };
    Effect::command(What::StartBench(Box::new(plan)))
}
