//! Calls of tools, by the tiny model with the templates of models that call them. It has never seen a tool: a call that
//! comes is one that was forced.

use std::collections::BTreeSet;

use serde_json::Value;
use wire::{Chat, LogitBias, Query, QueryJob, QueryResult, Tool, ToolChoice};

use super::templates::{corpus, with_template};
use super::*;

fn tools() -> Vec<Tool> {
    let tool = |name: &str, description: &str, parameters: &str| Tool {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: parameters.to_owned(),
    };
    vec![
        tool(
            "get_tide",
            "Tells the tide.",
            r#"{"type": "object", "properties": {"harbour": {"type": "string", "enum": ["Falmouth", "Nantucket", "Hafenstraße 月"]}}, "required": ["harbour"]}"#,
        ),
        tool(
            "add",
            "Adds.",
            r#"{"type": "object", "properties": {"a": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["a"]}"#,
        ),
    ]
}

fn asked(id: u64, tool_choice: ToolChoice, max_tokens: u32) -> Generate {
    let messages = vec![Message::new(Role::User, "How high is the tide?")];
    let chat = Chat { tools: tools(), tool_choice, parallel_tool_calls: false, ..Chat::from(messages) };
    let sampling = Sampling { seed: Some(id as u32), ..Sampling::default() };
    Generate { prompt: Prompt::Chat(chat), sampling, ..raw(id, "", max_tokens) }
}

/// What is wrong with a call.
fn check(call: &ToolCall) -> Result<(), String> {
    let Ok(arguments) = serde_json::from_str::<Value>(&call.arguments) else {
        return Err(format!("no JSON: {}", call.arguments));
    };
    let is_right = match call.name.as_str() {
        "get_tide" => {
            ["Falmouth", "Nantucket", "Hafenstraße 月"].contains(&arguments["harbour"].as_str().unwrap_or(""))
        }
        "add" => arguments["a"].as_i64().is_some_and(|a| (1..=9).contains(&a)),
        _ => false,
    };
    if is_right && !call.id.is_empty() { Ok(()) } else { Err(format!("{call:?}")) }
}

fn worker_with(template: &str, folder: &tempfile::TempDir) -> Worker {
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, with_template(template)).unwrap();
    Worker::ready(&Load { path, n_ctx: 16_384, ..small() }).0
}

/// Calls of the 140 that come whole within the tokens of the test: two for each template. One template can't be run without
/// variables of its own, and one model's calls are not read by llama.cpp.
const N_FORCED: usize = 132;

#[test]
fn a_forced_call_comes_with_every_template() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wrong, mut n_calls) = (Vec::new(), 0);
    for found in corpus::templates() {
        let mut worker = worker_with(&found.source, &folder);
        for (id, choice, names) in
            [(1, ToolChoice::Required, &["add", "get_tide"][..]), (2, ToolChoice::Named("add".to_owned()), &["add"])]
        {
            let answer = worker.answer(&asked(id, choice, 400));
            let names: BTreeSet<&str> = names.iter().copied().collect();
            match (&answer.end, answer.calls.as_slice()) {
                (Ok((Finish::Stop, _)), [call]) if names.contains(call.name.as_str()) && check(call).is_ok() => {
                    n_calls += 1;
                }
                (end, calls) => wrong
                    .push(format!("{} {id}: {end:?} {calls:?} {:?} {:?}", found.name, answer.text, answer.reasoning)),
            }
            if let [call] = answer.calls.as_slice() {
                assert_eq!(answer.deltas.concat(), call.arguments, "{}", found.name);
            }
        }
    }
    // A model that has never seen a tool writes on and on where a format lets text, blanks or numbers of any length come
    // first; where it ended by itself the call is whole.
    assert!(
        corpus::templates().is_empty() || n_calls >= N_FORCED,
        "{n_calls} came, these are wrong:\n{}",
        wrong.join("\n")
    );
}

const HERMES: &str = "{% if tools %}<|im_start|>system\n<tools>{% for t in tools %}{{ t | tojson }}\n{% endfor %}</tools>\nCall as <tool_call>\n{\"name\": \"n\", \"arguments\": {}}\n</tool_call><|im_end|>\n{% endif %}{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n</tool_response><|im_end|>\n{% elif m.role == 'assistant' and m.tool_calls %}<|im_start|>assistant\n{{ m.content }}{% for c in m.tool_calls %}<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments | tojson }}}\n</tool_call>\n{% endfor %}<|im_end|>\n{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
const PLAIN: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: ";

