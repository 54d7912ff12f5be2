//! `taffrail race`: two to eight models answer one prompt.
//!
//! The course is told on standard error as it goes; the document goes to standard output at the end. The same core
//! decides as in the dashboard.

use std::io::{self, Write};
use std::sync::Arc;

use clap::Args;

use super::run::{Failure, prompt_text};
use super::{Exit, SessionOptions, json};
use crate::app::App;
use crate::core::action::RaceOrder;
use crate::core::model::Model;
use crate::core::race::lockstep::{self, Parting};
use crate::core::race::{self as core, Entry, MAX_COLUMNS, MIN_COLUMNS, Order, Pace, Stage, export};
use crate::core::settings::SessionSettings;
use crate::core::state::Overlay;
use crate::core::{Action, Event};

/// Race models on one prompt.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct Race {
    /// Two to eight models, as `taffrail show` takes them; settings of one column behind an `@`:
    /// `smollm2@temperature=0.8,seed=7`
    #[arg(required = true, num_args = MIN_COLUMNS..=MAX_COLUMNS)]
    models: Vec<String>,
    /// The prompt; `-` or none reads standard input
    #[arg(short, long)]
    prompt: Option<String>,
    /// The system prompt
    #[arg(long)]
    system: Option<String>,
    /// Run all at once, rather than in turn so that none disturbs another's figures
    #[arg(long)]
    together: bool,
    /// Decode all together, token by token, and tell where they part and what each model found likely there
    #[arg(long)]
    lockstep: bool,
    /// Print one JSON document
    #[arg(long, group = "format")]
    json: bool,
    /// Print a Markdown document
    #[arg(long, group = "format")]
    markdown: bool,
    /// Print one HTML file that needs no other
    #[arg(long, group = "format")]
    html: bool,
    #[command(flatten)]
    session: SessionOptions,
}

impl Race {
    /// The models as they were named, without their settings.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|argument| column(argument).0)
    }
}

/// A column's model, and the settings behind an `@`.
fn column(argument: &str) -> (&str, Option<&str>) {
    match argument.rsplit_once('@') {
        Some((model, settings)) if settings.contains('=') => (model, Some(settings)),
        _ => (argument, None),
    }
}

/// Run the command.
pub async fn run(arguments: &Race, models: Vec<Arc<Model>>, app: &mut App) -> Exit {
    match race(arguments, models, app).await {
        Ok(exit) => exit,
        Err(Failure(exit, text)) => {
            let _ = writeln!(io::stderr(), "taffrail: {text}");
            exit
        }
    }
}

