//! Chats with tools, through llama.cpp's own `common/chat`: the prompt, the grammar of calls, the parser of the answer.
//!
//! Owned here: in which form a model is told of tools. A template that knows none, or by which llama.cpp can't force a
//! call that its schema holds where one is wanted, is given them as text (`generic`). Absent: plain chats, which
//! `template` renders.
//!
//! llama.cpp's interpreter of templates has no bound on time or memory. The same template is run on the same chat by
//! `template` first, which has.

pub(crate) mod common;
pub(crate) mod follow;
mod generic;
mod openai;
mod strict;

use jiff::ZonedDateTime;
use wire::{Chat, ToolChoice};

use crate::template::{self, Template, TemplateError};
use common::{Applied, Inputs, Parser, Templates, Trigger};
use follow::Follower;

/// The most tools of a chat, and the longest that they may be together in bytes.
const MAX_TOOLS: usize = 512;
const MAX_TOOL_BYTES: usize = 1 << 20;

/// The most calls in one answer: a small model goes on calling until it is stopped, and nobody asks for more at once.
const MAX_CALLS: usize = 16;

/// A model's templates for chats with tools.
pub(crate) struct Tooled {
    /// The model's own, where llama.cpp reads it.
    native: Option<Native>,
    generic: Templates,
}

struct Native {
    /// As `template` runs it.
    template: Template,
    /// As llama.cpp does.
    templates: Templates,
}

/// A chat that is ready to be answered.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) prompt: String,
    pub(crate) follower: Follower,
    pub(crate) hold: Option<Hold>,
    /// Tokens whose text the follower wants to see, if they are tokens.
    pub(crate) preserved: Vec<String>,
    /// Texts that end the answer, wherever they stand.
    pub(crate) stops: Vec<String>,
}

/// What holds an answer to the form of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The grammar holds once a trigger has come.
    Lazy { gbnf: String, triggers: Vec<Trigger> },
    /// It holds from the answer's begin on, reasoning included. It begins with the end of the prompt. The opening of a
    /// call, where it is known, is put in place of what the grammar forbids before a call.
    Whole { gbnf: String, begin: String, opening: Option<String> },
    /// It holds from the end of the reasoning on, and begins with this text. The opening as above.
    Answer { gbnf: String, begin: String, opening: Option<String> },
}

impl Tooled {
    /// The templates for a model whose template for tools is this one.
    pub(crate) fn new(template: Option<Template>) -> Result<Self, TemplateError> {
        let generic = template::on_large_stack(|| Templates::new(generic::TEMPLATE, "", "").map_err(failed))?;
        Ok(Self { native: template.and_then(|template| Native::new(template).ok()), generic })
    }

    /// Make a chat ready. `plain` renders one without tools.
    pub(crate) fn prepare(
        &self,
        chat: &Chat,
        now: &ZonedDateTime,
        plain: impl Fn(&Chat) -> Result<String, TemplateError>,
    ) -> Result<Prepared, TemplateError> {
        let tools = chosen(chat)?;
        let is_forced = matches!(chat.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
        let inputs = inputs(chat, &tools, is_forced)?;
        let native = self.native.as_ref().filter(|native| native.knows(chat, &tools));
        let reason = match native.map(|native| native.prepare(&inputs, now)) {
            Some(Ok(Some(prepared))) => return Ok(prepared),
            Some(Err(error @ TemplateError::Bounds(_))) => return Err(error),
            Some(Err(error)) => Some(error),
            Some(Ok(None)) | None => None,
        };
        // A template that refuses a conversation with tools may take it as text; what it says of that is the reason.
        self.as_text(chat, inputs, plain).map_err(|error| reason.unwrap_or(error))
    }

    fn as_text(
        &self,
        chat: &Chat,
        inputs: Inputs,
        plain: impl Fn(&Chat) -> Result<String, TemplateError>,
    ) -> Result<Prepared, TemplateError> {
        let prompt = plain(&generic::told(chat, &inputs.tools))?;
        // The grammar and the parser mind the tools alone.
        let question = Chat::from(vec![wire::Message::new(wire::Role::User, "?")]);
        let inputs = Inputs { messages: openai::messages(&question), kwargs: serde_json::Map::new(), ..inputs };
        let applied = template::on_large_stack(|| self.generic.apply(&inputs).map_err(failed))?;
        let reader = Parser::new(&applied).map_err(failed)?;
        let Applied { generation_prompt, grammar, grammar_lazy, triggers, preserved_tokens, stops, parser, .. } =
            applied;
        let hold = match (grammar.is_empty(), grammar_lazy) {
            (true, _) => None,
            (false, true) => Some(Hold::Lazy { gbnf: grammar, triggers }),
            (false, false) => {
                let opening = Some(generic::OPENING.to_owned());
                Some(Hold::Answer { gbnf: strict::without_text(&grammar, &parser), begin: generation_prompt, opening })
            }
        };
        let follower = Follower::of_answer(reader).taking(n_calls(&inputs));
        Ok(Prepared { prompt, follower, hold, preserved: preserved_tokens, stops })
    }
}

impl Native {
    fn new(template: Template) -> Result<Self, TemplateError> {
        template::on_large_stack(|| {
            template.probe()?;
            let (source, bos, eos) = template.parts();
            let templates = Templates::new(source, bos, eos).map_err(failed)?;
            Ok(Self { template, templates })
        })
    }

