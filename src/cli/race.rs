//! `taffrail race`: two to eight models answer one prompt.
//!
//! The course is told on standard error as it goes; the document goes to standard output at the end. The same core
//! decides as in the dashboard.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::failure::{Failure, exit_of, print_error};
use super::job_lines::JobLines;
use super::output::ended;
use super::run::prompt_text;
use super::{Exit, SessionOptions};
use crate::app::front::Front;
use domain::admission;
use domain::command::{Cause, What};
use domain::lab::race as core;
use domain::lab::race::lockstep::{self, Divergence};
use domain::lab::race::{DecodeMode, Entry, MAX_COLUMNS, MIN_COLUMNS, Order, RaceOrder, Stage, export};
use domain::model::{Model, preset};
use domain::record::{ColumnError, DivergenceRecord, RaceDocument};
use domain::settings::SessionSettings;

/// Race models on one prompt.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct Race {
    /// Two to eight models, as for `taffrail show`; settings of one column follow an `@`:
    /// `smollm2@temperature=0.8,seed=7`
    #[arg(required = true, num_args = MIN_COLUMNS..=MAX_COLUMNS)]
    models: Vec<String>,
    /// The prompt; `-` or none reads standard input
    #[arg(short, long)]
    prompt: Option<String>,
    /// The system prompt
    #[arg(long)]
    system: Option<String>,
    /// Stop an answer at this text; may be repeated. Replaces the stop texts of the models' stores
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Run all at once; in turn, none disturbs another's figures
    #[arg(long, alias = "together")]
    concurrent: bool,
    /// Decode all together, token by token; show where they diverge and what each found likely there
    #[arg(long)]
    lockstep: bool,
    /// Shuffle the columns, and hide names and figures until you vote, in a terminal
    #[arg(long)]
    blind: bool,
    /// Start models even if their files fail the check
    #[arg(long)]
    force: bool,
    /// Print one JSON document
    #[arg(long, group = "format")]
    json: bool,
    /// Print a Markdown document
    #[arg(long, group = "format")]
    markdown: bool,
    /// Print one self-contained HTML file
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
pub async fn run(arguments: &Race, models: Vec<Arc<Model>>, app: &mut Front) -> Exit {
    exit_of(race(arguments, models, app).await)
}

async fn race(arguments: &Race, models: Vec<Arc<Model>>, app: &mut Front) -> Result<Exit, Failure> {
    let prompt = prompt_text(arguments.prompt.as_deref(), false)?;
    let settings = arguments.session.over(app.state().domain.settings.session);
    let now = app.state().domain.now.unix;
    let models: Vec<_> =
        models.iter().map(|model| super::force::admit(model, arguments.force, now)).collect::<Result<_, _>>()?;
    let entries = entries(arguments, &models, settings)?;
    app.prepare(models).await;
    // Those in lockstep are decoded together.
    let order = if arguments.concurrent || arguments.lockstep { Order::Together } else { Order::InTurn };
    let (system, stop) = (arguments.system.clone(), arguments.stop.clone());
    let (lockstep, blind) = (arguments.lockstep, arguments.blind);
    let order = RaceOrder { entries, order, prompt, system, stop, lockstep, blind };
    match app.command(What::StartRace(Box::new(order.clone()))).await {
        Err(refused) if refused.cause == Cause::MemoryTogether && lockstep && !arguments.concurrent => {
            let text = "they are decoded in turn, and compared afterwards";
            let _ = writeln!(io::stderr(), "{refused}: {text}");
            app.command(What::StartRace(Box::new(RaceOrder { order: Order::InTurn, ..order }))).await?;
        }
        Err(refused) if refused.cause == Cause::MemoryTogether => {
            return Err(refused.with_hint("without --concurrent they run in turn").into());
        }
        result => drop(result?),
    }
    let (mut told, mut jobs) = (Vec::new(), JobLines::default());
    let mut interrupted = false;
    loop {
        tell(app, &mut told);
        jobs.tell(&app.state().domain);
        let Some(race) = app.state().domain.race.as_ref() else {
            return Err(Failure::new(Exit::Failed, "the race could not be started".to_owned()));
        };
        if !race.is_running() {
            break;
        }
        if race.pace == DecodeMode::Held {
            app.command(What::ContinueRace).await?;
            continue;
        }
        tokio::select! {
            advanced = app.advance(|_| {}) => advanced.map_err(|reason| Failure::new(Exit::Failed, reason))?,
            _ = tokio::signal::ctrl_c() => {
                // The first interrupt ends the answers and still tells what came, the second one ends at once.
                if interrupted {
                    return Ok(Exit::Interrupted);
                }
                interrupted = true;
                app.command(What::CancelRace).await?;
            }
        }
    }
    let has_asked = arguments.blind && !interrupted && ask_vote(arguments, app).await;
    let Some(race) = app.state().domain.race.as_ref() else { return Ok(Exit::Failed) };
    if race.hides_names() {
        let hint = "`taffrail history kind:race` lists it, and --reveal NUMBER shows the names";
        print_error(&"there was no vote, so the names stay hidden", Some(hint));
    }
    let divergence = race.divergence(&app.state().domain).filter(|_| arguments.lockstep);
    let written = print(arguments, race, divergence.as_ref(), has_asked);
    let is_whole = race.columns.iter().all(core::Column::has_finished);
    let exit = if interrupted {
        Exit::Interrupted
    } else if is_whole {
        Exit::Done
    } else {
        Exit::Failed
    };
    Ok(ended(written, exit))
}

