//! Why a file was refused, in one line each.

use std::{fmt, io};

use crate::text::clean;

/// Maximum length of a name in a message, in characters.
const NAME_CHARS: usize = 64;

/// Where reading stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderPosition {
    /// Before the first key.
    Start,
    /// At a key: its number from 1, and how many the file declares.
    Key(u64, u64),
    /// At a tensor or its entry in the table: its number from 1, and how many the file declares.
    Tensor(u64, u64),
}

impl fmt::Display for HeaderPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => write!(formatter, "the start of the header"),
            Self::Key(number, count) => write!(formatter, "key {number} of {count}"),
            Self::Tensor(number, count) => write!(formatter, "tensor {number} of {count}"),
        }
    }
}

/// Why a header was refused. [`Display`](fmt::Display) is one line, free of control characters and bounded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be opened or read.
    #[error("can't be read: {0}")]
    Io(#[from] io::Error),
    /// A directory, FIFO, socket or device.
    #[error("not a regular file but {0}")]
    NotAFile(&'static str),
    /// No bytes.
    #[error("empty file")]
    Empty,
    /// Other content; its first characters.
    #[error("not a GGUF file (starts with {0})")]
    NotGguf(String),
    /// A version other than 2 and 3.
    #[error("version {0} is not supported")]
    Version(u32),
    /// The file ends where more must come.
    #[error("cut off at {0}")]
    Truncated(HeaderPosition),
    /// The header is longer than any real one.
    #[error("header is longer than 256 MiB, at {0}")]
    HeaderTooLong(HeaderPosition),
    /// A declared count that the file can't hold or that no real file has.
    #[error("declares {count} {what}, at most {limit} are possible")]
    Count {
        /// What is counted, such as `tensors`.
        what: &'static str,
        /// As declared.
        count: u64,
        /// The bound.
        limit: u64,
    },
    /// A key that breaks the format.
    #[error("key {number}{} {problem}", Named(.name))]
    Key {
        /// From 1.
        number: u64,
        /// The key, where it could be read.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The same key twice.
    #[error("key {number} appears twice: {name}")]
    KeyTwice {
        /// The later one's number, from 1.
        number: u64,
        /// The key.
        name: String,
    },
    /// A tensor that breaks the format.
    #[error("tensor {number}{} {problem}", Named(.name))]
    Tensor {
        /// From 1.
        number: u64,
        /// Its name, where it could be read.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The same tensor twice.
    #[error("tensor {number} appears twice: {name}")]
    TensorTwice {
        /// The later one's number, from 1.
        number: u64,
        /// Its name.
        name: String,
    },
    /// Well-formed, but with a value that llama.cpp aborts at or that no model has.
    #[error("{0}")]
    Implausible(String),
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io(error) => (error.kind() == io::ErrorKind::PermissionDenied)
                .then_some("check the permissions of the file and of its folders"),
            Self::NotAFile(_) => Some("give the path of a .gguf file"),
            Self::Empty | Self::Truncated(_) => Some("the download was not finished: download it again"),
            Self::NotGguf(start) if start.starts_with("\"vers") => {
                Some("this may be a Git LFS pointer: fetch the file itself with `git lfs pull`")
            }
            Self::NotGguf(start) if start.starts_with("\"<") || start.starts_with("\"{") => {
                Some("a server's error page was saved in its place: download it again")
            }
            Self::NotGguf(_) => Some("only GGUF files can be run"),
            Self::Version(1) => Some("convert the model again with a current llama.cpp"),
            Self::Version(_) => Some("a newer version of this program may read it"),
            _ => Some("the file is damaged: verify its checksum or download it again"),
        }
    }

    pub(crate) fn key(number: u64, name: &str, problem: impl Into<String>) -> Self {
        Self::Key { number, name: clean(name, NAME_CHARS), problem: problem.into() }
    }

    pub(crate) fn key_twice(number: u64, name: &str) -> Self {
        Self::KeyTwice { number, name: clean(name, NAME_CHARS) }
    }

    pub(crate) fn tensor(number: u64, name: &str, problem: impl Into<String>) -> Self {
        Self::Tensor { number, name: clean(name, NAME_CHARS), problem: problem.into() }
    }

    pub(crate) fn tensor_twice(number: u64, name: &str) -> Self {
        Self::TensorTwice { number, name: clean(name, NAME_CHARS) }
    }

    pub(crate) fn implausible(problem: impl AsRef<str>) -> Self {
        Self::Implausible(clean(problem.as_ref(), 160))
    }
}

/// A name in brackets, or nothing.
struct Named<'a>(&'a String);

impl fmt::Display for Named<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(formatter, " ({})", self.0) }
    }
}
