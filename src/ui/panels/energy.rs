//! Where the machine's energy goes, and what it draws without work.

use ratatui::layout::Rect;

use crate::ui::canvas::{Canvas, below, row};
use crate::ui::theme::Meaning;
use crate::ui::widgets::bar;
use crate::ui::{Action, State};
use domain::energy::{Baseline, Idle, WINDOW, of_tally, range};
use domain::figure::{Figure, Grade};
use domain::machine::{Power, Sample};
use domain::units::{Watts, digits, span};

/// Columns of the labels.
const LABEL: u16 = 16;

/// Steps of the bar of a calibration.
const STEPS: usize = 15;

/// The most meters whose baseline is shown.
const MAX_METERS: usize = 6;

/// Draw it; returns what it left. Without a meter there is nothing to say that the sources don't.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample, airy: bool) -> Rect {
    let mut rest = area;
    match sample.total() {
        None => return rest,
        Some((watts, Grade::Estimated)) => {
            rest = estimate(canvas, rest, sample, watts, airy);
            return if airy { so_far(canvas, rest, state, sample, Grade::Estimated) } else { rest };
        }
        Some(_) => {}
    }
    if airy && rest.height > 0 {
        let key = canvas.key(canvas.mode, Action::Calibrate);
        let calibrates = state.domain.attribution.baselines.calibration.is_some();
        let what = if calibrates { "to cancel" } else { "to measure the idle baseline" };
        let heading = [canvas.span(Meaning::Accent, "Energy"), canvas.span(Meaning::Muted, format!("   {key} {what}"))];
        canvas.put_spans(rest.x, rest.y, rest.width, &heading);
        rest = below(rest, 1);
    }
    let pair = |canvas: &mut Canvas<'_>, rest: Rect, label: &str, meaning, text: String| {
        if rest.height > 0 {
            let value = [canvas.span(meaning, text)];
            canvas.pair(row(rest, 0), label, LABEL, &value);
        }
        below(rest, 1)
    };
    if let Some(calibration) = state.domain.attribution.baselines.calibration {
        let share = calibration.watched.as_secs_f64() / WINDOW.as_secs_f64();
        let bar = bar::steps(share as f32, STEPS, canvas.is_ascii());
        let (watched, whole) = (calibration.watched.as_secs(), WINDOW.as_secs());
        let text = format!("{bar} {watched} of {whole} s without an answer, {}", calibration.idle.word());
        rest = pair(canvas, rest, "calibrating", Meaning::Accent, text);
    }
    let tally = state.domain.attribution.power;
    if tally.seconds > 0.0 {
        let owners = [
            ("sessions", tally.sessions),
            ("other", tally.foreign),
            ("standby", tally.standby),
            ("idle", tally.idle),
            (if airy { "unattributed" } else { "rest" }, tally.unattributed),
        ];
        // What gets nothing is left out, since the row is long.
        let shown =
            owners.into_iter().map(|(owner, watts)| (owner, watts.max(0.0))).filter(|(_, watts)| *watts >= 0.005);
        let text: Vec<_> = shown.map(|(owner, watts)| format!("{owner} {}", Watts(watts))).collect();
        rest = pair(canvas, rest, "power goes to", Meaning::Text, text.join(" · "));
    }
    if !airy {
        return rest;
    }
    for power in sample.power.iter().filter(|power| power.adds).take(MAX_METERS) {
        let text = baseline(state, power);
        let meaning = if text.is_some() { Meaning::Text } else { Meaning::Muted };
        let text = text.unwrap_or_else(|| "— seen after 30 s without an answer".to_owned());
        rest = pair(canvas, rest, &format!("idle {}", power.name), meaning, text);
    }
    if let Some(beyond) = state.domain.attribution.beyond {
        rest = pair(canvas, rest, "whole machine", Meaning::Text, format!("{beyond} unexplained by its parts"));
    }
    let grade = sample.total().map_or(Grade::Measured, |(_, grade)| grade);
    so_far(canvas, rest, state, sample, grade)
}

/// What the meters have counted since the start, and what that means outside.
fn so_far(canvas: &mut Canvas<'_>, area: Rect, state: &State, sample: &Sample, grade: Grade) -> Rect {
    let (total, settings) = (&state.domain.attribution.total, &state.domain.settings.energy);
    if total.measured() <= 0.0 || area.height == 0 {
        return area;
    }
    let [energy, carbon, cost] = of_tally(total, grade, settings);
    let time = span(std::time::Duration::from_secs_f64(total.seconds.max(0.0)));
    let mut spans = vec![canvas.span(Meaning::Text, energy.graded("Wh"))];
    // What the user has set no price for is left out: an answer's figures say how.
    for (figure, unit) in [(carbon, "gCO2e"), (cost, settings.currency.as_str())] {
        if let Some(quantity) = figure.value() {
            let text = format!(" · {}{} {unit}", grade.mark(), digits(quantity.value));
            spans.push(canvas.span(Meaning::Text, text));
        }
    }
    spans.push(canvas.span(Meaning::Muted, format!("   {} in {time}", sample.boundary())));
    canvas.pair(row(area, 0), "since the start", LABEL, &spans);
    below(area, 1)
}

/// A range, labelled, where nothing measures.
fn estimate(canvas: &mut Canvas<'_>, area: Rect, sample: &Sample, watts: Watts, airy: bool) -> Rect {
    let mut rest = area;
    if airy && rest.height > 0 {
        canvas.say(rest.x, rest.y, rest.width, "Energy", Meaning::Accent);
        rest = below(rest, 1);
    }
    let source = sample.power.iter().find_map(|power| match &power.watts {
        Figure::Known { source, grade: Grade::Estimated, .. } => Some(source.as_str()),
        _ => None,
    });
    if rest.height > 0 {
        let text = format!("{}   ~{}", range(watts), source.unwrap_or_default());
        let value = [canvas.span(Meaning::Muted, text)];
        canvas.pair(row(rest, 0), "power", LABEL, &value);
    }
    below(rest, 1)
}

/// What a meter shows without work, as far as it is known.
fn baseline(state: &State, power: &Power) -> Option<String> {
    let one = |idle: Idle| {
        let known = state.domain.attribution.baselines.known.iter();
        let known =
            known.filter(|known| known.meter == power.name && known.idle == idle).max_by_key(|known| known.unix);
        known.map(|known| format!("{} {}, {}", known.watts, idle.word(), age(state, known)))
    };
    let parts: Vec<_> = [one(Idle::Empty), one(Idle::Loaded)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

fn age(state: &State, baseline: &Baseline) -> String {
    let seconds = u64::try_from(state.domain.now.unix - baseline.unix).unwrap_or(0);
    let ago = match seconds {
        0 => "just now".to_owned(),
        seconds => format!("{} ago", span(std::time::Duration::from_secs(seconds))),
    };
    if baseline.is_calibrated { format!("calibrated {ago}") } else { ago }
}
