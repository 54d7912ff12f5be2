//! Conversations: kept, gone on with, their last turns said again; settings that change while a session runs.

use wire::{Channel, Finish, Prompt, Role};

use super::{Program, finished, generate, text};
use crate::ui::{Action, Form, FormPurpose, Mode, Overlay, RecordView};
use domain::conversation::Conversation;
use domain::event::HistoryEvent;
use domain::record::{Body, Record, RunRecord, TurnRecord};
use domain::session::WorkerId;
use domain::settings::ContextFull;
use domain::{Effect, Event};

const MEMORY: u64 = 64_000_000_000;

/// Ask, and have the answer come.
fn exchange(program: &mut Program, worker: WorkerId, prompt: &str, answer: &str) {
    let generation = program.ask(prompt);
    answered(program, worker, generation, answer);
}

fn answered(program: &mut Program, worker: WorkerId, generation: u64, answer: &str) {
    program.said(worker, text(generation, Channel::Answer, answer, 1));
    program.said(worker, finished(generation, Finish::Stop));
}

fn told(effects: &[Effect]) -> Vec<(Role, String)> {
    let Some(Prompt::Chat(chat)) = generate(effects).map(|generate| generate.prompt) else { return Vec::new() };
    chat.messages.iter().map(|message| (message.role, message.text().into_owned())).collect()
}

/// The last version of the conversation that was kept last.
fn kept(program: &Program) -> Conversation {
    let last = program.effects.iter().rev().find_map(|effect| match effect {
        Effect::SaveConversation(conversation) => Some((**conversation).clone()),
        _ => None,
    });
    last.expect("a conversation that is kept")
}

fn said(conversation: &Conversation) -> Vec<&str> {
    conversation.turns.iter().map(|turn| turn.text.as_str()).collect()
}

fn turns(program: &Program) -> Vec<&str> {
    program.state.domain.sessions[0].turns.iter().map(|turn| turn.text.as_str()).collect()
}

fn editor(program: &Program) -> &str {
    let id = program.state.ui.fleet.chosen.unwrap();
    program.state.ui.fleet.prompts.get(&id).map_or("", |editor| editor.text())
}

#[test]
fn a_conversation_is_kept_as_it_grows_and_a_new_chat_is_another_one() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    exchange(&mut program, worker, "one", "1");
    let first = kept(&program);
    assert_eq!((said(&first), first.title().as_str()), (vec!["one", "1"], "one"));
    assert_eq!(first.turns[1].figures.map(|figures| figures.generated_tokens), Some(0));
    exchange(&mut program, worker, "two", "2");
    assert_eq!((said(&kept(&program)), kept(&program).key), (vec!["one", "1", "two", "2"], first.key));
    program.act(Action::Clear);
    assert!(turns(&program).is_empty());
    exchange(&mut program, worker, "three", "3");
    assert_ne!(kept(&program).key, first.key);
    assert_eq!(said(&kept(&program)), ["three", "3"]);
}

#[test]
fn nothing_is_kept_where_nothing_is_to_be() {
    let mut program = Program::sampled(2, MEMORY);
    program.state.domain.settings.history.keep = false;
    let worker = program.ready("alpha");
    exchange(&mut program, worker, "one", "1");
    assert!(!program.effects.iter().any(|effect| matches!(effect, Effect::SaveConversation(_))));
}

#[test]
fn the_last_turns_can_be_said_again() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    exchange(&mut program, worker, "one", "1");
    exchange(&mut program, worker, "two", "2");
    program.act(Action::Back);
    // The answer once more.
    let effects = program.act(Action::Regenerate);
    assert_eq!(told(&effects).len(), 3);
    answered(&mut program, worker, generate(&effects).unwrap().id, "II");
    assert_eq!(turns(&program), ["one", "1", "two", "II"]);
    // A prompt that is changed; what followed it goes.
    program.act(Action::EditPrompt);
    assert_eq!((editor(&program), program.state.mode()), ("two", Mode::Prompt));
    program.act(Action::CursorUp);
    assert_eq!(editor(&program), "one", "up goes to the prompt before");
    program.act(Action::CursorDown);
    assert_eq!(editor(&program), "two");
    program.act(Action::CursorUp);
    program.type_in(" more");
    let effects = program.act(Action::Send);
    assert_eq!(told(&effects), [(Role::User, "one more".to_owned())]);
    assert!(program.state.ui.fleet.editing.is_none());
    answered(&mut program, worker, generate(&effects).unwrap().id, "1+");
    assert_eq!(turns(&program), ["one more", "1+"]);
    // Deleted, once that is confirmed.
    program.act(Action::DeleteTurn);
    assert_eq!(turns(&program).len(), 2);
    program.act(Action::Yes);
    assert!(turns(&program).is_empty());
    assert!(matches!(program.effects.last(), Some(Effect::DeleteConversation(_))), "nothing is left of it");
}

