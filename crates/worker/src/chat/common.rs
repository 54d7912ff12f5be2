//! llama.cpp's `common/chat`, through `common.cpp`: what it makes of a chat, and how it reads the answer.
//!
//! Owned here: the calls. Absent: which chats go through it (`chat`). A template runs in llama.cpp's interpreter without a
//! bound on its time: whoever calls has run it within bounds before.

use std::ffi::{c_char, c_int};
use std::ptr::NonNull;

use serde::{Deserialize, Serialize};

#[repr(C)]
struct Text {
    data: *mut c_char,
    size: usize,
}

#[repr(C)]
struct RawTemplates(());
#[repr(C)]
struct RawParser(());

unsafe extern "C" {
    fn taffrail_chat_text_free(text: Text);
    fn taffrail_chat_new(
        source: *const c_char,
        n_source: usize,
        bos: *const c_char,
        n_bos: usize,
        eos: *const c_char,
        n_eos: usize,
        out: *mut Text,
    ) -> *mut RawTemplates;
    fn taffrail_chat_free(templates: *mut RawTemplates);
    fn taffrail_chat_apply(
        templates: *const RawTemplates,
        inputs: *const c_char,
        n_inputs: usize,
        out: *mut Text,
    ) -> bool;
    fn taffrail_chat_parser_new(
        format: c_int,
        generation_prompt: *const c_char,
        n_generation_prompt: usize,
        parser: *const c_char,
        n_parser: usize,
        out: *mut Text,
    ) -> *mut RawParser;
    fn taffrail_chat_parser_free(parser: *mut RawParser);
    fn taffrail_chat_parse(
        parser: *const RawParser,
        text: *const c_char,
        n_text: usize,
        is_partial: bool,
        out: *mut Text,
    ) -> bool;
}

/// What a template can do, as far as llama.cpp sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Caps {
    /// It tells the model of tools.
    pub(crate) supports_tools: bool,
    /// It shows calls and what came of them.
    pub(crate) supports_tool_calls: bool,
}

/// What a chat is rendered from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Inputs {
    /// In `OpenAI`'s form.
    pub(crate) messages: Vec<super::openai::Message>,
    /// In `OpenAI`'s form.
    pub(crate) tools: Vec<super::openai::Tool>,
    /// `auto`, `required` or `none`.
    pub(crate) tool_choice: &'static str,
    pub(crate) parallel_tool_calls: bool,
    pub(crate) enable_thinking: bool,
    /// Empty for none.
    pub(crate) json_schema: String,
    /// Further variables of the template.
    pub(crate) kwargs: serde_json::Map<String, serde_json::Value>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Applied {
    pub(crate) prompt: String,
    /// The prompt's end, with which the answer begins for the grammar and the parser.
    pub(crate) generation_prompt: String,
    /// GBNF; empty for none.
    pub(crate) grammar: String,
    /// The grammar holds only from a trigger on.
    pub(crate) grammar_lazy: bool,
    pub(crate) triggers: Vec<Trigger>,
    /// Tokens whose text the parser wants to see.
    pub(crate) preserved_tokens: Vec<String>,
    /// Texts that end the answer, wherever they stand.
    pub(crate) stops: Vec<String>,
    format: c_int,
    /// llama.cpp's parser of the answer, as JSON.
    pub(crate) parser: String,
}

/// What starts a lazy grammar.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Trigger {
    kind: c_int,
    pub(crate) value: String,
}

/// The kinds of `common_grammar_trigger_type`.
const WORD: c_int = 1;
const PATTERN_FULL: c_int = 3;

/// An answer as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Parsed {
    pub(crate) reasoning: String,
    pub(crate) content: String,
    pub(crate) tool_calls: Vec<wire::ToolCall>,
}

impl Trigger {
    /// The word that it is, where it is one.
    pub(crate) fn word(&self) -> Option<&str> {
        (self.kind == WORD).then_some(self.value.as_str())
    }

    /// The regular expression that it is.
    pub(crate) fn pattern(&self) -> String {
        match self.kind {
            WORD => escape(&self.value),
            PATTERN_FULL => {
                let begin = if self.value.starts_with('^') { "" } else { "^" };
                let end = if self.value.ends_with('$') { "" } else { "$" };
                format!("{begin}{}{end}", self.value)
            }
            _ => self.value.clone(),
        }
    }
}

/// A text as a regular expression of itself, as `std::regex` reads it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if r".^$|()*+?[]{}\".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

impl Applied {
    /// Whether the parser knows calls of tools.
    pub(crate) fn reads_calls(&self) -> bool {
        self.parser.contains("tool-name")
    }
}

/// A chat template in llama.cpp's interpreter.
#[derive(Debug)]
pub(crate) struct Templates {
    raw: NonNull<RawTemplates>,
    pub(crate) caps: Caps,
}

