//! What the environment says about places: read once, so that nothing below looks at the process's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use etcetera::BaseStrategy as _;

/// The variables that the library heeds.
const VARIABLES: [&str; 12] = [
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "OLLAMA_HOST",
    "OLLAMA_MODELS",
    "LLAMA_CACHE",
    "LOCALAI_MODELS_PATH",
    "MODELS_PATH",
    "RAMALAMA_STORE",
];

/// The surroundings of the program.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// The user's home.
    pub home: Option<PathBuf>,
    /// What absolute places of system services begin with: `/`; `None` looks at none of them.
    pub system: Option<PathBuf>,
    /// taffrail's own cache folder, for the index; `None` keeps none.
    pub cache: Option<PathBuf>,
    /// taffrail's own data folder, for the starter models.
    pub data: Option<PathBuf>,
    /// The variables that are set and not empty, by name.
    pub variables: BTreeMap<&'static str, PathBuf>,
    /// Names this build of the program, so that an index of another is not believed: the reader's rules change.
    pub build: u128,
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
            system: Some(PathBuf::from("/")),
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

    /// A path below the home.
    pub(super) fn home(&self, path: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(path))
    }

    /// A path below the folder of applications' data: `XDG_DATA_HOME`, else `~/.local/share`.
    pub(super) fn data_home(&self, path: &str) -> Option<PathBuf> {
        self.path("XDG_DATA_HOME").or_else(|| self.home(".local/share")).map(|data| data.join(path))
    }

    /// A path below the folder of applications' settings: `XDG_CONFIG_HOME`, else `~/.config`.
    pub(super) fn config_home(&self, path: &str) -> Option<PathBuf> {
        self.path("XDG_CONFIG_HOME").or_else(|| self.home(".config")).map(|config| config.join(path))
    }

    /// A place of a system service, without its leading slash.
    pub(super) fn system(&self, path: &str) -> Option<PathBuf> {
        self.system.as_ref().map(|root| root.join(path))
    }

    /// A path with its leading `~/` resolved.
    pub(super) fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }
}

/// The text of a small file of another tool's settings; `None` where there is none of a likely length.
pub(super) fn read_text(path: &Path, max_bytes: u64) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    (metadata.is_file() && metadata.len() <= max_bytes).then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// Size and time of the executable, one behind the other: another build differs in one of them.
fn build() -> Option<u128> {
    let metadata = std::env::current_exe().ok()?.metadata().ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(u128::from(metadata.len()) << 64 | u128::from(modified.as_nanos() as u64))
}