/// A chat with something changed.
fn with(generate: Generate, change: impl FnOnce(&mut Chat)) -> Generate {
    let Prompt::Chat(mut chat) = generate.prompt else { panic!("no chat") };
    change(&mut chat);
    Generate { prompt: Prompt::Chat(chat), ..generate }
}

/// The most calls of an answer.
const MAX_CALLS: usize = 16;

#[test]
fn several_calls_come_where_they_may_and_not_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = worker_with(HERMES, &folder);
    let job = QueryJob::Tokenize { text: "<".to_owned(), add_special: false, parse_special: false, with_pieces: false };
    worker.send(&Request::Query(Query { id: 1, job }));
    let Event::Queried(queried) = worker.event() else { panic!("no tokens") };
    let QueryResult::Tokenized { tokens, .. } = queried.result else { panic!("no tokens") };
    // A model that opens a call whenever it may.
    let logit_bias = vec![LogitBias { token: u32::try_from(*tokens.last().unwrap()).unwrap(), bias: 40.0 }];
    for (id, is_parallel, n_calls) in [(2, true, MAX_CALLS), (3, false, 1)] {
        let asked = with(asked(id, ToolChoice::Required, 4000), |chat| chat.parallel_tool_calls = is_parallel);
        let answer = worker.answer(&Generate { logit_bias: logit_bias.clone(), ..asked });
        assert_eq!((answer.finish(), answer.calls.len()), (Finish::Stop, n_calls), "{:?}", answer.calls);
        for call in &answer.calls {
            check(call).unwrap();
        }
        let ids: BTreeSet<&str> = answer.calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids.len(), answer.calls.len(), "ids are distinct");
    }
}

#[test]
fn what_came_of_calls_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for template in [HERMES, PLAIN, ""] {
        let mut worker = worker_with(template, &folder);
        let first = asked(1, ToolChoice::Auto, 5);
        let told = with(asked(2, ToolChoice::Auto, 5), |chat| {
            let call = ToolCall { id: "1".into(), name: "add".into(), arguments: r#"{"a": 1}"#.into() };
            chat.messages.push(Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") });
            chat.messages.push(Message { tool_call_id: Some("1".into()), ..Message::new(Role::Tool, "forty-two") });
        });
        let before = worker.answer(&first);
        assert!(before.calls.is_empty(), "nothing forces one");
        let (before, after) = (before.started.unwrap().n_prompt, worker.answer(&told).started.unwrap().n_prompt);
        assert!(after > before + 10, "{template}: {after} after {before}");
        // Without tools the conversation can still be told.
        let alone = with(told, |chat| chat.tools.clear());
        assert!(worker.answer(&Generate { id: 3, ..alone }).started.unwrap().n_prompt > 10, "{template}");
    }
}

#[test]
fn what_can_not_be_called_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = worker_with(HERMES, &folder);
    let with_parameters = |parameters: &str| {
        let parameters = parameters.to_owned();
        move |chat: &mut Chat| chat.tools[0].parameters.clone_from(&parameters)
    };
    let mut id = 0;
    let mut check = |generate: Generate, said: &str| {
        id += 1;
        let failure = worker.answer(&Generate { id, ..generate }).end.unwrap_err();
        assert!(failure.message.contains(said), "{said}: {failure:?}");
    };
    check(asked(1, ToolChoice::Named("steer".into()), 5), "no tool named steer");
    check(with(asked(1, ToolChoice::Required, 5), |chat| chat.tools.clear()), "there is none");
    check(with(asked(1, ToolChoice::Auto, 5), with_parameters("{")), "not a JSON schema");
    check(with(asked(1, ToolChoice::Auto, 5), |chat| chat.tools = vec![tools()[0].clone(); 1000]), "are the most");
    check(with(asked(1, ToolChoice::Auto, 5), |chat| chat.template_options = Some("[".into())), "not a JSON object");
    let deep = format!("{}{}", r#"{"type":"object","properties":{"a":"#.repeat(5_000), "}}".repeat(5_000));
    let deep = with(asked(1, ToolChoice::Required, 5), with_parameters(&deep));
    assert!(worker.answer(&Generate { id: 77, ..deep }).end.is_err());
    // What is refused costs nothing but itself, and no choice of tools is none.
    let none = worker.answer(&Generate { id: 100, ..asked(100, ToolChoice::None, 5) });
    assert_eq!(none.finish(), Finish::Length);
}

#[test]
fn a_call_that_is_cut_off_tells_what_there_is_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = worker_with(HERMES, &folder);
    let whole = worker.answer(&asked(1, ToolChoice::Required, 400));
    let n_tokens = whole.counters().n_generated;
    for n_cut in 1..n_tokens {
        let cut = worker.answer(&Generate { id: u64::from(n_cut) + 1, ..asked(1, ToolChoice::Required, n_cut) });
        // One that comes near the limit is brought to its end.
        assert!(matches!(cut.finish(), Finish::Length | Finish::Stop), "{n_cut}");
        for call in &cut.calls {
            let is_begun = whole.calls[0].arguments.starts_with(&call.arguments);
            assert!(is_begun || check(call).is_ok() || cut.finish() == Finish::Length, "{n_cut}: {call:?}");
        }
    }
}

