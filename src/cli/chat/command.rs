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
    /// A sampler that is not a session setting, by its name, and its value.
    SetSampler(&'static str, String),
    SetReasoning(bool),
    SetVerbose(bool),
    /// Whether answers are JSON objects.
    SetJson(bool),
    /// Whether lines are remembered for the next chat.
    SetHistory(bool),
    /// Whether lines break between words.
    SetWrap(bool),
    ShowInfo,
    ShowLicense,
    ShowTemplate,
    ShowModelfile,
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
    /// Go on with the conversation of this name or number, or load the model of this name.
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
const QUOTES: &str = "\"\"\"";

/// Ollama's names for settings that have others here.
const PARAMETERS: &[(&str, &str)] =
    &[("num_ctx", "context"), ("num_predict", "max_tokens"), ("num_gpu", "gpu_layers"), ("num_thread", "threads")];

/// Samplers that are no settings of a session, by Ollama's names, with what they are.
pub(super) const SAMPLERS: &[(&str, &str)] = &[
    ("repeat_last_n", "how many of the last tokens the penalties look at; -1 for all"),
    ("presence_penalty", "subtracted once for a token that is there, -2 to 2"),
    ("frequency_penalty", "subtracted for each time that a token is there, -2 to 2"),
    ("typical_p", "keep tokens of typical surprise that together reach p; 1 is off"),
    ("mirostat", "0 is off, 1 or 2 the version"),
    ("mirostat_tau", "the surprise that Mirostat aims at, in bits"),
    ("mirostat_eta", "how fast Mirostat learns, 0 to 1"),
];

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
        "/load" if rest.is_empty() => {
            Slash::Wrong("/load NAME of a conversation or a model; /list shows the conversations".to_owned())
        }
        "/load" => Slash::Load(rest.to_owned()),
        "/show" => show(rest),
        "/set" if rest.is_empty() => Slash::HelpSet,
        "/set" => return set(rest),
        "/?" | "/help" => match rest.trim_start_matches('/') {
            "set" => Slash::HelpSet,
            "show" => Slash::HelpShow,
            "shortcut" | "shortcuts" | "keys" => Slash::HelpKeys,
            _ => Slash::Help,
        },
        // A path, as in a prompt about one.
        _ if name.get(1..).is_some_and(|rest| rest.contains('/')) => return Line::Prompt(line.trim_end().to_owned()),
        _ => Slash::Wrong(format!("there is no command `{}`; /? lists them", gguf::clean(name, 40))),
    })
}

/// A text behind three quotation marks: whole, where the line ends with three more.
fn quoted(kind: Kind, rest: &str, whole: impl FnOnce(String) -> Line) -> Line {
    match closed(rest) {
        Some(text) => whole(text.to_owned()),
        None => Line::Begin(kind, rest.to_owned()),
    }
}

/// What precedes the quotation marks that close a text, where the line ends with them.
pub(super) fn closed(line: &str) -> Option<&str> {
    line.trim_end().strip_suffix(QUOTES)
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

fn show(what: &str) -> Slash {
    match what {
        "" => Slash::HelpShow,
        "info" => Slash::ShowInfo,
        "license" => Slash::ShowLicense,
        "modelfile" => Slash::ShowModelfile,
        "template" => Slash::ShowTemplate,
        "parameters" => Slash::ShowParameters,
        "system" => Slash::ShowSystem,
        "messages" => Slash::ShowMessages,
        _ => Slash::Wrong(format!("there is no `/show {}`; /? show lists what there is", gguf::clean(what, 40))),
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
        "history" => Slash::SetHistory(true),
        "nohistory" => Slash::SetHistory(false),
        "wordwrap" => Slash::SetWrap(true),
        "nowordwrap" => Slash::SetWrap(false),
        "format" if value == "json" => Slash::SetJson(true),
        "format" => Slash::Wrong("/set format json; /set noformat ends it".to_owned()),
        "noformat" => Slash::SetJson(false),
        _ => Slash::Wrong(format!("there is no `/set {}`; /? set lists what there is", gguf::clean(what, 40))),
    })
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn parameter(text: &str) -> Slash {
    let (name, value) = split(text);
    if name.is_empty() {
        return Slash::HelpSet;
    }
    if value.is_empty() {
        return Slash::Wrong("/set parameter NAME VALUE, such as `/set parameter temperature 0.2`".to_owned());
    }
    if name == "stop" {
        return Slash::SetStop(value.split_whitespace().map(|text| unquoted(text).to_owned()).collect());
    }
    if let Some((name, _)) = SAMPLERS.iter().find(|(sampler, _)| *sampler == name) {
        return Slash::SetSampler(name, value.to_owned());
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
            ("\"\"\"a \"\"\" b", Line::Begin(Kind::Prompt, "a \"\"\" b".to_owned())),
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
            ("/set parameter repeat_last_n -1", command(Slash::SetSampler("repeat_last_n", "-1".to_owned()))),
            ("/set parameter", command(Slash::HelpSet)),
            ("/set", command(Slash::HelpSet)),
            ("/set format json", command(Slash::SetJson(true))),
            ("/set noformat", command(Slash::SetJson(false))),
            ("/set nohistory", command(Slash::SetHistory(false))),
            ("/set nowordwrap", command(Slash::SetWrap(false))),
            ("/set nothing", wrong("there is no `/set nothing`; /? set lists what there is")),
            ("/set nothink", command(Slash::SetReasoning(false))),
            ("/set verbose", command(Slash::SetVerbose(true))),
            ("/show", command(Slash::HelpShow)),
            ("/show info", command(Slash::ShowInfo)),
            ("/show license", command(Slash::ShowLicense)),
            ("/show modelfile", command(Slash::ShowModelfile)),
            ("/show template", command(Slash::ShowTemplate)),
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
