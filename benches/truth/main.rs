//! What taffrail tells of energy against what was drawn: one row each, with its bound.
//!
//! `./dev bench --bench truth -- [WORD…]` runs the real program on a machine of known power (`machine`) and measures the
//! rows whose name contains a word, or all. It needs Linux and root, for a mount namespace, and says so where it has
//! neither. A figure keeps its bound where it is within its own stated uncertainty, and on a quiet machine within five
//! percent. These are figures and no test: the exit code is 0 whatever they are.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and a row that can't be measured ends there"
)]

#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "the machine goes on in small steps of time")]
mod machine;
#[cfg(target_os = "linux")]
mod model;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/program/support.rs"]
mod support;

fn main() {
    let (options, words): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    if !options.iter().any(|option| option == "--bench") {
        println!("nothing is measured without `cargo bench`");
        return;
    }
    #[cfg(target_os = "linux")]
    rows::measure(&words);
    #[cfg(not(target_os = "linux"))]
    println!("skipped {words:?}: the machine is made of Linux's files");
}
