//! Tools for models whose template knows none: they are told as text.
//!
//! Owned here: the words, and a conversation in which tools have become text. The form of a call is that of the Hermes
//! models, which many others were trained on too; `generic.jinja` has it for llama.cpp, which makes its grammar and its
//! parser.

use wire::{Chat, Message, Role, ToolCall};

use super::openai;

/// The template that has the form of a call.
pub(crate) const TEMPLATE: &str = include_str!("generic.jinja");

/// What opens a call.
pub(crate) const OPENING: &str = "<tool_call>";

/// The conversation as text alone.
pub(crate) fn told(chat: &Chat, tools: &[openai::Tool]) -> Chat {
    let mut messages: Vec<Message> = Vec::new();
    for message in &chat.messages {
        let message = as_text(message);
        match messages.last_mut() {
            // Several tools answer in one message: many templates want roles to take turns.
            Some(last) if last.role == Role::User && message.role == Role::User && last.takes(&message) => {
                last.push_text(&message.text());
            }
            _ => messages.push(message),
        }
    }
    if !tools.is_empty() {
        let words = instructions(tools);
        match messages.first_mut().filter(|first| first.role == Role::System) {
            Some(system) => system.push_text(&words),
            None => messages.insert(0, Message::new(Role::System, words)),
        }
    }
    Chat { messages, reasoning: chat.reasoning, template_options: chat.template_options.clone(), ..Chat::default() }
}

fn as_text(message: &Message) -> Message {
    let text = message.text();
    match message.role {
        Role::Tool => Message::new(Role::User, format!("<tool_response>\n{text}\n</tool_response>")),
        role => {
            let calls = message.tool_calls.iter().map(call);
            let texts: Vec<String> =
                Some(text.into_owned()).into_iter().filter(|text| !text.is_empty()).chain(calls).collect();
            Message { reasoning: message.reasoning.clone(), ..Message::new(role, texts.join("\n")) }
        }
    }
}

fn call(call: &ToolCall) -> String {
    let name = serde_json::Value::from(call.name.as_str());
    format!("<tool_call>\n{{\"name\": {name}, \"arguments\": {}}}\n</tool_call>", openai::arguments(&call.arguments))
}

fn instructions(tools: &[openai::Tool]) -> String {
    let mut text =
        "You can call tools. These are the tools, each with a JSON schema of its arguments:\n<tools>\n".to_owned();
    for tool in tools {
        text.push_str(&serde_json::to_string(tool).unwrap_or_default());
        text.push('\n');
    }
    text.push_str(
        "</tools>\n\nTo call a tool, write a JSON object with its name and its arguments between <tool_call> and \
         </tool_call>:\n<tool_call>\n{\"name\": \"the tool's name\", \"arguments\": {}}\n</tool_call>\nWhat the tool \
         answers comes between <tool_response> and </tool_response>. Answer in plain words when no tool is needed.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_become_text() {
        let tool =
            wire::Tool { name: "add".into(), description: "Adds".into(), parameters: r#"{"type":"object"}"#.into() };
        let call = |arguments: &str| ToolCall { id: "1".into(), name: "add".into(), arguments: arguments.into() };
        let chat = Chat::from(vec![
            Message::new(Role::User, "1 + 2?"),
            Message {
                tool_calls: vec![call("{\"a\":1}"), call("")],
                parts: vec![],
                ..Message::new(Role::Assistant, "")
            },
            Message::new(Role::Tool, "3"),
            Message::new(Role::Tool, "4"),
        ]);
        let told = told(&chat, &openai::tools([&tool]).unwrap());
        let said: Vec<_> = told.messages.iter().map(|message| (message.role, message.text().into_owned())).collect();
        assert_eq!(said[0].0, Role::System);
        assert!(said[0].1.contains(r#""name":"add""#), "{}", said[0].1);
        assert_eq!(said[1], (Role::User, "1 + 2?".to_owned()));
        let calls = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\":1}}\n</tool_call>\n\
                     <tool_call>\n{\"name\": \"add\", \"arguments\": {}}\n</tool_call>";
        assert_eq!(said[2], (Role::Assistant, calls.to_owned()));
        let answers = "<tool_response>\n3\n</tool_response>\n\n<tool_response>\n4\n</tool_response>";
        assert_eq!(said[3], (Role::User, answers.to_owned()));
        assert_eq!(said.len(), 4);
    }
}
