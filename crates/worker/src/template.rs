//! Chat templates: a conversation rendered as the model was trained to read it.
//!
//! Owned here: Jinja as Hugging Face's `apply_chat_template` runs it, in a sandbox. A template comes with a model file
//! and is as trustworthy: it has fuel for time and memory, a bound on its output, a bound on recursion, and neither
//! files nor other templates to load. Absent: tools and documents, which are left undefined.

mod filters;
mod json;
mod methods;
mod pieces;
mod printf;
mod python;
mod shown;
mod source;
#[cfg(feature = "llama")]
mod veto;

use jiff::ZonedDateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value, context};
use wire::{Chat, Message, Part, Role};

use crate::clock;

/// Instructions and units of memory (about 64 bytes) that a rendering may use: a long conversation needs a hundredth.
const FUEL: u64 = 8_000_000;
/// The longest template, in bytes; the longest known has some 20 KiB.
const MAX_SOURCE: usize = 1 << 20;
/// The longest prompt that a template may make, in bytes.
pub(crate) const MAX_OUTPUT: usize = 32 << 20;
/// The longest text of a chat's own variables, in bytes: they are a few flags.
const MAX_OPTIONS: usize = 64 << 10;
/// How deep macros, includes and loops may nest.
const MAX_RECURSION: usize = 200;
/// The stack for parsing and running a template: what `source` lets through nests some thousand levels deep.
const STACK: usize = 64 << 20;

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
    /// The variables that the chat gives it are none.
    #[error("the template's options are not a JSON object")]
    Options,
    /// A tool definition is invalid.
    #[error("the tools can't be used: {0}")]
    Tools(String),
    /// The rendered prompt lacks part of the conversation.
    #[error("the chat template leaves out {0}")]
    LeftOut(&'static str),
}

/// How a message's content is given to a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// As a text, which nearly all templates want.
    Text,
    /// As a list with one part of the type `text`, as those of models want that see pictures.
    Parts,
}

/// A model's chat template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    /// The text of the begin-of-text token; empty if the vocabulary has none.
    bos: String,
    /// The text of the token that ends one.
    eos: String,
}

impl Template {
    /// A template by its source and the vocabulary's special tokens as text.
    pub fn new(source: &str, bos: &str, eos: &str) -> Self {
        Self { source: source.to_owned(), bos: bos.to_owned(), eos: eos.to_owned() }
    }

    /// Render a conversation, ending where the model is to go on. `now` is what the template sees as the time.
    ///
    /// The prompt shows what was said, or there is an error: a template that drops the messages' text is given them as
    /// lists of parts, and a system message that it refuses or leaves out is put before the first user's message, as
    /// the makers of such models advise.
    pub fn render(&self, chat: &Chat, now: &ZonedDateTime) -> Result<String, TemplateError> {
        let options = Value::from(Serde(variables(chat)?));
        on_large_stack(|| self.render_here(&chat.messages, options, now))
    }

    fn render_here(&self, messages: &[Message], options: Value, now: &ZonedDateTime) -> Result<String, TemplateError> {
        let program = Program { options, ..Program::new(self, now)? };
        let folded = fold(messages);
        let mut first = None;
        for messages in std::iter::once(messages).chain(folded.as_deref()) {
            for content in [Content::Text, Content::Parts] {
                match program.render_whole(messages, content) {
                    Ok(prompt) => return Ok(prompt),
                    // The first error is that of the conversation as it is.
                    Err(error) => _ = first.get_or_insert(error),
                }
            }
        }
        Err(first.unwrap_or_else(|| TemplateError::Failed("it made nothing".to_owned())))
    }
}

/// A conversation for a model without a template: its texts, with an empty line between two.
pub fn plain(messages: &[Message]) -> String {
    let mut text = String::new();
    for said in messages.iter().map(Message::text).filter(|said| !said.is_empty()) {
        if !text.is_empty() {
            // What ends a text already counts.
            let ends = text.len() - text.trim_end_matches('\n').len();
            text.push_str("\n\n".get(ends.min(2)..).unwrap_or_default());
        }
        text.push_str(&said);
    }
    text
}

/// A stack overflow would end the worker: parse and run a template where there is room.
pub(crate) fn on_large_stack<T: Send>(
    run: impl FnOnce() -> Result<T, TemplateError> + Send,
) -> Result<T, TemplateError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("template".to_owned()).stack_size(STACK);
        let running = thread.spawn_scoped(scope, run).map_err(|error| TemplateError::Failed(error.to_string()))?;
        running.join().unwrap_or_else(|_| Err(TemplateError::Failed("it made its interpreter fail".to_owned())))
    })
}

/// A template that has been read.
struct Program<'a> {
    template: &'a Template,
    environment: Environment<'static>,
    /// What the chat sets next to its messages.
    options: Value,
}

