//! The history's list on the Bench screen, and the record that shows.

use domain::command::What;
use domain::event::HistoryEvent;
use domain::record::{Body, Filter, Page, Record, report};

use super::{Client, chats};
use crate::ui::editor::Editor;
use crate::ui::marks::TOO_MANY_MARKS;
use crate::ui::{BenchTab, Effect, Overlay, RecordView, Screen, Then};

/// Take an answer of the history that is for this client.
pub(super) fn on_event(client: &mut Client<'_>, event: &HistoryEvent) -> Vec<Effect> {
    match event {
        HistoryEvent::Revealed(_) => return ask(client),
        HistoryEvent::Deleted { id, .. } => {
            let list = &mut client.ui.history;
            list.entries.retain(|entry| entry.id != *id);
            list.marks.remove(id);
            list.chosen = list.chosen.min(list.entries.len().saturating_sub(1));
        }
        HistoryEvent::Listed { generation, entries, more } => {
            let list = &mut client.ui.history;
            if *generation == list.generation {
                if list.before.is_none() {
                    list.entries.clear();
                }
                list.entries.extend(entries.iter().cloned());
                list.more = *more;
                list.asked = false;
                list.chosen = list.chosen.min(list.entries.len().saturating_sub(1));
            }
        }
        HistoryEvent::Record(record) => return got(client, record.as_deref()),
        HistoryEvent::Failed(_) => client.ui.history.asked = false,
        _ => {}
    }
    Vec::new()
}

/// Rows that are asked for at once: more than a screen has.
const PAGE: usize = 200;

fn is_open(client: &Client<'_>) -> bool {
    client.ui.bench_tab == BenchTab::History
}

/// Show the history, or the bench again.
pub(super) fn turn(client: &mut Client<'_>) -> Vec<Effect> {
    let shows = client.ui.screen == Screen::Bench && is_open(client);
    client.ui.bench_tab = if shows { BenchTab::Benches } else { BenchTab::History };
    client.ui.screen = Screen::Bench;
    if shows { Vec::new() } else { ask(client) }
}

/// Ask for the newest records that pass the filter.
pub(super) fn ask(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.history.generation += 1;
    client.ui.history.before = None;
    client.ui.history.chosen = 0;
    list(client)
}

/// Ask for older records where the choice comes near the last one.
pub(super) fn ask_older(client: &mut Client<'_>) -> Vec<Effect> {
    let history = &mut client.ui.history;
    if history.asked || !history.more || history.chosen + PAGE / 2 < history.entries.len() {
        return Vec::new();
    }
    history.before = history.entries.last().map(|entry| entry.id);
    list(client)
}

fn list(client: &mut Client<'_>) -> Vec<Effect> {
    let history = &mut client.ui.history;
    history.asked = true;
    history.problem = Filter::problem(history.filter.text());
    vec![Effect::ListHistory {
        generation: history.generation,
        filter: Filter::parse(history.filter.text()),
        page: Page { before: history.before, rows: PAGE },
    }]
}

/// Ask for the chosen record, to show it, or to go on with its conversation.
pub(super) fn choose(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.history.reads = false;
    get(client)
}

/// Ask for the chosen record, to read it.
pub(super) fn open(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.history.reads = true;
    get(client)
}

fn get(client: &Client<'_>) -> Vec<Effect> {
    let chosen = client.ui.history.entries.get(client.ui.history.chosen).filter(|_| is_open(client));
    chosen.map(|entry| Effect::GetRecord(entry.id)).into_iter().collect()
}

/// A record came: an answer's conversation goes on, another one is shown.
fn got(client: &mut Client<'_>, record: Option<&Record>) -> Vec<Effect> {
    let Some(record) = record else {
        client.notify("this record no longer exists", true);
        return Vec::new();
    };
    if !client.ui.history.reads
        && let Some(effects) = chats::resume_record(client, record)
    {
        return effects;
    }
    let title = format!("{} {} · {}", record.kind().name(), record.id, record.title);
    let view = match &record.body {
        Body::Run(_) => RecordView::Text,
        Body::Race(race) | Body::Vote(race) => RecordView::Race(race.clone()),
        Body::Bench(bench) => RecordView::Bench(bench.clone()),
        Body::Suite(suite) => RecordView::Suite(suite.clone()),
    };
    client.ui.overlay = Some(Overlay::Record { title, text: report::plain_text(record), view, scroll: 0 });
    Vec::new()
}

/// Mark the selected record, or unmark it.
pub(super) fn mark(client: &mut Client<'_>) -> Vec<Effect> {
    let list = &mut client.ui.history;
    let Some(entry) = list.entries.get(list.chosen) else { return Vec::new() };
    if !list.marks.turn(entry.id, format!("{} {}", entry.kind.name(), entry.id)) {
        client.notify(TOO_MANY_MARKS, true);
    }
    Vec::new()
}

/// Ask whether to delete the marked records, or the selected one where none is marked.
pub(super) fn delete(client: &mut Client<'_>) -> Vec<Effect> {
    if let Some(told) = client.ui.told_records().filter(|_| is_open(client)) {
        let question = format!("Delete {told}, from the history for good?");
        let all = client.ui.history.marks.keys().map(|id| What::DeleteRecord(*id)).collect();
        client.ui.overlay = Some(Overlay::Confirm { question, then: Then::Commands(all) });
        return Vec::new();
    }
    let Some(entry) = client.ui.history.entries.get(client.ui.history.chosen).filter(|_| is_open(client)) else {
        return Vec::new();
    };
    let question = format!("Delete {} {} ({}) from the history for good?", entry.kind.name(), entry.id, entry.title);
    client.ui.overlay = Some(Overlay::Confirm { question, then: What::DeleteRecord(entry.id).into() });
    Vec::new()
}

/// Ask whether to reveal the names of the selected blind race.
pub(super) fn reveal(client: &mut Client<'_>) -> Vec<Effect> {
    match client.ui.history.entries.get(client.ui.history.chosen).filter(|_| is_open(client)) {
        Some(entry) if entry.is_sealed => {
            let question = format!("Reveal the names of race {} ({}) without a vote?", entry.id, entry.title);
            client.ui.overlay = Some(Overlay::Confirm { question, then: What::RevealRace(entry.id).into() });
        }
        _ => client.notify("no names are hidden here", true),
    }
    Vec::new()
}

/// Esc: the filter goes first, then the marks, then the tab.
pub(super) fn back(client: &mut Client<'_>) -> Vec<Effect> {
    if client.ui.history.filtering || !client.ui.history.filter.is_empty() {
        client.ui.history.filtering = false;
        client.ui.history.filter = Editor::default();
        return ask(client);
    }
    if !client.ui.history.marks.is_empty() {
        client.ui.history.marks.clear();
        return Vec::new();
    }
    client.ui.bench_tab = BenchTab::Benches;
    Vec::new()
}
