//! What models answered to a suite: one answer, all of a model's, and all as a document and as a record.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::check::Outcome;
use super::tally::{Cost, Tally, interval};
use super::{Prompt, Suite};
use crate::answer;
use crate::energy::Report;
use crate::figure::{Graded, UNKNOWN};
use crate::history::Record;
use crate::model::Model;
use crate::record::{Body, PickDocument, PromptText, SuiteDocument, SuiteModel, SuiteRecord};
use crate::request::Request;
use crate::session::Session;
use crate::settings::{Energy, SessionSettings};

/// The longest text of an answer that is kept, in bytes.
const MAX_TEXT: usize = 64 << 10;

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
    /// A session's last answer, held against the prompt's checks. A check that waits for a judge counts as failed.
    pub fn of(session: &Session, request: &Request, prompt: &Prompt, settings: &Energy) -> Self {
        let text = request.answer.text.as_str();
        let checks = prompt.checks.iter().map(|check| {
            let reason = match check.check(text) {
                Outcome::Passed => None,
                Outcome::Failed(reason) => Some(gguf::clean(&reason, 400)),
                Outcome::ToJudge => Some("no judge has looked at it".to_owned()),
            };
            (check.to_string(), reason)
        });
        let counters = &request.figures.counters;
        let devices = session.loaded.iter().flat_map(|loaded| &loaded.ledger.devices);
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
            memory: devices.map(|device| device.weights + device.context + device.compute).sum(),
        }
    }

    /// Whether all checks passed.
    pub fn has_passed(&self) -> bool {
        self.checks.iter().all(|(_, reason)| reason.is_none())
    }

    /// Its joules with their grade.
    pub fn energy(&self) -> Option<Graded> {
        Graded::kept(self.joules, Some(&self.grade), self.relative_uncertainty)
    }
}

/// A model with its answers.
#[derive(Debug)]
pub struct Answered {
    /// The model.
    pub model: Arc<Model>,
    /// Its answers; prompts without one were not asked.
    pub answers: Vec<Answer>,
}

impl Answered {
    /// The answer to a prompt of this name.
    pub fn get(&self, prompt: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.prompt == prompt)
    }

    /// Tokens of an answer, the mean.
    pub fn tokens(&self) -> f64 {
        self.answers.iter().map(|answer| f64::from(answer.tokens)).sum::<f64>() / self.answers.len().max(1) as f64
    }
}

/// A suite, and what the models answered.
#[derive(Debug)]
pub struct Results {
    /// The suite.
    pub suite: Suite,
    /// The judge's name, where one was asked.
    pub judge: Option<String>,
    /// The models.
    pub answered: Vec<Answered>,
    /// How they ran.
    pub settings: SessionSettings,
    /// Texts that end an answer.
    pub stop: Vec<String>,
}

impl Results {
    /// What the models reached, in their order.
    pub fn tallies(&self) -> Vec<Tally> {
        self.answered.iter().map(|answered| self.tally(answered)).collect()
    }

    fn tally(&self, answered: &Answered) -> Tally {
        let answers: Vec<_> = self.suite.prompts.iter().filter_map(|prompt| answered.get(&prompt.id)).collect();
        let count = answers.len().max(1) as f64;
        let energies: Option<Vec<Graded>> = answers.iter().map(|answer| answer.energy()).collect();
        Tally {
            name: answered.model.name.clone(),
            passed: answers.iter().filter(|answer| answer.has_passed()).count(),
            n: self.suite.prompts.len(),
            joules: energies.and_then(Graded::mean),
            seconds: answers.iter().map(|answer| answer.seconds).sum::<f64>() / count,
            memory: answers.iter().map(|answer| answer.memory).max().unwrap_or(0),
        }
    }

    /// The document of `taffrail suite --json`.
    pub fn document(&self) -> SuiteDocument {
        let model = |answered: &Answered| {
            let tally = self.tally(answered);
            SuiteModel {
                model: Some(answered.model.id.clone()),
                passed: Some(tally.passed),
                prompts: Some(tally.n),
                rate: Some(tally.rate()),
                interval_95: Some(interval(tally.passed, tally.n)),
                joules_per_answer: tally.joules.map(|joules| joules.value),
                joules_grade: tally.joules.map_or(UNKNOWN, Graded::word).to_owned(),
                joules_relative_uncertainty: tally.joules.and_then(|joules| joules.relative),
                joules_range: tally.joules.and_then(Graded::range),
                seconds_per_answer: Some(tally.seconds),
                tokens_per_answer: Some(answered.tokens()),
                memory: Some(tally.memory),
                answers: answered.answers.clone(),
                name: tally.name,
            }
        };
        SuiteDocument {
            suite: self.suite.name.clone(),
            judge: self.judge.clone(),
            stop: self.stop.clone(),
            models: self.answered.iter().map(model).collect(),
            ..SuiteDocument::default()
        }
    }

    /// The document of `taffrail pick --json`, with the best and those that are a tie with it, the best first.
    pub fn pick_document(&self, tied: &[&Tally], by: Cost, at_least: f64) -> PickDocument {
        PickDocument {
            document: SuiteDocument { schema: crate::record::PICK_SCHEMA.to_owned(), ..self.document() },
            picked: tied.first().map(|tally| tally.name.clone()),
            tied_with: tied.iter().skip(1).map(|tally| tally.name.clone()).collect(),
            by,
            at_least,
        }
    }

    /// For the history: the document, and what it takes to read it and to run it again. `file` is the suite's file or
    /// name, `at` is now, milliseconds since 1970.
    pub fn record(&self, file: String, at: i64) -> Record {
        let prompts = self.suite.prompts.iter();
        let body = SuiteRecord {
            document: self.document(),
            description: self.suite.description.clone(),
            prompts: prompts.map(|prompt| PromptText { id: prompt.id.clone(), text: prompt.text.clone() }).collect(),
            file: Some(file),
            options: answer::options(&self.settings),
            ..SuiteRecord::default()
        };
        let passed: Vec<_> = self.tallies().iter().map(|tally| format!("{}/{}", tally.passed, tally.n)).collect();
        let title = answer::title(&format!("{} · passed {}", self.suite.name, passed.join(", ")));
        let models = self.answered.iter().map(|answered| answered.model.id.clone()).collect();
        Record { models, ..Record::new(at, title, Body::Suite(Box::new(body))) }
    }
}
