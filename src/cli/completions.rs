//! `taffrail completions` and `taffrail man`: what shells and `man` are told of the command line, made from it.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::Exit;
use super::failure::Failure;

/// Where each shell looks for completions, as the help shows it.
const PLACES: &str = "Where they go:
  bash  taffrail completions bash > ~/.local/share/bash-completion/completions/taffrail
  zsh   taffrail completions zsh > ~/.local/share/zsh/site-functions/_taffrail, a folder that $fpath has to name
  fish  taffrail completions fish > ~/.config/fish/completions/taffrail.fish

`./dev install` from a clone puts all of them there, and the man pages.";

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(after_help = PLACES)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the man pages.
#[derive(Debug, Args)]
pub struct Man {
    /// The folder, which is made where it is missing
    folder: PathBuf,
}

/// Print the completions.
///
/// # Errors
///
/// What `out` says.
pub fn run(arguments: &Completions, command: &Command, out: &mut impl Write) -> io::Result<Exit> {
    // The generator ends the process where it can't write.
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut shown(command), "taffrail", &mut text);
    out.write_all(&text)?;
    Ok(Exit::Done)
}

/// A command without what is hidden, which its completions would offer.
fn shown(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
    let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).map(shown);
    let new = Command::new(command.get_name().to_owned()).args(arguments).subcommands(subcommands);
    let new = new.visible_aliases(command.get_visible_aliases().map(str::to_owned));
    let new = command.get_version().into_iter().fold(new, |new, version| new.version(version.to_owned()));
    command.get_about().into_iter().fold(new, |new, about| new.about(about.clone()))
}

/// Write the man pages: one for the program, and one for each command.
pub fn man(arguments: &Man, command: Command) -> Exit {
    let folder = &arguments.folder;
    let command = command.disable_help_subcommand(true);
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    match written {
        Ok(()) => Exit::Done,
        Err(error) => Failure::new(Exit::Failed, format!("{}: {error}", folder.display())).print(),
    }
}
