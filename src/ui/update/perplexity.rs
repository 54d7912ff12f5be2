//! The KL heatmap of a race: the prompt, scored by the selected column against the other.

use std::path::PathBuf;

use domain::command::What;
use domain::lab::perplexity::{CHUNK, PerplexityOrder, Stage};
use domain::lab::race::{Entry, Race, same_vocabulary};

use super::Client;
use crate::ui::{Effect, RaceTab};

/// Chunks of a prompt that are scored: some pages of text.
const MAX_CHUNKS: u32 = 8;

/// Score the prompt by the chosen column against the other and show it, then the prompt with the chosen column's answer,
/// then the answers again.
pub(super) fn turn(client: &mut Client<'_>) -> Vec<Effect> {
    match (client.ui.race.tab, client.ui.race.with_answer) {
        (RaceTab::KlHeatmap, false) if client.race_chosen_answer().is_some() => {
            client.ui.race.with_answer = true;
            again(client)
        }
        (RaceTab::KlHeatmap, _) => leave(client),
        _ => {
            client.ui.race.with_answer = false;
            score(client)
        }
    }
}

fn score(client: &mut Client<'_>) -> Vec<Effect> {
    let races = &client.ui.race;
    let mut text = client.race().map_or_else(|| races.prompt.text(), |race| &race.prompt).trim().to_owned();
    if let Some(answer) = client.race_chosen_answer().filter(|_| races.with_answer) {
        text.push_str("\n\n");
        text.push_str(answer);
    }
    let refusal = match (client.race_entry(races.chosen), client.race_entry(races.other)) {
        _ if client.domain.is_racing() => "wait for the end of the race".to_owned(),
        _ if client.race().is_some_and(Race::hides_names) => "vote first: the names are hidden".to_owned(),
        _ if text.is_empty() => "write a prompt first: its text is scored".to_owned(),
        (Some(model), Some(reference)) if races.chosen != races.other => {
            if same_vocabulary(&model.model, &reference.model) {
                return show(client, &model, &reference, text);
            }
            let (one, other) = (&model.model.name, &reference.model.name);
            format!("{one} and {other} have different vocabularies, so their distributions can't be compared")
        }
        _ => "two columns are needed to compare them".to_owned(),
    };
    client.notify(refusal, true);
    Vec::new()
}

fn show(client: &mut Client<'_>, model: &Entry, reference: &Entry, text: String) -> Vec<Effect> {
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
    client.ui.race.tab = RaceTab::KlHeatmap;
    client.ui.race.diff = None;
    client.ui.race.scroll = Some(0);
    let is_known = client.domain.perplexity.as_ref().is_some_and(|run| {
        run.stage == Stage::Done && PerplexityOrder { file: PathBuf::new(), ..run.order.clone() } == order
    });
    if is_known {
        return Vec::new();
    }
    vec![What::StartPerplexity(Box::new(order)).into()]
}

/// Show the answers again. What is being scored ends.
pub(super) fn leave(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.race.tab = RaceTab::Answers;
    match &client.domain.perplexity {
        Some(run) if !run.is_over() => vec![What::CancelPerplexity.into()],
        _ => Vec::new(),
    }
}

/// What is scored, or by which column, changes while this shows.
pub(super) fn again(client: &mut Client<'_>) -> Vec<Effect> {
    let mut effects = leave(client);
    effects.extend(score(client));
    effects
}
