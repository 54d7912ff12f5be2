//! `taffrail bench`: speeds, measured in turn, compared with earlier ones.
//!
//! The same core decides as on the Bench screen. Progress goes to standard error, the result to standard output.

mod formats;

use std::io::{self, Write};
use std::sync::Arc;

use clap::Args;

use super::failure::{Failure, print_error};
use super::job_lines::JobLines;
use super::output::Output;
use super::progress::Progress;
use super::value::whole;
use super::{Exit, Measures, SessionOptions};
use crate::app::front::Front;
use crate::app::terminal_width;
use domain::Domain;
use domain::command::What;
use domain::lab::bench::{Bench as State, BenchEntry, EntryPhase, MAX_REPETITIONS, MAX_TOKENS, Plan};
use domain::model::Model;
use domain::settings::MAX_PARALLEL;

/// Measure prompt and generation speed.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub struct Bench {
    /// Models: a name, a unique part of one, `store:name`, `owner/repo[:quant]` or a path
    #[arg(required = true)]
    pub models: Vec<String>,
    /// Prompt lengths in tokens; 0 for none
    #[arg(short = 'p', long, visible_alias = "n-prompt", value_delimiter = ',', value_name = "N", default_value = "512",
        value_parser = whole(0..=MAX_TOKENS))]
    pp: Vec<u32>,
    /// Tokens to generate; 0 for none
    #[arg(short = 'n', long, visible_alias = "n-gen", value_delimiter = ',', value_name = "N", default_value = "128",
        value_parser = whole(0..=MAX_TOKENS))]
    tg: Vec<u32>,
    /// Tokens already in the context
    #[arg(short = 'd', long, visible_alias = "n-depth", value_delimiter = ',', value_name = "N", default_value = "0",
        value_parser = whole(0..=MAX_TOKENS))]
    depth: Vec<u32>,
    /// Batch sizes to compare, in tokens [default: that of `--batch`]
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = whole(1..=MAX_TOKENS))]
    batch_sizes: Vec<u32>,
    /// Sequences decoded together
    #[arg(long, value_delimiter = ',', value_name = "N", default_value = "1", value_parser = whole(1..=MAX_PARALLEL))]
    parallel: Vec<u32>,
    /// Repetitions of each test
    #[arg(short = 'r', long, value_name = "N", default_value = "5", value_parser = whole(1..=MAX_REPETITIONS))]
    repetitions: u32,
    /// Keep repetitions that heat or other programs disturbed; they are marked
    #[arg(long, alias = "keep-tainted")]
    keep_outliers: bool,
    /// Measure models even if their files fail the check
    #[arg(long)]
    force: bool,
    /// Print one JSON document
    #[arg(long, group = "format")]
    json: bool,
    /// Print CSV
    #[arg(long, group = "format")]
    csv: bool,
    /// Print a Markdown table
    #[arg(long, group = "format")]
    markdown: bool,
    /// Print the JSON that llama-bench prints
    #[arg(long = "llama-bench", group = "format")]
    as_llama: bool,
    #[command(flatten)]
    session: SessionOptions<Measures>,
}

