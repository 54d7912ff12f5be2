//! `taffrail run`: one answer, streamed.
//!
//! The answer goes to standard output as it comes, reasoning dimmed to a terminal on standard error, and one line of
//! figures ends it there. The same core decides as in the dashboard.

mod report;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use wire::{Channel, Event as Said, Grammar, Message, Prompt, Role};

use super::{Exit, SessionOptions};
use crate::app::App;
use crate::core::event::WorkerEvent;
use crate::core::ledger::misplaced;
use crate::core::model::Model;
use crate::core::session::{End, NO_TEMPLATE, Phase, Session};
use crate::core::state::Overlay;
use crate::core::{Action, Event, State};

/// The longest prompt that is read from standard input, in bytes.
const MAX_PROMPT: u64 = 32 << 20;
/// The longest grammar that is read, in bytes.
const MAX_GRAMMAR: u64 = 1 << 20;

/// With longer periods of sampling the last tick is not waited for, and its energy is missing.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Answer one prompt.
#[derive(Debug, Args)]
pub struct Run {
    /// A name, a unique part of one, `store:name`, `owner/repo[:quant]` or a path
    pub model: String,
    /// The prompt; `-` or none reads standard input
    #[arg(short, long)]
    prompt: Option<String>,
    /// The system prompt
    #[arg(long)]
    system: Option<String>,
    /// Give the prompt to the model as it stands, without its chat template
    #[arg(long, conflicts_with = "system")]
    raw: bool,
    /// A file with a GBNF grammar that the answer must follow
    #[arg(long, value_name = "FILE", conflicts_with = "json_schema")]
    grammar: Option<PathBuf>,
    /// A file with a JSON schema that the answer must obey
    #[arg(long, value_name = "FILE")]
    json_schema: Option<PathBuf>,
    /// Start although the model would not fit in memory
    #[arg(long)]
    force: bool,
    /// Print one JSON document at the end instead of streaming
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: SessionOptions,
}

/// What went wrong, and how the command ends.
pub(super) struct Failure(pub(super) Exit, pub(super) String);

/// Run the command.
pub async fn run(arguments: &Run, model: Arc<Model>, app: &mut App) -> Exit {
    match answer(arguments, model, app).await {
        Ok(exit) => exit,
        Err(Failure(exit, text)) => {
            let _ = writeln!(io::stderr(), "taffrail: {text}");
            exit
        }
    }
}

