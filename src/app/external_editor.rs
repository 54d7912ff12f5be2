//! The editor that the user likes, for a text of ours: a private file, written before and read afterwards.

use std::io::{self, Read as _, Write as _};

use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

/// The longest text that is taken back, in bytes: as much as a field holds.
const MAX_TEXT: u64 = 1 << 20;

/// What is run where the user names none.
const USUAL: &str = "vi";

/// An editor that runs.
pub(crate) struct Editing {
    child: Child,
    file: NamedTempFile,
    before: String,
    name: String,
}

/// What the user names as their editor.
fn editor() -> String {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    named.into_iter().find(|name| !name.trim().is_empty()).unwrap_or_else(|| USUAL.to_owned())
}

/// Start the editor on a text. It has the terminal until it ends.
pub(crate) fn begin(text: &str) -> io::Result<Editing> {
    begin_with(editor(), text)
}

fn begin_with(name: String, text: &str) -> io::Result<Editing> {
    // Nobody else reads it, and it is removed with this.
    let mut file = tempfile::Builder::new().prefix("taffrail-").suffix(".md").tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    // It may come with options, as `code --wait` does: a shell takes them apart as it does for every other program.
    let child = Command::new("sh")
        .arg("-c")
        .arg(format!("{name} \"$1\""))
        .arg("sh")
        .arg(file.path())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("the editor `{name}` can't be started: {error}")))?;
    Ok(Editing { child, file, before: text.to_owned(), name })
}

impl Editing {
    /// Wait for its end; gives the text, where it was changed. It may be dropped halfway and called again.
    pub(crate) async fn wait(&mut self) -> io::Result<Option<String>> {
        let status = self.child.wait().await?;
        if !status.success() {
            let name = gguf::clean(&self.name, 80);
            return Err(io::Error::other(format!("the editor `{name}` ended with {status}: the text is as it was")));
        }
        let mut text = String::new();
        // An editor may put another file in its place.
        std::fs::File::open(self.file.path())?.take(MAX_TEXT).read_to_string(&mut text)?;
        // Editors end the last line.
        if !self.before.ends_with('\n')
            && let Some(whole) = text.strip_suffix('\n')
        {
            text.truncate(whole.len());
        }
        Ok(Some(text).filter(|text| *text != self.before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(editor: &str, text: &str) -> io::Result<Option<String>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { begin_with(editor.to_owned(), text)?.wait().await })
    }

    #[test]
    fn what_is_written_comes_back() {
        for (editor, before, expected) in [
            ("true", "a", None),
            ("printf 'b\\n' >", "a", Some("b")),
            ("sh -c 'echo more >> \"$0\"'", "a\n", Some("a\nmore\n")),
        ] {
            assert_eq!(edited(editor, before).unwrap().as_deref(), expected, "{editor}");
        }
        let error = edited("exit 3; true", "a").unwrap_err().to_string();
        assert!(error.contains("the text is as it was"), "{error}");
    }
}
