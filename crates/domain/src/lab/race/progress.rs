//! A column while it answers: what its session has of its answer.

use wire::Finish;

use super::{Column, Stage};
use crate::request::{Figures, Request, Step};
use crate::session::{End, Phase, Session, Turn};
use crate::state::Domain;

impl Column {
    /// The session that answers now, or is about to.
    pub fn live<'a>(&self, domain: &'a Domain) -> Option<&'a Session> {
        match self.stage {
            Stage::Starting | Stage::Answering => domain.session(self.session.id?),
            _ => None,
        }
    }

    /// What its session is asked now.
    fn asked<'a>(&self, domain: &'a Domain) -> Option<&'a Request> {
        self.live(domain)?.request(self.session.request?)
    }

    /// The answer as far as it is there.
    pub fn turn<'a>(&'a self, domain: &'a Domain) -> Option<&'a Turn> {
        match self.stage {
            Stage::Answering => Some(&self.asked(domain)?.answer),
            _ => self.answer.as_ref(),
        }
    }

    /// The answer's figures as far as they are there.
    pub fn figures<'a>(&'a self, domain: &'a Domain) -> Option<&'a Figures> {
        match self.stage {
            Stage::Answering => Some(&self.asked(domain)?.figures),
            _ => self.ended(),
        }
    }

    /// One clause on what it does or how it ended; `None` for an answer that ended of its own.
    pub fn status(&self, domain: &Domain) -> Option<String> {
        match &self.stage {
            Stage::Waiting => Some("waits for its turn".to_owned()),
            Stage::Starting => Some(match self.live(domain).map(|session| &session.phase) {
                Some(Phase::Loading { fraction }) => format!("loads, {:.0}%", fraction * 100.0),
                Some(Phase::Ready) => "waits for the others to be loaded".to_owned(),
                _ => "waits for its session".to_owned(),
            }),
            Stage::Answering => match self.asked(domain).and_then(Request::step) {
                Some(Step::Prompt { n_done, n_prompt }) if n_prompt > 0 => {
                    Some(format!("reads the prompt, {n_done} of {n_prompt} tokens"))
                }
                Some(Step::Prompt { .. }) => Some("reads the prompt".to_owned()),
                Some(Step::Reasoning) => Some("thinks".to_owned()),
                _ => None,
            },
            Stage::Failed { reason, .. } => Some(reason.clone()),
            Stage::Unloading | Stage::Done => match self.answer.as_ref()?.end.as_ref()? {
                End::Finished(Finish::Stop) if self.answer.as_ref()?.text.trim().is_empty() => {
                    Some("no output".to_owned())
                }
                End::Finished(Finish::Stop | Finish::StopText(_)) => None,
                End::Finished(Finish::Length) => Some("cut off at max_tokens".to_owned()),
                End::Finished(Finish::ContextFull) => Some("cut off: the context is full".to_owned()),
                End::Finished(Finish::Cancelled) => Some("cancelled".to_owned()),
                End::Failed { reason, .. } => Some(reason.clone()),
            },
        }
    }
}
