//! The question before the stores are changed: what would go, what it frees, and what is left alone.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Spans, row};
use super::hits::Target;
use super::theme::Meaning;
use super::view_state::ViewState;
use super::window::{draw_keys, window};
use crate::ui::{Mode, State};
use domain::storage::{CleanupPlan, Operation, Request};

/// Paths of one item that are listed.
const MAX_PATHS: usize = 3;

/// Draw the plan from line `scroll` on.
pub(super) fn draw(
    canvas: &mut Canvas<'_>,
    area: Rect,
    state: &State,
    (request, plan): (&Request, &CleanupPlan),
    (scroll, at_once): (usize, bool),
    view_state: &mut ViewState,
) {
    let lines = lines(canvas, plan);
    let rows = (lines.len() as u16).saturating_add(5);
    let inside = window(canvas, area, 96, rows.min(area.height.saturating_sub(2)), &request.title());
    let list = Rect { height: inside.height.saturating_sub(3), ..inside };
    let limit = lines.len().saturating_sub(usize::from(list.height));
    view_state.scroll_limit = Some(limit);
    let first = scroll.min(limit);
    for (index, spans) in lines.iter().skip(first).take(usize::from(list.height)).enumerate() {
        canvas.put_spans(list.x, row(list, index as u16).y, list.width, spans);
    }
    let later = if plan.fills_trash() && !at_once { " once the trash is emptied" } else { "" };
    let never = if plan.can_undo() && !(at_once && plan.fills_trash()) { "" } else { ". This can't be undone" };
    let foot = row(inside, inside.height.saturating_sub(2));
    let mut sum = vec![canvas.span(Meaning::Text, format!("Frees {}{later}", plan.frees()))];
    sum.push(canvas.span(Meaning::Warn, never));
    canvas.put_spans(foot.x, foot.y, foot.width, &sum);
    let foot = row(inside, inside.height.saturating_sub(1));
    canvas.hit(list, Target::Text(Mode::Plan));
    let behind = draw_keys(canvas, foot, state);
    if first < limit {
        canvas.say(behind, foot.y, foot.right().saturating_sub(behind), "↓ more", Meaning::Accent);
    }
}

fn lines<'a>(canvas: &Canvas<'_>, plan: &'a CleanupPlan) -> Vec<Spans<'a>> {
    let mut lines: Vec<Spans<'a>> = Vec::new();
    for item in &plan.items {
        lines.push(vec![
            canvas.span(Meaning::Text, item.what.as_str()),
            canvas.span(Meaning::Muted, format!("  {}  ", item.place())),
            canvas.span(Meaning::Good, item.frees().to_string()),
            canvas.span(Meaning::Muted, format!("  {}", item.root.display())),
        ]);
        if let Some(note) = &item.note {
            lines.push(vec![canvas.span(Meaning::Warn, format!("  {note}"))]);
        }
        let steps: Vec<_> = item.steps.iter().filter(|step| step.act != Operation::Keep).collect();
        for step in steps.iter().take(MAX_PATHS) {
            let path = step.path.strip_prefix(&item.root).ok().filter(|inside| !inside.as_os_str().is_empty());
            let text = path.unwrap_or(&step.path).display().to_string();
            lines.push(vec![canvas.span(Meaning::Muted, format!("  {text}"))]);
        }
        if let Some(more) = steps.len().checked_sub(MAX_PATHS).filter(|more| *more > 0) {
            let paths = if more == 1 { "path" } else { "paths" };
            lines.push(vec![canvas.span(Meaning::Muted, format!("  and {more} more {paths}"))]);
        }
    }
    if !plan.refusals.is_empty() {
        lines.push(vec![canvas.span(Meaning::Heading, "Skipped")]);
    }
    for refusal in &plan.refusals {
        lines.push(vec![
            canvas.span(Meaning::Text, format!("  {}: ", refusal.what)),
            canvas.span(Meaning::Muted, refusal.reason.as_str()),
        ]);
    }
    lines.extend(plan.remarks.iter().map(|remark| vec![canvas.span(Meaning::Muted, remark.as_str())]));
    lines
}
