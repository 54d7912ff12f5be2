//! Conversations, and records as they open.

use wire::Role;

use super::busy;
use crate::ui::{Overlay, RecordView, State};
use domain::conversation::{Conversation, ConversationEntry, ConversationKey, SavedTurn};
use domain::figure::Grade;
use domain::record::{
    BenchDocument, BenchRecord, BenchRow, Finished, ModelRef, RaceColumn, RaceDocument, RaceRecord, TokenCounts,
};
use domain::session::SessionId;
use domain::settings::ChatSettings;

/// The list, with a conversation that a session has.
pub(super) fn list() -> State {
    let mut state = busy();
    let now = state.domain.now.unix * 1000;
    let entry =
        |number: i64, name: Option<&str>, title: &str, model: &str, minutes: i64, n_prompts: u64| ConversationEntry {
            number,
            key: ConversationKey(number.unsigned_abs()),
            name: name.map(str::to_owned),
            title: title.to_owned(),
            model: format!("hf:{model}"),
            model_name: model.to_owned(),
            created_ms: now - minutes * 60_000,
            updated_ms: now - minutes * 60_000,
            n_prompts,
        };
    state.ui.chats.entries = vec![
        entry(12, None, "Why is the sky blue?", "qwen3-8b", 0, 3),
        entry(11, Some("Release notes"), "Write release notes for", "qwen3-8b", 42, 11),
        entry(9, None, "A haiku about 月食, in three lines", "gemma-3-1b-it", 3000, 1),
    ];
    state.ui.chats.chosen = 1;
    state.ui.chats.shown = true;
    state.ui.fleet.chosen = Some(SessionId(1));
    state
}

/// A conversation as it is read.
pub(super) fn conversation() -> Overlay {
    let turn = |role, text: &str| SavedTurn { role, text: text.to_owned(), ..SavedTurn::default() };
    let conversation = Conversation {
        name: Some("Release notes".to_owned()),
        model: ModelRef { name: Some("qwen3-8b".to_owned()), ..ModelRef::default() },
        chat: ChatSettings { system: Some("Be brief.".to_owned()), ..ChatSettings::default() },
        n_dropped: 2,
        turns: vec![
            turn(Role::User, "What changed?"),
            turn(Role::Assistant, "## Changes\n\n- **Chats** last\n- `c` changes settings"),
            turn(Role::User, "And in code?"),
            turn(Role::Assistant, "```rust\nfn main() {\n    chats();\n}\n```"),
        ],
        ..Conversation::default()
    };
    Overlay::Record {
        title: conversation.label(),
        text: String::new(),
        view: RecordView::Conversation(Box::new(conversation)),
        scroll: 0,
    }
}

/// A race of the history.
pub(super) fn race() -> Overlay {
    let column = |name: &str, text: &str, rate: f64| RaceColumn {
        name: name.to_owned(),
        text: Some(text.to_owned()),
        finish: Some(Finished::Stop),
        tokens: TokenCounts { generated: Some(24), ..TokenCounts::default() },
        ttft_ms: Some(180.0),
        generation_tokens_per_second: Some(rate),
        ..RaceColumn::default()
    };
    let document = RaceDocument {
        prompt: "Why is the sky blue?".to_owned(),
        columns: vec![
            column("qwen3-8b", "Sunlight is scattered by the air, **blue** light most of all.", 42.7),
            column("gemma-3-1b-it", "1. Light comes in\n2. Blue is scattered\n3. It comes from everywhere", 96.1),
        ],
        ..RaceDocument::default()
    };
    let race = Box::new(RaceRecord { document, ..RaceRecord::default() });
    let title = "race 4 · Why is the sky blue?".to_owned();
    Overlay::Record { title, text: String::new(), view: RecordView::Race(race), scroll: 0 }
}

/// A bench of the history.
pub(super) fn bench() -> Overlay {
    let row = |test: &str, rate: f64| BenchRow {
        name: Some("qwen3-8b".to_owned()),
        test: test.to_owned(),
        tokens_per_second: Some(rate),
        half_width_95: Some(rate / 50.0),
        joules_per_token: Some(0.41),
        joules_grade: Grade::Apportioned.word().to_owned(),
        ..BenchRow::default()
    };
    let document = BenchDocument {
        machine: "AMD Ryzen 9 7950X, 32 threads".to_owned(),
        rows: vec![row("pp512", 812.0), row("tg128", 42.7)],
        ..BenchDocument::default()
    };
    let bench = Box::new(BenchRecord { document, ..BenchRecord::default() });
    Overlay::Record {
        title: "bench 5 · pp512, tg128".to_owned(),
        text: String::new(),
        view: RecordView::Bench(bench),
        scroll: 0,
    }
}
