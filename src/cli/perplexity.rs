//! `taffrail perplexity`: how well a model predicts a text, alone and against a reference.
//!
//! Perplexity as llama-perplexity measures it; with a reference of the same vocabulary, Kullback and Leibler's
//! divergence and how often both find the same token likeliest. The text itself shows where they differ.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::failure::{Failure, exit_of};
use super::output::Output;
use super::progress::Progress;
use super::value::whole;
use super::{Exit, Measures, SessionOptions};
use crate::app::App;
use crate::app::scratch_dir::ScratchDir;
use domain::Event;
use domain::command::What;
use domain::lab::perplexity::{
    CHUNK, DIVERGENCES, Estimate, PerplexityOrder, PerplexityRun as CalibrationState, SURPRISES, Stage, heat, summary,
};
use domain::lab::race::Entry;
use domain::model::Model;
use domain::settings::SessionSettings;
use domain::units::counted;

/// The longest text that is read, in bytes.
const MAX_TEXT: u64 = 32 << 20;

/// Score a text.
#[derive(Debug, Args)]
pub struct Perplexity {
    /// A name, a unique part of one, `store:name`, `owner/repo[:quant]` or a path
    pub model: String,
    /// A model with the same vocabulary to compare with, such as a larger quantization of the same model
    #[arg(long, alias = "against", value_name = "MODEL")]
    pub reference: Option<String>,
    /// A file with the text; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Tokens per chunk; the second half of each is scored
    #[arg(long, value_name = "TOKENS", default_value_t = CHUNK, value_parser = whole(8..=8192_u32))]
    chunk: u32,
    /// Score at most this many chunks
    #[arg(long, value_name = "COUNT", value_parser = whole(1..=u32::MAX))]
    chunks: Option<u32>,
    /// Start models even if their files fail the check
    #[arg(long)]
    force: bool,
    /// Print one JSON document with every token
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: SessionOptions<Measures>,
}

/// Run the command.
pub async fn run(arguments: &Perplexity, model: Arc<Model>, reference: Option<Arc<Model>>, app: &mut App) -> Exit {
    exit_of(score(arguments, model, reference, app).await)
}

async fn score(
    arguments: &Perplexity,
    model: Arc<Model>,
    reference: Option<Arc<Model>>,
    app: &mut App,
) -> Result<Exit, Failure> {
    let text = text(arguments)?;
    let scratch_dir = ScratchDir::new().map_err(|error| {
        let folder = std::env::temp_dir();
        Failure::new(Exit::Failed, format!("no folder can be made in {}: {error}", folder.display()))
    })?;
    let own = arguments.session.over(app.state().domain.settings.session);
    let settings = SessionSettings { context: arguments.chunk, ubatch: own.ubatch.min(arguments.chunk), ..own };
    let admit = |model: &Arc<Model>| super::force::admit(model, arguments.force, app.state().domain.now.unix);
    let (model, reference) = (admit(&model)?, reference.as_ref().map(admit).transpose()?);
    app.adopt([Some(Arc::clone(&model)), reference.clone()].into_iter().flatten().collect());
    app.recall_baselines();
    let progress = Progress::begin("reading the sensors");
    app.first_sample().await;
    let order = PerplexityOrder {
        model: Entry::new(model, settings),
        reference: reference.map(|reference| Entry::new(reference, settings)),
        text,
        n_chunk: arguments.chunk,
        max_chunks: arguments.chunks,
        every: false,
        file: scratch_dir.file(),
    };
    app.command(What::StartPerplexity(Box::new(order)))?;
    let mut told = None;
    loop {
        let Some(run) = &app.state().domain.perplexity else {
            return Err(Failure::new(Exit::Failed, "nothing was started".to_owned()));
        };
        let at = (run.chunk, run.n_chunks);
        if told != Some(at) {
            told = Some(at);
            let count = at.1.map_or_else(|| "?".to_owned(), |count| count.to_string());
            progress.tell(format!("chunk {} of {count}", at.0));
        }
        match &run.stage {
            Stage::Done => break,
            Stage::Failed { reason, hint } => {
                return Err(Failure::new(Exit::Failed, reason.as_str()).or_hint(hint.as_deref()));
            }
            _ => {}
        }
        let event: Event = tokio::select! {
            event = app.next_event() => event,
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Interrupted),
        };
        app.handle(event);
    }
    drop(progress);
    let Some(run) = &app.state().domain.perplexity else { return Ok(Exit::Failed) };
    let mut output = Output::default();
    output.print(|out| if arguments.json { crate::json::write(out, &document(run)) } else { print(out, run) });
    Ok(output.end(Exit::Done))
}

