//! What is typed in `taffrail chat`: a prompt, or a command that begins with a slash. Their names are Ollama's.

use domain::settings::{ChatSettings, SESSION_FIELDS};

/// A line that was typed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    /// Nothing.
    Empty,
    /// Text for the model.
    Prompt(String),
    /// The first line of a text that ends at the next three quotation marks.
    Begin(Kind, String),
    /// Something else to be done.
    Command(Slash),
}

/// What a text of several lines is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Prompt,
    System,
}

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Slash {
    SetSystem(String),
    /// A setting by its name here, and its value.
    SetParameter(String, String),
    /// Texts that end an answer.
    SetStop(Vec<String>),
    SetReasoning(bool),
    SetVerbose(bool),
    ShowInfo,
    ShowParameters,
    ShowSystem,
    ShowMessages,
    Clear,
    /// Drop the last answer and ask again.
    Again,
    /// Drop the last prompt and its answer.
    Undo,
    /// Keep the conversation under a name.
    Save(String),
    /// Go on with the conversation of this name or number.
    Load(String),
    /// List the conversations.
    List,
    Help,
    HelpSet,
    HelpShow,
    HelpKeys,
    Bye,
    /// It can't be carried out as it stands: why.
    Wrong(String),
}

/// What opens and closes a text of several lines.
pub(super) const QUOTES: &str = "\"\"\"";

/// Ollama's names for settings that have others here.
const PARAMETERS: &[(&str, &str)] =
    &[("num_ctx", "context"), ("num_predict", "max_tokens"), ("num_gpu", "gpu_layers"), ("num_thread", "threads")];

/// Read a line.
pub(super) fn read(line: &str) -> Line {
    let text = line.trim();
    if text.is_empty() {
        return Line::Empty;
    }
    if let Some(rest) = text.strip_prefix(QUOTES) {
        return quoted(Kind::Prompt, rest, Line::Prompt);
    }
    if !text.starts_with('/') {
        return Line::Prompt(line.trim_end().to_owned());
    }
    let (name, rest) = split(text);
    Line::Command(match name {
        "/bye" | "/exit" | "/quit" => Slash::Bye,
        "/clear" | "/new" => Slash::Clear,
        "/regenerate" | "/retry" => Slash::Again,
        "/undo" => Slash::Undo,
        "/list" | "/chats" => Slash::List,
        "/save" if rest.is_empty() => Slash::Wrong("/save NAME".to_owned()),
        "/save" => Slash::Save(rest.to_owned()),
        "/load" if rest.is_empty() => Slash::Wrong("/load NAME or NUMBER; /list shows them".to_owned()),
        "/load" => Slash::Load(rest.to_owned()),
        "/show" => show(rest),
        "/set" => return set(rest),
        "/?" | "/help" => match rest.trim_start_matches('/') {
            "set" => Slash::HelpSet,
            "show" => Slash::HelpShow,
            "shortcuts" | "keys" => Slash::HelpKeys,
            _ => Slash::Help,
        },
        // A path, as in a prompt about one.
        _ if name.get(1..).is_some_and(|rest| rest.contains('/')) => return Line::Prompt(line.trim_end().to_owned()),
        _ => Slash::Wrong(format!("there is no command `{}`; /? lists them", gguf::clean(name, 40))),
    })
}

