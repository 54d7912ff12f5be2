//! `taffrail config set`, `unset` and `edit`: changes of the user's own file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::atomic_file;
use crate::cli::Exit;
use crate::cli::failure::{Failure, print_error};
use crate::config::edit::{self, EditError};
use crate::config::{self, Loaded, Origin, Sources, load};

/// The editor where the environment names none.
const EDITOR: &str = "vi";

/// Change a setting.
pub(super) fn set(loaded: &Loaded, key: &str, value: &str) -> Result<Exit, Failure> {
    let file = file(loaded)?;
    let text = read(&file)?;
    let (new, shown) = edit::set(&text, key, value).map_err(|error| failure(&file, &error))?;
    let theme = shown.word().filter(|_| key == "ui.theme");
    if let Some((theme, hint)) = theme.and_then(|theme| Some((theme, config::theme_hint(theme)?))) {
        return Err(Failure::new(Exit::Usage, format!("there is no theme `{theme}`")).with_hint(hint));
    }
    write(&file, &new)?;
    print_error(&format!("{key} = {shown} in {}", file.display()), None);
    overridden(loaded, key);
    Ok(Exit::Done)
}

/// Remove a setting.
pub(super) fn unset(loaded: &Loaded, key: &str) -> Result<Exit, Failure> {
    let file = file(loaded)?;
    let text = read(&file)?;
    let Some(new) = edit::unset(&text, key).map_err(|error| failure(&file, &error))? else {
        return Err(Failure::new(Exit::NotFound, format!("{key} is not in {}", file.display())));
    };
    write(&file, &new)?;
    print_error(&format!("{key} is removed from {}", file.display()), None);
    overridden(loaded, key);
    Ok(Exit::Done)
}

/// Open the file in the user's editor, and say what is wrong with it then.
pub(super) fn edit(loaded: &Loaded) -> Result<Exit, Failure> {
    let file = file(loaded)?;
    if !file.exists() {
        write(&file, &edit::template())?;
    }
    let named =
        ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok().filter(|word| !word.is_empty()));
    let line = named.clone().unwrap_or_else(|| EDITOR.to_owned());
    let words = shell_words::split(&line).unwrap_or_default();
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::new(Exit::Usage, format!("not an editor's command: {line}")));
    };
    let status = Command::new(program).args(arguments).arg(&file).status().map_err(|error| {
        let failure = Failure::new(Exit::Failed, format!("`{program}` can't be started: {error}"));
        failure.with_hint("set EDITOR to your editor")
    })?;
    if !status.success() {
        return Err(Failure::new(Exit::Failed, format!("`{program}` ended with {status}")));
    }
    let problems = load(&Sources { file: Some(file.clone()), ..Sources::default() }).problems;
    for problem in &problems {
        print_error(problem, problem.hint.as_deref());
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The user's file, or what a link in its place leads to.
fn file(loaded: &Loaded) -> Result<PathBuf, Failure> {
    let file = loaded.file.as_ref().ok_or_else(|| Failure::new(Exit::Failed, "no home directory is known"))?;
    Ok(std::fs::canonicalize(file).unwrap_or_else(|_| file.clone()))
}

fn read(file: &Path) -> Result<String, Failure> {
    edit::text_of(file)
        .map_err(|error| Failure::new(Exit::Failed, format!("{} can't be read: {error}", file.display())))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    // What only the user may read stays so.
    let is_private = std::fs::metadata(file).is_ok_and(|old| old.permissions().mode().trailing_zeros() >= 6);
    let written = if is_private {
        atomic_file::replace_private(file, text.as_bytes())
    } else {
        atomic_file::replace(file, text.as_bytes())
    };
    written.map_err(|error| Failure::new(Exit::Failed, format!("{} can't be written: {error}", file.display())))
}

fn failure(file: &Path, error: &EditError) -> Failure {
    let exit = if matches!(error, EditError::Setting(_)) { Exit::Usage } else { Exit::Failed };
    let reason = match error {
        EditError::Setting(_) => error.to_string(),
        EditError::File(_) => format!("{}: {error}", file.display()),
    };
    Failure::new(exit, reason).or_hint(error.hint())
}

/// Say what keeps the file's value from being in force.
fn overridden(loaded: &Loaded, key: &str) {
    if let Origin::Variable(name) = loaded.origin(key) {
        print_error(&format!("the environment variable {name} overrides the file"), None);
    }
}
