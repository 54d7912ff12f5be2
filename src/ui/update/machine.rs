//! What is done with the machine: measuring it, and the threads that sessions share.

use domain::command::What;

use super::Client;
use crate::ui::Effect;

/// Measure the idle baseline, or stop measuring it.
pub(super) fn calibrate(client: &mut Client<'_>) -> Vec<Effect> {
    match client.domain.attribution.baselines.calibration {
        Some(_) => Effect::command(What::CancelCalibration),
        None => Effect::command(What::Calibrate),
    }
}

/// Show the absent sensors one by one, or as one line.
pub(super) fn show_missing(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.machine.shows_missing = !client.ui.machine.shows_missing;
    client.ui.machine.scroll = 0;
    Vec::new()
}

/// Measure the memory bandwidth.
pub(super) fn measure_bandwidth(_: &mut Client<'_>) -> Vec<Effect> {
    Effect::command(What::MeasureBandwidth)
}

/// Give all sessions together one thread fewer.
pub(super) fn fewer_threads(client: &mut Client<'_>) -> Vec<Effect> {
    change_threads(client, -1)
}

/// Give all sessions together one more thread.
pub(super) fn more_threads(client: &mut Client<'_>) -> Vec<Effect> {
    change_threads(client, 1)
}

fn change_threads(client: &mut Client<'_>, by: i32) -> Vec<Effect> {
    let usable = client.domain.machine.sample.as_ref().map_or(1, |sample| sample.threads());
    let limit = client.domain.thread_limit().saturating_add_signed(by).clamp(1, usable);
    Effect::command(What::SetThreadBudget(limit))
}