/// Templates as small models have them, of which none knows tools, and the starters.
#[test]
fn a_forced_call_comes_from_a_model_that_knows_no_tools() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let concatenating = "{% for m in messages %}{{ m['content'] }}{% endfor %}";
    let mut wrong = Vec::new();
    for template in [Some(concatenating), Some(PLAIN), Some(HERMES), Some(""), None] {
        let load = match template {
            Some(template) => {
                std::fs::write(&path, with_template(template)).unwrap();
                Load { path: path.clone(), n_ctx: 2048, ..small() }
            }
            None => Load { path: starter("ishmael-4m-Q8_0.gguf"), n_ctx: 2048, ..small() },
        };
        let (mut worker, _) = Worker::ready(&load);
        for id in 1..12 {
            let choice = if id % 2 == 0 { ToolChoice::Required } else { ToolChoice::Named("get_tide".to_owned()) };
            let is_parallel = id % 3 == 0;
            let asked = with(asked(id, choice.clone(), 400), |chat| chat.parallel_tool_calls = is_parallel);
            let answer = worker.answer(&asked);
            let is_whole = answer.finish() == Finish::Stop
                && answer.text.trim().is_empty()
                && answer.calls.iter().all(|call| check(call).is_ok())
                && answer.calls.iter().all(|call| choice == ToolChoice::Required || call.name == "get_tide");
            let is_right_many = match choice {
                ToolChoice::Required if is_parallel => !answer.calls.is_empty(),
                _ => answer.calls.len() == 1,
            };
            if !is_whole || !is_right_many {
                wrong.push(format!("{template:?} {id}: {:?} {:?} {:?}", answer.finish(), answer.calls, answer.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cancel_ends_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = worker_with(HERMES, &folder);
    // Each token is told, and comes when it is let.
    let credits = Generate { credits: Some(1), n_top_logprobs: 1, ..asked(1, ToolChoice::Required, 400) };
    worker.send(&Request::Generate(credits));
    let mut n_sent = 0;
    let mut calls = Vec::new();
    let finish = loop {
        match worker.event() {
            Event::Text { tool_calls, .. } => wire::add_deltas(&mut calls, tool_calls, (9, 1 << 20)),
            Event::Finished { finish, .. } => break finish,
            Event::Failed(failure) => panic!("{failure:?}"),
            _ => {}
        }
        if calls.is_empty() {
            n_sent += 1;
            worker.send(&Request::Continue { id: 1, n_tokens: 1 });
            assert!(n_sent < 400, "no call comes");
        } else {
            worker.send(&Request::Cancel { id: 1 });
        }
    };
    assert_eq!(finish, Finish::Cancelled);
    assert_eq!(worker.answer(&asked(2, ToolChoice::Required, 400)).finish(), Finish::Stop);
}

#[test]
fn a_template_that_never_ends_is_stopped_before_llama_cpp_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    for template in [
        "{% if tools %}{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}{% endif %}{{ messages[0].content }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{{ messages[0].content }}",
    ] {
        let mut worker = worker_with(template, &folder);
        let answer = worker.answer(&asked(1, ToolChoice::Auto, 5));
        // As text the tools are told without the template's own branch, where that is sound.
        assert!(answer.end.is_ok() == template.starts_with("{% if tools"), "{template}: {:?}", answer.end);
    }
}
