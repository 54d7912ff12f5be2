//! What the environment says about places: read once, so that nothing below looks at the process's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use etcetera::BaseStrategy as _;

/// The variables that the library heeds.
const VARIABLES: [&str; 5] = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "OLLAMA_HOST"];

/// The surroundings of the program.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// The user's home.
    pub home: Option<PathBuf>,
    /// taffrail's own cache folder, for the index; `None` keeps none.
    pub cache: Option<PathBuf>,
    /// taffrail's own data folder, for the starter models.
    pub data: Option<PathBuf>,
    /// The variables that are set and not empty, by name.
    pub variables: BTreeMap<&'static str, PathBuf>,
    /// Names this build of the program, so that an index of another is not believed: the reader's rules change.
    pub build: u64,
    /// Seconds since 1970.
    pub now: i64,
}

impl Env {
    /// From the process.
    pub fn read() -> Self {
        let strategy = etcetera::choose_base_strategy().ok();
        let own = |folder: Option<PathBuf>| folder.map(|folder| folder.join("taffrail"));
        Self {
            home: strategy.as_ref().map(|strategy| strategy.home_dir().to_owned()),
            cache: own(strategy.as_ref().map(etcetera::BaseStrategy::cache_dir)),
            data: own(strategy.as_ref().map(etcetera::BaseStrategy::data_dir)),
            variables: VARIABLES
                .into_iter()
                .filter_map(|name| {
                    Some((name, PathBuf::from(std::env::var_os(name).filter(|value| !value.is_empty())?)))
                })
                .collect(),
            build: build().unwrap_or(0),
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed()),
        }
    }

    /// A variable as a path, with a leading `~/` resolved, as the hub's own tools do.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        let value = self.variables.get(name)?;
        Some(self.expand(value))
    }

    /// A path with its leading `~/` resolved.
    pub(super) fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }
}

/// Size and time of the executable: another build differs in one of them.
fn build() -> Option<u64> {
    let metadata = std::env::current_exe().ok()?.metadata().ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(metadata.len().rotate_left(40) ^ modified.as_nanos() as u64)
}
