//! How open the chosen model is: its licences, and what each source judged.
//!
//! ```text
//! licence     mit (declared, the model card)
//!             ⚠ llama3.1 inherited from meta-llama/Llama-3.1-8B
//!             most restrictive: llama3.1, terms apply
//!
//! openness    OSAI Index      MOT
//!             2026-06-12      2026-05-11
//! weights     ● open          ◐ partial
//! ```

use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Span, below, row};
use crate::ui::theme::Meaning;
use crate::ui::widgets::text;
use domain::model::Model;
use domain::openness::license::{self, License};
use domain::openness::{Card, Class, Dimension, Judged};

/// Columns of the labels, as in the rest of the model's card.
const LABEL: u16 = 12;

/// Columns of `· not assessed`.
const NOT_ASSESSED: usize = 14;

/// The most licences of bases that are listed; `taffrail show` lists all.
const MAX_INHERITED: usize = 3;

/// Draw the licences of `model`; returns the rows below them.
pub(crate) fn licences(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) -> Rect {
    let Some(card) = state.domain.library.openness.cards.get(&model.id) else { return area };
    below(declared(canvas, area, card), 1)
}

/// Draw what each source judged of `model`; returns the rows below it.
pub(crate) fn judgements(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) -> Rect {
    let Some(card) = state.domain.library.openness.cards.get(&model.id) else { return area };
    below(judged(canvas, area, state, card), 1)
}

fn line(canvas: &mut Canvas<'_>, area: Rect, label: &str, value: &[Span<'_>]) -> Rect {
    if area.height > 0 {
        canvas.pair(row(area, 0), label, LABEL, value);
    }
    below(area, 1)
}

/// A text behind a label, over as many rows as it takes.
fn wrapped(canvas: &mut Canvas<'_>, area: Rect, label: &str, value: &str, meaning: Meaning) -> Rect {
    if area.height > 0 {
        canvas.say(area.x, area.y, LABEL.min(area.width), label, Meaning::Muted);
    }
    let label = LABEL.min(area.width);
    let style = canvas.style(meaning);
    let rows = canvas.paragraph(Rect { x: area.x + label, width: area.width - label, ..area }, value, style);
    below(area, rows.max(1))
}

fn meaning_of(licence: &License) -> Meaning {
    match licence.class {
        license::Class::Osi | license::Class::Open => Meaning::Good,
        license::Class::Terms | license::Class::NonCommercial => Meaning::Warn,
        license::Class::Unknown => Meaning::Text,
    }
}

fn declared(canvas: &mut Canvas<'_>, area: Rect, card: &Card) -> Rect {
    let mut rest = area;
    let mut label = "license";
    if card.declared.is_empty() {
        rest = wrapped(canvas, rest, label, "not declared", Meaning::Muted);
        label = "";
    }
    for declared in &card.declared {
        let text = format!("{} ({})", declared.licence.described(), declared.place);
        rest = wrapped(canvas, rest, label, &text, meaning_of(&declared.licence));
        label = "";
    }
    let first = card.declared.first().map(|declared| &declared.licence);
    // What is inherited under the same licence tells nothing new.
    let others = card.inherited.iter().filter_map(|inherited| Some((inherited, inherited.licence.as_ref()?)));
    for (inherited, licence) in others.filter(|(_, licence)| Some(*licence) != first).take(MAX_INHERITED) {
        let is_flagged = card.conflict && card.strictest.as_ref() == Some(licence);
        let (sign, meaning) = if is_flagged { ("⚠ ", Meaning::Warn) } else { ("", Meaning::Text) };
        let licence = if is_flagged { licence.id.clone() } else { licence.described() };
        let text = format!("{sign}{licence} inherited from {}", inherited.base);
        rest = wrapped(canvas, rest, "", &text, meaning);
    }
    match &card.strictest {
        Some(strictest) if card.conflict => {
            wrapped(canvas, rest, "", &format!("most restrictive: {}", strictest.described()), Meaning::Warn)
        }
        _ => rest,
    }
}

