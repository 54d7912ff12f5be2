//! `run --messages FILE`: a conversation as OpenAI's API has it.

use std::path::Path;

use serde::Deserialize;
use wire::{Message, Prompt, Role, ToolCall};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::input::{MAX_PROMPT, read_input, read_text};
use domain::text;

/// The most messages of a conversation.
const MAX_MESSAGES: usize = 100_000;

/// A message of the file.
#[derive(Deserialize)]
struct Line {
    role: Role,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<Call>,
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: String,
}

impl From<Line> for Message {
    fn from(line: Line) -> Self {
        let call = |call: Call| ToolCall { id: call.id, name: call.function.name, arguments: call.function.arguments };
        Self {
            tool_calls: line.tool_calls.into_iter().map(call).collect(),
            tool_call_id: line.tool_call_id,
            ..Self::new(line.role, line.content.unwrap_or_default())
        }
    }
}

/// The conversation that a file holds, or standard input where it is `-`.
pub(super) fn read(file: &Path) -> Result<Prompt, Failure> {
    let is_input = file.as_os_str() == "-";
    let name = if is_input { "standard input".to_owned() } else { file.display().to_string() };
    let text = if is_input {
        let bytes = read_input().map_err(|error| error.to_string());
        let text = bytes.and_then(|bytes| text::decode(bytes).map_err(|error| error.to_string()));
        text.map_err(|error| Failure::new(Exit::Usage, format!("{name} can't be read: {error}")))?
    } else {
        read_text(file, MAX_PROMPT)?
    };
    parse(&text).map(Prompt::from).map_err(|problem| {
        Failure::new(Exit::Usage, format!("{name}: {problem}"))
            .with_hint("write a JSON list such as [{\"role\": \"user\", \"content\": \"Why is the sky blue?\"}]")
    })
}

/// The messages; else what is wrong, in one clause.
fn parse(text: &str) -> Result<Vec<Message>, String> {
    let lines: Vec<Line> = serde_json::from_str(text).map_err(|error| format!("no list of messages: {error}"))?;
    if lines.len() > MAX_MESSAGES {
        return Err(format!("{} messages are more than {MAX_MESSAGES}", lines.len()));
    }
    if !lines.last().is_some_and(|last| matches!(last.role, Role::User | Role::Tool)) {
        return Err("the last message must be the user's, or a tool's".to_owned());
    }
    Ok(lines.into_iter().map(Message::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_are_read() {
        for (text, expected) in [
            (r#"[{"role":"user","content":"a"}]"#, Ok(1)),
            (
                r#"[{"role":"system","content":""},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]"#,
                Ok(4),
            ),
            (
                r#"[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"x"}]"#,
                Ok(3),
            ),
            ("[]", Err("the last message")),
            (r#"[{"role":"assistant","content":"a"}]"#, Err("the last message")),
            (r#"[{"role":"robot","content":"a"}]"#, Err("no list of messages")),
            ("{", Err("no list of messages")),
        ] {
            let read = parse(text).map(|messages| messages.len());
            match expected {
                Ok(count) => assert_eq!(read, Ok(count), "{text}"),
                Err(part) => assert!(read.as_ref().is_err_and(|problem| problem.contains(part)), "{text}: {read:?}"),
            }
        }
    }
}
