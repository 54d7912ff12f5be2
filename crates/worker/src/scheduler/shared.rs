//! Requests that begin with the same text and run at the same time: the first one reads it, the others take it over.
//!
//! Owned here: which request waits for which, and until when. Absent: how much is shared and how it is copied (`prompts`).

use wire::{Counters, Event, Finish};

use super::Scheduler;
use super::answer::{Kind, Stage};
use super::waiting::{Shared, Waiting};
use crate::control::CONTROL;
use crate::prompts::Copied;

impl Scheduler {
    /// The running request that has most of a prompt, or will have read it, where that is more than could be had otherwise.
    pub(super) fn shared(&mut self, prompt: &[i32]) -> Option<Shared> {
        let n_kept = self.prompts.n_kept(&self.session.engine, &super::slots(&mut self.sequences), prompt)?;
        let running = self.sequences.iter().filter_map(|sequence| Some((sequence, sequence.answer.as_ref()?)));
        let all = running.filter_map(|(sequence, answer)| {
            let unread = match &answer.stage {
                Stage::Decode { tokens, n_done, kind: Kind::Prompt } => tokens.get(*n_done..).unwrap_or_default(),
                _ => &[],
            };
            let text = sequence.text.tokens.iter().chain(unread).copied();
            Some(Shared {
                reader: answer.order,
                n_tokens: self.prompts.n_shared(&self.session.engine, text, prompt, n_kept)?,
            })
        });
        all.max_by_key(|shared| (shared.n_tokens, std::cmp::Reverse(shared.reader)))
    }

    /// Begin the requests whose text has been read, or will not be; whether there were any.
    pub(super) fn admit_waiting(&mut self) -> bool {
        let mut copied: Option<(u64, Option<Copied>)> = None;
        let mut is_changed = false;
        for waiting in std::mem::take(&mut self.waiting) {
            let Waiting { checked, shared } = waiting;
            let id = checked.request.id;
            if CONTROL.is_cancelled(id) {
                self.release_bound();
                CONTROL.end(id);
                self.out.send(&Event::Finished { id, finish: Finish::Cancelled, counters: Counters::default() });
                is_changed = true;
                continue;
            }
            let reader = self
                .sequences
                .iter()
                .find(|sequence| sequence.answer.as_ref().is_some_and(|answer| answer.order == shared.reader));
            if reader.is_some_and(|reader| reader.text.tokens.len() < shared.n_tokens) {
                self.waiting.push(Waiting { checked, shared });
                continue;
            }
            // One copy for all that begin alike.
            if let Some(reader) = reader.filter(|_| copied.as_ref().is_none_or(|(of, _)| *of != shared.reader)) {
                let copy = self.prompts.copy(&mut self.session.engine, reader.number, &reader.text);
                copied = Some((shared.reader, copy));
            }
            let copy = copied.as_ref().filter(|(of, _)| reader.is_some() && *of == shared.reader);
            let copy = copy.and_then(|(_, copy)| copy.as_ref()).map(|copy| (copy, shared.n_tokens));
            if let Err(failure) = self.begin(checked, copy) {
                self.refuse(id, failure);
            }
            is_changed = true;
        }
        is_changed
    }
}