async fn race(arguments: &Race, models: Vec<Arc<Model>>, app: &mut App) -> Result<Exit, Failure> {
    let prompt = prompt_text(arguments.prompt.as_deref())?;
    if prompt.trim().is_empty() {
        let text = "the prompt is empty\n  hint: give one with -p or on standard input";
        return Err(Failure(Exit::Usage, text.to_owned()));
    }
    let settings = arguments.session.over(app.state.settings.session);
    let entries = entries(&arguments.models, &models, settings)?;
    app.adopt(models);
    // Admission needs to know the memory.
    while app.state.machine.sample.is_none() {
        let event = app.next().await;
        app.handle(event);
    }
    // Those in lockstep are decoded together.
    let order = if arguments.together || arguments.lockstep { Order::Together } else { Order::InTurn };
    let system = arguments.system.clone();
    app.act(Action::Race(Box::new(RaceOrder { entries, order, prompt, system, lockstep: arguments.lockstep })));
    if let Some(Overlay::Confirm { question, .. }) = &app.state.overlay {
        let text = question.strip_suffix(". Run them in turn?").unwrap_or(question).to_owned();
        if arguments.lockstep && !arguments.together {
            let _ = writeln!(io::stderr(), "{text}: they are decoded one after the other, and compared afterwards");
            app.state.overlay = None;
            app.act(Action::RaceInTurn);
        } else {
            return Err(Failure(Exit::Refused, format!("{text}\n  hint: without --together they run in turn")));
        }
    }
    let mut told = Vec::new();
    let mut interrupted = false;
    loop {
        tell(app, &mut told);
        let Some(race) = app.state.race.race.as_ref() else {
            return Err(Failure(Exit::Failed, "the race could not be started".to_owned()));
        };
        if !race.is_running() {
            break;
        }
        if race.pace == Pace::Held {
            app.act(Action::GoOn);
            continue;
        }
        let event = tokio::select! {
            event = app.next() => event,
            _ = tokio::signal::ctrl_c() => {
                // The first interrupt ends the answers and still tells what came, the second one ends at once.
                if interrupted {
                    return Ok(Exit::Interrupted);
                }
                interrupted = true;
                Event::Action(Action::Cancel)
            }
        };
        app.handle(event);
    }
    let Some(race) = app.state.race.race.as_ref() else { return Ok(Exit::Failed) };
    // A reader that has gone away wants no more.
    let parting = race.parting(&app.state).filter(|_| arguments.lockstep);
    let _ = print(arguments, race, parting.as_ref());
    if interrupted {
        return Ok(Exit::Interrupted);
    }
    let is_whole = race.lanes.iter().all(core::Lane::has_finished);
    Ok(if is_whole { Exit::Done } else { Exit::Failed })
}

/// The columns with their settings.
fn entries(arguments: &[String], models: &[Arc<Model>], settings: SessionSettings) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for (argument, model) in arguments.iter().zip(models) {
        if !model.is_runnable() {
            return Err(Failure(Exit::Failed, format!("{} can't be run: {}", model.name, model.status)));
        }
        let mut settings = settings;
        for pair in column(argument).1.into_iter().flat_map(|pairs| pairs.split(',')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            settings
                .set(&name.trim().replace('-', "_"), value)
                .map_err(|error| Failure(Exit::Usage, format!("{argument}: {} {error}", name.trim())))?;
        }
        entries.push(Entry::new(Arc::clone(model), settings));
    }
    Ok(entries)
}

/// Say which column does what, once for each step.
fn tell(app: &App, told: &mut Vec<Option<&'static str>>) {
    let Some(race) = &app.state.race.race else { return };
    told.resize(race.lanes.len(), None);
    for (place, lane) in race.lanes.iter().enumerate() {
        let word = match &lane.stage {
            Stage::Waiting | Stage::Leaving => continue,
            Stage::Starting => "is being loaded",
            Stage::Answering => "answers",
            Stage::Done => "has answered",
            Stage::Failed { .. } => "failed",
        };
        if told[place] != Some(word) {
            told[place] = Some(word);
            let reason = match &lane.stage {
                Stage::Failed { reason, hint: Some(hint) } => format!(": {reason}\n  hint: {hint}"),
                Stage::Failed { reason, hint: None } => format!(": {reason}"),
                _ => String::new(),
            };
            let _ = writeln!(io::stderr(), "{} {word}{reason}", race.name(place));
        }
    }
}

fn print(arguments: &Race, race: &core::Race, parting: Option<&Parting>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.json {
        let mut document = export::document(race);
        if arguments.lockstep {
            document["lockstep"] = lockstep::document(race, parting);
        }
        json::write(&mut out, &document)?;
    } else if arguments.html {
        out.write_all(export::html(race).as_bytes())?;
    } else if arguments.markdown {
        out.write_all(export::markdown(race).as_bytes())?;
        if arguments.lockstep {
            write!(out, "\n## Lockstep\n\n```text\n{}```\n", lockstep::text(race, parting).replace('`', "'"))?;
        }
    } else {
        out.write_all(export::text(race).as_bytes())?;
        if arguments.lockstep {
            write!(out, "\n{}", lockstep::text(race, parting))?;
        }
    }
    out.flush()
}