fn judged(canvas: &mut Canvas<'_>, area: Rect, state: &State, card: &Card) -> Rect {
    let sources = &state.domain.library.openness.table.sources;
    if card.judged.is_empty() {
        let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        return wrapped(
            canvas,
            area,
            "openness",
            &format!("not assessed by the {}", names.join(" or the ")),
            Meaning::Muted,
        );
    }
    // Two of these, with a blank between, fit the narrowest card.
    let column = |judged: &Judged| text::width(&judged.short).max(text::width(&judged.read)).max(NOT_ASSESSED) + 2;
    let mut widths: Vec<usize> = card.judged.iter().map(column).collect();
    // Blanks behind the last one would be cut off with a sign.
    widths.iter_mut().next_back().into_iter().for_each(|last| *last = 0);
    let mut rest = area;
    let padded = |text: &str, width: usize| format!("{text}{}", " ".repeat(width.saturating_sub(text::width(text))));
    for (label, meaning, text_of) in [
        ("openness", Meaning::Accent, (|judged| &judged.short) as fn(&Judged) -> &str),
        ("", Meaning::Muted, |judged| &judged.read),
    ] {
        let columns = card.judged.iter().zip(&widths);
        let spans: Vec<_> =
            columns.map(|(judged, width)| canvas.span(meaning, padded(text_of(judged), *width))).collect();
        rest = line(canvas, rest, label, &spans);
    }
    for (index, (word, _, name)) in Dimension::ALL.iter().enumerate() {
        let mut spans = Vec::new();
        for (judged, width) in card.judged.iter().zip(&widths) {
            let (glyph, class) = Class::shown(judged.class(index));
            let meaning = match judged.class(index) {
                Some(Class::Open) => Meaning::Good,
                Some(Class::Partial) => Meaning::Warn,
                Some(Class::Closed) => Meaning::Bad,
                None => Meaning::Muted,
            };
            let words = if judged.class(index).is_some() { Meaning::Text } else { Meaning::Muted };
            spans.push(canvas.span(meaning, glyph));
            spans.push(canvas.span(words, padded(&format!(" {class}"), width.saturating_sub(1))));
        }
        let label = if name.len() < usize::from(LABEL) { *name } else { word };
        rest = line(canvas, rest, label, &spans);
    }
    for (index, judged) in card.judged.iter().enumerate() {
        let label = if index == 0 { "matched" } else { "" };
        let text = format!("{}: {}", judged.short, matched(judged));
        rest = wrapped(canvas, rest, label, &text, Meaning::Text);
    }
    let is_used = |name: &str| card.judged.iter().any(|judged| *judged.source == *name);
    let used: Vec<_> = sources
        .iter()
        .filter(|source| is_used(&source.name))
        .map(|source| format!("{} {}, {}", source.name, source.read.get(..7).unwrap_or(&source.read), source.licence))
        .collect();
    if used.is_empty() { rest } else { wrapped(canvas, rest, "", &used.join(" · "), Meaning::Muted) }
}

/// How it was found, with what was judged where that is not said by it.
fn matched(judged: &Judged) -> String {
    let matched = judged.matched.to_string();
    let is_said = matched.to_lowercase().contains(&judged.judged.to_lowercase());
    match judged.matched {
        domain::openness::Match::Own => matched,
        _ if is_said => matched,
        _ => format!("{matched} ({})", judged.judged),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::sync::Arc;

    use ratatui::buffer::Buffer;

    use super::*;
    use crate::ui::Theme;
    use crate::ui::testing as fixture;
    use crate::ui::{Keymap, Mode};
    use domain::settings::GraphStyle;

    /// The card of a model of this name that declares this licence and was made from these.
    fn drawn(name: &str, license: &str, bases: &[&str], columns: u16) -> String {
        let mut state = fixture::with_models();
        let mut model = (*state.domain.library.models[0]).clone();
        model.repository = Some(name.to_owned());
        model.name = name.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(summary) = &mut model.summary {
            summary.license = Some(license.to_owned()).filter(|license| !license.is_empty());
            summary.base_models = bases.iter().map(|&base| base.to_owned()).collect();
        }
        let models = [Arc::new(model)];
        state.domain.library.openness.refresh(&models, &models);
        let area = Rect::new(0, 0, columns, 20);
        let mut buffer = Buffer::empty(area);
        let (theme, keys) = (Theme::monochrome(), Keymap::default());
        let mut canvas = Canvas::new(&mut buffer, &theme, &keys, Mode::Library, GraphStyle::Braille);
        let rest = licences(&mut canvas, area, &state, &models[0]);
        let rest = judgements(&mut canvas, rest, &state, &models[0]);
        let mut text = String::new();
        for y in 0..area.height - rest.height {
            let line: String = (0..columns).map(|x| buffer[(x, y)].symbol()).collect();
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    #[test]
    fn cards() {
        for (snapshot, name, license, bases, columns) in [
            (
                "distill",
                "unsloth/DeepSeek-R1-Distill-Llama-8B-GGUF",
                "mit",
                &["deepseek-ai/DeepSeek-R1-Distill-Llama-8B"][..],
                60,
            ),
            ("olmo", "allenai/Olmo-3.1-32B-Think", "apache-2.0", &[], 60),
            ("two-sources", "openai/gpt-oss-120b-GGUF", "apache-2.0", &["openai/gpt-oss-120b"], 44),
            ("two-parts", "Nexusflow/Starling-LM-7B-beta", "", &[], 60),
            ("unknown", "someone/something", "", &[], 44),
        ] {
            insta::assert_snapshot!(snapshot, drawn(name, license, bases, columns));
        }
    }

    #[test]
    fn no_area_is_too_small() {
        for columns in 0..16 {
            drawn("openai/gpt-oss-120b", "apache-2.0", &[], columns.max(1));
        }
    }
}
