//! A bench: what `taffrail bench --json` prints, and what the history keeps of it.

use serde::{Deserialize, Serialize};

use super::{Options, VERSION};
use crate::figure::{Graded, UNKNOWN};
use crate::lab::bench::case::{Disturbance, TestCase};
use crate::record::Series;

/// The schema of the document.
const SCHEMA: &str = "taffrail/bench/1";

/// The document of a bench.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct BenchDocument {
    pub schema: String,
    pub threads: Option<u32>,
    pub wait_policy: Option<String>,
    pub nice: Option<u32>,
    pub wanted_repetitions: Option<u32>,
    pub keeps_disturbed: bool,
    pub options: Options,
    /// Processor, GPUs and system.
    pub machine: String,
    pub cooled_s: Option<f64>,
    pub note: Option<String>,
    pub rows: Vec<BenchRow>,
}

impl Default for BenchDocument {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            threads: None,
            wait_policy: None,
            nice: None,
            wanted_repetitions: None,
            keeps_disturbed: false,
            options: Options::new(),
            machine: String::new(),
            cooled_s: None,
            note: None,
            rows: Vec::new(),
        }
    }
}

/// One cell of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct BenchRow {
    pub model: Option<String>,
    pub name: Option<String>,
    pub test: String,
    pub cell: Option<TestCase>,
    pub tokens_per_second: Option<f64>,
    /// Mean of the disturbed repetitions that don't count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disturbed_tokens_per_second: Option<f64>,
    pub half_width_95: Option<f64>,
    pub deviation: Option<f64>,
    pub repetitions: Vec<BenchRepetition>,
    pub ttft_ms: Option<f64>,
    /// The part of it that a remote engine spent by its own clock, if reported: without the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_engine_ms: Option<f64>,
    pub step_ms: Option<StepTimes>,
    pub joules_per_token: Option<f64>,
    pub dynamic_joules_per_token: Option<f64>,
    /// The word for the grade of the joules.
    pub joules_grade: String,
    pub joules_relative_uncertainty: Option<f64>,
    pub joules_range: Option<(f64, f64)>,
    /// Why they are unknown.
    pub joules_unknown: Option<String>,
    pub tries: Option<u32>,
    pub disturbed: Vec<Disturbance>,
    pub earlier: Vec<EarlierBench>,
    pub change: Option<BenchChange>,
    /// Why it could not be measured.
    pub failed: Option<String>,
    pub series: Series,
}

impl Default for BenchRow {
    fn default() -> Self {
        Self {
            model: None,
            name: None,
            test: String::new(),
            cell: None,
            tokens_per_second: None,
            disturbed_tokens_per_second: None,
            half_width_95: None,
            deviation: None,
            repetitions: Vec::new(),
            ttft_ms: None,
            ttft_engine_ms: None,
            step_ms: None,
            joules_per_token: None,
            dynamic_joules_per_token: None,
            joules_grade: UNKNOWN.to_owned(),
            joules_relative_uncertainty: None,
            joules_range: None,
            joules_unknown: None,
            tries: None,
            disturbed: Vec::new(),
            earlier: Vec::new(),
            change: None,
            failed: None,
            series: Series::default(),
        }
    }
}

impl BenchRow {
    /// Its joules per token with their grade.
    pub fn joules(&self) -> Option<Graded> {
        Graded::kept(self.joules_per_token, Some(&self.joules_grade), self.joules_relative_uncertainty)
    }
}

/// One repetition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct BenchRepetition {
    /// Tokens per second.
    pub rate: Option<f64>,
    pub seconds: Option<f64>,
    /// Mean power of the worker.
    pub watts: Option<f64>,
    /// The word for its grade.
    pub watts_grade: String,
    pub watts_relative_uncertainty: Option<f64>,
    pub mhz: Option<f64>,
    pub celsius: Option<f32>,
    /// Cores that other processes took.
    pub others: Option<f64>,
}

impl Default for BenchRepetition {
    fn default() -> Self {
        Self {
            rate: None,
            seconds: None,
            watts: None,
            watts_grade: UNKNOWN.to_owned(),
            watts_relative_uncertainty: None,
            mhz: None,
            celsius: None,
            others: None,
        }
    }
}

/// Percentiles of the time between two tokens, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "percentiles")]
pub struct StepTimes {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
}

/// An earlier measurement under the same circumstances.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct EarlierBench {
    pub at_ms: i64,
    pub tokens_per_second: Option<f64>,
    pub deviation: Option<f64>,
    pub n: Option<u32>,
}

/// How a row compares with earlier ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchChange {
    /// `slower` or `faster`.
    pub verdict: String,
    /// By which share.
    pub share: f64,
}

/// A bench as the history keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BenchRecord {
    /// The version of this type.
    pub version: u32,
    /// The document.
    #[serde(flatten)]
    pub document: BenchDocument,
}

impl Default for BenchRecord {
    fn default() -> Self {
        Self { version: VERSION, document: BenchDocument::default() }
    }
}
