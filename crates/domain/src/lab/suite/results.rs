//! What models answered to a suite, as a document and as a record.

use std::sync::Arc;

use super::Suite;
use super::answer::Answer;
use super::file::SuiteFile;
use super::run::{ModelRun, SuiteRun};
use super::tally::{Cost, Tally, interval};
use crate::figure::{Graded, UNKNOWN};
use crate::model::Model;
use crate::record::{self, Body, PickDocument, PromptText, Record, SuiteDocument, SuiteModel, SuiteRecord, run_record};
use crate::settings::SessionSettings;

/// A model with its answers.
#[derive(Debug)]
pub struct Answered {
    /// The model.
    pub model: Arc<Model>,
    /// Its answers; prompts without one were not asked.
    pub answers: Vec<Answer>,
}

impl Answered {
    /// Tokens of an answer, the mean.
    pub fn tokens(&self) -> f64 {
        self.answers.iter().map(|answer| f64::from(answer.tokens)).sum::<f64>() / self.answers.len().max(1) as f64
    }
}

impl Suite {
    /// Those of these answers that are to its prompts, in their order.
    pub fn answers<'a>(&'a self, answers: &'a [Answer]) -> impl Iterator<Item = &'a Answer> {
        self.prompts.iter().filter_map(|prompt| answers.iter().find(|answer| answer.prompt == prompt.id))
    }

    /// What a model of this name came to over the whole suite: a prompt without an answer has not passed.
    pub fn tally(&self, name: &str, answers: &[Answer]) -> Tally {
        Tally { n: self.prompts.len(), ..self.tally_so_far(name, answers) }
    }

    /// What it came to over the prompts that are answered so far.
    pub fn tally_so_far(&self, name: &str, answers: &[Answer]) -> Tally {
        let answers: Vec<&Answer> = self.answers(answers).collect();
        let energies: Option<Vec<Graded>> = answers.iter().map(|answer| answer.energy()).collect();
        Tally {
            name: name.to_owned(),
            passed: answers.iter().filter(|answer| answer.has_passed()).count(),
            n: answers.len(),
            joules: energies.and_then(Graded::mean),
            seconds: answers.iter().map(|answer| answer.seconds).sum::<f64>() / answers.len().max(1) as f64,
            memory: answers.iter().map(|answer| answer.memory).max().unwrap_or(0),
        }
    }
}

/// A suite, and what the models answered.
#[derive(Debug)]
pub struct Results {
    /// The suite.
    pub suite: Arc<SuiteFile>,
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
        self.suite.suite.tally(&answered.model.name, &answered.answers)
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
                memory: tally.known_memory(),
                answers: answered.answers.clone(),
                name: tally.name,
            }
        };
        SuiteDocument {
            suite: self.suite.suite.name.clone(),
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

    /// For the history: the document, and what it takes to read it and To run it again. `at` is now, milliseconds since
    /// 1970.
    pub fn record(&self, at: i64) -> Record {
        let prompts = self.suite.suite.prompts.iter();
        let body = SuiteRecord {
            document: self.document(),
            description: self.suite.suite.description.clone(),
            prompts: prompts.map(|prompt| PromptText { id: prompt.id.clone(), text: prompt.text.clone() }).collect(),
            file: Some(self.suite.file.to_string_lossy().into_owned()),
            options: record::options(&self.settings),
            ..SuiteRecord::default()
        };
        let passed: Vec<_> = self.tallies().iter().map(|tally| format!("{}/{}", tally.passed, tally.n)).collect();
        let title = run_record::title(&format!("{} · passed {}", self.suite.suite.name, passed.join(", ")));
        let models = self.answered.iter().map(|answered| answered.model.id.clone()).collect();
        Record { models, ..Record::new(at, title, Body::Suite(Box::new(body))) }
    }
}

impl SuiteRun {
    /// What the models that have answered all prompts answered.
    pub fn results(&self) -> Results {
        let answered = |one: &ModelRun| Answered { model: Arc::clone(&one.model), answers: one.answers.clone() };
        Results {
            suite: Arc::clone(&self.order.suite),
            judge: self.order.judge.as_ref().map(|judge| judge.name.clone()),
            answered: self.asked().map(answered).collect(),
            settings: self.order.settings,
            stop: self.order.stop.clone(),
        }
    }
}
