//! What came of one prompt of a suite: the answer, its checks, what it took.

use serde::{Deserialize, Serialize};

use super::Prompt;
use super::check::{Check, Outcome};
use crate::energy::Report;
use crate::figure::{Graded, UNKNOWN};
use crate::request::Request;
use crate::session::Session;
use crate::settings::Energy;

/// The longest text of an answer that is kept, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// The longest reason of a check that failed, in characters.
const MAX_REASON: usize = 400;
/// The reason in place of a judge's verdict until it comes.
const NOT_JUDGED: &str = "no judge has looked at it";

/// What came of one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The prompt's name.
    pub prompt: String,
    /// What the model said, without its reasoning.
    pub text: String,
    /// Each check, and why it failed; `None` where it passed.
    pub checks: Vec<(String, Option<String>)>,
    /// Tokens generated, reasoning included.
    pub tokens: u32,
    /// Of these, reasoning.
    pub reasoning_tokens: u32,
    /// From the prompt to the last token.
    pub seconds: f64,
    /// Attributed to the answer, where a sensor reports it.
    pub joules: Option<f64>,
    /// `measured`, `apportioned`, `estimated` or `unknown`.
    pub grade: String,
    /// One standard uncertainty of the joules as a share of them; an earlier version did not keep it.
    #[serde(default)]
    pub relative_uncertainty: Option<f64>,
    /// As llama.cpp reports it, in bytes.
    pub memory: u64,
}

impl Answer {
    /// Check an answer that has ended. What a judge has to say counts as failed until it is said.
    pub fn of(session: &Session, request: &Request, prompt: &Prompt, settings: &Energy) -> Self {
        let text = request.answer.text.as_str();
        let checks = prompt.checks.iter().map(|check| {
            let reason = match check.check(text) {
                Outcome::Passed => None,
                Outcome::Failed(reason) => Some(gguf::clean(&reason, MAX_REASON)),
                Outcome::ToJudge => Some(NOT_JUDGED.to_owned()),
            };
            (check.to_string(), reason)
        });
        let counters = &request.figures.counters;
        let energy = Graded::of(&Report::of_answer(&request.figures, settings).energy);
        let end = (0..=text.len().min(MAX_TEXT)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        Self {
            prompt: prompt.id.clone(),
            text: text[..end].to_owned(),
            checks: checks.collect(),
            tokens: counters.n_generated,
            reasoning_tokens: counters.n_reasoning,
            seconds: (counters.ttft_us.unwrap_or_default() + counters.generation_us) as f64 / 1e6,
            joules: energy.map(|energy| energy.value),
            grade: energy.map_or(UNKNOWN, Graded::word).to_owned(),
            relative_uncertainty: energy.and_then(|energy| energy.relative),
            memory: session.engine_memory().unwrap_or_default().0,
        }
    }

    /// Whether all checks passed.
    pub fn has_passed(&self) -> bool {
        self.checks.iter().all(|(_, reason)| reason.is_none())
    }

    /// Why its checks failed, a clause each.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        self.checks.iter().filter_map(|(_, reason)| reason.as_deref())
    }

    /// Its joules with their grade.
    pub fn energy(&self) -> Option<Graded> {
        Graded::kept(self.joules, Some(&self.grade), self.relative_uncertainty)
    }

    /// Take a judge's word for a check.
    pub(crate) fn judge(&mut self, check: usize, says_yes: bool) {
        if let Some((_, reason)) = self.checks.get_mut(check) {
            *reason = (!says_yes).then(|| "the judge says no".to_owned());
        }
    }
}

impl Prompt {
    /// Whether a judge has to look at its answers.
    pub(crate) fn wants_judge(&self) -> bool {
        self.checks.iter().any(|check| matches!(check, Check::Judge { .. }))
    }
}
