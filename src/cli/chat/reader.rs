//! Lines from the terminal, with editing and history, on a thread of its own: the program goes on meanwhile.

use std::path::PathBuf;

use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};
use tokio::sync::mpsc;

use crate::library::Env;

/// Lines that are remembered for the next chat.
const MAX_HISTORY: usize = 1000;

/// What came of reading a line.
#[derive(Debug)]
pub(super) enum Read {
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of the input.
    End,
    /// It can't be read: why.
    Failed(String),
}

/// The thread that reads, and the way to it.
pub(super) struct Reader {
    prompts: std::sync::mpsc::Sender<String>,
    lines: mpsc::UnboundedReceiver<Read>,
}

impl Reader {
    /// Start the thread. It reads nothing before it is asked to.
    pub(super) fn start() -> std::io::Result<Self> {
        let (prompts, wanted) = std::sync::mpsc::channel::<String>();
        // One answer for each question.
        let (answers, lines) = mpsc::unbounded_channel();
        std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
            let mut editor = match editor() {
                Ok(editor) => editor,
                Err(error) => {
                    let _ = answers.send(Read::Failed(error.to_string()));
                    return;
                }
            };
            let file = file();
            if let Some(file) = &file {
                // There is none before the first chat.
                let _ = editor.load_history(file);
            }
            for prompt in wanted {
                let read = match editor.readline(&prompt) {
                    Ok(line) => {
                        if !line.trim().is_empty() {
                            let _ = editor.add_history_entry(line.as_str());
                            if let Some(file) = &file {
                                // A chat goes on without its lines being remembered.
                                let _ = editor.append_history(file);
                            }
                        }
                        Read::Line(line)
                    }
                    Err(ReadlineError::Interrupted) => Read::Interrupted,
                    Err(ReadlineError::Eof) => Read::End,
                    Err(error) => Read::Failed(error.to_string()),
                };
                if answers.send(read).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { prompts, lines })
    }

    /// Ask for a line, with this before it.
    pub(super) fn ask(&self, prompt: &str) {
        // Where the thread has ended, the next line is the end.
        let _ = self.prompts.send(prompt.to_owned());
    }

    /// The line that was asked for. It may be dropped halfway.
    pub(super) async fn line(&mut self) -> Read {
        self.lines.recv().await.unwrap_or(Read::End)
    }
}

fn editor() -> rustyline::Result<DefaultEditor> {
    let mut editor = DefaultEditor::with_config(Config::builder().max_history_size(MAX_HISTORY)?.build())?;
    editor.set_auto_add_history(false);
    editor.set_history_ignore_space(true);
    Ok(editor)
}

/// Where lines are remembered.
fn file() -> Option<PathBuf> {
    let data = Env::read().data?;
    std::fs::create_dir_all(&data).ok()?;
    Some(data.join("chat_history"))
}
