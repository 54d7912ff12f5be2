//! `taffrail suite` and `taffrail pick`: which models pass one's own prompts, and which of them is the most frugal.

mod watch;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::input::read_text;
use super::output::Output;
use super::run::some;
use super::table::{self, Column};
use super::value::number;
use super::{Exit, SessionOptions};
use crate::app::{App, suites, terminal_width};
use domain::command::{Force, What};
use domain::lab::suite::results::{Answered, Results};
use domain::lab::suite::run::{SuiteFile, SuiteOrder};
use domain::lab::suite::tally::{Cost, Tally, cheapest, front, interval};
use domain::lab::suite::{self, Suite, plot};
use domain::model::Model;
use domain::request::form::Form;
use domain::units::{Bytes, counted, digits, or_dash};
use watch::Watch;

/// Ask models the prompts of a suite.
#[derive(Debug, Args)]
pub struct Ask {
    /// The suite: a TOML file, or `arithmetic` or `instructions`, which come with the program
    file: PathBuf,
    /// Models: a name, a unique part of one, `store:name`, `owner/repo[:quant]` or a path
    #[arg(required = true)]
    models: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// Pick the most frugal model that is good enough.
#[derive(Debug, Args)]
pub struct Pick {
    /// The suite: a TOML file, or `arithmetic` or `instructions`, which come with the program
    #[arg(long)]
    suite: PathBuf,
    /// Models: a name, a unique part of one, `store:name`, `owner/repo[:quant]` or a path
    #[arg(required = true)]
    models: Vec<String>,
    /// The share of the prompts that must pass, in percent
    #[arg(long, default_value_t = 80.0, value_name = "PERCENT", value_parser = number(0.0..=100.0))]
    at_least: f64,
    /// What the cheapest model is judged by [default: energy, or time where no sensor measures energy]
    #[arg(long, value_enum)]
    by: Option<By>,
    #[command(flatten)]
    common: Common,
}

/// What both are asked.
#[derive(Debug, Args)]
struct Common {
    /// Ask everything again instead of continuing an earlier run
    #[arg(long, alias = "anew")]
    fresh: bool,
    /// Stop an answer at this text; may be repeated. Replaces the stop texts of the models' stores
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Start models even if they do not fit in memory or their files fail the check
    #[arg(long)]
    force: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: SessionOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Energy,
    Time,
    Memory,
}

impl From<By> for Cost {
    fn from(by: By) -> Self {
        match by {
            By::Energy => Self::Energy,
            By::Time => Self::Time,
            By::Memory => Self::Memory,
        }
    }
}

impl Ask {
    /// The models as they were named.
    pub fn models(&self) -> &[String] {
        &self.models
    }
}

impl Pick {
    /// The models as they were named.
    pub fn models(&self) -> &[String] {
        &self.models
    }
}

/// What the models answered.
struct Outcome {
    results: Results,
    /// Whether all models could be asked.
    is_whole: bool,
}

/// Run `taffrail suite`. `find` gives the model that a name means.
pub async fn ask(
    arguments: &Ask,
    models: Vec<Arc<Model>>,
    app: &mut App,
    find: &dyn Fn(&str) -> Result<Arc<Model>, Exit>,
) -> Exit {
    let Outcome { results, is_whole } = match run(&arguments.file, models, &arguments.common, app, find).await {
        Ok(outcome) => outcome,
        Err(failure) => return failure.print(),
    };
    let mut output = Output::default();
    output.print(|out| {
        if arguments.common.json {
            crate::json::write(out, &results.document())
        } else {
            write(&results, out, terminal_width())
        }
    });
    output.end(if is_whole { Exit::Done } else { Exit::Failed })
}

/// Run `taffrail pick`.
pub async fn pick_one(
    arguments: &Pick,
    models: Vec<Arc<Model>>,
    app: &mut App,
    find: &dyn Fn(&str) -> Result<Arc<Model>, Exit>,
) -> Exit {
    let Outcome { results, is_whole } = match run(&arguments.suite, models, &arguments.common, app, find).await {
        Ok(outcome) => outcome,
        Err(failure) => return failure.print(),
    };
    let tallies = results.tallies();
    let has_energy = tallies.iter().all(Tally::tells_energy);
    let by = arguments.by.map_or(if has_energy { Cost::Energy } else { Cost::Time }, Cost::from);
    let tied = cheapest(&tallies, by, arguments.at_least / 100.0);
    let mut output = Output::default();
    output.print(|out| {
        if arguments.common.json {
            crate::json::write(out, &results.pick_document(&tied, by, arguments.at_least / 100.0))
        } else {
            write_pick(&results, out, by, arguments, &tied)
        }
    });
    if arguments.by.is_none() && !has_energy {
        let _ =
            writeln!(io::stderr(), "no sensor measures the energy of every answer well enough, so time decided (--by)");
    }
    output.end(if !tied.is_empty() && is_whole { Exit::Done } else { Exit::Failed })
}

/// The text of a suite, by its file or the name of one that comes with the program.
fn read(file: &Path) -> Result<String, Failure> {
    let embedded = suites::EMBEDDED.iter().find(|(name, _)| file.to_str() == Some(name));
    if let Some((_, text)) = embedded.filter(|_| !file.exists()) {
        return Ok((*text).to_owned());
    }
    read_text(file, suite::MAX_BYTES)
}

async fn run(
    file: &Path,
    models: Vec<Arc<Model>>,
    common: &Common,
    app: &mut App,
    find: &dyn Fn(&str) -> Result<Arc<Model>, Exit>,
) -> Result<Outcome, Failure> {
    // One that comes with the program has a name and no file.
    let place = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let wrong = |error: String| Failure::new(Exit::Usage, format!("{}, {error}", file.display()));
    let suite = SuiteFile::parse(place, read(file)?).map_err(|error| wrong(error.to_string()))?;
    for prompt in &suite.suite.prompts {
        let loose =
            prompt.form.as_ref().and_then(Form::schema).map(|schema| schema.loose.as_slice()).unwrap_or_default();
        if !loose.is_empty() {
            let text = format!("{}: not held while the answer is written: {}", prompt.id, some(loose));
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
    let settings = suite.settings(app.state().domain.settings.session);
    let settings = settings.map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", file.display())))?;
    let judge = suite.suite.judge.as_deref().map(|name| {
        find(name).map_err(|exit| Failure::new(exit, format!("the suite's judge, `{name}`, was not found")))
    });
    let judge = judge.transpose()?;
    app.adopt(models.iter().chain(&judge).cloned().collect());
    app.recall_baselines();
    app.first_sample().await;
    let order = SuiteOrder {
        suite: Arc::new(suite),
        models,
        judge,
        settings: common.session.over(settings),
        stop: common.stop.clone(),
        fresh: common.fresh,
        force: if common.force { Force::All } else { Force::No },
    };
    app.command(What::StartSuite(Box::new(order)))?;
    let mut watch = Watch::default();
    let results = watch.wait(app).await?;
    if let Some(exit) = watch.failures.first().filter(|_| results.answered.is_empty()) {
        return Err(Failure::new(*exit, "no model could be asked"));
    }
    Ok(Outcome { results, is_whole: watch.failures.is_empty() })
}

/// Rows of a plot, without its axis.
const PLOT_ROWS: usize = 12;

const COLUMNS: [Column; 9] = [
    Column { title: "", right: false, least: None, goes: 0 },
    Column { title: "Model", right: false, least: Some(16), goes: 0 },
    Column { title: "Passed", right: true, least: None, goes: 0 },
    Column { title: "Rate", right: true, least: None, goes: 0 },
    Column { title: "95 %", right: true, least: None, goes: 3 },
    Column { title: "J/answer", right: true, least: None, goes: 0 },
    Column { title: "s/answer", right: true, least: None, goes: 0 },
    Column { title: "tok/answer", right: true, least: None, goes: 2 },
    Column { title: "Memory", right: true, least: None, goes: 1 },
];

fn rows(results: &Results, by: Cost) -> Vec<Vec<String>> {
    let tallies = results.tallies();
    let first = front(&tallies, by);
    let row = |(index, (tally, asked)): (usize, (&Tally, &Answered))| {
        let (low, high) = interval(tally.passed, tally.n);
        vec![
            plot::letter(index, first[index]).to_string(),
            tally.name.clone(),
            format!("{}/{}", tally.passed, tally.n),
            format!("{:.0} %", tally.rate() * 100.0),
            format!("{:.0}–{:.0} %", low * 100.0, high * 100.0),
            or_dash(tally.joules.map(|joules| joules.text(""))),
            digits(tally.seconds),
            format!("{:.0}", asked.tokens()),
            or_dash(tally.known_memory().map(Bytes)),
        ]
    };
    tallies.iter().zip(&results.answered).enumerate().map(row).collect()
}

fn write(results: &Results, out: &mut impl Write, width: Option<usize>) -> io::Result<()> {
    head(results, out)?;
    table::write(out, &COLUMNS, &rows(results, Cost::Time), width)?;
    for asked in &results.answered {
        let failed = results.suite.suite.answers(&asked.answers);
        let failed: Vec<_> = failed.filter(|answer| !answer.has_passed()).collect();
        if !failed.is_empty() {
            writeln!(out, "\n{} failed:", asked.model.name)?;
        }
        for answer in failed {
            writeln!(out, "  {}: {}", answer.prompt, answer.reasons().collect::<Vec<_>>().join("; "))?;
        }
    }
    Ok(())
}

fn write_pick(results: &Results, out: &mut impl Write, by: Cost, arguments: &Pick, tied: &[&Tally]) -> io::Result<()> {
    head(results, out)?;
    let tallies = results.tallies();
    let width = terminal_width();
    let plot = plot::plot(&tallies, by, (width.unwrap_or(80), PLOT_ROWS));
    if !plot.is_empty() {
        writeln!(out, "{}\n", plot.join("\n"))?;
    }
    table::write(out, &COLUMNS, &rows(results, by), width)?;
    writeln!(out, "capitals: on the Pareto front, where no other passes as much for less")?;
    let wanted = arguments.at_least;
    let unknown = "no sensor reported energy, so none can be picked by it: use --by time or --by memory";
    let said = match tied.first().map(|tally| (tally, tally.cost(by))) {
        Some((tally, Some(cost))) => format!(
            "{}: passes {:.0} % (at least {wanted:.0} % required) at {}{}",
            tally.name,
            tally.rate() * 100.0,
            match (by, tally.joules) {
                (Cost::Energy, Some(joules)) => joules.text("J"),
                _ => plot::amount(by, cost),
            },
            if matches!(by, Cost::Memory) { "" } else { " an answer" },
        ),
        _ if tallies.iter().all(|tally| tally.cost(by).is_none()) => unknown.to_owned(),
        _ => format!("none passes {wanted:.0} % at a known cost"),
    };
    writeln!(out, "\n{said}")?;
    if let [_, others @ ..] = tied
        && !others.is_empty()
    {
        let names: Vec<&str> = others.iter().map(|tally| tally.name.as_str()).collect();
        writeln!(out, "a tie with {}: the difference is within the error of the figures", names.join(", "))?;
    }
    Ok(())
}

fn head(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let Suite { name, description, prompts, .. } = &results.suite.suite;
    let count = counted(prompts.len(), "prompt");
    writeln!(out, "{}: {} ({count})", gguf::clean(name, 80), gguf::clean(description, 200))?;
    if let Some(judge) = &results.judge {
        writeln!(out, "judged in part by a model, {judge}: an opinion, not a measurement")?;
    }
    writeln!(out)
}