/// Show the answers under their letters and ask which is best; whether anybody could be asked. Without a terminal nobody
/// can, and an empty line leaves it open.
async fn ask_vote(arguments: &Race, app: &mut Front) -> bool {
    let n_answers = |race: &core::Race| race.columns.iter().filter(|column| column.answer.is_some()).count();
    let Some(race) = app.state().domain.race.as_ref().filter(|race| n_answers(race) >= MIN_COLUMNS) else {
        return false;
    };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() || arguments.prompt.is_none() {
        return false;
    }
    let n_columns = race.columns.len();
    let _ = write!(io::stderr(), "\n{}", export::answers(&export::document(race)));
    let last = core::letter(n_columns.saturating_sub(1));
    loop {
        let _ = write!(io::stderr(), "Which answer is best? A to {last}, = for a tie, an empty line for no vote: ");
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            return true;
        }
        let Some(chosen) = ballot(line.trim(), n_columns) else { continue };
        match app.command(What::Vote((chosen < n_columns).then_some(chosen))).await {
            Ok(_) => return true,
            Err(refused) => {
                let _ = writeln!(io::stderr(), "{refused}");
            }
        }
    }
}

/// A column's place by its letter, or the place behind them all for a tie.
fn ballot(word: &str, n_columns: usize) -> Option<usize> {
    if word == "=" {
        return Some(n_columns);
    }
    (0..n_columns).find(|place| word.eq_ignore_ascii_case(core::letter(*place).encode_utf8(&mut [0; 4])))
}

/// The columns with their settings.
fn entries(arguments: &Race, models: &[Arc<Model>], settings: SessionSettings) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for (argument, model) in arguments.models.iter().zip(models) {
        let mut settings = settings;
        for pair in column(argument).1.into_iter().flat_map(|pairs| pairs.split(',')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            settings
                .set(&name.trim().replace('-', "_"), value)
                .map_err(|error| Failure::new(Exit::Usage, format!("{argument}: {} {error}", name.trim())))?;
        }
        if let Some(shortened) = admission::shortened(model, &settings) {
            print_error(&format!("{}: {shortened}", model.name), None);
        }
        let entry = Entry::new(Arc::clone(model), settings);
        for line in preset::lines(model, &entry.settings, arguments.system.is_none(), arguments.stop.is_empty()) {
            let _ = writeln!(io::stderr(), "{}: {line}", model.name);
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// Say which column does what, once for each step.
fn tell(app: &Front, told: &mut Vec<Option<&'static str>>) {
    let Some(race) = &app.state().domain.race else { return };
    told.resize(race.columns.len(), None);
    for (place, column) in race.columns.iter().enumerate() {
        let word = match &column.stage {
            Stage::Waiting | Stage::Unloading => continue,
            Stage::Starting => "is being loaded",
            Stage::Answering => "answers",
            Stage::Done => "has answered",
            Stage::Failed { .. } => "failed",
        };
        if told[place] != Some(word) {
            told[place] = Some(word);
            let name = race.name(place);
            match export::shown_error(race, column) {
                Some(ColumnError { reason, hint }) => {
                    print_error(&format!("{name} {word}: {reason}"), hint.as_deref());
                }
                None => {
                    let _ = writeln!(io::stderr(), "{name} {word}");
                }
            }
        }
    }
}

/// The document of the command.
#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    race: RaceDocument,
    /// Where the columns diverge, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    lockstep: Option<Lockstep>,
}

/// Where the columns diverge; null where they don't.
#[derive(Serialize)]
struct Lockstep(Option<DivergenceRecord>);

fn print(arguments: &Race, race: &core::Race, divergence: Option<&Divergence>, has_asked: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.json {
        let lockstep = arguments.lockstep.then(|| Lockstep(lockstep::document(race, divergence)));
        crate::json::write(&mut out, &Document { race: export::document(race), lockstep })?;
    } else if arguments.html {
        out.write_all(export::html(race).as_bytes())?;
    } else if arguments.markdown {
        out.write_all(export::markdown(race).as_bytes())?;
        if arguments.lockstep {
            write!(out, "\n## Lockstep\n\n```text\n{}```\n", lockstep::text(race, divergence).replace('`', "'"))?;
        }
    } else {
        // Who was asked for a vote has read the answers.
        let document = export::document(race);
        let text = if has_asked { export::table(&document) } else { export::text(&document) };
        out.write_all(text.as_bytes())?;
        if arguments.lockstep {
            write!(out, "\n{}", lockstep::text(race, divergence))?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ballot_is_a_letter_or_a_tie() {
        for (word, expected) in [("a", Some(0)), ("C", Some(2)), ("D", None), ("=", Some(3)), ("ab", None), ("1", None)]
        {
            assert_eq!(ballot(word, 3), expected, "{word}");
        }
    }
}
