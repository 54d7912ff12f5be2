//! All templates of llama.cpp's `models/templates`: prompts with tools, calls as each of them writes them, reasoning.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use wire::{Channel, Message, Role, Tool, ToolCall};

use super::follow::News;
use super::*;
use crate::template::corpus_tests::corpus;
use crate::think::{FORMATS, Splitter};

const BOS: &str = "<s>";
const EOS: &str = "</s>";

/// `tests/jinja/tools.json`.
#[derive(Deserialize)]
struct Said {
    tools: Vec<Offered>,
    conversations: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
struct Offered {
    function: OfferedFunction,
}

#[derive(Deserialize)]
struct OfferedFunction {
    name: String,
    description: String,
    parameters: Box<serde_json::value::RawValue>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn message(said: &Value) -> Message {
    let role = match said["role"].as_str() {
        Some("system") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => Role::Tool,
    };
    let call = |call: &Value| ToolCall {
        id: text(&call["id"]),
        name: text(&call["function"]["name"]),
        arguments: call["function"]["arguments"].to_string(),
    };
    Message {
        tool_calls: said["tool_calls"].as_array().into_iter().flatten().map(call).collect(),
        tool_call_id: said["tool_call_id"].as_str().map(str::to_owned),
        name: said["name"].as_str().map(str::to_owned),
        ..Message::new(role, text(&said["content"]))
    }
}

/// The conversations with tools, by name.
fn conversations() -> BTreeMap<String, Chat> {
    let said: Said = serde_json::from_str(include_str!("../../tests/jinja/tools.json")).unwrap();
    let tools: Vec<Tool> = said.tools.into_iter().map(|tool| tool.function).map(tool).collect();
    let chat = |messages: Vec<Value>| Chat { tools: tools.clone(), ..messages.iter().map(message).collect() };
    said.conversations.into_iter().map(|(name, messages)| (name, chat(messages))).collect()
}

fn tool(offered: OfferedFunction) -> Tool {
    let OfferedFunction { name, description, parameters } = offered;
    Tool { name, description, parameters: parameters.get().to_owned() }
}

/// The hashes of what Jinja2 makes of them, by template and conversation.
fn expected() -> BTreeMap<String, BTreeMap<String, [Option<String>; 2]>> {
    serde_json::from_str(include_str!("../../tests/jinja/corpus_tools.json")).unwrap()
}

fn native_of(source: &str) -> Result<Native, TemplateError> {
    Native::new(Template::new(source, BOS, EOS))
}

/// A chat through llama.cpp; `None` if the model has to be given the tools as text.
fn prepared(native: &Native, chat: &Chat) -> Result<Option<(Inputs, Applied)>, TemplateError> {
    let is_forced = matches!(chat.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    let tools = chosen(chat)?;
    if !native.knows(chat, &tools) {
        return Ok(None);
    }
    let inputs = inputs(chat, &tools, is_forced)?;
    let applied = template::on_large_stack(|| native.templates.apply(&inputs).map_err(failed))?;
    Ok(Some((inputs, applied)))
}

/// Templates that print the time, which `common/chat` takes from the system clock.
fn tells_time(source: &str) -> bool {
    ["strftime_now", "date_string", "datetime", "current_date"].iter().any(|word| source.contains(word))
}

/// Of the 350 prompts, five per template, those that equal Jinja2's. Of the others 49 have tools as text, 3 refuse two
/// calls at once, and most print the date, which llama.cpp takes from the clock.
const N_EQUAL: usize = 239;

#[test]
fn prompts_with_tools_are_those_of_jinja2() {
    let conversations = conversations();
    let mut expected = expected();
    let (mut counts, mut differ) = (BTreeMap::<&str, [usize; 4]>::new(), Vec::new());
    for found in corpus::templates() {
        let native = native_of(&found.source).unwrap();
        let of_template = expected.remove(&found.name).unwrap_or_default();
        for (name, chat) in &conversations {
            let [equal, other, refused, told] = counts.entry(name).or_default();
            let forms = &of_template[name];
            match prepared(&native, chat) {
                Ok(None) => *told += 1,
                Ok(Some((_, applied))) if forms.contains(&Some(corpus::hash(&applied.prompt))) => *equal += 1,
                Ok(Some(_)) => {
                    *other += 1;
                    if !tells_time(&found.source) {
                        differ.push(format!(
                            "{}, {name}: jinja2 {}",
                            found.name,
                            if forms.iter().any(Option::is_some) { "makes another" } else { "refuses" }
                        ));
                    }
                }
                Err(error) => {
                    *refused += 1;
                    differ.push(format!("{}, {name}: {error}", found.name));
                }
            }
        }
    }
    let all: usize = counts.values().flatten().sum();
    let equal: usize = counts.values().map(|[equal, ..]| equal).sum();
    assert!(
        all == 0 || equal >= N_EQUAL,
        "{counts:?} are equal, other, refused and told as text:\n{}",
        differ.join("\n")
    );
}

/// What the model would write for a call, by its own template.
fn written(native: &Native, chat: &Chat, answer: &Message) -> Option<String> {
    let now = crate::clock::now();
    let mut said = chat.clone();
    said.messages.push(answer.clone());
    let made = |chat: &Chat, is_asked: bool| {
        let inputs = inputs(chat, &chosen(chat).ok()?, false).ok()?;
        let inputs = serde_json::to_value(&inputs).ok()?;
        template::on_large_stack(|| native.template.made(&inputs, is_asked, &now)).ok()
    };
    let (prompt, whole) = (made(chat, true)?, made(&said, false)?);
    let rest = whole.strip_prefix(prompt.as_str())?.trim_end();
    // What ends a turn is a token that is not shown.
    let ends = [
        "</s>",
        "<|im_end|>",
        "<|eot_id|>",
        "<|end|>",
        "<|call|>",
        "<|eom_id|>",
        "<end_of_turn>",
        "<|END_OF_TURN_TOKEN|>",
        "<|end_of_text|>",
        "<｜end▁of▁sentence｜>",
        "<|return|>",
        "[e~[",
        "<|endoftext|>",
        "<|im_end|>",
        "<turn|>",
        "<seed:eos>",
        "<|message_sep|>",
        "<|eom|>",
        "<|im_end|>",
    ];
    Some(ends.iter().fold(rest, |rest, end| rest.strip_suffix(end).unwrap_or(rest).trim_end()).to_owned())
}

/// All that comes of a text that is given in pieces of some characters.
fn followed(applied: &Applied, text: &str, size: usize, is_whole: bool) -> (String, String, Vec<ToolCall>) {
    let mut follower = Follower::of_all(Parser::new(applied).unwrap());
    let (mut reasoning, mut answer, mut calls) = (String::new(), String::new(), Vec::new());
    let mut add = |news: News| {
        for (channel, text) in news.pieces {
            if channel == Channel::Reasoning { reasoning.push_str(&text) } else { answer.push_str(&text) }
        }
        wire::add_deltas(&mut calls, news.calls, (99, 1 << 20));
    };
    let characters: Vec<char> = text.chars().collect();
    for piece in characters.chunks(size) {
        follower.push(&piece.iter().collect::<String>());
        add(follower.news());
    }
    add(follower.finish(is_whole));
    (reasoning, answer, calls)
}

fn same_calls(one: &[ToolCall], other: &[ToolCall]) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            one.name == other.name
                && json(&one.arguments) == json(&other.arguments)
                && json(&one.arguments).is_some()
                && !one.id.is_empty()
        })
}

