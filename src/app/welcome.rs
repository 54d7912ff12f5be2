//! Whether this user was welcomed before: a file in the state folder of the platform.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use crate::atomic_file;
use domain::Event;

fn file() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    let state = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Some(state.join("taffrail").join("welcomed"))
}

/// Whether nobody was welcomed yet. Where that can't be remembered nobody is, so that it is not said every time.
pub fn is_first_start() -> bool {
    file().is_some_and(|file| !file.exists())
}

/// Remember it; says where that fails.
pub(super) fn remember() -> Option<Event> {
    let kept = atomic_file::replace(&file()?, b"taffrail said welcome\n");
    kept.err().map(|error| Event::Failed(format!("the note that the welcome was shown could not be kept: {error}")))
}
