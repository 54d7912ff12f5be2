//! What is wrong with a command line: which command it was about, what its usage is, and what may have been meant.

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::words::{Words, first};
use domain::settings::SESSION_FIELDS;

/// Commands that are offered at most.
const MAX_NEAR: usize = 3;

/// How like a name must be to be offered.
const LEAST_LIKENESS: f64 = 0.6;

/// Words that people know from other programs, and what does the same here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("stop", "`taffrail serve stop` ends the server and its sessions; in the dashboard `x` stops one"),
    ("start", "`taffrail` opens the dashboard; `taffrail run MODEL PROMPT` answers a prompt; `taffrail serve` serves"),
    ("ui", "`taffrail` without a command opens the dashboard"),
    ("tui", "`taffrail` without a command opens the dashboard"),
    ("dashboard", "`taffrail` without a command opens the dashboard"),
    ("create", "a model of your own name and settings is a section [models.NAME] in config.toml"),
    ("cp", "another name for a model is a section [models.NAME] in config.toml"),
    ("search", "`f` in the dashboard's Library searches the hub; `taffrail ls WORD` the models that are here"),
    ("find", "`f` in the dashboard's Library searches the hub; `taffrail ls WORD` the models that are here"),
    ("info", "`taffrail show MODEL` describes a model, `taffrail doctor` this machine"),
    (
        "compare",
        "`taffrail race A B -p PROMPT` compares answers, `taffrail perplexity` a quantization with its reference",
    ),
    ("benchmark", "`taffrail bench MODEL` measures speed"),
    ("settings", "`taffrail config` shows the settings, `taffrail config set KEY VALUE` changes one"),
    ("logs", "`taffrail doctor` names the log's folder"),
    ("version", "`taffrail --version` shows the version"),
];

/// The error with the usage of the command that it is about, and with the commands that may have been meant.
pub(super) fn explained(mut error: Error, root: &mut Command, words: &Words) -> Error {
    if !error.use_stderr() {
        return error;
    }
    root.build();
    match error.kind() {
        ErrorKind::InvalidSubcommand => suggest(&mut error, root, words),
        ErrorKind::UnknownArgument => explain_setting(&mut error),
        _ => {}
    }
    if error.get(ContextKind::Usage).is_none() {
        let mut command = &mut *root;
        for name in &words.path {
            if command.find_subcommand(name).is_none() {
                break;
            }
            let Some(subcommand) = command.find_subcommand_mut(name) else { return error };
            command = subcommand;
        }
        let usage = command.render_usage();
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    }
    error
}

/// Offer the commands nearest to the one that there is not.
fn suggest(error: &mut Error, root: &Command, words: &Words) {
    let Some(ContextValue::String(wanted)) = error.get(ContextKind::InvalidSubcommand) else { return };
    let wanted = wanted.to_lowercase();
    let parent = words.path.iter().try_fold(root, |command, name| command.find_subcommand(name)).unwrap_or(root);
    if let Some((_, text)) = ELSEWHERE.iter().find(|(word, _)| words.path.is_empty() && *word == wanted) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(*text)]));
        error.remove(ContextKind::SuggestedSubcommand);
        return;
    }
    let near = near(&wanted, parent);
    if near.is_empty() {
        let is_model = words.path.is_empty() && first(&words.words).is_some_and(|word| word.to_str() == Some(&*wanted));
        if is_model {
            let text =
                "if that is a model: `taffrail run MODEL PROMPT` answers a prompt, `taffrail show MODEL` describes it";
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(text)]));
        }
        return;
    }
    error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(near));
}

/// Say where a setting has its place that this command makes no use of.
fn explain_setting(error: &mut Error) {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return };
    let name = option.trim_start_matches('-').replace('-', "_");
    if SESSION_FIELDS.iter().any(|field| field.name == name) {
        let text = format!(
            "it changes nothing here; for sessions that serve it is `{name}` in [session] of config.toml, or \
             `--set session.{name}=VALUE`"
        );
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(text)]));
    }
}

