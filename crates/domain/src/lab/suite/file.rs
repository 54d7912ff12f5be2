//! A suite with the text that it was read from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Suite, SuiteError};
use crate::settings::SessionSettings;

/// A suite with the text that it was read from. A snapshot has the text alone.
#[derive(Debug, Deserialize)]
#[serde(try_from = "SuiteSource")]
pub struct SuiteFile {
    /// Where it is; the name of one that comes with the program.
    pub file: PathBuf,
    /// Its text. A suite that changed is another one.
    pub text: String,
    /// What it says.
    pub suite: Suite,
}

/// What a snapshot has of a suite.
#[derive(Serialize, Deserialize)]
struct SuiteSource {
    file: PathBuf,
    text: String,
}

impl TryFrom<SuiteSource> for SuiteFile {
    type Error = SuiteError;

    fn try_from(source: SuiteSource) -> Result<Self, SuiteError> {
        Self::parse(source.file, source.text)
    }
}

impl Serialize for SuiteFile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SuiteSource { file: self.file.clone(), text: self.text.clone() }.serialize(serializer)
    }
}

impl SuiteFile {
    /// Read a suite.
    ///
    /// # Errors
    ///
    /// What is wrong in it, and where.
    pub fn parse(file: PathBuf, text: String) -> Result<Self, SuiteError> {
        let suite = Suite::parse(&text)?;
        Ok(Self { file, text, suite })
    }

    /// The settings that its answers are made with, over these.
    ///
    /// # Errors
    ///
    /// What is wrong with the suite's temperature.
    pub fn settings(&self, mut settings: SessionSettings) -> Result<SessionSettings, String> {
        let temperature = settings.set("temperature", &self.suite.temperature.to_string());
        temperature.map_err(|error| format!("temperature {error}"))?;
        // The suite says how long its answers may be; only the user may bound them further.
        settings.max_tokens = None;
        Ok(settings)
    }
}

/// What it says follows from its text.
impl PartialEq for SuiteFile {
    fn eq(&self, other: &Self) -> bool {
        (&self.file, &self.text) == (&other.file, &other.text)
    }
}
