//! Requests other than generation: embeddings, tokenizing, detokenizing, rendering a chat template.

use serde::{Deserialize, Serialize};

use crate::Chat;

/// A job with a single result that uses no sequence; answered by [`crate::Event::Queried`], or by
/// [`crate::Event::Finished`] if cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Chosen by the supervisor; repeated in the answer.
    pub id: u64,
    /// The job.
    pub job: QueryJob,
}

/// The kinds of query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryJob {
    /// Embed each input.
    Embed {
        /// The inputs, at most [`MAX_INPUTS`].
        inputs: Vec<Input>,
        /// Whether to normalize each vector to length 1.
        normalize: bool,
        /// Whether to truncate an input that is too long; otherwise it is an error.
        truncate: bool,
    },
    /// Tokenize a text.
    Tokenize {
        /// The text.
        text: String,
        /// Whether to add the tokens that begin and end a text in this vocabulary.
        add_special: bool,
        /// Whether to parse special tokens in the text.
        parse_special: bool,
        /// Whether to return the bytes of each token.
        with_pieces: bool,
    },
    /// Detokenize tokens.
    Detokenize {
        /// The tokens.
        tokens: Vec<i32>,
    },
    /// Render a chat with the model's template.
    ApplyTemplate(Box<Chat>),
}

impl QueryJob {
    /// Bytes of its texts and tokens.
    pub fn n_bytes(&self) -> usize {
        match self {
            Self::Embed { inputs, .. } => inputs.iter().map(Input::n_bytes).sum(),
            Self::Tokenize { text, .. } => text.len(),
            Self::Detokenize { tokens } => size_of_val(tokens.as_slice()),
            Self::ApplyTemplate(chat) => {
                let tools = chat.tools.iter().map(|tool| tool.description.len() + tool.parameters.len());
                chat.messages.iter().map(|message| message.text().len()).sum::<usize>() + tools.sum::<usize>()
            }
        }
    }
}

/// One input of an embedding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A text; the tokens that begin and end a text in this vocabulary are added.
    Text(String),
    /// Tokens, used as is.
    Tokens(Vec<i32>),
}

impl Input {
    /// Bytes of its text or tokens.
    pub fn n_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Tokens(tokens) => size_of_val(tokens.as_slice()),
        }
    }
}

/// Maximum number of inputs per query, so that the vectors of the widest models fit in one frame.
pub const MAX_INPUTS: usize = 64;

/// The outcome of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queried {
    /// As in the request.
    pub id: u64,
    /// The result.
    pub result: QueryResult,
}

/// The result for each kind of query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryResult {
    /// The vectors, in the order of the inputs.
    Embedded {
        /// All of the same length; each number is finite.
        vectors: Vec<Vec<f32>>,
        /// Tokens of each input.
        n_tokens: Vec<u32>,
    },
    /// The tokens of a text.
    Tokenized {
        /// The tokens.
        tokens: Vec<i32>,
        /// The bytes of each token, if requested; else empty.
        pieces: Vec<Vec<u8>>,
    },
    /// The text of the tokens, with invalid UTF-8 replaced by U+FFFD.
    Detokenized {
        /// The text.
        text: String,
    },
    /// A rendered chat.
    Applied {
        /// The prompt.
        prompt: String,
        /// Its tokens.
        n_tokens: u32,
    },
}
