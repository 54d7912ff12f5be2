//! Marks of conversations, records and suites: how many and which, also those that a filter hides.

use std::path::PathBuf;
use std::sync::Arc;

use super::Program;
use crate::ui::{Action, Overlay, SuiteEntry};
use domain::conversation::{ConversationEntry, ConversationKey};
use domain::event::HistoryEvent;
use domain::lab::suite::run::SuiteFile;
use domain::record::{Entry, Kind};
use domain::{Effect, Event};

fn question(program: &Program) -> &str {
    match &program.state.ui.overlay {
        Some(Overlay::Confirm { question, .. }) => question,
        other => panic!("no question: {other:?}"),
    }
}

fn entry(number: i64, title: &str) -> ConversationEntry {
    ConversationEntry {
        number,
        key: ConversationKey(number.unsigned_abs()),
        name: None,
        title: title.to_owned(),
        model: "alpha".to_owned(),
        model_name: "alpha".to_owned(),
        created_ms: number,
        updated_ms: number,
        n_prompts: 1,
    }
}

/// The conversations' list, with these.
fn list_chats(program: &mut Program, entries: &[ConversationEntry]) {
    let generation = program.state.ui.chats.generation;
    let entries = entries.to_vec();
    program.happens(Event::History(HistoryEvent::Conversations { generation, entries, more: false }));
}

#[test]
fn marked_conversations_are_deleted_and_exported_together() {
    let mut program = Program::new();
    program.act(Action::Chats);
    let all = [entry(3, "whales"), entry(2, "ships"), entry(1, "tea")];
    list_chats(&mut program, &all);
    program.act(Action::Mark);
    program.act(Action::Down);
    program.act(Action::Mark);
    assert_eq!(program.state.n_marked(), (2, 0));
    // A search that hides one of them.
    program.act(Action::Filter);
    program.type_in("ships");
    list_chats(&mut program, &all[1..2]);
    program.act(Action::Choose);
    assert_eq!(program.state.n_marked(), (2, 1));
    program.act(Action::DeleteSelected);
    let expected = "Delete 2 marked conversations: whales, ships; not shown here: whales, for good?";
    assert_eq!(question(&program), expected);
    let effects = program.act(Action::Yes);
    let deleted: Vec<_> = effects.iter().filter(|effect| matches!(effect, Effect::DeleteConversation(_))).collect();
    assert_eq!(deleted.len(), 2, "{effects:?}");
    assert_eq!(program.state.n_marked(), (0, 0), "what is gone is not marked");
    // Esc: the search, the marks, the list.
    program.act(Action::Mark);
    program.act(Action::Back);
    list_chats(&mut program, &all[2..]);
    assert_eq!(program.state.n_marked().0, 1);
    program.act(Action::Back);
    assert_eq!(program.state.n_marked().0, 0);
    assert!(program.state.ui.chats.shown);
    program.act(Action::Back);
    assert!(!program.state.ui.chats.shown);
}

#[test]
fn marked_records_are_deleted_together() {
    let mut program = Program::new();
    program.act(Action::History);
    let entry = |id| Entry {
        id,
        kind: Kind::Bench,
        at: id,
        models: Vec::new(),
        title: String::new(),
        rate: None,
        joules: None,
        is_sealed: false,
    };
    let generation = program.state.ui.history.generation;
    let entries = vec![entry(9), entry(8), entry(7)];
    program.happens(Event::History(HistoryEvent::Listed { generation, entries, more: false }));
    program.act(Action::Mark);
    program.act(Action::Last);
    program.act(Action::Mark);
    program.act(Action::DeleteSelected);
    assert_eq!(question(&program), "Delete 2 marked records: bench 9, bench 7, from the history for good?");
    let effects = program.act(Action::Yes);
    assert!(matches!(effects[..], [Effect::DeleteRecord(9), Effect::DeleteRecord(7)]), "{effects:?}");
    program.happens(Event::History(HistoryEvent::Deleted { id: 9, vote: None }));
    assert_eq!(program.state.n_marked(), (1, 0));
    program.act(Action::UnmarkAll);
    assert_eq!(program.state.n_marked(), (0, 0));
}

const SUITE: &str = "name = \"NAME\"\n[[prompt]]\ntext = \"one and one?\"\nchecks = [{ number = 2 }]\n";

fn suite(name: &str) -> SuiteEntry {
    let file = PathBuf::from(format!("{name}.toml"));
    let suite = SuiteFile::parse(file.clone(), SUITE.replace("NAME", name)).map(Arc::new);
    SuiteEntry { name: name.to_owned(), file, suite: suite.map_err(|error| error.to_string()) }
}

#[test]
fn marked_suites_run_one_after_another_until_one_is_cancelled() {
    for is_cancelled in [false, true] {
        let mut program = Program::sampled(4, 10_000_000_000);
        program.act(Action::Library);
        program.act(Action::Suites);
        program.happens(crate::ui::Event::Suites(vec![suite("one"), suite("two"), suite("three")]));
        program.act(Action::Mark);
        program.act(Action::Down);
        program.act(Action::Mark);
        program.act(Action::Choose);
        let running = |program: &Program| program.state.domain.suite.as_ref().unwrap().suite().name.clone();
        assert_eq!((running(&program).as_str(), program.state.ui.suites.queue.len()), ("one", 1));
        assert!(program.state.ui.suites.marks.is_empty());
        if is_cancelled {
            program.act(Action::Back);
        } else {
            // It is over, since none of its answers can be had.
            let id = program.state.domain.suite.as_ref().unwrap().id;
            program.happens(Event::SuiteLoaded { run: id, result: Err("the disk is gone".to_owned()) });
        }
        program.happens(Event::Elapsed);
        let next = if is_cancelled { "one" } else { "two" };
        assert_eq!((running(&program).as_str(), program.state.ui.suites.queue.len()), (next, 0));
    }
}

#[test]
fn models_that_a_filter_hides_are_told() {
    let mut program = Program::new();
    program.act(Action::Library);
    program.act(Action::Mark);
    program.act(Action::Filter);
    program.type_in("beta");
    program.act(Action::Choose);
    assert_eq!(program.state.n_marked(), (1, 1));
    let effects = program.act(Action::DeleteSelected);
    assert!(program.state.ui.notices.iter().any(|notice| notice.text.contains("not shown here: alpha")));
    assert!(!effects.is_empty());
}
