//! A conversation for a reader: Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use wire::Role;

use super::saved::{Conversation, SavedFigures, SavedTurn};
use crate::lab::race::export::date;
use crate::record::Finished;
use crate::units::span;

/// The longest line of names, in characters.
const MAX_LINE: usize = 400;

/// The conversation as Markdown. Messages are unchanged except for control characters, which are removed.
pub fn markdown(conversation: &Conversation) -> String {
    let line = |text: &str| gguf::clean(text, MAX_LINE);
    let label = conversation.label();
    let title = if label.is_empty() { "Conversation" } else { &label };
    let mut out = format!("# {}\n\n", line(title));
    let model = conversation.model.name.as_deref().or(conversation.model.id.as_deref()).unwrap_or("unknown model");
    let model = line(model);
    let _ = writeln!(out, "- Model: {model}");
    let _ = writeln!(out, "- Begun: {}", date(conversation.created_ms.div_euclid(1000)));
    for (name, value) in &conversation.options {
        let _ = writeln!(out, "- {}: {}", line(name), line(value));
    }
    if let Some(system) = conversation.chat.system.as_deref().filter(|text| !text.is_empty()) {
        said(&mut out, "System", system);
    }
    for (place, turn) in conversation.turns.iter().enumerate() {
        if place > 0 && place == conversation.n_dropped {
            out.push_str("\n---\n\n*The context was full: the turns above were no longer sent to the model.*\n");
        }
        let speaker = match turn.role {
            Role::System => "System",
            Role::User => "You",
            Role::Assistant => &model,
            Role::Tool => "Tool",
        };
        let mut text = turn.text.clone();
        for call in &turn.tool_calls {
            let _ = write!(text, "\n\n→ `{}({})`", line(&call.name), line(&call.arguments));
        }
        if !turn.reasoning.trim().is_empty() {
            let reasoning = harmless(turn.reasoning.trim());
            text = format!("<details><summary>Reasoning</summary>\n\n{reasoning}\n\n</details>\n\n{text}");
        }
        said(&mut out, speaker, &text);
        if let Some(note) = note(turn) {
            let _ = write!(out, "\n*{}*\n", line(&note));
        }
    }
    out
}

fn said(out: &mut String, speaker: &str, text: &str) {
    let _ = write!(out, "\n## {speaker}\n\n{}\n", harmless(text.trim()));
}

/// Text without what a terminal would obey.
fn harmless(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !gguf::is_harmful(*c)).collect()
}

/// The figures of an answer, and how it ended where that is not plain.
fn note(turn: &SavedTurn) -> Option<String> {
    let mut parts: Vec<String> = turn.figures.iter().map(figures).collect();
    match (&turn.error, turn.finish) {
        (Some(error), _) => parts.push(format!("failed: {error}")),
        (None, Some(Finished::Length)) => parts.push("cut off at max_tokens".to_owned()),
        (None, Some(Finished::ContextFull)) => parts.push("cut off: the context was full".to_owned()),
        (None, Some(Finished::Cancelled)) => parts.push("cancelled".to_owned()),
        (None, Some(Finished::Interrupted)) => parts.push("interrupted".to_owned()),
        (None, Some(Finished::Stop) | None) => {}
    }
    (!parts.is_empty()).then(|| parts.join(" · "))
}

fn figures(figures: &SavedFigures) -> String {
    let milliseconds = figures.ttft_ms.unwrap_or_default() + figures.generation_ms;
    let mut parts = vec![format!("{} tok", figures.generated_tokens)];
    parts.push(span(Duration::from_secs_f64((milliseconds / 1e3).max(0.0))));
    if figures.generated_tokens > 1 && figures.generation_ms > 0.0 {
        let rate = f64::from(figures.generated_tokens - 1) * 1e3 / figures.generation_ms;
        parts.push(format!("{rate:.1} tok/s"));
    }
    if let Some(joules) = figures.joules {
        parts.push(joules.text("J"));
    }
    parts.join(" · ")
}
