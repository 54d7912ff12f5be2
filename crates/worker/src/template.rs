//! Chat templates: a conversation rendered as the model was trained to read it.
//!
//! Owned here: Jinja as Hugging Face's `apply_chat_template` runs it, in a sandbox. A template comes with a model file
//! and is as trustworthy: it has fuel for time and memory, a bound on its output, a bound on recursion, and neither
//! files nor other templates to load. Absent: tools and documents, which are left undefined.

use std::time::SystemTime;

use minijinja::{Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig, value::Kwargs};
use wire::{Message, Role};

use crate::clock;

/// Instructions and units of memory (about 64 bytes) that a rendering may use: a long conversation needs a hundredth.
const FUEL: u64 = 8_000_000;
/// The longest template, in bytes; the longest known has some 20 KiB.
const MAX_SOURCE: usize = 1 << 20;
/// The longest prompt that a template may make, in bytes.
const MAX_OUTPUT: usize = 32 << 20;
/// How deep macros, includes and loops may nest.
const MAX_RECURSION: usize = 200;

/// Why a conversation could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template is no Jinja that is understood here.
    #[error("the chat template can't be read: {0}")]
    Syntax(String),
    /// The template itself refused, through `raise_exception`.
    #[error("the chat template refuses this conversation: {0}")]
    Refused(String),
    /// It went wrong while it ran.
    #[error("the chat template failed: {0}")]
    Failed(String),
    /// It is longer, or makes more, than is allowed.
    #[error("the chat template goes beyond its bounds: {0}")]
    Bounds(String),
}

/// A model's chat template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    /// The text of the token that begins a text; empty where the vocabulary has none.
    bos: String,
    /// The text of the token that ends one.
    eos: String,
}

impl Template {
    /// A template by its source and the vocabulary's special tokens as text.
    pub fn new(source: &str, bos: &str, eos: &str) -> Self {
        Self { source: readable(source), bos: bos.to_owned(), eos: eos.to_owned() }
    }

    /// Render a conversation, ending where the model is to go on. `now` is what the template sees as the time.
    ///
    /// A system message that the template refuses or leaves out is put before the first user's message, as the makers
    /// of such models advise.
    pub fn render(&self, messages: &[Message], now: SystemTime) -> Result<String, TemplateError> {
        let rendered = self.render_once(messages, now);
        let Some((system, rest)) = messages.split_first().filter(|(first, _)| first.role == Role::System) else {
            return rendered;
        };
        let seen = rendered.as_ref().is_ok_and(|text| text.contains(system.content.trim()));
        let folded = (!seen).then(|| fold(system, rest)).flatten();
        match (rendered, folded) {
            (rendered, None) => rendered,
            (Ok(rendered), Some(folded)) => Ok(self.render_once(&folded, now).unwrap_or(rendered)),
            (Err(error), Some(folded)) => self.render_once(&folded, now).map_err(|_| error),
        }
    }

    fn render_once(&self, messages: &[Message], now: SystemTime) -> Result<String, TemplateError> {
        if self.source.len() > MAX_SOURCE {
            return Err(TemplateError::Bounds(format!("it has {} bytes", self.source.len())));
        }
        let mut environment = environment(now).map_err(|error| explain(&error))?;
        environment.add_template("chat", &self.source).map_err(|error| explain(&error))?;
        let template = environment.get_template("chat").map_err(|error| explain(&error))?;
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| context! { role => role_name(message.role), content => message.content.as_str() })
            .collect();
        let rendered = template
            .render(context! {
                messages,
                add_generation_prompt => true,
                enable_thinking => true,
                bos_token => self.bos.as_str(),
                eos_token => self.eos.as_str(),
                tools => (),
                documents => (),
            })
            .map_err(|error| explain(&error))?;
        if rendered.len() > MAX_OUTPUT {
            return Err(TemplateError::Bounds(format!("it makes {} bytes", rendered.len())));
        }
        Ok(rendered)
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// The conversation with the system's message before the first user's; `None` where no user speaks first.
fn fold(system: &Message, rest: &[Message]) -> Option<Vec<Message>> {
    let (first, rest) = rest.split_first().filter(|(first, _)| first.role == Role::User)?;
    let content = format!("{}\n\n{}", system.content.trim_end(), first.content);
    let mut folded = vec![Message { role: Role::User, content }];
    folded.extend_from_slice(rest);
    Some(folded)
}

/// Hugging Face marks the assistant's text for training with a block of its own, which means nothing here: read
/// `{% generation %}` as a block that is always there, so that its dashes keep trimming white space.
fn readable(source: &str) -> String {
    let mut readable = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{%") {
        readable.push_str(before);
        readable.push_str("{%");
        rest = after;
        let Some((inside, after)) = after.split_once("%}") else { break };
        let name = inside.trim_matches(['-', '+']).trim();
        if let Some(stand_in) = match name {
            "generation" => Some("if true"),
            "endgeneration" => Some("endif"),
            _ => None,
        } {
            readable.push_str(&inside.replace(name, stand_in));
            readable.push_str("%}");
            rest = after;
        }
    }
    readable + rest
}

fn environment<'source>(now: SystemTime) -> Result<Environment<'source>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", to_json);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::from(ErrorKind::InvalidOperation).with_source(Refusal(message)))
    });
    environment.add_function("strftime_now", move |format: &str| clock::format(now, format));
    Ok(environment)
}

/// What `raise_exception` was called with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

/// Python's `json.dumps(value, ensure_ascii=False, indent=…)`: minijinja's own filter escapes for HTML.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands keyword arguments over by value")]
fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let invalid = |error: serde_json::Error| {
        Error::new(ErrorKind::BadSerialization, "value can't be written as JSON").with_source(error)
    };
    let mut json = Vec::new();
    match indent {
        None => serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut json, Spaced)),
        Some(indent) => {
            let indent = " ".repeat(indent.min(16));
            let pretty = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
            serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut json, pretty))
        }
    }
    .map_err(invalid)?;
    Ok(Value::from_safe_string(String::from_utf8_lossy(&json).into_owned()))
}

/// JSON in one line as Python writes it, with a space after each comma and colon.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

fn explain(error: &Error) -> TemplateError {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = cause {
        if let Some(Refusal(message)) = inner.downcast_ref() {
            return TemplateError::Refused(bounded(message));
        }
        cause = inner.source();
    }
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let text = bounded(&format!("{}{line}", error.detail().unwrap_or(&error.kind().to_string())));
    match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::UnknownFilter | ErrorKind::UnknownFunction | ErrorKind::UnknownTest => {
            TemplateError::Syntax(text)
        }
        ErrorKind::OutOfFuel => TemplateError::Bounds("it ran for too long or took too much memory".to_owned()),
        _ => TemplateError::Failed(text),
    }
}

/// A template's words are a stranger's: one line of them, without control characters.
fn bounded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests;
