//! The benches of the Bench screen.

use domain::command::What;

use super::Client;
use crate::ui::Effect;

/// Count disturbed repetitions as well.
pub(super) fn keep_disturbed(client: &mut Client<'_>) -> Vec<Effect> {
    let bench = &client.domain.bench;
    if bench.plan.keep_disturbed || bench.rows.iter().all(|row| row.disturbed.is_empty()) {
        client.notify("no disturbed repetition was left out", false);
        return Vec::new();
    }
    Effect::command(What::KeepDisturbed)
}

/// Cancel the bench that runs.
pub(super) fn cancel(_: &mut Client<'_>) -> Vec<Effect> {
    Effect::command(What::CancelBench)
}
