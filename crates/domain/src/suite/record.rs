//! A run of a suite as a document and as a record of the history.

use serde_json::{Value, json};

use super::run::{ModelRun, SuiteRun};
use super::tally::interval;
use crate::answer;
use crate::figure::{Graded, UNKNOWN};
use crate::history::{Kind, Record};

impl SuiteRun {
    /// Its models that have answered all prompts, as a document of this schema.
    pub fn document(&self, schema: &str) -> Value {
        json!({
            "schema": schema,
            "suite": self.suite().name,
            "judge": self.order.judge.as_ref().map(|judge| &judge.name),
            "stop": self.order.stop,
            "models": self.asked().map(|one| self.model_document(one)).collect::<Vec<_>>(),
        })
    }

    fn model_document(&self, one: &ModelRun) -> Value {
        let tally = one.tally(self.suite());
        let (low, high) = interval(tally.passed, tally.n);
        json!({
            "model": one.model.id,
            "name": tally.name,
            "passed": tally.passed,
            "prompts": tally.n,
            "rate": tally.rate(),
            "interval_95": [low, high],
            "joules_per_answer": tally.joules.map(|joules| joules.value),
            "joules_grade": tally.joules.map_or(UNKNOWN, Graded::word),
            "joules_relative_uncertainty": tally.joules.and_then(|joules| joules.relative),
            "joules_range": tally.joules.and_then(Graded::range),
            "seconds_per_answer": tally.seconds,
            "tokens_per_answer": one.tokens(),
            "memory": tally.memory,
            "answers": one.answers,
        })
    }

    /// For the history: the document, and what it takes to read it and to run it again. `at` is in milliseconds since 1970.
    pub(crate) fn record(&self, at: i64) -> Record {
        let suite = self.suite();
        let mut body = self.document("taffrail/suite/1");
        body["description"] = json!(suite.description);
        let prompts = suite.prompts.iter().map(|prompt| json!({ "id": prompt.id, "text": prompt.text }));
        body["prompts"] = prompts.collect();
        body["file"] = json!(self.order.suite.file.to_string_lossy());
        body["options"] = answer::options(&self.order.settings);
        let passed: Vec<_> = self.tallies().iter().map(|tally| format!("{}/{}", tally.passed, tally.n)).collect();
        let title = answer::title(&format!("{} · passed {}", suite.name, passed.join(", ")));
        let models = self.asked().map(|one| one.model.id.clone()).collect();
        Record { models, ..Record::new(Kind::Suite, at, title, body) }
    }
}
