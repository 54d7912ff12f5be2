//! The benches of the Bench screen.

use domain::command::What;

use super::Client;
use crate::ui::Effect;

/// Cancel the bench that runs.
pub(super) fn cancel(_: &mut Client<'_>) -> Vec<Effect> {
    Effect::command(What::CancelBench)
}
