//! A run of a suite: models by prompts, and how far each is.
//!
//! Owned here: what is ordered, where a run is, what follows from its answers. Absent: its course, which is
//! `update::suite`'s, and where answers are kept between runs (the driver's business).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answer::Answer;
pub use super::file::SuiteFile;
use super::tally::Tally;
use super::{Prompt, Suite};
use crate::command::{Cause, Force};
use crate::lab::job::JobSession;
use crate::model::Model;
use crate::moment::Moment;
use crate::settings::SessionSettings;

/// A suite that is to be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteOrder {
    /// The suite.
    pub suite: Arc<SuiteFile>,
    /// The models, each of which is asked all prompts.
    pub models: Vec<Arc<Model>>,
    /// The model that the suite names as its judge.
    pub judge: Option<Arc<Model>>,
    /// How the models run.
    pub settings: SessionSettings,
    /// Texts that end an answer, in place of those of the models' stores.
    pub stop: Vec<String>,
    /// Ask everything again, also what an earlier run has answers to.
    pub fresh: bool,
    /// What models are started in spite of.
    pub force: Force,
}

/// What an earlier run kept of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// Under which name its answers are kept; empty where there is no place for them.
    pub name: String,
    /// Its answers.
    pub answers: Vec<Answer>,
}

/// A suite that runs or has run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SuiteRun {
    /// Its name for the program's life.
    pub id: u64,
    /// When it began.
    pub at: Moment,
    /// What was ordered.
    pub order: SuiteOrder,
    /// Where it is.
    pub phase: Phase,
    /// Its models, in the order in which they take their turns.
    pub models: Vec<ModelRun>,
    /// The judge, once the models have answered.
    pub judge: Judge,
    /// The user has ended it.
    pub is_cancelled: bool,
    /// Why the last answer that could not be kept for a later run was not.
    pub warning: Option<String>,
    /// Answers that are being written down. The next prompt waits for them, so that a killed run loses none.
    pub(crate) n_writing: usize,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The answers of earlier runs are being read.
    Recalling,
    /// The models answer.
    Asking,
    /// The judge looks at their answers.
    Judging,
    /// All is answered, as far as it could be.
    Done,
    /// The user has ended it. What was answered is kept for the next run.
    Cancelled,
    /// It can't go on.
    Failed(Failure),
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why, in one clause.
    pub reason: String,
    /// What could be done.
    pub hint: Option<String>,
    /// What kind of reason refused it; `None` for one that failed while it ran.
    pub cause: Option<Cause>,
}

/// A model of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelRun {
    /// The model.
    pub model: Arc<Model>,
    /// Where it is.
    pub stage: Stage,
    /// Its session.
    pub session: JobSession,
    /// Further sessions that answer its prompts beside that one: jobs of a cluster.
    pub helpers: Vec<Helper>,
    /// Its answers with all checks done, those of earlier runs included.
    pub answers: Vec<Answer>,
    /// Answers that wait for the judge.
    pub to_judge: Vec<Answer>,
    /// Prompts that this run has to ask.
    pub n_open: usize,
    /// Prompts that this run has asked.
    pub n_asked: usize,
    /// Under which name its answers are kept.
    pub(crate) kept_as: String,
}

/// A further session that answers a model's prompts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Helper {
    /// The session.
    pub session: JobSession,
    /// The place of the prompt that it answers.
    pub prompt: Option<usize>,
}

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It is not its turn yet.
    Waiting,
    /// It is being loaded.
    Loading,
    /// It is loaded, and between two prompts.
    Ready,
    /// It answers the prompt of this place.
    Answering(usize),
    /// It has answered, and makes room for the next.
    Unloading,
    /// It has answered all prompts.
    Done,
    /// It has not, since the user has ended the run.
    Cancelled,
    /// It has not.
    Failed(Failure),
}

/// A judge.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Judge {
    /// Its session.
    pub session: JobSession,
    /// What it does.
    pub stage: JudgeStage,
}

/// What a judge does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum JudgeStage {
    /// It is not needed yet.
    #[default]
    Waiting,
    /// It is being loaded.
    Loading,
    /// It can be asked.
    Ready,
    /// It looks at the first answer that waits of the model of this place, for the check of that place.
    Judging {
        /// The model's place.
        model: usize,
        /// The check's place.
        check: usize,
    },
    /// It has said all, and makes room.
    Unloading,
}

