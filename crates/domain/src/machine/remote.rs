//! Other machines with taffrail: what is known of each, and how it comes in.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Sample;
use crate::energy::Attribution;
use crate::figure::Figure;
use crate::model::Model;
use crate::session::SessionStatus;
use crate::units::{Bytes, Ratio, Watts};

/// Another machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemoteMachine {
    /// Its name in config.toml.
    pub name: String,
    /// How the connection is.
    pub link: LinkState,
    /// The version of taffrail there; empty until reported.
    pub version: String,
    /// Why models can't be started there although it answers: another version.
    pub differs: Option<String>,
    /// The last figures it reported.
    pub figures: Option<Box<RemoteFigures>>,
    /// Its whole last sample, where the versions agree on its form.
    #[serde(with = "crate::machine::snapshot::last_sample")]
    pub sample: Option<Box<Sample>>,
    /// The sessions of the server that runs there.
    pub sessions: Vec<SessionStatus>,
    /// How many models it has.
    pub n_models: usize,
    /// Where its energy goes, as far as sessions of this program used it.
    pub attribution: Attribution,
}

/// How the connection to a machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkState {
    /// It is being reached.
    Connecting,
    /// It answers.
    Connected,
    /// It could not be reached, or is gone.
    Lost {
        /// Why, in one clause.
        reason: String,
        /// What could be done.
        hint: Option<String>,
        /// When it is tried again, from when it was lost.
        again: Duration,
    },
}

/// Figures of a machine that every version writes and reads: each is optional, and fields added by later versions are ignored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteFigures {
    /// Name of the host.
    pub host: String,
    /// Its processor.
    pub processor: String,
    /// Busy share of all cores.
    pub cpu: Option<Ratio>,
    /// Used and total memory.
    pub memory: Option<(Bytes, Bytes)>,
    /// Used and total memory of each GPU that reports it.
    pub gpus: Vec<RemoteGpu>,
    /// The hottest sensor, degrees Celsius.
    pub hottest: Option<f64>,
    /// Power of all that is metered without overlap.
    pub power: Option<RemotePower>,
    /// Why there is no power, where there is none.
    pub why_no_power: Option<String>,
}

/// Power with what it covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemotePower {
    /// The power, with its grade.
    pub watts: Figure<Watts>,
    /// What it covers, as `[cpu+gpu]`.
    pub boundary: String,
}

/// A GPU of another machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteGpu {
    /// The card's name.
    pub name: String,
    /// Used and total memory.
    pub memory: Option<(Bytes, Bytes)>,
}

/// What happens to a machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RemoteEvent {
    /// It is being reached.
    Connecting,
    /// It answers with its version; `differs` is the reason if models can't be started there.
    Connected {
        /// The version of taffrail there.
        version: String,
        /// Why models can't be started there.
        differs: Option<String>,
    },
    /// Its figures.
    Figures(Box<RemoteFigures>),
    /// Its sensors were read.
    Sample(#[serde(with = "crate::machine::snapshot::sample")] Box<Sample>),
    /// All its models. Their ids and names begin with the machine's name.
    Models(Vec<Arc<Model>>),
    /// All sessions of its server.
    Sessions(Vec<SessionStatus>),
    /// It is gone.
    Lost {
        /// Why, in one clause.
        reason: String,
        /// What could be done.
        hint: Option<String>,
        /// In how long it is tried again.
        again: Duration,
    },
}

impl RemoteMachine {
    /// A machine that nothing is known of yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            link: LinkState::Connecting,
            version: String::new(),
            differs: None,
            figures: None,
            sample: None,
            sessions: Vec::new(),
            n_models: 0,
            attribution: Attribution::default(),
        }
    }

    /// Its power; why it is not known where it is not.
    pub fn power(&self) -> Figure<Watts> {
        match &self.link {
            LinkState::Connecting => Figure::unknown("not reached yet"),
            LinkState::Lost { reason, .. } => Figure::unknown(reason.clone()),
            LinkState::Connected => match self.figures.as_deref() {
                None => Figure::unknown("not reported yet"),
                Some(RemoteFigures { power: Some(power), .. }) => power.watts.clone(),
                Some(figures) => {
                    let why = figures.why_no_power.clone();
                    Figure::unknown(why.unwrap_or_else(|| "reports no power".to_owned()))
                }
            },
        }
    }
}

impl RemoteFigures {
    /// The figures of a sample.
    pub fn of(sample: &Sample) -> Self {
        let power = sample.total().map(|(watts, grade)| RemotePower {
            watts: Figure::Known { value: watts, grade, source: "its own sensors".to_owned() },
            boundary: sample.boundary(),
        });
        Self {
            host: sample.host.name.clone(),
            processor: sample.host.processor.clone(),
            cpu: sample.cpu,
            memory: sample.memory.map(|memory| (memory.in_use(), memory.total)),
            gpus: sample.gpus.iter().map(|gpu| RemoteGpu { name: gpu.name.clone(), memory: gpu.memory() }).collect(),
            hottest: sample.temperatures.iter().map(|one| f64::from(one.celsius.0)).reduce(f64::max),
            why_no_power: power.is_none().then(|| sample.why_no_power().0),
            power,
        }
    }
}