/// Run the command.
pub async fn run(arguments: &Bench, models: Vec<Arc<Model>>, app: &mut Front) -> Exit {
    let settings = arguments.session.over(app.state().domain.settings.session);
    let batches = if arguments.batch_sizes.is_empty() { vec![settings.batch] } else { arguments.batch_sizes.clone() };
    let plan = Plan {
        models: models.iter().map(|model| model.id.clone()).collect(),
        n_prompt: arguments.pp.clone(),
        n_generate: arguments.tg.clone(),
        depths: arguments.depth.clone(),
        batches,
        parallel: arguments.parallel.clone(),
        repetitions: arguments.repetitions,
        keep_disturbed: arguments.keep_outliers,
        settings,
    };
    if let Err(error) = plan.cells() {
        return Failure::new(Exit::Usage, error).print();
    }
    let now = app.state().domain.now.unix;
    // One that can't be tried either is told of like the others that can't be run.
    let admit = |model: &Arc<Model>| super::force::admit(model, true, now).unwrap_or_else(|_| Arc::clone(model));
    let models = if arguments.force { models.iter().map(admit).collect() } else { models };
    app.prepare(models).await;
    if let Err(refused) = app.command(What::StartBench(Box::new(plan))).await {
        return Failure::from(refused).print();
    }
    let progress = Progress::begin("measuring");
    let (mut jobs, mut interrupted) = (JobLines::default(), false);
    while app.state().domain.bench.is_running() {
        jobs.tell(&app.state().domain);
        progress.tell(line(&app.state().domain));
        tokio::select! {
            advanced = app.advance(|_| {}) => if let Err(reason) = advanced {
                return Failure::new(Exit::Failed, reason).print();
            },
            _ = tokio::signal::ctrl_c() => {
                interrupted = true;
                let _ = app.command(What::CancelBench).await;
            }
        }
    }
    drop(progress);
    for problem in app.problems() {
        print_error(&problem, None);
    }
    let bench = &app.state().domain.bench;
    finish(arguments, bench, interrupted)
}

fn finish(arguments: &Bench, bench: &State, interrupted: bool) -> Exit {
    let mut err = io::stderr();
    if let Some(note) = &bench.note {
        let _ = writeln!(err, "{note}");
    }
    let _ = writeln!(err, "{}", bench.circumstances());
    let mut output = Output::default();
    let is_written = output.print(|out| {
        if arguments.json {
            crate::json::write(out, &domain::lab::bench::document(bench))
        } else if arguments.csv {
            write_csv(bench, out)
        } else if arguments.markdown {
            write_markdown(bench, out)
        } else if arguments.as_llama {
            crate::json::write(out, &formats::llama_bench(bench))
        } else {
            formats::table(bench, terminal_width(), out)
        }
    });
    if !is_written {
        return output.end(Exit::Done);
    }
    formats::remarks(bench, &mut io::stderr());
    if interrupted {
        Exit::Interrupted
    } else if bench.rows.iter().any(|row| row.failed.is_some() || row.repetitions.is_empty()) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

/// A bench as CSV.
///
/// # Errors
///
/// What `out` says.
pub fn write_csv(bench: &State, out: &mut impl Write) -> io::Result<()> {
    formats::csv(bench, out)
}

/// A bench as a Markdown table.
///
/// # Errors
///
/// What `out` says.
pub fn write_markdown(bench: &State, out: &mut impl Write) -> io::Result<()> {
    formats::markdown(bench, out)
}

/// How far it is, in one line.
fn line(domain: &Domain) -> String {
    let bench = &domain.bench;
    let waits = |entry: &BenchEntry| entry.session.id.and_then(|id| domain.session(id)?.waiting_job()).is_some();
    let (done, wanted) = bench.progress();
    let what = bench.trial.as_ref().and_then(|trial| bench.rows.get(trial.row)).map_or_else(
        || match bench.entries.iter().find(|entry| matches!(entry.phase, EntryPhase::Loading(_))) {
            Some(entry) if waits(entry) => format!("{} waits for its job", entry.model.name),
            Some(entry) => format!("loading {}", entry.model.name),
            None if bench.cooling.is_some() => "cooling down".to_owned(),
            None => "waiting for the sensors".to_owned(),
        },
        |row| {
            let name = bench.entries.get(row.entry).map_or("", |entry| entry.model.name.as_str());
            format!("{} of {name}", row.cell.label())
        },
    );
    let disturbed: usize = bench.rows.iter().map(|row| row.disturbed.len()).sum();
    let disturbed = if disturbed > 0 { format!(" · {disturbed} disturbed") } else { String::new() };
    format!("{done} of {wanted}{disturbed} · {what}")
}
