//! The KL heatmap of a race: the prompt, scored by the selected column against the other.

use std::path::PathBuf;

use domain::command::What;
use domain::lab::perplexity::{CHUNK, PerplexityOrder, Stage};
use domain::lab::race::{Entry, same_vocabulary};

use super::{Client, notify};
use crate::ui::{Effect, RaceTab};

/// Chunks of a prompt that are scored: some pages of text.
const MAX_CHUNKS: u32 = 8;

/// Score the prompt by the chosen column against the other and show it, then the prompt with the chosen column's answer,
/// then the answers again.
pub(super) fn turn(state: &mut Client<'_>) -> Vec<Effect> {
    match (state.ui.race.face, state.ui.race.with_answer) {
        (RaceTab::Heat, false) if state.race_chosen_answer().is_some() => {
            state.ui.race.with_answer = true;
            again(state)
        }
        (RaceTab::Heat, _) => leave(state),
        _ => {
            state.ui.race.with_answer = false;
            score(state)
        }
    }
}

fn score(state: &mut Client<'_>) -> Vec<Effect> {
    let races = &state.ui.race;
    let mut text =
        state.domain.race.as_ref().map_or_else(|| races.prompt.text(), |race| &race.prompt).trim().to_owned();
    if let Some(answer) = state.race_chosen_answer().filter(|_| races.with_answer) {
        text.push_str("\n\n");
        text.push_str(answer);
    }
    let refusal = match (state.race_entry(races.chosen), state.race_entry(races.other)) {
        _ if state.domain.is_racing() => "wait for the end of the race".to_owned(),
        _ if state.domain.race.as_ref().is_some_and(|race| race.hides_names()) => {
            "vote first: the names are hidden".to_owned()
        }
        _ if text.is_empty() => "write a prompt first: its text is scored".to_owned(),
        (Some(model), Some(reference)) if races.chosen != races.other => {
            if same_vocabulary(&model.model, &reference.model) {
                return show(state, &model, &reference, text);
            }
            let (one, other) = (&model.model.name, &reference.model.name);
            format!("{one} and {other} have different vocabularies, so their distributions can't be compared")
        }
        _ => "two columns are needed to compare them".to_owned(),
    };
    notify(state, refusal, true);
    Vec::new()
}

fn show(state: &mut Client<'_>, model: &Entry, reference: &Entry, text: String) -> Vec<Effect> {
    let entry = |entry: &Entry| {
        let mut entry = entry.clone();
        entry.settings.context = CHUNK;
        entry.settings.ubatch = entry.settings.ubatch.min(CHUNK);
        entry
    };
    let order = PerplexityOrder {
        model: entry(model),
        reference: Some(entry(reference)),
        text,
        n_chunk: CHUNK,
        max_chunks: Some(MAX_CHUNKS),
        every: true,
        file: PathBuf::new(),
    };
    state.ui.race.face = RaceTab::Heat;
    state.ui.race.diff = None;
    state.ui.race.scroll = Some(0);
    let is_known = state.domain.quality.as_ref().is_some_and(|quality| {
        quality.stage == Stage::Done && PerplexityOrder { file: PathBuf::new(), ..quality.order.clone() } == order
    });
    if is_known {
        return Vec::new();
    }
    vec![What::StartPerplexity(Box::new(order)).into()]
}

/// Show the answers again. What is being scored ends.
pub(super) fn leave(state: &mut Client<'_>) -> Vec<Effect> {
    state.ui.race.face = RaceTab::Answers;
    match &state.domain.quality {
        Some(quality) if !quality.is_over() => vec![What::CancelPerplexity.into()],
        _ => Vec::new(),
    }
}

/// What is scored, or by which column, changes while this shows.
pub(super) fn again(state: &mut Client<'_>) -> Vec<Effect> {
    let mut effects = leave(state);
    effects.extend(score(state));
    effects
}
