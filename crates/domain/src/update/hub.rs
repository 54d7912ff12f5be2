//! Downloads: queued, started, paused, ended.

use super::common::{next_id, notify};
use crate::command::{Cause, Refused, Value};
use crate::download::hub::HubEvent;
use crate::download::{Download, DownloadEvent, DownloadId, Order, Phase};
use crate::effect::Effect;
use crate::state::Domain;
use crate::units::Bytes;

/// Downloads in the list; beyond it those that are over go.
const MAX_DOWNLOADS: usize = 50;
/// Take what earlier runs left unfinished. The rest is for the client that asked.
pub(super) fn on_event(domain: &mut Domain, event: HubEvent) {
    let HubEvent::Interrupted(interrupted) = event else { return };
    domain.downloads.kept.get_or_insert_default();
    for one in interrupted {
        if domain.downloads.all.iter().all(|download| !download.order.is_same(&one.order)) {
            add(domain, one.order, Phase::Paused, one.done);
        }
    }
}

/// Download an order, or resume it where it is known.
pub(super) fn fetch(domain: &mut Domain, order: Order) -> (Value, Vec<Effect>) {
    let known = domain.downloads.all.iter_mut().find(|download| download.order.is_same(&order));
    let id = match known {
        Some(download) => {
            let id = download.id;
            if matches!(download.phase, Phase::Paused | Phase::Failed(_) | Phase::Done) {
                download.order = order;
                download.phase = Phase::Queued;
            } else {
                notify(domain, format!("{} is being downloaded already", order.name()), false);
            }
            id
        }
        None => add(domain, order, Phase::Queued, Bytes(0)),
    };
    (Value::Download(id), begin(domain))
}

fn add(domain: &mut Domain, order: Order, phase: Phase, done: Bytes) -> DownloadId {
    let id = DownloadId(next_id(domain));
    let downloads = &mut domain.downloads.all;
    if downloads.len() >= MAX_DOWNLOADS
        && let Some(place) = downloads.iter().position(|download| download.phase == Phase::Done)
    {
        downloads.remove(place);
    }
    downloads.push(Download::new(id, order, phase, done));
    id
}

/// Start what waits, as many as may run at once.
fn begin(domain: &mut Domain) -> Vec<Effect> {
    let most = domain.settings.hub.downloads as usize;
    let running = domain.downloads.all.iter().filter(|download| download.is_active()).count();
    let queued = domain.downloads.all.iter_mut().filter(|download| download.phase == Phase::Queued);
    queued
        .take(most.saturating_sub(running))
        .map(|download| {
            download.phase = Phase::Preparing("contacting the Hub".to_owned());
            Effect::Download { id: download.id, order: download.order.clone() }
        })
        .collect()
}

/// Have the orders written down that have not begun, where they are others than last time.
pub(super) fn keep_queue(domain: &mut Domain) -> Option<Effect> {
    let downloads = &mut domain.downloads;
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
    Some(Effect::PersistQueue(kept.clone()))
}

fn find(domain: &mut Domain, id: DownloadId) -> Result<&mut Download, Refused> {
    let found = domain.downloads.all.iter_mut().find(|download| download.id == id);
    found.ok_or_else(|| Refused::new(Cause::NotFound, "this download no longer exists"))
}

/// Pause a download, or resume it.
pub(super) fn pause(domain: &mut Domain, id: DownloadId) -> Result<Vec<Effect>, Refused> {
    let download = find(domain, id)?;
    match download.phase {
        Phase::Queued => download.phase = Phase::Paused,
        Phase::Preparing(_) | Phase::Running | Phase::Waiting(_) => {
            download.phase = Phase::Pausing;
            return Ok(vec![Effect::Pause(id)]);
        }
        Phase::Paused | Phase::Failed(_) => {
            download.phase = Phase::Queued;
            return Ok(begin(domain));
        }
        Phase::Pausing | Phase::Cancelling | Phase::Done => {}
    }
    Ok(Vec::new())
}

/// End a download and discard what came. One that is done only leaves the list.
pub(super) fn cancel(domain: &mut Domain, id: DownloadId) -> Result<Vec<Effect>, Refused> {
    let download = find(domain, id)?;
    if download.is_active() {
        download.phase = Phase::Cancelling;
        return Ok(vec![Effect::CancelDownload(id)]);
    }
    let (order, is_done) = (download.order.clone(), download.phase == Phase::Done);
    remove(domain, id);
    if is_done {
        return Ok(Vec::new());
    }
    Ok(vec![Effect::Discard(order)])
}

fn remove(domain: &mut Domain, id: DownloadId) {
    domain.downloads.all.retain(|download| download.id != id);
}

/// Take what happened to a download.
pub(super) fn download(domain: &mut Domain, id: DownloadId, event: DownloadEvent) -> Vec<Effect> {
    let now = domain.now;
    let Some(download) = domain.downloads.all.iter_mut().find(|download| download.id == id) else {
        return Vec::new();
    };
    let name = download.order.name();
    let is_over =
        !matches!(event, DownloadEvent::Progress(_) | DownloadEvent::Preparing(_) | DownloadEvent::Waiting(_));
    download.on_event(now, event.clone());
    let mut effects = Vec::new();
    match event {
        DownloadEvent::Done { .. } => {
            notify(domain, format!("{name} is downloaded"), false);
            effects.push(Effect::Scan);
        }
        DownloadEvent::Failed(failure) => notify(domain, format!("{name}: {failure}"), true),
        DownloadEvent::Cancelled => remove(domain, id),
        _ => {}
    }
    if is_over {
        effects.extend(begin(domain));
    }
    effects
}