/// What is known of one prompt of one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// It is not asked yet.
    Waiting,
    /// It is being answered.
    Running,
    /// It is answered, and a judge has still to look at it.
    ToJudge(&'a Answer),
    /// All checks passed.
    Passed(&'a Answer),
    /// A check failed.
    Failed(&'a Answer),
    /// Nothing comes of it.
    Error(&'a Failure),
}

impl SuiteRun {
    /// A run that begins.
    pub(crate) fn new(id: u64, at: Moment, mut order: SuiteOrder) -> Self {
        let mut models: Vec<ModelRun> = Vec::new();
        for model in order.models.drain(..) {
            // One that is named twice has its answers once.
            if !models.iter().any(|known| known.model.id == model.id) {
                models.push(ModelRun::new(model));
            }
        }
        order.models = models.iter().map(|one| Arc::clone(&one.model)).collect();
        Self {
            id,
            at,
            order,
            phase: Phase::Recalling,
            models,
            judge: Judge::default(),
            is_cancelled: false,
            warning: None,
            n_writing: 0,
        }
    }

    /// The suite.
    pub fn suite(&self) -> &Suite {
        &self.order.suite.suite
    }

    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Cancelled | Phase::Failed(_))
    }

    /// The models that have answered all prompts.
    pub fn asked(&self) -> impl Iterator<Item = &ModelRun> {
        self.models.iter().filter(|one| one.stage == Stage::Done)
    }

    /// What the models that have answered all prompts came to.
    pub fn tallies(&self) -> Vec<Tally> {
        self.asked().map(|one| one.tally(self.suite())).collect()
    }

    /// What is known of a prompt of a model, by their places.
    pub fn cell(&self, model: usize, prompt: usize) -> Cell<'_> {
        let known = self.models.get(model).zip(self.suite().prompts.get(prompt));
        known.map_or(Cell::Waiting, |(one, asked)| one.cell(prompt, asked))
    }

    /// Prompts that are answered and checked, of those of all models.
    pub fn progress(&self) -> (usize, usize) {
        let n_prompts = self.suite().prompts.len();
        let done = self.models.iter().map(|one| self.suite().answers(&one.answers).count());
        (done.sum(), n_prompts * self.models.len())
    }
}

impl ModelRun {
    fn new(model: Arc<Model>) -> Self {
        Self {
            model,
            stage: Stage::Waiting,
            session: JobSession::default(),
            helpers: Vec::new(),
            answers: Vec::new(),
            to_judge: Vec::new(),
            n_open: 0,
            n_asked: 0,
            kept_as: String::new(),
        }
    }

    /// Whether nothing more is asked.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Cancelled | Stage::Failed(_))
    }

    /// The answer to a prompt of this name.
    pub fn answer(&self, prompt: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.prompt == prompt)
    }

    /// The place of the first prompt that is to be asked yet.
    pub(crate) fn next(&self, suite: &Suite) -> Option<usize> {
        let is_open = |prompt: &Prompt| {
            self.answer(&prompt.id).is_none() && !self.to_judge.iter().any(|answer| answer.prompt == prompt.id)
        };
        let mut places = suite.prompts.iter().enumerate();
        places.find(|(place, prompt)| is_open(prompt) && !self.is_answering(*place)).map(|(place, _)| place)
    }

    /// Whether one of its sessions answers the prompt of this place.
    fn is_answering(&self, place: usize) -> bool {
        self.stage == Stage::Answering(place) || self.helpers.iter().any(|helper| helper.prompt == Some(place))
    }

    fn cell(&self, place: usize, prompt: &Prompt) -> Cell<'_> {
        if let Some(answer) = self.answer(&prompt.id) {
            return if answer.has_passed() { Cell::Passed(answer) } else { Cell::Failed(answer) };
        }
        if let Some(answer) = self.to_judge.iter().find(|answer| answer.prompt == prompt.id) {
            return Cell::ToJudge(answer);
        }
        match &self.stage {
            _ if self.is_answering(place) => Cell::Running,
            Stage::Failed(failure) => Cell::Error(failure),
            _ => Cell::Waiting,
        }
    }

    /// What it came to over the whole suite: a prompt without an answer has not passed.
    pub fn tally(&self, suite: &Suite) -> Tally {
        suite.tally(&self.model.name, &self.answers)
    }

    /// What it came to over the prompts that are answered so far.
    pub fn tally_so_far(&self, suite: &Suite) -> Tally {
        suite.tally_so_far(&self.model.name, &self.answers)
    }
}
