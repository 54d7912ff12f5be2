//! The formats in which models write their reasoning.
//!
//! Owned here: one table of what opens reasoning, what closes it, and what encloses the answer. It is taken from
//! llama.cpp's parsers (`common/chat*.cpp`, `common/parsers`) and from the models' own templates. Absent: the split
//! (`think`).

/// How a model marks its reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Opens the reasoning.
    pub open: &'static str,
    /// Closes it.
    pub close: &'static str,
    /// The tags that enclose the answer and are no part of it. An empty opening tag is always there.
    pub around: Option<(&'static str, &'static str)>,
    /// What is put behind `close` where the reasoning is closed by force.
    pub then: &'static str,
    /// What a template says, or a vocabulary has as one token, if the model writes this format.
    pub sign: &'static str,
    /// It counts only for a model with the sign: any other may write these words in an answer.
    pub guarded: bool,
    /// What may come within the answer.
    pub later: Later,
}

/// What may come within an answer, next to its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// Nothing: a tag there is text that the answer is about.
    Nothing,
    /// Reasoning again, or a closing tag alone. The tags are special tokens, so that no answer has them as text.
    Reasoning,
    /// Further messages, each with a header that says what it is: Harmony.
    Messages,
}

/// A pair of tags and no more.
const fn pair(open: &'static str, close: &'static str) -> Format {
    Format { open, close, around: None, then: "\n\n", sign: open, guarded: false, later: Later::Nothing }
}

const fn guarded(sign: &'static str, format: Format) -> Format {
    Format { sign, guarded: true, ..format }
}

const fn around(begin: &'static str, end: &'static str, format: Format) -> Format {
    Format { around: Some((begin, end)), ..format }
}

/// The begin of a message's header in Harmony.
pub(super) const CHANNEL: &str = "<|channel|>";
/// The end of the header.
pub(super) const MESSAGE: &str = "<|message|>";
/// The end of a message that others follow.
pub(super) const END: &str = "<|end|>";
/// What begins a message by the model; a prompt ends in it.
pub(super) const ASSISTANT: &str = "<|start|>assistant";
/// The header of the answer.
pub(super) const FINAL: &str = "<|channel|>final<|message|>";
/// From the end of the reasoning to the answer.
pub(super) const TO_FINAL: &str = "<|start|>assistant<|channel|>final<|message|>";

/// The formats that models are known to use. Where two open with the same tag, the guarded one comes first.
pub static FORMATS: [Format; 17] = [
    // Granite 3.3, whose system prompt asks for these tags.
    guarded("between <response></response>", around("<response>", "</response>", pair("<think>", "</think>"))),
    // Hunyuan A13B.
    guarded("<answer>", around("<answer>", "</answer>", pair("<think>", "</think>"))),
    // By far the most common: DeepSeek, Qwen, GLM, Kimi, MiniMax, Nemotron, SmolLM, MiniCPM, LFM, Ling, Laguna …
    pair("<think>", "</think>"),
    // Magistral and Ministral.
    pair("[THINK]", "[/THINK]"),
    // Seed-OSS.
    pair("<seed:think>", "</seed:think>"),
    // MiniMax M3.
    pair("<mm:think>", "</mm:think>"),
    // EXAONE Deep.
    pair("<thought>", "</thought>"),
    // North Code.
    guarded("<|START_TEXT|>", around("<|START_TEXT|>", "<|END_TEXT|>", pair("<|START_THINKING|>", "<|END_THINKING|>"))),
    // Command A and R7B.
    around("<|START_RESPONSE|>", "<|END_RESPONSE|>", pair("<|START_THINKING|>", "<|END_THINKING|>")),
    // Apertus.
    pair("<|inner_prefix|>", "<|inner_suffix|>"),
    // Kimi VL.
    pair("◁think▷", "◁/think▷"),
    // OpenThinker.
    around("<|begin_of_solution|>", "<|end_of_solution|>", pair("<|begin_of_thought|>", "<|end_of_thought|>")),
    // Kimi K3.
    Format {
        then: "<|open|>response<|sep|>",
        sign: "<|open|>",
        ..around(
            "<|open|>response<|sep|>",
            "<|close|>response<|sep|>",
            pair("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
        )
    },
    // Granite 3.2.
    guarded("Here is my thought process:", pair("Here is my thought process:", "Here is my response:")),
    // Apriel.
    guarded(
        "Here are my reasoning steps:",
        around("", "[END FINAL RESPONSE]", pair("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]")),
    ),
    // Gemma 4.
    Format { then: "", sign: "<|channel>", later: Later::Reasoning, ..pair("<|channel>thought", "<channel|>") },
    // gpt-oss and others of the Harmony format.
    Format { then: TO_FINAL, sign: CHANNEL, later: Later::Messages, ..pair("<|channel|>analysis<|message|>", END) },
];

impl Format {
    /// All that this format writes next to reasoning and answer.
    pub fn marks(&self) -> impl Iterator<Item = &'static str> {
        let (begin, end) = self.around.unwrap_or_default();
        [self.open, self.close, begin, end, self.then].into_iter().filter(|mark| !mark.trim().is_empty())
    }
}
