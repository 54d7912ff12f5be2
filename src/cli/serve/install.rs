//! `taffrail serve install`: a service of the user's own session, written after it was shown.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use etcetera::BaseStrategy as _;

use crate::atomic_file;
use crate::cli::Exit;
use crate::cli::failure::Failure;

/// The service's name, where a reversed host name is usual.
const LABEL: &str = "taffrail.serve";

/// Start the server with your session: write a systemd user unit, or a launchd agent on macOS.
#[derive(Debug, Args)]
pub(super) struct Install {
    /// Write it without asking
    #[arg(short, long)]
    yes: bool,
    /// Show it only
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// A file that has a system start the server.
#[derive(Debug, PartialEq, Eq)]
struct Service {
    path: PathBuf,
    text: String,
    /// What starts it now, a command each.
    commands: Vec<String>,
}

/// Show what would be written, ask, and write it.
///
/// # Errors
///
/// Where the terminal can't be written to.
pub(super) fn run(arguments: &Install, config: Option<&Path>, out: &mut impl Write) -> io::Result<Exit> {
    let service = match service(config) {
        Ok(service) => service,
        Err(reason) => return Ok(Failure::new(Exit::Failed, reason).print()),
    };
    writeln!(out, "{}:\n\n{}", service.path.display(), service.text)?;
    out.flush()?;
    if arguments.dry_run {
        return Ok(Exit::Done);
    }
    if !arguments.yes && !agrees(&service.path)? {
        return Ok(Failure::new(Exit::Refused, "nothing was written")
            .with_hint("`--yes` writes without asking")
            .print());
    }
    if let Err(error) = atomic_file::replace(&service.path, service.text.as_bytes()) {
        return Ok(Failure::new(Exit::Failed, format!("{}: {error}", service.path.display())).print());
    }
    writeln!(out, "It is written. To start it now and with each session:")?;
    for command in service.commands {
        writeln!(out, "  {command}")?;
    }
    Ok(Exit::Done)
}

/// Whether the user agrees. Where there is nobody to ask, nobody does.
fn agrees(path: &Path) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut err = io::stderr();
    write!(err, "Write {}? [y/N] ", path.display())?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn service(config: Option<&Path>) -> Result<Service, String> {
    let strategy = etcetera::choose_base_strategy().map_err(|error| error.to_string())?;
    let mut words = vec![word(&std::env::current_exe().map_err(|error| error.to_string())?)?, "serve".to_owned()];
    if let Some(config) = config {
        let config = std::path::absolute(config).map_err(|error| error.to_string())?;
        words.extend(["--config".to_owned(), word(&config)?]);
    }
    if cfg!(target_os = "macos") {
        agent(strategy.home_dir(), &words)
    } else {
        Ok(unit(&strategy.config_dir(), &words))
    }
}

/// A path as a word of a file that is text.
fn word(path: &Path) -> Result<String, String> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    text.map(str::to_owned).ok_or_else(|| format!("{} can't be part of a service", path.display()))
}

/// A unit of the user's systemd.
fn unit(config: &Path, words: &[String]) -> Service {
    // What has a meaning between double quotes there.
    let quoted = |word: &String| {
        let word = word.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
        format!("\"{word}\"")
    };
    let command = words.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let text = format!(
        "[Unit]\nDescription=taffrail, a server for the language models of this machine\n\n\
         [Service]\nType=exec\nExecStart={command}\nRestart=on-failure\nRestartSec=5\n\
         # The server ends its workers itself.\nKillMode=mixed\nTimeoutStopSec=30\n\n\
         [Install]\nWantedBy=default.target\n"
    );
    let commands = ["systemctl --user daemon-reload", "systemctl --user enable --now taffrail"];
    Service { path: config.join("systemd/user/taffrail.service"), text, commands: commands.map(str::to_owned).to_vec() }
}

/// An agent of launchd.
fn agent(home: &Path, words: &[String]) -> Result<Service, String> {
    if let Some(word) = words.iter().find(|word| word.contains(['&', '<', '>'])) {
        return Err(format!("{word} can't be written into a property list"));
    }
    let words = words.join("</string>\n        <string>");
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n    <key>Label</key>\n    <string>{LABEL}</string>\n    \
         <key>ProgramArguments</key>\n    <array>\n        <string>{words}</string>\n    </array>\n    \
         <key>RunAtLoad</key>\n    <true/>\n    \
         <key>KeepAlive</key>\n    <dict>\n        <key>SuccessfulExit</key>\n        <false/>\n    </dict>\n\
         </dict>\n</plist>\n"
    );
    let path = home.join(format!("Library/LaunchAgents/{LABEL}.plist"));
    let commands = vec![format!("launchctl bootstrap gui/$(id -u) {}", shell_words::quote(&path.to_string_lossy()))];
    Ok(Service { path, text, commands })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_unit_starts_the_program_whatever_its_path() {
        let service = unit(Path::new("/home/a/.config"), &words(&["/opt/50% \"x\"/taffrail", "serve"]));
        assert_eq!(service.path, Path::new("/home/a/.config/systemd/user/taffrail.service"));
        assert!(service.text.contains("ExecStart=\"/opt/50%% \\\"x\\\"/taffrail\" \"serve\"\n"), "{}", service.text);
        assert!(service.text.contains("WantedBy=default.target"));
    }

    #[test]
    fn an_agent_is_a_property_list() {
        let service = agent(Path::new("/Users/a"), &words(&["/Applications/taffrail", "serve"])).unwrap();
        assert_eq!(service.path, Path::new("/Users/a/Library/LaunchAgents/taffrail.serve.plist"));
        assert!(service.text.contains("<string>/Applications/taffrail</string>"), "{}", service.text);
        assert!(agent(Path::new("/Users/a"), &words(&["/a<b"])).is_err());
    }
}
