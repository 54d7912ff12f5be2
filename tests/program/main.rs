//! The program from outside: the command line, the terminal, and what breaks. Everything is real: the binary, its
//! workers, the starter models, a pseudo-terminal.

#[cfg(unix)]
mod command_line;
#[cfg(all(unix, feature = "llama"))]
mod faults;
#[cfg(unix)]
mod support;
#[cfg(all(unix, feature = "llama"))]
mod terminal;