async fn answer(arguments: &Run, model: Arc<Model>, app: &mut App) -> Result<Exit, Failure> {
    let prompt = prompt(arguments)?;
    let mut grammar = grammar(arguments)?;
    if !model.is_runnable() {
        return Err(Failure(Exit::Failed, format!("{} can't be run: {}", model.name, model.status)));
    }
    let settings = arguments.session.over(app.state.settings.session);
    app.adopt(vec![Arc::clone(&model)]);
    app.recall_baselines();
    // Admission needs to know the memory.
    while app.state.machine.sample.is_none() {
        let event = app.next().await;
        app.handle(event);
    }
    app.act(Action::Start { model: model.id.clone(), settings: Box::new(settings), force: arguments.force });
    if let Some(Overlay::Refused { refusal, .. }) = &app.state.overlay {
        return Err(Failure(
            Exit::Refused,
            format!(
                "{} {refusal}\n  hint: a smaller --context or --cache-type-k q8_0 needs less; --force starts it anyway",
                model.name
            ),
        ));
    }
    let Some(session) = app.state.fleet.chosen else {
        let reason = app.state.notices.back().map_or_else(|| "nothing was started".to_owned(), |n| n.text.clone());
        return Err(Failure(Exit::Failed, reason));
    };

    let mut printer = Printer::new(arguments.json);
    let mut prompt = Some(prompt);
    let mut interrupted = false;
    loop {
        let event = tokio::select! {
            event = app.next() => event,
            _ = tokio::signal::ctrl_c() => {
                // The first interrupt ends the answer and still tells its figures, the second one ends at once.
                if interrupted || prompt.is_some() {
                    return Ok(Exit::Interrupted);
                }
                interrupted = true;
                Event::Action(Action::Cancel)
            }
        };
        if let Event::Worker(_, WorkerEvent::Said(Said::Text { pieces, .. })) = &event {
            // A reader that has gone away wants no more.
            if pieces.iter().try_for_each(|piece| printer.piece(piece)).is_err() {
                return Ok(Exit::Done);
            }
        }
        app.handle(event);
        let Some(now) = app.state.session(session) else {
            return Err(Failure(Exit::Failed, "the session is gone".to_owned()));
        };
        match &now.phase {
            Phase::Failed { reason, hint } => {
                let _ = printer.end();
                let mut text = hinted(reason, hint.as_deref());
                for line in now.log.iter().skip(now.log.len().saturating_sub(3)) {
                    text.push_str("\n  log: ");
                    text.push_str(line);
                }
                return Err(Failure(Exit::Failed, text));
            }
            Phase::Loading { fraction } => printer.loading(*fraction),
            Phase::Ready => match prompt.take() {
                Some(prompt) => {
                    printer.loaded();
                    if matches!(prompt, Prompt::Chat(_)) && now.lacks_template() {
                        let _ = writeln!(io::stderr(), "taffrail: {} {NO_TEMPLATE}", now.name);
                    }
                    app.act(Action::Prompt { session, prompt, grammar: grammar.take() });
                }
                None if awaits_energy(&app.state, now) => {
                    // The answer is whole, so what it printed should end its line before the wait.
                    let _ = printer.end();
                }
                None => return finish(arguments, &mut printer, &app.state, now, interrupted),
            },
            _ => {}
        }
    }
}

/// Whether the answer's last part is still to be metered, by a tick that comes soon.
fn awaits_energy(state: &State, session: &Session) -> bool {
    let is_metered = state.machine.sample.as_ref().is_some_and(|sample| sample.total_power().is_some());
    is_metered && !session.figures.is_settled && state.settings.telemetry.interval <= LONGEST_WAIT
}

fn finish(
    arguments: &Run,
    printer: &mut Printer,
    state: &State,
    session: &Session,
    interrupted: bool,
) -> Result<Exit, Failure> {
    let energy = &state.settings.energy;
    let _ = printer.end();
    if let Some(End::Failed { reason, hint }) = session.turns.last().and_then(|turn| turn.end.as_ref()) {
        return Err(Failure(Exit::Failed, hinted(reason, hint.as_deref())));
    }
    if arguments.json {
        let _ = writeln!(io::stdout(), "{:#}", report::document(state, session));
    }
    let _ = writeln!(io::stderr(), "{}", report::line(session, energy));
    if let Some(misplaced) = misplaced(state, session) {
        let _ = writeln!(io::stderr(), "taffrail: {} {}", session.name, misplaced.reason());
    }
    Ok(if interrupted { Exit::Interrupted } else { Exit::Done })
}

/// A reason with what could be done beneath it.
pub(super) fn hinted(reason: &str, hint: Option<&str>) -> String {
    hint.map_or_else(|| reason.to_owned(), |hint| format!("{reason}\n  hint: {hint}"))
}

/// What the model is to go on from.
fn prompt(arguments: &Run) -> Result<Prompt, Failure> {
    let text = prompt_text(arguments.prompt.as_deref())?;
    if text.trim().is_empty() && !arguments.raw {
        return Err(Failure(
            Exit::Usage,
            "the prompt is empty\n  hint: give one with -p or on standard input".to_owned(),
        ));
    }
    if arguments.raw {
        return Ok(Prompt::Raw(text));
    }
    let system = arguments.system.iter().map(|text| Message { role: Role::System, content: text.clone() });
    Ok(Prompt::Chat(system.chain([Message { role: Role::User, content: text }]).collect()))
}