    /// Whether the template has a place for what the chat has.
    fn knows(&self, chat: &Chat, tools: &[openai::Tool]) -> bool {
        let caps = self.templates.caps;
        let has_calls = chat.messages.iter().any(|message| !message.tool_calls.is_empty());
        (caps.supports_tools || tools.is_empty()) && (caps.supports_tool_calls || !has_calls)
    }

    /// `None` where llama.cpp does not know how the model calls tools, or can't force a call that its schema holds.
    fn prepare(&self, inputs: &Inputs, now: &ZonedDateTime) -> Result<Option<Prepared>, TemplateError> {
        let is_forced = inputs.tool_choice == "required";
        let (applied, opening) = template::on_large_stack(|| {
            self.template.veto(&serde_json::to_value(inputs).unwrap_or_default(), now)?;
            let applied = self.templates.apply(inputs).map_err(failed)?;
            Ok((applied, if is_forced { self.opening(inputs) } else { None }))
        })?;
        if applied.prompt.len() > template::MAX_OUTPUT {
            return Err(TemplateError::Bounds(format!("it makes {} bytes", applied.prompt.len())));
        }
        let holds = || strict::holds(&applied.grammar, &applied.parser, &inputs.tools);
        let is_usable = inputs.tools.is_empty() || applied.reads_calls() && (!is_forced || holds());
        if is_usable { native(applied, opening, n_calls(inputs)).map(Some) } else { Ok(None) }
    }

    /// What opens a call, where it is one text: what would trigger the grammar if no call were forced.
    fn opening(&self, inputs: &Inputs) -> Option<String> {
        let applied = self.templates.apply(&Inputs { tool_choice: "auto", ..inputs.clone() }).ok()?;
        let word = applied.triggers.first()?.word()?;
        (!word.trim().is_empty()).then(|| word.to_owned())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn failed(error: String) -> TemplateError {
    TemplateError::Failed(template::bounded(&error))
}

/// The most calls of an answer.
fn n_calls(inputs: &Inputs) -> usize {
    if inputs.parallel_tool_calls { MAX_CALLS } else { 1 }
}

fn native(applied: Applied, opening: Option<String>, n_calls: usize) -> Result<Prepared, TemplateError> {
    let reader = Parser::new(&applied).map_err(failed)?;
    let Applied { prompt, generation_prompt, grammar, grammar_lazy, triggers, preserved_tokens, stops, parser, .. } =
        applied;
    let hold = match (grammar.is_empty(), grammar_lazy) {
        (true, _) => None,
        (false, true) => Some(Hold::Lazy { gbnf: grammar, triggers }),
        (false, false) => {
            Some(Hold::Whole { gbnf: strict::without_text(&grammar, &parser), begin: generation_prompt, opening })
        }
    };
    let follower = Follower::of_all(reader).taking(n_calls);
    Ok(Prepared { prompt, follower, hold, preserved: preserved_tokens, stops })
}

/// The tools that may be called: none, or one alone, by the chat's choice.
fn chosen(chat: &Chat) -> Result<Vec<openai::Tool>, TemplateError> {
    let bytes = |tool: &wire::Tool| tool.name.len() + tool.description.len() + tool.parameters.len();
    let n_bytes: usize = chat.tools.iter().map(bytes).sum();
    if chat.tools.len() > MAX_TOOLS || n_bytes > MAX_TOOL_BYTES {
        let count = chat.tools.len();
        return Err(TemplateError::Tools(format!(
            "there are {count} of {n_bytes} bytes, and {MAX_TOOLS} of {MAX_TOOL_BYTES} bytes are the most"
        )));
    }
    let named = |tool: &&wire::Tool| match &chat.tool_choice {
        ToolChoice::None => false,
        ToolChoice::Named(name) => tool.name == *name,
        ToolChoice::Auto | ToolChoice::Required => true,
    };
    let wrong = |name: &str| {
        TemplateError::Tools(template::bounded(&format!("the parameters of {name} are not a JSON schema")))
    };
    let tools = openai::tools(chat.tools.iter().filter(named)).map_err(wrong)?;
    match &chat.tool_choice {
        ToolChoice::Named(name) if tools.is_empty() => {
            Err(TemplateError::Tools(template::bounded(&format!("there is no tool named {name}"))))
        }
        ToolChoice::Required if tools.is_empty() => {
            Err(TemplateError::Tools("a tool must be called, and there is none".to_owned()))
        }
        _ => Ok(tools),
    }
}

fn inputs(chat: &Chat, tools: &[openai::Tool], is_forced: bool) -> Result<Inputs, TemplateError> {
    let mut kwargs = template::variables(chat)?;
    // It is no variable of the template's alone: the parser is made by it too.
    let thinks = kwargs.remove("enable_thinking").and_then(|thinks| thinks.as_bool()).unwrap_or(true);
    Ok(Inputs {
        messages: openai::messages(chat),
        tools: tools.to_vec(),
        tool_choice: match (tools.is_empty(), is_forced) {
            (true, _) => "none",
            (false, true) => "required",
            (false, false) => "auto",
        },
        // One that is named is called once, as OpenAI's API has it.
        parallel_tool_calls: chat.parallel_tool_calls && !matches!(chat.tool_choice, ToolChoice::Named(_)),
        enable_thinking: thinks,
        json_schema: String::new(),
        kwargs,
    })
}

#[cfg(test)]
mod tests;
