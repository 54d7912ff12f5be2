//! A session's settings as options: one for each of [`SESSION_FIELDS`] that changes what the command does, so that a setting
//! is described and read in one place for forms, files and the command line.

use std::marker::PhantomData;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use domain::settings::{Field, SESSION_FIELDS, SessionSettings, SessionUse};

/// A kind of command, as a type.
pub trait Kind: std::fmt::Debug + Clone + Default {
    /// What it does with a session.
    const USE: SessionUse;
}

/// One that has prompts answered.
#[derive(Debug, Clone, Default)]
pub struct Answers;

/// One that holds a conversation.
#[derive(Debug, Clone, Default)]
pub struct Talks;

/// One that measures.
#[derive(Debug, Clone, Default)]
pub struct Measures;

impl Kind for Answers {
    const USE: SessionUse = SessionUse::Answer;
}

impl Kind for Talks {
    const USE: SessionUse = SessionUse::Chat;
}

impl Kind for Measures {
    const USE: SessionUse = SessionUse::Measure;
}

/// The options that were given, checked.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions<K: Kind = Answers> {
    given: Vec<(&'static str, String)>,
    kind: PhantomData<K>,
}

/// How a setting is called besides its own name: by llama.cpp's users, and in one letter.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Names {
    /// Options of several letters behind two dashes.
    pub(super) long: &'static [&'static str],
    /// One letter behind one dash.
    pub(super) short: Option<char>,
    /// Several letters behind one dash.
    pub(super) dashed: &'static [&'static str],
}

/// The other names of a setting.
pub(super) fn names(field: &str) -> Names {
    let (long, short, dashed): (&[_], _, &[_]) = match field {
        "context" => (&["ctx-size"], Some('c'), &[]),
        "threads" => (&[], Some('t'), &[]),
        "gpu_layers" => (&["n-gpu-layers"], None, &["-ngl"]),
        "device" => (&[], None, &["-dev"]),
        "cache_type_k" => (&[], None, &["-ctk"]),
        "cache_type_v" => (&[], None, &["-ctv"]),
        "flash_attention" => (&["flash-attn"], None, &["-fa"]),
        "batch" => (&["batch-size"], Some('b'), &[]),
        "ubatch" => (&["ubatch-size"], None, &["-ub"]),
        "max_tokens" => (&["predict", "n-predict"], Some('n'), &[]),
        "temperature" => (&["temp"], None, &[]),
        "seed" => (&[], Some('s'), &[]),
        _ => (&[], None, &[]),
    };
    Names { long, short, dashed }
}

impl<K: Kind> SessionOptions<K> {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// The settings that were given.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.given.iter().map(|(name, _)| *name)
    }

    /// The settings with the options laid over them.
    pub fn over(&self, mut settings: SessionSettings) -> SessionSettings {
        for (name, value) in &self.given {
            // They were checked when they were read.
            let _ = settings.set(name, value);
        }
        settings
    }

    fn fields() -> impl Iterator<Item = &'static Field> {
        SESSION_FIELDS.iter().filter(|field| K::USE.takes(**field))
    }
}

/// What a value is called in the help.
fn value_name(field: &str) -> &'static str {
    match field {
        "context" | "batch" | "ubatch" | "max_tokens" => "TOKENS",
        "threads" => "THREADS",
        "gpu_layers" => "LAYERS",
        "device" => "DEVICES",
        "cache_type_k" | "cache_type_v" => "TYPE",
        "flash_attention" => "auto|on|off",
        "mmap" | "mlock" => "true|false",
        "context_full" => "drop|shift|stop",
        "seed" => "SEED",
        "on" => "PLACE",
        _ => "VALUE",
    }
}

/// A clause as the help of an option begins: with a capital.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A setting as an option.
fn option(field: &'static Field) -> Arg {
    let names = names(field.name);
    let mut help = sentence(field.help);
    if !names.dashed.is_empty() {
        help = format!("{help} [also: {}]", names.dashed.join(", "));
    }
    let arg = Arg::new(field.name).long(field.name.replace('_', "-")).help(help).value_name(value_name(field.name));
    let name = field.name;
    let check = move |text: &str| SessionSettings::default().set(name, text).map(|()| text.to_owned());
    // The last one counts, as in llama.cpp: a script's options come before what is typed.
    let arg = arg.visible_aliases(names.long.iter().copied()).value_parser(check).overrides_with(field.name);
    names.short.into_iter().fold(arg, Arg::short)
}

impl<K: Kind> Args for SessionOptions<K> {
    fn augment_args(command: Command) -> Command {
        command.next_help_heading("Session").args(Self::fields().map(option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<K: Kind> FromArgMatches for SessionOptions<K> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for field in Self::fields() {
            if let Some(value) = matches.get_one::<String>(field.name) {
                self.given.push((field.name, value.clone()));
            }
        }
        Ok(())
    }
}