/// The names of a command's subcommands that are like a word, the likest first.
fn near(wanted: &str, parent: &Command) -> Vec<String> {
    let likeness = |name: &str| {
        let whole = strsim::normalized_damerau_levenshtein(name, wanted).max(strsim::jaro_winkler(name, wanted) - 0.2);
        // The beginning of a name is like it.
        if wanted.len() > 1 && name.starts_with(wanted) { 1.0 } else { whole }
    };
    let shown = parent.get_subcommands().filter(|command| !command.is_hide_set());
    let mut all: Vec<(f64, &str)> = shown
        .filter_map(|command| {
            let names = std::iter::once(command.get_name()).chain(command.get_all_aliases());
            let best = names.map(likeness).max_by(f64::total_cmp)?;
            (best >= LEAST_LIKENESS).then_some((best, command.get_name()))
        })
        .collect();
    all.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    all.into_iter().take(MAX_NEAR).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    fn said(line: &str) -> String {
        let words = std::iter::once("taffrail").chain(line.split_whitespace()).map(OsString::from);
        crate::cli::parse(words).map_or_else(|error| error.to_string(), |_| "understood".to_owned())
    }

    #[test]
    fn a_mistyped_command_gets_the_nearest_names() {
        for (line, expected) in [
            ("rnu m", "'run'"),
            ("bnech m", "'bench'"),
            ("lst", "'ls'"),
            ("lists", "'ls'"),
            ("sho m", "'show'"),
            ("perplex", "'perplexity'"),
            ("keys lst", "'ls'"),
            ("serve statsu", "'status'"),
            ("config pth", "'path'"),
            ("stop", "`taffrail serve stop`"),
            ("benchmark m", "`taffrail bench MODEL`"),
            ("qwen3", "`taffrail run MODEL PROMPT`"),
        ] {
            let said = said(line);
            assert!(said.contains(expected) && !said.contains("'top'"), "{line}: {said}");
        }
    }

    #[test]
    fn a_bad_value_names_the_option_its_bounds_and_the_usage() {
        for (line, option, bounds, usage) in [
            ("run m --temp hot", "--temperature", "from 0 to 10, or auto", "Usage: taffrail run"),
            ("run m -c -1", "--context", "from 0 to 16777216", "Usage: taffrail run"),
            ("run m -ctk q9", "--cache-type-k", "one of f32, f16", "Usage: taffrail run"),
            ("run m -ngl many", "--gpu-layers", "from 0 to 10000, or auto", "Usage: taffrail run"),
            ("history -n many", "--limit", "from 1 to", "Usage: taffrail history"),
            ("history --show x", "--show", "whole number from 1 to", "Usage: taffrail history"),
            ("bench m -r 0", "--repetitions", "from 1 to", "Usage: taffrail bench"),
            ("bench m --pp x", "--pp", "whole number from 0 to", "Usage: taffrail bench"),
            ("bench m --parallel 0", "--parallel", "from 1 to 256", "Usage: taffrail bench"),
            ("pick --suite s m --at-least 200", "--at-least", "from 0 to 100", "Usage: taffrail pick"),
            ("perplexity m --text t --chunk 3", "--chunk", "from 8 to 8192", "Usage: taffrail perplexity"),
            ("requests --cancel x", "--cancel", "whole number from 1 to", "Usage: taffrail requests"),
            ("launch claude m -c x", "--context", "from 0 to 16777216", "Usage: taffrail launch"),
            ("ls --sort colour", "--sort", "possible values: ", "Usage: taffrail ls"),
            ("serve --listen here", "--listen", "ADDRESS:PORT", "Usage: taffrail serve"),
            ("top --speed 0 --replay f", "--speed", "from 0.01 to 100000", "Usage: taffrail top"),
        ] {
            let said = said(line);
            for part in [option, bounds, usage] {
                assert!(said.contains(part), "{line}: no {part:?} in\n{said}");
            }
        }
    }

    #[test]
    fn what_does_not_apply_is_not_taken() {
        for (line, option) in [
            ("run m --parallel 2", "--parallel"),
            ("run m --keep-alive 5m", "--keep-alive"),
            ("bench m --temperature 1", "--temperature"),
            ("bench m --context 5", "--context"),
            ("perplexity m --text t --seed 1", "--seed"),
            ("--record f ls", "--record"),
        ] {
            let said = said(line);
            assert!(said.contains(option) && said.contains("Usage: taffrail"), "{line}: {said}");
            assert_eq!(said.contains("--set session."), option != "--record", "{line}: {said}");
        }
        assert_eq!(said("run m why is the sky blue"), "understood");
    }
}
