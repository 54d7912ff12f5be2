//! The headless commands: each is a function of what is known, the arguments and a writer.

mod json;
pub mod ls;
pub mod show;
mod table;