impl<'a> Program<'a> {
    fn new(template: &'a Template, now: &ZonedDateTime) -> Result<Self, TemplateError> {
        if template.source.len() > MAX_SOURCE {
            return Err(TemplateError::Bounds(format!("it has {} bytes", template.source.len())));
        }
        let source = source::readable(&template.source).map_err(TemplateError::Bounds)?;
        let mut environment = environment(now).map_err(|error| explain(&error))?;
        environment.add_template_owned(NAME, source).map_err(|error| explain(&error))?;
        Ok(Self { template, environment, options: context! { enable_thinking => true } })
    }

    /// The prompt of a conversation, if it shows all that was said.
    fn render_whole(&self, messages: &[Message], content: Content) -> Result<String, TemplateError> {
        let prompt = self.render(messages, content)?;
        let probe = self.render(&shown::marked(messages), content).ok();
        let is_list = content == Content::Parts && probe.as_deref().is_some_and(shown::shows_lists);
        let missing = if is_list { messages.last() } else { shown::missing(messages, &prompt, probe.as_deref()) };
        match missing {
            None => Ok(prompt),
            Some(message) => Err(TemplateError::LeftOut(match message.role {
                Role::System => "the system prompt",
                Role::User => "what the user said",
                Role::Assistant => "an earlier answer",
                Role::Tool => "what a tool answered",
            })),
        }
    }

    fn render(&self, messages: &[Message], content: Content) -> Result<String, TemplateError> {
        let of = |message: &Message| match content {
            Content::Text => Value::from(message.text()),
            Content::Parts => message.parts.iter().map(part).collect(),
        };
        let message = |message: &Message| {
            let mut fields = vec![("role", Value::from(role_name(message.role))), ("content", of(message))];
            if !message.reasoning.is_empty() {
                fields.push(("reasoning_content", Value::from(message.reasoning.as_str())));
            }
            Value::from_pairs(fields)
        };
        let messages: Vec<Value> = messages.iter().map(message).collect();
        self.run(context! {
            messages,
            add_generation_prompt => true,
            bos_token => self.template.bos.as_str(),
            eos_token => self.template.eos.as_str(),
            tools => (),
            documents => (),
            ..self.options.clone()
        })
    }

    /// Run the template with these variables.
    fn run(&self, variables: Value) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME).map_err(|error| explain(&error))?;
        let rendered = template.render(variables).map_err(|error| explain(&error))?;
        if rendered.len() > MAX_OUTPUT {
            return Err(TemplateError::Bounds(format!("it makes {} bytes", rendered.len())));
        }
        Ok(rendered)
    }
}

/// The only template's name. Without an ending, which would choose a way of escaping.
const NAME: &str = "chat";

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => context! { type => "text", text => text.as_str() },
    }
}

/// The variables that a chat sets for its template. Reasoning is on where neither it nor they say another thing.
pub(crate) fn variables(chat: &Chat) -> Result<serde_json::Map<String, serde_json::Value>, TemplateError> {
    let mut options = match &chat.template_options {
        Some(text) if text.len() > MAX_OPTIONS => {
            return Err(TemplateError::Bounds(format!("its options have {} bytes", text.len())));
        }
        Some(text) => serde_json::from_str(text).map_err(|_| TemplateError::Options)?,
        None => serde_json::Map::new(),
    };
    match chat.reasoning {
        Some(reasons) => _ = options.insert("enable_thinking".to_owned(), reasons.into()),
        None => _ = options.entry("enable_thinking").or_insert(true.into()),
    }
    Ok(options)
}

/// The conversation with the system's message before the first user's; `None` where it doesn't begin with the two.
fn fold(messages: &[Message]) -> Option<Vec<Message>> {
    let [system, first, rest @ ..] = messages else { return None };
    if system.role != Role::System || first.role != Role::User {
        return None;
    }
    let mut folded = vec![first.clone()];
    let system = system.text();
    if !system.trim_end().is_empty() {
        folded[0] = Message::new(Role::User, format!("{}\n\n{}", system.trim_end(), first.text()));
    }
    folded.extend_from_slice(rest);
    Some(folded)
}

fn environment(now: &ZonedDateTime) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(|out, state, value| match value.as_str() {
        _ if !matches!(state.auto_escape(), AutoEscape::None) => minijinja::escape_formatter(out, state, value),
        Some(text) if value.kind() == ValueKind::String => out.write_str(text).map_err(Error::from),
        _ => out.write_str(&python::text(value)?).map_err(Error::from),
    });
    filters::add_to(&mut environment);
    environment.add_function("raise_exception", |message: &Value| -> Result<Value, Error> {
        Err(Error::from(ErrorKind::InvalidOperation).with_source(Refusal(python::text(message)?)))
    });
    let now = now.clone();
    environment.add_function("strftime_now", move |format: &str| clock::format(&now, format));
    Ok(environment)
}

/// What `raise_exception` was called with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

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
pub(crate) fn bounded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
pub(crate) mod corpus_tests;
#[cfg(test)]
mod tests;
