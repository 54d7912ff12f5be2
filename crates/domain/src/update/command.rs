//! Commands: carried out, and answered.
//!
//! Owned here: which function carries out which command, and the reply. Absent: what they do (the modules by subject).

use super::common::Outcome;
use super::{
    alias, bench, conversation, demand, energy, hub, measure, other_processes, perplexity, query_admission, race,
    request, session, start, storage, suite,
};
use crate::command::{Command, Reply, Value, What};
use crate::effect::Effect;
use crate::state::Domain;

/// Carry out a client's command and reply.
pub(super) fn answer(domain: &mut Domain, command: Command) -> Vec<Effect> {
    let (result, mut effects) = match carry_out(domain, command.what) {
        Ok((value, effects)) => (Ok(value), effects),
        Err(refused) => (Err(refused), Vec::new()),
    };
    effects.push(Effect::Reply(Reply { id: command.id, result }));
    effects
}

fn carry_out(domain: &mut Domain, what: What) -> Outcome {
    let accepted = |effects| Ok((Value::Accepted, effects));
    match what {
        What::StartSession { model, settings, force } => session::start(domain, &model, *settings, force),
        What::JoinSession { model } => session::join(domain, &model),
        What::StopSession(id) => session::stop(domain, id).and_then(accepted),
        What::RestartSession(id) => session::restart(domain, id).and_then(accepted),
        What::ClearSession(id) => session::clear(domain, id).and_then(accepted),
        What::SetSession { session, name, value } => session::set(domain, session, &name, &value),
        What::SendPrompt { session, text } => session::send(domain, session, text).and_then(accepted),
        What::Regenerate(id) => conversation::regenerate(domain, id).and_then(accepted),
        What::DeleteExchange(id) => conversation::delete_exchange(domain, id).and_then(accepted),
        What::EditPrompt { session, turn, text } => {
            conversation::edit_prompt(domain, session, turn, text).and_then(accepted)
        }
        What::ContinueConversation { conversation, force } => conversation::resume(domain, *conversation, force),
        What::SaveConversation(conversation) => conversation::save_own(domain, conversation).and_then(accepted),
        What::NameConversation { key, name } => accepted(conversation::name(domain, key, &name)),
        What::DeleteConversation(key) => conversation::delete(domain, key).and_then(accepted),
        What::Generate { session, prompt, form, stop, options, record } => {
            request::begin(domain, session, prompt, (form, stop), options.map(|options| *options), record)
        }
        What::Ask(ask) => demand::ask(domain, *ask),
        What::Query(query) => query_admission::admit(domain, *query),
        What::LoadModel { model, settings, keep_alive } => {
            demand::load(domain, &model, settings.map(|settings| *settings), keep_alive)
        }
        What::UnloadModel(model) => demand::unload(domain, &model),
        What::SetAlias { name, alias } => alias::set(domain, name, *alias).and_then(accepted),
        What::RemoveAlias(name) => alias::remove(domain, &name).and_then(accepted),
        What::CancelAnswer(id) => accepted(request::cancel(domain, id)),
        What::CancelRequest(id) => request::cancel_request(domain, id).and_then(accepted),
        What::StartRace(order) => race::start(domain, *order).and_then(accepted),
        What::CancelRace => accepted(race::cancel(domain)),
        What::ContinueRace => accepted(race::resume(domain)),
        What::DismissRace => race::dismiss(domain).and_then(accepted),
        What::Vote(winner) => race::vote(domain, winner).and_then(accepted),
        What::StartBench(plan) => bench::start(domain, *plan).and_then(accepted),
        What::CancelBench => accepted(bench::cancel(domain)),
        What::KeepDisturbed => accepted(bench::keep_disturbed(domain)),
        What::StartSuite(order) => suite::start(domain, *order).and_then(accepted),
        What::CancelSuite => accepted(suite::cancel(domain)),
        What::StartPerplexity(order) => perplexity::start(domain, *order).and_then(accepted),
        What::CancelPerplexity => accepted(perplexity::cancel(domain)),
        What::Download(order) => Ok(hub::fetch(domain, order)),
        What::PauseDownload(id) => hub::pause(domain, id).and_then(accepted),
        What::CancelDownload(id) => hub::cancel(domain, id).and_then(accepted),
        What::DeleteRecord(id) => accepted(vec![Effect::DeleteRecord(id)]),
        What::RevealRace(id) => accepted(vec![Effect::Reveal(id)]),
        What::Rescan => accepted(if domain.library.scanning { Vec::new() } else { vec![Effect::Scan] }),
        What::MeasureDiskUsage => accepted(storage::disk_usage(domain)),
        What::PlanStorage(request) => storage::plan(domain, *request),
        What::ApplyStorage { request, plan } => storage::apply(domain, *request, *plan),
        What::UndoStorage => storage::undo(domain),
        What::SetThreadBudget(threads) => {
            domain.settings.budget.threads = Some(threads.max(1));
            accepted(start::share_threads(domain))
        }
        What::MeasureBandwidth => measure::bandwidth(domain).and_then(accepted),
        What::Calibrate => energy::calibrate(domain).and_then(accepted),
        What::CancelCalibration => accepted(energy::cancel_calibration(domain)),
        What::Signal { pid, started, kill } => other_processes::signal(domain, (pid, started), kill).and_then(accepted),
    }
}
