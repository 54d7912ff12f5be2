//! A request: one answer that a session is asked for, from its arrival to its end.

mod figures;
pub mod form;
pub mod schema;

pub use crate::ids::RequestId;
pub use figures::Figures;

use serde::{Deserialize, Serialize};
use wire::{Generate, Prompt, Role};

use std::time::Duration;

use crate::ask::{Asker, Priority};
use crate::moment::Moment;
use crate::record::Draft;
use crate::request::form::Form;
use crate::session::{End, Turn};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Client {
    /// The session's own conversation.
    Chat,
    /// A command, or a program that gives commands.
    Command,
    /// A column of the race.
    Race,
    /// A model of a suite, or its judge.
    Suite,
    /// A program, by one of the server's APIs.
    Api,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Which.
    pub id: RequestId,
    /// Who asks.
    pub client: Client,
    /// For a program: who it is.
    pub asker: Option<Asker>,
    /// Its priority.
    pub priority: Priority,
    /// What it answers: the conversation before the answer, or a prompt without a template as one turn.
    pub prompt: Vec<Turn>,
    /// Bytes of the prompt's texts.
    pub(super) prompt_bytes: usize,
    /// Whether the prompt goes to the model as it is, without its template.
    pub is_raw: bool,
    /// What the answer has to look like.
    pub form: Option<Form>,
    /// It failed, since its prompt did not fit the context.
    pub is_too_long: bool,
    /// Texts that end it, in place of those that the model's store wants.
    pub stop: Vec<String>,
    /// Where it is in its life.
    pub stage: Stage,
    /// The answer, as far as it has come.
    pub answer: Turn,
    /// Its figures.
    pub figures: Figures,
    /// Since when it is asked.
    pub since: Moment,
    /// When the worker got it.
    pub started: Option<Moment>,
    /// When the first token came.
    pub first_token: Option<Moment>,
    /// When it ended.
    pub ended: Option<Moment>,
    /// What is written down of it while it runs.
    pub(super) draft: Option<Draft>,
    /// What the worker is to be asked, until it has been.
    #[serde(with = "crate::portable::document")]
    pub(super) waiting: Option<Box<Generate>>,
    /// Its tokens and the microseconds of generating them, as counted at the last tick.
    pub(super) counted: Option<(u32, u64)>,
}

/// Where a request is in its life. How it ended says its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It waits until the session is ready and one of its sequences free.
    Queued,
    /// The worker has it.
    Running(Step),
    /// It has ended.
    Ended,
}

/// What is done for a request right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The prompt is read: tokens done, tokens in all (0 until the worker has counted).
    Prompt {
        /// Tokens in the context.
        n_done: u32,
        /// Tokens of the prompt.
        n_prompt: u32,
    },
    /// Reasoning is generated.
    Reasoning,
    /// The answer is generated.
    Answer,
    /// It was asked to be cancelled.
    Cancelling,
}

impl Step {
    /// The word for it in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prompt { .. } => "reading",
            Self::Reasoning => "thinking",
            Self::Answer => "answering",
            Self::Cancelling => "cancelling",
        }
    }
}

impl Request {
    /// A request that waits.
    pub fn new(id: RequestId, client: Client, prompt: Vec<Turn>, since: Moment) -> Self {
        Self {
            id,
            client,
            asker: None,
            priority: Priority::default(),
            prompt,
            prompt_bytes: 0,
            is_raw: false,
            is_too_long: false,
            form: None,
            stop: Vec::new(),
            stage: Stage::Queued,
            answer: Turn::new(Role::Assistant, String::new()),
            figures: Figures { request: id, is_settled: false, ..Figures::default() },
            since,
            started: None,
            first_token: None,
            ended: None,
            draft: None,
            waiting: None,
            counted: None,
        }
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.stage != Stage::Ended
    }

    /// Whether the worker has it.
    pub fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    /// What is done for it now.
    pub fn step(&self) -> Option<Step> {
        if let Stage::Running(step) = self.stage { Some(step) } else { None }
    }

    /// How long it has waited for the model and a sequence, until it began, ended or now.
    pub fn queue_time(&self, now: Moment) -> Duration {
        let until = self.started.or(self.ended).unwrap_or(now);
        until.uptime.saturating_sub(self.since.uptime)
    }

    /// How long its first token took, from its arrival; `None` before it came.
    pub fn time_to_first_token(&self) -> Option<Duration> {
        Some(self.first_token?.uptime.saturating_sub(self.since.uptime))
    }

    /// Bytes of the prompt's last turn and of what has come of the answer.
    pub(super) fn n_bytes(&self) -> usize {
        self.answer.n_bytes() + self.prompt.last().map_or(0, Turn::n_bytes)
    }

    /// What is done for it now. A cancel that is under way stays one.
    pub(super) fn go_on(&mut self, now: Step) {
        if let Stage::Running(step) = &mut self.stage
            && *step != Step::Cancelling
        {
            *step = now;
        }
    }

    /// It ends; one that has ended stays as it is.
    pub(super) fn end(&mut self, end: End, now: Moment) {
        if self.is_open() {
            self.stage = Stage::Ended;
            self.waiting = None;
            self.ended = Some(now);
            self.answer.end = Some(end);
            self.answer.figures = Some(self.figures.clone());
        }
    }
}

/// The prompt of a request as turns.
pub fn turns(prompt: &Prompt) -> Vec<Turn> {
    match prompt {
        Prompt::Chat(chat) => chat.messages.iter().map(Turn::of).collect(),
        Prompt::Raw(text) => vec![Turn::new(Role::User, text.clone())],
    }
}