/// The templates of 62 whose calls, one and two at once, are read back from what the template itself writes of them in
/// a conversation. The others write an earlier answer in another form than the model does.
const N_READ: [usize; 2] = [34, 28];

#[test]
fn calls_as_each_template_writes_them_are_read_back_however_they_are_cut() {
    let conversations = conversations();
    let offered = &conversations["tools are offered"];
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    let one = vec![call("a1B2c3D4e", "get_tide", r#"{"harbour":"Falmouth é 月","unit":"m"}"#)];
    let two = vec![one[0].clone(), call("f5G6h7I8j", "add", r#"{"a":1,"b":2}"#)];
    let (mut n_read, mut n_all, mut wrong) = ([0, 0], 0, Vec::new());
    for found in corpus::templates() {
        let native = native_of(&found.source).unwrap();
        let Ok(Some((_, applied))) = prepared(&native, offered) else { continue };
        n_all += 1;
        for (place, calls) in [&one, &two].into_iter().enumerate() {
            let answer = Message { parts: Vec::new(), tool_calls: calls.clone(), ..Message::new(Role::Assistant, "") };
            let Some(text) = written(&native, offered, &answer) else {
                wrong.push(format!("{} {}: nothing is written", found.name, place + 1));
                continue;
            };
            let whole = followed(&applied, &text, usize::MAX, true);
            if !same_calls(&whole.2, calls) {
                wrong.push(format!("{} {}: {text:?}\n    {whole:?}", found.name, place + 1));
                continue;
            }
            n_read[place] += 1;
            for size in [1, 3, 7] {
                let cut = followed(&applied, &text, size, true);
                if !same_calls(&cut.2, calls) || cut.1.trim() != whole.1.trim() {
                    wrong.push(format!("{} {} in pieces of {size}: {text:?}\n    {cut:?}", found.name, place + 1));
                }
            }
        }
    }
    assert!(
        n_all == 0 || n_read >= N_READ,
        "{n_read:?} of {n_all}
{}",
        wrong.join(
            "
"
        )
    );
}

/// Where llama.cpp's parser leaves reasoning or its tags in the answer, or takes the answer for reasoning, and our splitter
/// does not: Apertus, Apriel, Cohere, Granite 3.3, RWKV.
const N_OTHERWISE: usize = 12;

#[test]
fn reasoning_is_split_as_the_splitter_does() {
    let chat = Chat::from(vec![Message::new(Role::User, "Which harbour is nearest?")]);
    let (mut same, mut differ) = (0, Vec::new());
    for found in corpus::templates() {
        let native = native_of(&found.source).unwrap();
        let Ok(Some((_, applied))) = prepared(&native, &chat) else {
            differ.push(format!("{}: no prompt", found.name));
            continue;
        };
        for format in FORMATS.iter().filter(|format| found.source.contains(format.sign)) {
            let is_open = applied.prompt.trim_end().ends_with(format.open);
            let (begin, end) = format.around.unwrap_or_default();
            let begin = if format.then.contains(begin) { "" } else { begin };
            let opened = if is_open { "" } else { format.open };
            for text in [
                format!("{opened}Hm.\nEast?{}{}{begin}Falmouth.{end}", format.close, format.then),
                format!("{opened}Hm.\nEast?"),
                "Falmouth.".to_owned(),
            ] {
                let mut splitter = Splitter::after(&applied.prompt, |known| found.source.contains(known.sign));
                let mut ours = [String::new(), String::new()];
                let mut give =
                    |channel: Channel, text: &str| ours[usize::from(channel == Channel::Answer)].push_str(text);
                splitter.push(&text, &mut give);
                splitter.finish(&mut give);
                let theirs = followed(&applied, &text, usize::MAX, true);
                if [theirs.0.trim(), theirs.1.trim()] == [ours[0].trim(), ours[1].trim()] {
                    same += 1;
                } else {
                    differ.push(format!(
                        "{}, {text:?}\n    ours {ours:?}\n    theirs {:?}",
                        found.name,
                        (theirs.0, theirs.1)
                    ));
                }
            }
        }
    }
    assert!(
        differ.len() <= N_OTHERWISE,
        "{same} same, {} not:
{}",
        differ.len(),
        differ.join(
            "
"
        )
    );
}

#[test]
fn calls_in_the_form_of_text_are_read() {
    let templates = Templates::new(generic::TEMPLATE, "", "").unwrap();
    let chat = &conversations()["tools are offered"];
    let inputs = inputs(chat, &chosen(chat).unwrap(), false).unwrap();
    let applied = templates.apply(&inputs).unwrap();
    let one = r#"<tool_call>
{"name": "add", "arguments": {"a": 1, "b": 2}}
</tool_call>"#;
    let unknown = one.replace("add", "steer");
    for (text, answer, n_calls) in [
        ("Aye.".to_owned(), "Aye.", 0),
        (one.to_owned(), "", 1),
        (format!("Let me see.\n{one}"), "Let me see.", 1),
        (format!("{one}\n{one}"), "", 2),
        // A call of an unknown tool stays text.
        (unknown.clone(), unknown.as_str(), 0),
    ] {
        for size in [1, 5, usize::MAX] {
            let read = followed(&applied, &text, size, true);
            assert_eq!((read.1.trim(), read.2.len()), (answer, n_calls), "{text} in pieces of {size}: {read:?}");
            assert!(read.2.iter().all(|call| call.name == "add" && !call.id.is_empty()), "{read:?}");
        }
    }
}
