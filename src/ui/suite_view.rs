//! What one client's screen shows of suites.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use domain::lab::suite::run::{SuiteFile, SuiteRun};
use domain::lab::suite::tally::Cost;

use crate::ui::marks::Marks;

/// What shows of suites.
#[derive(Debug, Clone, Default)]
pub struct SuiteView {
    /// The suites that there are; `None` before they were read.
    pub suites: Option<Vec<SuiteEntry>>,
    /// The selected one.
    pub chosen: usize,
    /// The marked ones.
    pub marks: Marks<PathBuf>,
    /// Those that are to run once the one that runs is over.
    pub queue: VecDeque<Arc<SuiteFile>>,
    /// Whether the next one was asked for and has not started.
    pub(super) is_starting: bool,
    /// Whether one is being picked while the result of another is there.
    pub picks: bool,
    /// The selected model of the run.
    pub row: usize,
    /// The selected prompt.
    pub prompt: usize,
    /// What the pass rate is plotted against; `None` takes the energy, or the time where that is not known.
    pub by: Option<Cost>,
}

/// A suite that can be run, or a file that should be one.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct SuiteEntry {
    /// Its name, or the file's where it can't be read.
    pub name: String,
    /// Where it is; the name of one that comes with the program.
    pub file: PathBuf,
    /// The suite, or what is wrong with the file.
    pub suite: Result<Arc<SuiteFile>, String>,
}

impl SuiteView {
    /// The selected suite.
    pub fn entry(&self) -> Option<&SuiteEntry> {
        self.suites.as_ref()?.get(self.chosen)
    }

    /// What the pass rate of a run is plotted against.
    pub fn cost(&self, run: &SuiteRun) -> Cost {
        self.by.unwrap_or_else(|| {
            let mut tallies = run.models.iter().map(|one| one.tally_so_far(run.suite())).filter(|tally| tally.n > 0);
            if tallies.all(|tally| tally.tells_energy()) { Cost::Energy } else { Cost::Time }
        })
    }
}
