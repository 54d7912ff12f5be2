//! A suite: what `taffrail suite --json` and `taffrail pick --json` print, and what the history keeps.

use serde::{Deserialize, Serialize};

use super::{Options, VERSION};
use crate::figure::{Graded, UNKNOWN};
use crate::lab::suite::answer::Answer;
use crate::lab::suite::tally::Cost;

/// The schema of the document.
const SCHEMA: &str = "taffrail/suite/1";
/// The schema of the document of `taffrail pick`.
pub const PICK_SCHEMA: &str = "taffrail/pick/1";

/// The document of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SuiteDocument {
    /// Which document it is.
    pub schema: String,
    /// The suite's name.
    pub suite: String,
    /// The model that judged, where one did.
    pub judge: Option<String>,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// The models with their answers.
    pub models: Vec<SuiteModel>,
}

impl Default for SuiteDocument {
    fn default() -> Self {
        Self { schema: SCHEMA.to_owned(), suite: String::new(), judge: None, stop: Vec::new(), models: Vec::new() }
    }
}

/// A model after a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the document")]
pub struct SuiteModel {
    /// Its id.
    pub model: Option<String>,
    pub name: String,
    /// Prompts whose checks all passed.
    pub passed: Option<usize>,
    pub prompts: Option<usize>,
    pub rate: Option<f64>,
    pub interval_95: Option<(f64, f64)>,
    pub joules_per_answer: Option<f64>,
    /// The word for the grade of the joules.
    pub joules_grade: String,
    pub joules_relative_uncertainty: Option<f64>,
    pub joules_range: Option<(f64, f64)>,
    pub seconds_per_answer: Option<f64>,
    pub tokens_per_answer: Option<f64>,
    /// Bytes.
    pub memory: Option<u64>,
    pub answers: Vec<Answer>,
}

impl Default for SuiteModel {
    fn default() -> Self {
        Self {
            model: None,
            name: String::new(),
            passed: None,
            prompts: None,
            rate: None,
            interval_95: None,
            joules_per_answer: None,
            joules_grade: UNKNOWN.to_owned(),
            joules_relative_uncertainty: None,
            joules_range: None,
            seconds_per_answer: None,
            tokens_per_answer: None,
            memory: None,
            answers: Vec::new(),
        }
    }
}

impl SuiteModel {
    /// Joules of an answer, the mean, with their grade.
    pub fn joules(&self) -> Option<Graded> {
        Graded::kept(self.joules_per_answer, Some(&self.joules_grade), self.joules_relative_uncertainty)
    }
}

/// The document of `taffrail pick`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PickDocument {
    /// The suite's.
    #[serde(flatten)]
    pub document: SuiteDocument,
    /// The model that is picked.
    pub picked: Option<String>,
    /// Those that are a tie with it.
    pub tied_with: Vec<String>,
    /// What they are compared by.
    pub by: Cost,
    /// The part of the prompts that had to pass.
    pub at_least: f64,
}

/// A prompt of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptText {
    /// Its name.
    pub id: String,
    /// What is asked.
    pub text: String,
}

/// A suite as the history keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SuiteRecord {
    /// The version of this type.
    pub version: u32,
    /// The document.
    #[serde(flatten)]
    pub document: SuiteDocument,
    /// What the suite is for.
    pub description: String,
    /// Its prompts.
    pub prompts: Vec<PromptText>,
    /// Its file, or the name of a built-in one.
    pub file: Option<String>,
    /// The settings that are not the defaults.
    pub options: Options,
}

impl Default for SuiteRecord {
    fn default() -> Self {
        Self {
            version: VERSION,
            document: SuiteDocument::default(),
            description: String::new(),
            prompts: Vec::new(),
            file: None,
            options: Options::new(),
        }
    }
}
