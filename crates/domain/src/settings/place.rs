//! Where a session's worker runs.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// The longest name of a partition, in bytes: settings are copied with every session.
pub const MAX_PARTITION: usize = 31;

/// The name of a partition.
pub type Partition = ArrayString<MAX_PARTITION>;

/// Where a session's worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On this machine.
    #[default]
    Here,
    /// As a job of Slurm.
    Slurm {
        /// In which partition; `None` takes the one of `[slurm]`, else the cluster's default.
        partition: Option<Partition>,
    },
}

impl Place {
    /// Whether it runs on this machine, and so takes its memory and its cores.
    pub fn is_here(self) -> bool {
        self == Self::Here
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("here"),
            Self::Slurm { partition: None } => f.write_str("slurm"),
            Self::Slurm { partition: Some(name) } => write!(f, "slurm:{name}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "here" => Ok(Self::Here),
            None if text == "slurm" => Ok(Self::Slurm { partition: None }),
            Some(("slurm", name)) => partition(name).map(|name| Self::Slurm { partition: Some(name) }),
            _ => Err("must be here, slurm or slurm:PARTITION".to_owned()),
        }
    }
}

/// A partition's name, as Slurm takes it on its command line.
pub fn partition(name: &str) -> Result<Partition, String> {
    let is_name = |name: &str| {
        let all = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.,+".contains(c));
        !name.is_empty() && !name.starts_with('-') && all
    };
    Partition::from_str(name).ok().filter(|name| is_name(name)).ok_or_else(|| {
        format!("names no partition: 1 to {MAX_PARTITION} letters, digits, `-`, `_`, `.`, `+`, and `,` between several")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_what_it_shows() {
        for text in ["here", "slurm", "slurm:gpu", "slurm:gpu-a100,gpu_h200"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in ["", "Slurm", "slurm:", "slurm:-x", "slurm:a b", "slurm:a\u{1b}", "there", "here:1"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
