//! `taffrail --version`: which build this is.

use std::fmt::Write as _;

use worker::build_info as build;

/// What `--version` says behind the program's name: the version, and a line for each thing that makes builds differ.
pub fn text() -> String {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    let commit = option_env!("TAFFRAIL_COMMIT").filter(|commit| !commit.is_empty());
    let date = option_env!("TAFFRAIL_COMMIT_DATE").filter(|date| !date.is_empty());
    let commit = match (commit, date) {
        (Some(commit), Some(date)) => format!("{commit} of {date}"),
        (Some(commit), None) => commit.to_owned(),
        (None, _) => "unknown: not built from a clone".to_owned(),
    };
    for (name, value) in [
        ("commit", commit),
        ("llama.cpp", build::llama_version().unwrap_or("not built in").to_owned()),
        ("features", features()),
        ("target", env!("TAFFRAIL_TARGET").to_owned()),
        ("CPU", processor()),
    ] {
        let _ = write!(text, "\n{name:<12}{value}");
    }
    text
}

/// The features that it was built with.
fn features() -> String {
    let all = [
        (cfg!(feature = "llama"), "llama"),
        (cfg!(feature = "cuda"), "cuda"),
        (cfg!(feature = "vulkan"), "vulkan"),
        (cfg!(feature = "metal"), "metal"),
        (cfg!(feature = "rocm"), "rocm"),
    ];
    let built: Vec<_> = all.into_iter().filter_map(|(is_built, name)| is_built.then_some(name)).collect();
    some(&built, "none")
}

/// What llama.cpp uses of the processor, and what this one has besides or lacks.
fn processor() -> String {
    if build::llama_version().is_none() {
        return "not used: llama.cpp is not built in".to_owned();
    }
    let kind = if build::is_native() { "native" } else { "portable" };
    let mut used = build::used_extensions();
    // What it is compiled for, the system has to grant besides.
    used.extend(worker::has_amx().then_some("AMX"));
    let mut text = format!("{kind}, uses {}", some(&used, "no extensions"));
    for (names, what) in
        [(build::missing_extensions(), "this processor lacks"), (build::unused_extensions(), "this processor also has")]
    {
        if !names.is_empty() {
            let _ = write!(text, "; {what} {}", names.join(", "));
        }
    }
    text
}

fn some(names: &[&str], none: &str) -> String {
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_tells_commit_llama_features_and_processor() {
        let text = super::text();
        let names: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(names, ["commit", "llama.cpp", "features", "target", "CPU"], "{text}");
        assert!(text.starts_with(env!("CARGO_PKG_VERSION")), "{text}");
        assert_eq!(text.contains(", AMX"), worker::has_amx(), "{text}");
    }
}