/// A text behind three quotation marks: whole, where the line closes it.
fn quoted(kind: Kind, rest: &str, whole: impl FnOnce(String) -> Line) -> Line {
    match rest.split_once(QUOTES) {
        Some((text, _)) => whole(text.to_owned()),
        None => Line::Begin(kind, rest.to_owned()),
    }
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

fn show(what: &str) -> Slash {
    match what {
        "info" | "" | "license" | "modelfile" | "template" => Slash::ShowInfo,
        "parameters" => Slash::ShowParameters,
        "system" => Slash::ShowSystem,
        "messages" => Slash::ShowMessages,
        _ => Slash::Wrong("/show info, parameters, system or messages".to_owned()),
    }
}

fn set(rest: &str) -> Line {
    let (what, value) = split(rest);
    Line::Command(match what {
        "system" => match value.strip_prefix(QUOTES) {
            Some(rest) => return quoted(Kind::System, rest, |text| Line::Command(Slash::SetSystem(text))),
            None => Slash::SetSystem(unquoted(value).to_owned()),
        },
        "parameter" => parameter(value),
        "verbose" => Slash::SetVerbose(true),
        "quiet" => Slash::SetVerbose(false),
        "think" => Slash::SetReasoning(value != "false" && value != "off"),
        "nothink" => Slash::SetReasoning(false),
        // These are as Ollama's users like them, and can't be otherwise.
        "history" | "nohistory" | "wordwrap" | "nowordwrap" | "format" | "noformat" => {
            Slash::Wrong(format!("/set {what} changes nothing here"))
        }
        _ => Slash::Wrong("/set system, parameter, think, nothink, verbose or quiet; /? set".to_owned()),
    })
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn parameter(text: &str) -> Slash {
    let (name, value) = split(text);
    if name.is_empty() || value.is_empty() {
        return Slash::Wrong("/set parameter NAME VALUE, such as `/set parameter temperature 0.2`".to_owned());
    }
    if name == "stop" {
        return Slash::SetStop(value.split_whitespace().map(|text| unquoted(text).to_owned()).collect());
    }
    let own = PARAMETERS.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, own)| own);
    // Theirs for what is left open.
    let value = if value == "-1" && matches!(own, "max_tokens" | "gpu_layers") { "auto" } else { value };
    if SESSION_FIELDS.iter().any(|field| field.name == own) || ChatSettings::has(own) {
        return Slash::SetParameter(own.to_owned(), value.to_owned());
    }
    Slash::Wrong(format!("there is no parameter `{}`; /? set lists them", gguf::clean(name, 40)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_prompts_or_commands() {
        let command = Line::Command;
        let wrong = |text: &str| command(Slash::Wrong(text.to_owned()));
        let parameter = |name: &str, value: &str| command(Slash::SetParameter(name.to_owned(), value.to_owned()));
        for (line, expected) in [
            ("  ", Line::Empty),
            ("Why? ", Line::Prompt("Why?".to_owned())),
            ("  indented", Line::Prompt("  indented".to_owned())),
            ("\"\"\"one", Line::Begin(Kind::Prompt, "one".to_owned())),
            ("\"\"\"one\"\"\"", Line::Prompt("one".to_owned())),
            ("/bye", command(Slash::Bye)),
            ("/set system Be brief.", command(Slash::SetSystem("Be brief.".to_owned()))),
            ("/set system \"Be brief.\"", command(Slash::SetSystem("Be brief.".to_owned()))),
            ("/set system \"\"\"Be", Line::Begin(Kind::System, "Be".to_owned())),
            ("/set system", command(Slash::SetSystem(String::new()))),
            ("/set parameter temperature 0.2", parameter("temperature", "0.2")),
            ("/set parameter num_ctx 1024", parameter("context", "1024")),
            ("/set parameter num_predict -1", parameter("max_tokens", "auto")),
            ("/set parameter stop \"###\" END", command(Slash::SetStop(vec!["###".to_owned(), "END".to_owned()]))),
            ("/set parameter colour red", wrong("there is no parameter `colour`; /? set lists them")),
            ("/set nothink", command(Slash::SetReasoning(false))),
            ("/set verbose", command(Slash::SetVerbose(true))),
            ("/show parameters", command(Slash::ShowParameters)),
            ("/save My chat", command(Slash::Save("My chat".to_owned()))),
            ("/load 3", command(Slash::Load("3".to_owned()))),
            ("/save", wrong("/save NAME")),
            ("/?", command(Slash::Help)),
            ("/? set", command(Slash::HelpSet)),
            ("/help /show", command(Slash::HelpShow)),
            ("/? shortcuts", command(Slash::HelpKeys)),
            ("/nonsense", wrong("there is no command `/nonsense`; /? lists them")),
            ("/etc/hosts says what?", Line::Prompt("/etc/hosts says what?".to_owned())),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