fn text(arguments: &Perplexity) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let path = &arguments.text;
    let read = if path.as_os_str() == "-" {
        io::stdin().take(MAX_TEXT + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(MAX_TEXT + 1).read_to_end(&mut bytes))
    };
    let name = path.display();
    read.map_err(|error| Failure::new(Exit::NotFound, format!("{name} can't be read: {error}")))?;
    if bytes.len() as u64 > MAX_TEXT {
        let text = format!("{name} is longer than {} MiB", MAX_TEXT >> 20);
        return Err(Failure::new(Exit::Usage, text).with_hint("take a part of it"));
    }
    let text = domain::text::decode(bytes)
        .map_err(|error| Failure::new(Exit::Usage, format!("{name} is not text: {error}")))?;
    // A file's last line end is no part of its text; llama-perplexity drops it likewise.
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

fn document(run: &CalibrationState) -> Value {
    let name = |entry: &Entry| json!({ "id": entry.model.id, "name": entry.model.name, "quant": entry.model.quant() });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "schema": "taffrail/perplexity/1",
        "model": name(&run.order.model),
        "reference": run.order.reference.as_ref().map(name),
        "chunk": run.order.n_chunk,
        "chunks": run.n_chunks,
        "summary": summary(&run.model),
        "reference_summary": summary(&run.reference),
        "tokens": run.model.iter().flat_map(|chunk| chunk.tokens.iter().map(|token| json!({
            "chunk": chunk.chunk,
            "text": text(&token.bytes),
            "surprise": token.surprise,
            "divergence": token.divergence,
            "agrees": token.agrees,
        }))).collect::<Vec<_>>(),
    })
}

/// The tints by step: colours for a terminal that has them, marks for one that has not.
const TINTS: [&str; 3] = ["\x1b[48;5;58m", "\x1b[48;5;94m", "\x1b[48;5;124m"];

fn print(out: &mut impl Write, run: &CalibrationState) -> io::Result<()> {
    let coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let compared = run.order.reference.is_some();
    for chunk in &run.model {
        write!(out, "{}", harmless(&chunk.before))?;
        for token in &chunk.tokens {
            let (value, steps) = match token.divergence {
                Some(divergence) => (divergence, DIVERGENCES),
                None => (token.surprise, SURPRISES),
            };
            let step = heat(value, steps);
            let text = harmless(&token.bytes);
            match step.checked_sub(1) {
                None => write!(out, "{text}")?,
                Some(tint) if coloured => write!(out, "{}{text}\x1b[49m", TINTS[tint])?,
                // The braces are as many as the steps.
                Some(tint) => write!(out, "{}{text}{}", "{".repeat(tint + 1), "}".repeat(tint + 1))?,
            }
        }
    }
    writeln!(out, "\n")?;
    let (what, steps) = if compared { ("divergence", DIVERGENCES) } else { ("surprise", SURPRISES) };
    let [first, second, third] = steps;
    writeln!(out, "tinted from a {what} of {first}, {second} and {third} nats on")?;
    let estimate = |estimate: Estimate, decimals: usize| {
        format!("{:.decimals$} ± {:.decimals$}", estimate.value, estimate.interval)
    };
    if let Some(all) = summary(&run.model) {
        writeln!(
            out,
            "{}  perplexity {} over {} in {} of {}",
            clean(&run.order.model.model.name),
            estimate(all.perplexity, 4),
            counted(all.n_tokens, "token"),
            counted(run.model.len(), "chunk"),
            run.order.n_chunk
        )?;
        if let (Some(reference), Some(entry)) = (summary(&run.reference), &run.order.reference) {
            writeln!(out, "{}  perplexity {}", clean(&entry.model.name), estimate(reference.perplexity, 4))?;
        }
        if let (Some(divergence), Some(agreement)) = (all.divergence, all.agreement) {
            writeln!(out, "KL divergence {} nats a token, same top token {:.2}", estimate(divergence, 6), agreement)?;
        }
        writeln!(out, "± is half of a 95 % interval, brackets a whole one; tokens taken as independent")?;
    }
    Ok(())
}

fn clean(name: &str) -> String {
    gguf::clean(name, 200)
}

/// Text without what a terminal would obey.
fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|character| matches!(character, '\n' | '\t') || !gguf::is_harmful(*character)).collect()
}
