use std::collections::BTreeMap;

use wire::Role;

use super::*;
use crate::figure::{Grade, Graded};
use crate::moment::Moment;
use crate::record::{Body, Finished, Record, RunRecord, TurnRecord};
use crate::session::{End, Turn};
use crate::settings::{ChatSettings, SessionSettings};

fn turn(role: Role, text: &str) -> SavedTurn {
    SavedTurn { role, text: text.to_owned(), ..SavedTurn::default() }
}

fn conversation() -> Conversation {
    let joules = Some(Graded { value: 12.0, grade: Some(Grade::Apportioned), relative: Some(0.25) });
    let figures = SavedFigures {
        generated_tokens: 11,
        ttft_ms: Some(100.0),
        generation_ms: 1000.0,
        context_tokens: 40,
        joules,
        ..SavedFigures::default()
    };
    let answer = SavedTurn {
        reasoning: "hm".to_owned(),
        finish: Some(Finished::Length),
        figures: Some(figures),
        ..turn(Role::Assistant, "Because.\n\n```rust\nfn main() {}\n```")
    };
    Conversation {
        key: ConversationKey(5),
        created_ms: 1_700_000_000_000,
        chat: ChatSettings { system: Some("Be brief.".to_owned()), ..ChatSettings::default() },
        options: BTreeMap::from([("temperature".to_owned(), "0.5".to_owned())]),
        turns: vec![turn(Role::User, "Why? \u{1b}[31m"), answer],
        ..Conversation::default()
    }
}

#[test]
fn a_conversation_reads_back_what_it_writes() {
    let text = serde_json::to_string(&conversation()).unwrap();
    assert_eq!(Conversation::read(&text).unwrap(), conversation());
    assert!(text.contains("\"joules_grade\":\"apportioned\""), "{text}");
    // What an earlier version did not know is as if it were left out.
    let read = Conversation::read(r#"{"version":1,"turns":[{"role":"user","text":"a"}]}"#).unwrap();
    assert_eq!(read.turns, [turn(Role::User, "a")]);
    let error = Conversation::read(r#"{"version":99}"#).unwrap_err().to_string();
    assert_eq!(error, "it is of version 99, and this program knows 1 at most");
}

#[test]
fn turns_are_restored_with_their_ends_and_figures() {
    let turns = conversation().restore();
    assert_eq!(turns[0], Turn::new(Role::User, "Why? \u{1b}[31m".to_owned()));
    assert_eq!(turns[1].end, Some(End::Finished(wire::Finish::Length)));
    let figures = turns[1].figures.as_ref().unwrap();
    assert_eq!((figures.counters.n_past, figures.counters.generation_rate()), (40, Some(10.0)));
    assert!(figures.energy.to_string().starts_with("≈12"), "{}", figures.energy);
    let settings = conversation().settings(SessionSettings::default());
    assert_eq!(settings.sampling.temperature, Some(0.5));
}

#[test]
fn it_is_exported_as_markdown_that_no_terminal_obeys() {
    let text = markdown(&conversation());
    for part in [
        "# Why? [31m",
        "- temperature: 0.5",
        "## System\n\nBe brief.",
        "## You\n\nWhy? [31m",
        "```rust\nfn main() {}\n```",
        "<summary>Reasoning</summary>",
        "*11 tok · 1.1 s · 10.0 tok/s · ≈12.0 J ±25% · cut off at max_tokens*",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_record_of_an_answer_is_a_conversation() {
    let said =
        |role, text: &str| TurnRecord { role, text: text.to_owned(), tool_calls: Vec::new(), tool_call_id: None };
    let mut run =
        RunRecord { turns: vec![said(Role::System, "Be brief."), said(Role::User, "Why?")], ..RunRecord::default() };
    run.document.text = Some("Because.".to_owned());
    run.document.model.id = Some("m".to_owned());
    let record = |run: &RunRecord| Record::new(7, "Why?".to_owned(), Body::Run(Box::new(run.clone())));
    let made = Conversation::of_record(ConversationKey(1), &record(&run)).unwrap();
    let texts: Vec<_> = made.turns.iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!((texts, made.chat.system.as_deref()), (vec!["Why?", "Because."], Some("Be brief.")));
    run.raw = true;
    assert_eq!(Conversation::of_record(ConversationKey(1), &record(&run)), None, "it had no template");
    let race = Record::new(7, String::new(), Body::Race(Box::default()));
    assert_eq!(Conversation::of_record(ConversationKey(1), &race), None);
}

#[test]
fn keys_tell_conversations_apart() {
    let at = |unix, micros| Moment { unix, uptime: std::time::Duration::from_micros(micros) };
    let keys = [(1_800_000_000, 1, 1), (1_800_000_000, 1, 2), (1_800_000_000, 2, 1), (1_800_000_001, 1, 1)]
        .map(|(unix, micros, number)| ConversationKey::new(at(unix, micros), number));
    for (place, key) in keys.iter().enumerate() {
        assert!(key.0 < 1 << 53, "JSON's whole numbers hold it");
        assert_eq!(keys.iter().position(|other| other == key), Some(place));
    }
}

#[test]
fn a_model_is_told_what_fits() {
    let turns = [
        Turn::new(Role::User, "one".to_owned()),
        Turn::new(Role::Assistant, "1".to_owned()),
        Turn::new(Role::User, "two".to_owned()),
    ];
    let texts = |n_dropped| {
        let settings = ChatSettings { system: Some("S".to_owned()), ..ChatSettings::default() };
        let told = chat(&settings, &turns, n_dropped).messages;
        told.iter().map(|message| message.text().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(0), ["S", "one", "1", "two"]);
    assert_eq!(texts(2), ["S", "two"]);
    assert_eq!((next_exchange(&turns, 0), next_exchange(&turns, 2)), (Some(2), None));
    for (n_dropped, max_tokens, expected) in [(0, None, 128), (0, Some(10), 10), (2, None, 0)] {
        assert_eq!(room(&turns, n_dropped, 512, max_tokens), expected);
    }
}