// SAFETY: nothing in it belongs to a thread. Calls only read it, and the interpreter's state is each call's own.
unsafe impl Send for Templates {}
// SAFETY: as above.
unsafe impl Sync for Templates {}

impl Templates {
    /// Read a template; why not where that fails.
    pub(crate) fn new(source: &str, bos: &str, eos: &str) -> Result<Self, String> {
        let mut out = Text::none();
        // SAFETY: the texts live through the call, with their lengths; `out` may be written.
        let raw = unsafe {
            taffrail_chat_new(
                source.as_ptr().cast(),
                source.len(),
                bos.as_ptr().cast(),
                bos.len(),
                eos.as_ptr().cast(),
                eos.len(),
                &raw mut out,
            )
        };
        let text = out.take();
        let raw = NonNull::new(raw).ok_or_else(|| text.clone())?;
        let mut made = Self { raw, caps: Caps { supports_tools: false, supports_tool_calls: false } };
        made.caps = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Ok(made)
    }

    /// Render a chat; why not where that fails.
    pub(crate) fn apply(&self, inputs: &Inputs) -> Result<Applied, String> {
        let inputs = serde_json::to_string(inputs).map_err(|error| error.to_string())?;
        let mut out = Text::none();
        // SAFETY: the templates are live, the text lives through the call.
        let is_made =
            unsafe { taffrail_chat_apply(self.raw.as_ptr(), inputs.as_ptr().cast(), inputs.len(), &raw mut out) };
        let text = out.take();
        if !is_made {
            return Err(text);
        }
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}

impl Drop for Templates {
    fn drop(&mut self) {
        // SAFETY: it is live, and nobody else has it.
        unsafe { taffrail_chat_free(self.raw.as_ptr()) }
    }
}

/// A parser of the answer to a chat.
#[derive(Debug)]
pub(crate) struct Parser(NonNull<RawParser>);

// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Parser {}
// SAFETY: parsing only reads it.
unsafe impl Sync for Parser {}

impl Parser {
    /// The parser of what a chat was rendered to.
    pub(crate) fn new(applied: &Applied) -> Result<Self, String> {
        let (prompt, parser) = (&applied.generation_prompt, &applied.parser);
        let mut out = Text::none();
        // SAFETY: the texts live through the call.
        let raw = unsafe {
            taffrail_chat_parser_new(
                applied.format,
                prompt.as_ptr().cast(),
                prompt.len(),
                parser.as_ptr().cast(),
                parser.len(),
                &raw mut out,
            )
        };
        let text = out.take();
        NonNull::new(raw).map(Self).ok_or(text)
    }

    /// Read an answer, whole or so far; why not where that fails.
    pub(crate) fn parse(&self, text: &str, is_partial: bool) -> Result<Parsed, String> {
        let mut out = Text::none();
        // SAFETY: the parser is live, the text lives through the call.
        let is_read =
            unsafe { taffrail_chat_parse(self.0.as_ptr(), text.as_ptr().cast(), text.len(), is_partial, &raw mut out) };
        let text = out.take();
        if !is_read {
            return Err(text);
        }
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        // SAFETY: it is live, and nobody else has it.
        unsafe { taffrail_chat_parser_free(self.0.as_ptr()) }
    }
}

impl Text {
    fn none() -> Self {
        Self { data: std::ptr::null_mut(), size: 0 }
    }

    /// Its text; its memory is given back.
    fn take(self) -> String {
        if self.data.is_null() {
            return String::new();
        }
        // SAFETY: a call has written it, with its length.
        let bytes = unsafe { std::slice::from_raw_parts(self.data.cast::<u8>(), self.size) };
        let text = String::from_utf8_lossy(bytes).into_owned();
        // SAFETY: as above; it is not used any more.
        unsafe { taffrail_chat_text_free(self) };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_are_regular_expressions() {
        for (kind, value, expected) in [
            (WORD, "<tool_call>", "<tool_call>"),
            (WORD, "[TOOL_CALLS]", r"\[TOOL_CALLS\]"),
            (2, "a+", "a+"),
            (PATTERN_FULL, "a+", "^a+$"),
            (PATTERN_FULL, "^a+$", "^a+$"),
        ] {
            assert_eq!(Trigger { kind, value: value.to_owned() }.pattern(), expected);
        }
    }

    #[test]
    fn what_is_no_template_is_told_with_its_reason() {
        for source in ["{% if %}", "{{ 'a' ", "{% for m in %}{% endfor %}"] {
            let error = Templates::new(source, "", "").unwrap_err();
            assert!(!error.is_empty() && error != "std::exception", "{source}: {error}");
        }
    }
}