#[test]
fn a_prompt_that_is_left_unchanged_gives_back_what_was_typed() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    exchange(&mut program, worker, "one", "1");
    program.type_in("half a prom");
    program.act(Action::EditPrompt);
    assert_eq!(editor(&program), "one");
    program.act(Action::Back);
    assert_eq!((editor(&program), program.state.mode()), ("half a prom", Mode::Prompt));
    assert_eq!(turns(&program), ["one", "1"]);
}

#[test]
fn up_and_down_in_an_empty_prompt_walk_through_earlier_ones() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    exchange(&mut program, worker, "one", "1");
    exchange(&mut program, worker, "two\nlines", "2");
    for (action, expected) in [
        (Action::CursorUp, "two\nlines"),
        // Through its lines first.
        (Action::CursorUp, "two\nlines"),
        (Action::CursorUp, "one"),
        (Action::CursorUp, "one"),
        (Action::CursorDown, "two\nlines"),
        (Action::CursorDown, ""),
        (Action::CursorDown, ""),
    ] {
        program.act(action);
        assert_eq!(editor(&program), expected, "{action:?}");
    }
    program.type_in("typed");
    program.act(Action::CursorUp);
    assert_eq!(editor(&program), "typed");
}

#[test]
fn a_conversation_goes_on_in_a_session_of_its_model() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    exchange(&mut program, worker, "one", "1");
    let first = kept(&program);
    program.act(Action::Clear);
    exchange(&mut program, worker, "another", "2");
    program.act(Action::Back);
    // From the list.
    program.act(Action::Chats);
    let generation = program.state.ui.chats.generation;
    let entries = vec![first.entry(7)];
    program.happens(Event::History(HistoryEvent::Conversations { generation, entries, more: false }));
    assert_eq!(program.state.mode(), Mode::Chats);
    program.act(Action::Choose);
    assert!(program.screen.contains(&crate::ui::Effect::GetConversation(first.key)));
    program.happens(Event::History(HistoryEvent::Conversation(Some(Box::new(first.clone())))));
    assert_eq!(program.state.domain.sessions.len(), 1, "the session that is there takes it");
    assert_eq!((turns(&program), program.state.mode()), (vec!["one", "1"], Mode::Prompt));
    let effects = {
        program.type_in("more");
        program.act(Action::Send)
    };
    assert_eq!(told(&effects).len(), 3);
    answered(&mut program, worker, generate(&effects).unwrap().id, "3");
    assert_eq!((kept(&program).key, kept(&program).turns.len()), (first.key, 4));
}

#[test]
fn a_conversation_whose_model_is_gone_can_be_read() {
    let mut program = Program::sampled(2, MEMORY);
    let mut conversation = Conversation::default();
    conversation.model.id = Some("gone".into());
    program.state.ui.chats.wanted = [crate::ui::Wanted::Continue(None)].into();
    program.happens(Event::History(HistoryEvent::Conversation(Some(Box::new(conversation)))));
    let overlay = program.state.ui.overlay.as_ref();
    assert!(matches!(overlay, Some(Overlay::Record { view: RecordView::Conversation(_), .. })), "{overlay:?}");
    assert!(program.state.ui.notices.back().unwrap().text.contains("no longer on this machine"));
}

#[test]
fn enter_on_an_answer_of_the_history_goes_on_with_it() {
    let mut program = Program::sampled(2, MEMORY);
    let turn = TurnRecord { role: Role::User, text: "why?".into(), tool_calls: Vec::new(), tool_call_id: None };
    let mut run = RunRecord { turns: vec![turn], ..RunRecord::default() };
    run.document.model.id = Some("alpha".into());
    run.document.text = Some("because".into());
    let record = Record { id: 3, ..Record::new(1, "why?".into(), Body::Run(Box::new(run))) };
    program.happens(Event::History(HistoryEvent::Record(Some(Box::new(record)))));
    assert_eq!(turns(&program), ["why?", "because"]);
    assert_eq!(program.state.mode(), Mode::Prompt);
    // A race shows its columns.
    let race = Record { id: 4, ..Record::new(1, "why?".into(), Body::Race(Box::default())) };
    program.happens(Event::History(HistoryEvent::Record(Some(Box::new(race)))));
    assert!(matches!(program.state.ui.overlay, Some(Overlay::Record { view: RecordView::Race(_), .. })));
}

fn form(program: &Program) -> &Form {
    match &program.state.ui.overlay {
        Some(Overlay::Form(form)) => form,
        other => panic!("no form: {other:?}"),
    }
}

