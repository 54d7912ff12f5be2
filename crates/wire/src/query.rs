//! What a worker is asked beside answers: vectors of texts, tokens of texts, texts of tokens, chats as the model is told
//! them.

use serde::{Deserialize, Serialize};

use crate::Chat;

/// A job that gives one result and leaves all sequences alone; answered by [`crate::Event::Queried`], or by
/// [`crate::Event::Finished`] where it was cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Chosen by the supervisor; repeated in the answer.
    pub id: u64,
    /// What is wanted.
    pub job: QueryJob,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryJob {
    /// A vector for each input.
    Embed {
        /// The inputs, [`MAX_INPUTS`] at most.
        inputs: Vec<Input>,
        /// Whether each vector is divided by its length.
        normalize: bool,
        /// Whether an input that is too long is cut at its end; otherwise it is an error.
        truncate: bool,
    },
    /// The tokens of a text.
    Tokenize {
        /// The text.
        text: String,
        /// Whether the tokens are added that begin and end a text of this vocabulary.
        add_special: bool,
        /// Whether the text of a special token becomes that token.
        parse_special: bool,
        /// Whether the bytes of each token are told.
        with_pieces: bool,
    },
    /// The text of tokens.
    Detokenize {
        /// The tokens.
        tokens: Vec<i32>,
    },
    /// A chat as the model is told it.
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
    /// A text, begun and ended as the vocabulary wants it.
    Text(String),
    /// Tokens as they stand.
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

/// The most inputs of one query: the vectors of the widest models fit a frame.
pub const MAX_INPUTS: usize = 64;

/// What came of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queried {
    /// As asked.
    pub id: u64,
    /// The result.
    pub result: QueryResult,
}

/// The result of a query, by its job.
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
        /// The bytes of each token, where they were asked for; else empty.
        pieces: Vec<Vec<u8>>,
    },
    /// The text of tokens. What is no UTF-8 in it is U+FFFD.
    Detokenized {
        /// The text.
        text: String,
    },
    /// A chat as the model is told it.
    Applied {
        /// The prompt.
        prompt: String,
        /// Its tokens.
        n_tokens: u32,
    },
}