/// What the answer must look like.
fn grammar(arguments: &Run) -> Result<Option<Grammar>, Failure> {
    let read = |file: &PathBuf| {
        let text = File::open(file).and_then(|file| {
            let mut text = String::new();
            file.take(MAX_GRAMMAR).read_to_string(&mut text).map(|_| text)
        });
        text.map_err(|error| Failure(Exit::Usage, format!("{} can't be read: {error}", file.display())))
    };
    match (&arguments.grammar, &arguments.json_schema) {
        (Some(file), _) => read(file).map(|text| Some(Grammar::Gbnf(text))),
        (None, Some(file)) => {
            let schema = read(file)?;
            let parsed = serde_json::from_str::<serde_json::Value>(&schema);
            parsed.map_err(|error| Failure(Exit::Usage, format!("{} is no JSON: {error}", file.display())))?;
            Ok(Some(Grammar::JsonSchema(schema)))
        }
        (None, None) => Ok(None),
    }
}

/// The text of a prompt that was given, else of standard input.
pub(super) fn prompt_text(given: Option<&str>) -> Result<String, Failure> {
    match given {
        Some(text) if text != "-" => Ok(text.to_owned()),
        _ => read_prompt(),
    }
}

fn read_prompt() -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        let _ = writeln!(io::stderr(), "type the prompt, then Ctrl-D:");
    }
    let mut text = String::new();
    let read = io::stdin().take(MAX_PROMPT).read_to_string(&mut text);
    read.map_err(|error| Failure(Exit::Usage, format!("the prompt can't be read: {error}")))?;
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

/// Writes the answer as it comes.
#[expect(clippy::struct_excessive_bools, reason = "three are facts about the streams, one is where the line stands")]
struct Printer {
    quiet: bool,
    to_terminal: bool,
    tell_progress: bool,
    /// What the last piece was, to tell reasoning from the answer.
    channel: Option<Channel>,
    ends_line: bool,
    told: Option<u32>,
}

impl Printer {
    fn new(quiet: bool) -> Self {
        let tell_progress = io::stderr().is_terminal();
        Self {
            quiet,
            to_terminal: io::stdout().is_terminal(),
            tell_progress,
            channel: None,
            ends_line: true,
            told: None,
        }
    }

    fn loading(&mut self, fraction: f32) {
        let percent = (fraction * 100.0) as u32;
        if self.tell_progress && self.told != Some(percent) {
            let _ = write!(io::stderr(), "\rloading {percent:>3}%");
            self.told = Some(percent);
        }
    }

    fn loaded(&mut self) {
        if self.told.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn piece(&mut self, piece: &wire::Piece) -> io::Result<()> {
        if self.quiet || piece.text.is_empty() {
            return Ok(());
        }
        if self.channel != Some(piece.channel) {
            self.leave()?;
        }
        self.channel = Some(piece.channel);
        match piece.channel {
            Channel::Answer => {
                let mut out = io::stdout().lock();
                // A file or a pipe gets what the model said; a terminal nothing that it would obey.
                if self.to_terminal {
                    out.write_all(report::harmless(&piece.text).as_bytes())?;
                } else {
                    out.write_all(piece.text.as_bytes())?;
                }
                out.flush()?;
            }
            Channel::Reasoning if self.tell_progress => {
                let _ = write!(io::stderr(), "\x1b[2m{}\x1b[22m", report::harmless(&piece.text));
            }
            Channel::Reasoning => return Ok(()),
        }
        self.ends_line = piece.text.ends_with('\n');
        Ok(())
    }

    /// One channel ends before the other begins.
    fn leave(&mut self) -> io::Result<()> {
        if self.channel == Some(Channel::Reasoning) && self.tell_progress && !self.ends_line {
            writeln!(io::stderr())?;
            self.ends_line = true;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.channel == Some(Channel::Answer) && !self.ends_line {
            writeln!(io::stdout())?;
        }
        self.leave()?;
        self.channel = None;
        Ok(())
    }
}
