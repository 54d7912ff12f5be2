//! The words of a command line before clap reads them: llama.cpp's options of several letters behind one dash (`-ngl 99`), and
//! its switches that take a word here (`--mlock`, `--no-mmap`, `-fa`).
//!
//! What an option takes is never changed, even where it looks like an option.

use std::ffi::{OsStr, OsString};

use clap::builder::ValueRange;
use clap::{Arg, ArgAction, Command};

use super::session_options::names;
use domain::settings::SESSION_FIELDS;

/// Options of several letters behind one dash, and what they are called here. They hold where a command has the option.
const DASHED: [(&str, &str); 3] = [("-jf", "json-schema"), ("-sys", "system"), ("-np", "parallel")];

/// Switches of llama.cpp: the option here, the word that they mean, and the words that the option takes.
const SWITCHES: [(&str, &str, &str, &[&str]); 5] = [
    ("--mlock", "mlock", "true", &["true", "false"]),
    ("--mmap", "mmap", "true", &["true", "false"]),
    ("--no-mmap", "mmap", "false", &[]),
    ("--flash-attn", "flash-attention", "on", &["auto", "on", "off", "true", "false"]),
    ("--flash-attention", "flash-attention", "on", &["auto", "on", "off", "true", "false"]),
];

/// A command line as clap reads it.
pub(super) struct Words {
    /// The words, the program's name first.
    pub(super) words: Vec<OsString>,
    /// The names of the command and its subcommands, as far as they are commands.
    pub(super) path: Vec<String>,
}

/// Rewrite a command line for `root`.
pub(super) fn read(root: &Command, given: impl IntoIterator<Item = OsString>) -> Words {
    let mut given = given.into_iter().peekable();
    let mut words: Vec<OsString> = given.next().into_iter().collect();
    let (mut command, mut path) = (root, Vec::new());
    let mut may_name_command = true;
    while let Some(word) = given.next() {
        let Some(text) = word.to_str().filter(|text| text.starts_with('-') && *text != "-") else {
            let named = word.to_str().filter(|_| may_name_command).and_then(|name| command.find_subcommand(name));
            match named {
                Some(subcommand) => {
                    command = subcommand;
                    path.push(subcommand.get_name().to_owned());
                }
                None => may_name_command = false,
            }
            words.push(word);
            continue;
        };
        if text == "--" {
            words.push(word);
            words.extend(given);
            break;
        }
        let next = given.peek().and_then(|next| next.to_str());
        let text = rewritten(command, text, next).unwrap_or_else(|| text.to_owned());
        let takes_next = takes_next(root, command, &text);
        words.push(text.into());
        if takes_next && let Some(value) = given.next() {
            words.push(value);
        }
    }
    Words { words, path }
}

/// Another word for an option that llama.cpp has, where this command has what it means.
fn rewritten(command: &Command, text: &str, next: Option<&str>) -> Option<String> {
    let has = |long: &str| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    let settings = SESSION_FIELDS.iter().find(|field| names(field.name).dashed.contains(&name));
    let settings = settings.map(|field| field.name.replace('_', "-"));
    let long = settings.or_else(|| Some(DASHED.iter().find(|(dashed, _)| *dashed == name)?.1.to_owned()));
    let long = long.filter(|long| has(long));
    let name = long.map_or_else(|| name.to_owned(), |long| format!("--{long}"));
    if value.is_none()
        && let Some((_, option, word, taken)) =
            SWITCHES.iter().find(|(switch, option, ..)| *switch == name && has(option))
        && !next.is_some_and(|next| taken.contains(&next))
    {
        return Some(format!("--{option}={word}"));
    }
    Some(value.map_or_else(|| name.clone(), |value| format!("{name}={value}"))).filter(|new| new != text)
}

/// Whether an option takes the next word.
fn takes_next(root: &Command, command: &Command, text: &str) -> bool {
    if text.contains('=') {
        return false;
    }
    let all = || command.get_arguments().chain(root.get_arguments().filter(|arg| arg.is_global_set()));
    let found = if let Some(long) = text.strip_prefix("--") {
        all().find(|arg| is_long(arg, long))
    } else {
        // Of several letters the first that takes a value has the rest for its value.
        let mut letters = text.chars().skip(1);
        let taker = letters.by_ref().find_map(|letter| all().find(|arg| is_short(arg, letter) && takes_value(arg)));
        taker.filter(|_| letters.next().is_none())
    };
    found.is_some_and(takes_value)
}

fn is_long(arg: &Arg, long: &str) -> bool {
    arg.get_long() == Some(long) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&long))
}

fn is_short(arg: &Arg, short: char) -> bool {
    arg.get_short() == Some(short) || arg.get_all_short_aliases().is_some_and(|aliases| aliases.contains(&short))
}

/// Whether an option takes values.
fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

/// What an option takes may begin with a dash: `-p "- one"`, `--seed -1`.
pub(super) fn with_dashes(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let takes_one = arg.get_num_args().is_none_or(|count| count == ValueRange::SINGLE);
        // A list of values would take the options behind it as well.
        if takes_value(&arg) && takes_one && !arg.is_positional() { arg.allow_hyphen_values(true) } else { arg }
    });
    command.mut_subcommands(with_dashes)
}

/// The first word that is no option, where it is no command.
pub(super) fn first(words: &[OsString]) -> Option<&OsStr> {
    words.iter().skip(1).map(OsString::as_os_str).find(|word| !word.to_string_lossy().starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama_cpps_options_are_understood_and_values_are_left_alone() {
        let root = crate::cli::command();
        for (given, expected) in [
            ("run m -ngl 99", "run m --gpu-layers 99"),
            ("run m -ngl=99", "run m --gpu-layers=99"),
            ("run m -ctk q8_0 -ctv q8_0", "run m --cache-type-k q8_0 --cache-type-v q8_0"),
            ("run m -fa", "run m --flash-attention=on"),
            ("run m -fa off -p x", "run m --flash-attention off -p x"),
            ("run m --flash-attn -p x", "run m --flash-attention=on -p x"),
            ("run m --mlock --no-mmap", "run m --mlock=true --mmap=false"),
            ("run m --mlock false", "run m --mlock false"),
            ("run m -ub 64 -b 128", "run m --ubatch 64 -b 128"),
            // What an option takes stays.
            ("run m -p -ngl", "run m -p -ngl"),
            ("run m --prompt -fa -ngl 1", "run m --prompt -fa --gpu-layers 1"),
            ("--config -fa run m", "--config -fa run m"),
            ("run m -- -ngl", "run m -- -ngl"),
            // A command that has no such option says so itself.
            ("ls -ngl", "ls -ngl"),
            ("top --mlock", "top --mlock"),
        ] {
            let words = std::iter::once("taffrail").chain(given.split(' ')).map(OsString::from);
            let read = read(&root, words).words;
            let read: Vec<_> = read.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
            assert_eq!(read.join(" "), expected, "{given}");
        }
    }

    #[test]
    fn the_command_is_found() {
        let root = crate::cli::command();
        for (given, expected) in [
            ("", ""),
            ("--set ls run m", "run"),
            ("keys add x", "keys add"),
            ("list", "ls"),
            ("-v serve status", "serve status"),
            ("qwen3 run", ""),
        ] {
            let words = std::iter::once("taffrail").chain(given.split_whitespace()).map(OsString::from);
            let path = read(&root, words).path;
            assert_eq!(path.join(" "), expected, "{given}");
        }
    }
}
