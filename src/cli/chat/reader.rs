//! Lines from the terminal, with editing and history, on a thread of its own: the program goes on meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{InputModes, LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;
use rustyline::{Cmd, ConditionalEventHandler, Config, DefaultEditor, Event, EventContext, EventHandler, KeyEvent};
use tokio::sync::mpsc;

use crate::library::Env;

/// Lines that are remembered for the next chat.
const MAX_HISTORY: usize = 1000;

/// What came of reading a line.
#[derive(Debug)]
pub(super) enum Read {
    Line(String),
    /// Ctrl-G: this is to be written on in the user's own editor.
    Edit(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of the input.
    End,
    /// It can't be read: why.
    Failed(String),
}

/// A line that is asked for.
struct Question {
    prompt: String,
    /// What stands in the line already.
    text: String,
    /// Whether it is remembered.
    keeps: bool,
}

/// The thread that reads, and the way to it.
pub(super) struct Reader {
    questions: std::sync::mpsc::Sender<Question>,
    lines: mpsc::UnboundedReceiver<Read>,
    /// Whether lines are remembered.
    pub(super) keeps: bool,
}

/// Ctrl-G ends the line, and says so.
struct OpenEditor(Arc<AtomicBool>);

impl ConditionalEventHandler for OpenEditor {
    fn handle(&self, _: &Event, _: u16, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.store(true, Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}

impl Reader {
    /// Start the thread. It reads nothing before it is asked to.
    pub(super) fn start() -> std::io::Result<Self> {
        let (questions, wanted) = std::sync::mpsc::channel::<Question>();
        // One answer for each question.
        let (answers, lines) = mpsc::unbounded_channel();
        std::thread::Builder::new().name("lines".to_owned()).spawn(move || {
            let to_editor = Arc::new(AtomicBool::new(false));
            let mut editor = match editor(&to_editor) {
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
            for question in wanted {
                let read = match editor.readline_with_initial(&question.prompt, (&question.text, "")) {
                    Ok(line) if to_editor.swap(false, Ordering::Relaxed) => Read::Edit(line),
                    Ok(line) => {
                        if question.keeps && !line.trim().is_empty() {
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
        Ok(Self { questions, lines, keeps: true })
    }

    /// Ask for a line, with `prompt` before it and `text` in it.
    pub(super) fn ask(&self, prompt: &str, text: &str) {
        let question = Question { prompt: prompt.to_owned(), text: text.to_owned(), keeps: self.keeps };
        // Where the thread has ended, the next line is the end.
        let _ = self.questions.send(question);
    }

    /// The line that was asked for. It may be dropped halfway.
    pub(super) async fn line(&mut self) -> Read {
        self.lines.recv().await.unwrap_or(Read::End)
    }
}

fn editor(to_editor: &Arc<AtomicBool>) -> rustyline::Result<DefaultEditor> {
    let mut editor = DefaultEditor::with_config(Config::builder().max_history_size(MAX_HISTORY)?.build())?;
    editor.set_auto_add_history(false);
    editor.set_history_ignore_space(true);
    let open = EventHandler::Conditional(Box::new(OpenEditor(Arc::clone(to_editor))));
    editor.bind_sequence(KeyEvent::ctrl('G'), open);
    Ok(editor)
}

/// Where lines are remembered.
fn file() -> Option<PathBuf> {
    let data = Env::read().data?;
    std::fs::create_dir_all(&data).ok()?;
    Some(data.join("chat_history"))
}

/// While it lives, what is typed does not show between the words of an answer: the terminal keeps it, byte by byte, and the
/// next line that is read begins with it. Ctrl-C works as ever.
pub(super) struct TypeAhead {
    before: Option<Termios>,
}

impl TypeAhead {
    /// Begin. Where standard input is no terminal there is nothing to do.
    pub(super) fn begin() -> Self {
        let before = tcgetattr(rustix::stdio::stdin()).ok();
        if let Some(mut silent) = before.clone() {
            silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
            silent.input_modes.remove(InputModes::ICRNL);
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &silent);
        }
        Self { before }
    }
}

impl Drop for TypeAhead {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, before);
        }
    }
}
