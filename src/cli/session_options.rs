//! A session's settings as options: one for each of [`SESSION_FIELDS`], so that a setting is described and read in one
//! place for forms, files and the command line.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches, error::ErrorKind};

use domain::settings::{SESSION_FIELDS, SessionSettings};

/// The options that were given, checked.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    given: Vec<(&'static str, String)>,
}

impl SessionOptions {
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
}

impl Args for SessionOptions {
    fn augment_args(command: Command) -> Command {
        command.next_help_heading("Session").args(SESSION_FIELDS.iter().map(|field| {
            let arg = Arg::new(field.name).long(field.name.replace('_', "-")).help(field.help).value_name("VALUE");
            match field.name {
                "max_tokens" => arg.short('n'),
                "context" => arg.short('c'),
                "threads" => arg.short('t'),
                _ => arg,
            }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SessionOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for field in SESSION_FIELDS {
            let Some(value) = matches.get_one::<String>(field.name) else { continue };
            SessionSettings::default().set(field.name, value).map_err(|error| {
                let option = field.name.replace('_', "-");
                Error::raw(ErrorKind::InvalidValue, format!("--{option} {error}: {value}\n"))
            })?;
            self.given.push((field.name, value.clone()));
        }
        Ok(())
    }
}
