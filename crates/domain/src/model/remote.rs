//! A model that another program runs, behind an address.

use serde::{Deserialize, Serialize};

use crate::figure::{Figure, Grade};
pub use crate::remote_engine::{EngineKind, Price};
use crate::units::Joules;

/// Where a model is that another program runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Remote {
    /// The engine's name: that of its section in config.toml, or of the discovery.
    pub engine: String,
    /// Its address, without any credentials.
    pub url: String,
    /// What it is. Never [`EngineKind::Auto`] once it has answered.
    pub kind: EngineKind,
    /// The model's name as the engine has it.
    pub model: String,
    /// The context that the engine gives it, in tokens, if reported.
    pub context: Option<u32>,
    /// Whether the engine has it in memory, if reported.
    pub is_loaded: Option<bool>,
    /// What its tokens cost.
    pub price: Price,
    /// What the engine's machine draws while it answers, in watts, where the user has metered it.
    pub watts: Option<f64>,
}

/// Why the energy of an answer from elsewhere is not known.
pub const NO_WATTS: &str = "it runs elsewhere, and no sensor of this machine sees it";

impl Remote {
    /// The energy of an answer that lasted this many seconds: an estimate from the watts that the user set, else unknown.
    pub fn energy(&self, seconds: f64) -> Figure<Joules> {
        match self.watts {
            Some(watts) => Figure::Known {
                value: Joules(watts * seconds),
                grade: Grade::Estimated,
                source: format!("`watts` of [remote.{}] over the answer's time", self.engine),
            },
            None => Figure::Unknown {
                reason: NO_WATTS.to_owned(),
                remedy: Some(format!("set `watts` in [remote.{}] if you have metered it", self.engine)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_estimated_from_the_users_watts_or_unknown() {
        let mut remote = Remote { engine: "lab".to_owned(), ..Remote::default() };
        assert_eq!(remote.energy(2.0).value(), None);
        remote.watts = Some(300.0);
        let energy = remote.energy(2.0);
        assert_eq!((energy.value(), energy.grade()), (Some(&Joules(600.0)), Some(Grade::Estimated)));
    }
}