/// Choose the row of this name, and type a value.
fn fill(program: &mut Program, name: &str, value: &str) {
    let place = form(program).fields().iter().position(|field| field.name == name).unwrap();
    for _ in form(program).chosen..place {
        program.act(Action::Down);
    }
    program.type_in(value);
}

#[test]
fn settings_of_a_session_change_as_it_runs_and_a_reload_is_asked_for() {
    let mut program = Program::sampled(2, MEMORY);
    program.ready("alpha");
    program.act(Action::Back);
    program.act(Action::Configure);
    assert!(matches!(form(&program).purpose, FormPurpose::Session(_)));
    assert_eq!(form(&program).field().unwrap().name, "system");
    program.type_in("Be brief.");
    assert_eq!(form(&program).input.text(), "Be brief.", "what is typed takes the value's place");
    program.type_in("!");
    assert_eq!(form(&program).input.text(), "Be brief.!");
    program.act(Action::Backspace);
    fill(&mut program, "temperature", "0.5");
    fill(&mut program, "context", "1024");
    let effects = program.act(Action::Choose);
    assert!(effects.is_empty(), "nothing is reloaded unasked: {effects:?}");
    let session = &program.state.domain.sessions[0];
    assert_eq!(session.settings.sampling.temperature, Some(0.5));
    assert_eq!(session.chat.system.as_deref(), Some("Be brief."));
    assert_ne!(session.settings.context, 1024);
    let question = match &program.state.ui.overlay {
        Some(Overlay::Confirm { question, .. }) => question.clone(),
        other => panic!("no question: {other:?}"),
    };
    assert!(question.starts_with("context needs the model to be loaded again"), "{question}");
    program.act(Action::No);
    let asked = {
        program.act(Action::Choose);
        program.type_in("hello");
        program.act(Action::Send)
    };
    assert_eq!(told(&asked)[0], (Role::System, "Be brief.".to_owned()));
    assert_eq!(generate(&asked).unwrap().sampling.temperature, Some(0.5));
}

#[test]
fn a_wrong_value_stays_in_the_form() {
    let mut program = Program::sampled(2, MEMORY);
    program.ready("alpha");
    program.act(Action::Configure);
    fill(&mut program, "template_options", "[1]");
    program.act(Action::Choose);
    assert!(form(&program).error.as_deref().unwrap().contains("JSON object"));
}

#[test]
fn a_reload_that_is_wanted_keeps_the_conversation() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    exchange(&mut program, worker, "one", "1");
    program.act(Action::Configure);
    fill(&mut program, "context", "1024");
    program.act(Action::Choose);
    let effects = program.act(Action::Yes);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Spawn { load, .. } if load.n_ctx == 1024)),
        "{effects:?}"
    );
    assert_eq!(turns(&program), ["one", "1"]);
}

#[test]
fn the_system_prompt_of_the_form_goes_with_the_session_that_it_starts() {
    let mut program = Program::sampled(2, MEMORY);
    program.act(Action::Library);
    program.act(Action::Configure);
    fill(&mut program, "system", "Be kind.");
    program.act(Action::Choose);
    assert_eq!(program.state.domain.sessions[0].chat.system.as_deref(), Some("Be kind."));
}

#[test]
fn a_shift_is_asked_for_where_it_is_set() {
    for (context_full, expected) in [(ContextFull::Shift, true), (ContextFull::DropOldest, false)] {
        let mut program = Program::sampled(2, MEMORY);
        program.ready("alpha");
        program.state.domain.sessions[0].settings.context_full = context_full;
        program.type_in("one");
        let effects = program.act(Action::Send);
        assert_eq!(generate(&effects).unwrap().context_shift, expected);
    }
}

#[test]
fn code_blocks_are_copied_from_the_last_one_back() {
    let mut program = Program::sampled(2, MEMORY);
    let worker = program.ready("alpha");
    exchange(&mut program, worker, "code", "```py\nfirst()\n```\n\n```\nsecond()\n```\n");
    for expected in ["second()\n", "first()\n", "second()\n"] {
        program.screen.clear();
        program.act(Action::CopyCode);
        assert_eq!(program.screen, [crate::ui::Effect::Copy(expected.to_owned())]);
    }
}

#[test]
fn what_was_written_in_an_editor_takes_the_place_of_the_prompt() {
    let mut program = Program::sampled(2, MEMORY);
    program.ready("alpha");
    program.type_in("draft");
    program.act(Action::ExternalEditor);
    assert!(program.screen.contains(&crate::ui::Effect::EditExternally("draft".to_owned())));
    program.happens(crate::ui::Event::Edited("whole\ntext".into()));
    assert_eq!(editor(&program), "whole\ntext");
    program.act(Action::Undo);
    assert_eq!(editor(&program), "draft");
}
