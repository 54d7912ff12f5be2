//! `taffrail doctor`: what was found, what can't be read, and the command that mends it.
//!
//! It only looks: everything it was told stands in [`Findings`], and nothing is changed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::top::document;
use super::top::figure::{figure, watts_text};
use crate::app::machine::{Engine, Terminal};
use crate::config::SettingError;
use domain::engine_metrics::{EngineDocument, EngineMetrics, EngineSilence};
use domain::figure::Figure;
use domain::machine::{Bandwidth, Sample, Source};
use domain::model::StoreStatus;

/// Show what was found, what can't be read, and how to fix it.
#[derive(Debug, Default, Args)]
pub struct Doctor {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Pack this report, the log and the settings without secrets into a new .tar.gz file, to be attached to an issue
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub bundle: Option<PathBuf>,
    /// Measure what the main memory gives, and keep the figure; takes a second or two, all cores and much of the memory
    #[arg(long)]
    pub bandwidth: bool,
}

/// What was looked at.
#[derive(Debug, Default)]
pub struct Findings {
    /// The sensors.
    pub sample: Sample,
    /// What the main memory gives; why it could not be measured, or `None` where nobody has.
    pub bandwidth: Option<Result<Bandwidth, String>>,
    /// What can run models.
    pub engine: Engine,
    /// Where models were looked for.
    pub stores: Vec<StoreStatus>,
    /// The engines of other programs that answered.
    pub engines: Vec<EngineMetrics>,
    /// The file of settings that was looked for.
    pub file: Option<PathBuf>,
    /// What is wrong with the settings.
    pub problems: Vec<SettingError>,
    /// What the dashboard would be drawn on.
    pub terminal: Terminal,
    /// The folder of the log.
    pub log: Option<PathBuf>,
}

/// Access that outlives a restart, by the source that lacks it. No capability is given to taffrail itself: it starts
/// workers that read files from anywhere.
const LASTING: [(&str, &str); 2] = [
    (
        "powercap",
        "echo 'SUBSYSTEM==\"powercap\", ACTION==\"add\", KERNEL==\"intel-rapl:*\", \
         RUN+=\"/bin/chmod o+r /sys%p/energy_uj\"' | sudo tee /etc/udev/rules.d/70-rapl.rules && \
         sudo udevadm trigger --action=add --subsystem-match=powercap",
    ),
    ("perf", "echo kernel.perf_event_paranoid=0 | sudo tee /etc/sysctl.d/70-perf.conf && sudo sysctl --system"),
];

/// The smallest terminal that the dashboard is made for.
const SMALLEST: (u16, u16) = (80, 24);

/// Write the findings.
pub fn run(arguments: &Doctor, findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    if arguments.json {
        return crate::json::write(out, &document(findings));
    }
    sensors(&findings.sample, out)?;
    bandwidth(findings.bandwidth.as_ref(), out)?;
    engine(&findings.engine, out)?;
    machines(&findings.sample, out)?;
    stores(&findings.stores, out)?;
    engines(&findings.engines, out)?;
    settings(findings, out)?;
    terminal(&findings.terminal, out)?;
    log(findings.log.as_deref(), out)
}

fn log(folder: Option<&Path>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nLog")?;
    match folder {
        Some(folder) if folder.is_dir() => line(out, Mark::Good, "log", &folder.display().to_string()),
        Some(folder) => line(out, Mark::Absent, "log", &format!("{} has no log yet", folder.display())),
        None => line(out, Mark::Absent, "log", "there is no home folder to write it to"),
    }
}

/// A line: whether it is well, what it is about, and what is to be said of it.
fn line(out: &mut impl Write, mark: Mark, name: &str, text: &str) -> io::Result<()> {
    let mark = match mark {
        Mark::Good => '●',
        Mark::Absent => '—',
        Mark::Bad => '✕',
    };
    let name = gguf::clean(name, 64);
    writeln!(out, "  {mark} {name:<13} {}", gguf::clean(text, usize::MAX))
}

/// What would mend the line before.
fn remedy(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "  {:<15} → {}", "", gguf::clean(text, usize::MAX))
}

#[derive(Clone, Copy)]
enum Mark {
    Good,
    Absent,
    Bad,
}

fn sensors(sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Sensors")?;
    for source in &sample.sources {
        match &source.reading {
            Figure::Known { value, grade, .. } => {
                let text = format!("{value} ({}; {})", grade.word(), source.covers);
                line(out, Mark::Good, &source.name, &text)?;
            }
            Figure::Unknown { reason, remedy: mend } => {
                let mark = if mend.is_some() { Mark::Bad } else { Mark::Absent };
                line(out, mark, &source.name, &format!("{reason} ({})", source.covers))?;
                if let Some(mend) = mend {
                    remedy(out, mend)?;
                }
                if let Some(lasting) = lasting(source) {
                    remedy(out, &format!("for good: `{lasting}`"))?;
                }
            }
        }
    }
    writeln!(out, "\nPower")?;
    for power in &sample.power {
        match &power.watts {
            Figure::Known { value, grade, source } => {
                let part = if power.adds { "" } else { ", overlaps others" };
                let text = format!("{} ({}; {source}{part})", watts_text(*value, *grade), grade.word());
                line(out, Mark::Good, &power.name, &text)?;
            }
            Figure::Unknown { reason, .. } => line(out, Mark::Absent, &power.name, reason)?,
        }
    }
    if let Some((watts, grade)) = sample.total() {
        let text = format!("{} ({}) {}", watts_text(watts, grade), grade.word(), sample.boundary());
        return line(out, Mark::Good, "sum", &text);
    }
    line(out, Mark::Absent, "sum", &sample.why_no_power().0)?;
    remedy(out, "`energy.tdp_watts` in the settings gives an estimate, which is shown as a range")
}

/// The command for good, where the kernel keeps a source to root.
fn lasting(source: &Source) -> Option<&'static str> {
    let Figure::Unknown { reason, remedy: Some(_) } = &source.reading else { return None };
    let (_, command) = LASTING.iter().find(|(name, _)| *name == source.name)?;
    reason.contains("root").then_some(command)
}

fn bandwidth(measured: Option<&Result<Bandwidth, String>>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nMemory")?;
    match measured {
        Some(Ok(bandwidth)) => line(out, Mark::Good, "bandwidth", &bandwidth.to_string()),
        Some(Err(reason)) => line(out, Mark::Bad, "bandwidth", reason),
        None => {
            line(out, Mark::Absent, "bandwidth", "not measured (for a session's share of what the memory allows)")?;
            remedy(out, "`taffrail doctor --bandwidth` measures it while nothing else runs")
        }
    }
}

fn engine(engine: &Engine, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nEngine")?;
    if engine.built_in {
        let with =
            if engine.backends.is_empty() { "the processor only".to_owned() } else { engine.backends.join(", ") };
        line(out, Mark::Good, "llama.cpp", &format!("built in, for {with}"))?;
        if engine.backends.is_empty() {
            remedy(out, "for a GPU build it with `--features cuda`, `vulkan`, `rocm` or `metal`")?;
        }
    } else {
        line(out, Mark::Bad, "llama.cpp", "not built in: models can be looked at, not run")?;
        remedy(out, "build it without `--no-default-features`")?;
    }
    for other in &engine.others {
        let name = other.file_name().unwrap_or_default().to_string_lossy();
        line(out, Mark::Good, &name, &other.display().to_string())?;
    }
    Ok(())
}

/// Other machines whose devices sessions may use; nothing where none is named.
fn machines(sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    if sample.rpc.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nOther machines")?;
    for machine in &sample.rpc {
        let mark = if machine.problem.is_some() { Mark::Bad } else { Mark::Good };
        for (name, text) in machine.lines() {
            line(out, mark, &name, &text)?;
        }
        if let Some(mend) = &machine.remedy {
            remedy(out, mend)?;
        }
    }
    Ok(())
}

fn stores(stores: &[StoreStatus], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nModels")?;
    for store in stores {
        let mark = if !store.problems.is_empty() {
            Mark::Bad
        } else if store.n_models == 0 {
            Mark::Absent
        } else {
            Mark::Good
        };
        let models = if store.n_models == 1 { "model" } else { "models" };
        line(out, mark, store.name(), &format!("{} {models} · {}", store.n_models, store.place))?;
        for problem in &store.problems {
            remedy(out, problem)?;
        }
    }
    if stores.is_empty() {
        line(out, Mark::Absent, "none", "no store was found")?;
        remedy(out, "`taffrail config default` shows `library.folders`, which names folders of your own")?;
    }
    Ok(())
}

/// The engines of other programs that answered, and what their counters say; nothing where there are none.
fn engines(engines: &[EngineMetrics], out: &mut impl Write) -> io::Result<()> {
    if engines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nEngines of other programs")?;
    for engine in engines {
        let (mark, mend) = match &engine.answer {
            Ok(_) => (Mark::Good, None),
            Err(EngineSilence::NotReported { remedy, .. }) => (Mark::Absent, remedy.as_deref()),
            Err(EngineSilence::Failed { .. }) => (Mark::Bad, None),
        };
        line(out, mark, &engine.engine, &format!("{}; counters: {}", engine.kind.name(), engine.line()))?;
        if let Some(mend) = mend {
            remedy(out, mend)?;
        }
    }
    Ok(())
}

fn settings(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nSettings")?;
    match &findings.file {
        Some(file) if file.is_file() => line(out, Mark::Good, "file", &file.display().to_string())?,
        Some(file) => line(out, Mark::Absent, "file", &format!("{} (none; the defaults hold)", file.display()))?,
        None => line(out, Mark::Absent, "file", "no home directory is known; the defaults hold")?,
    }
    for problem in &findings.problems {
        line(out, Mark::Bad, "problem", &problem.to_string())?;
        if let Some(hint) = &problem.hint {
            remedy(out, hint)?;
        }
    }
    Ok(())
}

fn terminal(terminal: &Terminal, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nTerminal")?;
    match (terminal.is_terminal, terminal.size) {
        ((true, true), Some((columns, rows))) => {
            let fits = columns >= SMALLEST.0 && rows >= SMALLEST.1;
            let mark = if fits { Mark::Good } else { Mark::Bad };
            line(out, mark, "size", &format!("{columns} columns, {rows} rows"))?;
            if !fits {
                remedy(out, &format!("the dashboard is made for {} columns and {} rows", SMALLEST.0, SMALLEST.1))?;
            }
        }
        _ => line(out, Mark::Absent, "size", "input or output is not a terminal: the dashboard needs both")?,
    }
    let kind = terminal.kind.as_deref().unwrap_or("unknown");
    let colours = colours(terminal);
    line(out, Mark::Good, "colors", &format!("{colours} (TERM is {kind})"))?;
    if colours == "16 or 256" {
        remedy(out, "themes show as they should in a terminal that sets `COLORTERM=truecolor`")?;
    }
    let locale = terminal.locale.as_deref().unwrap_or("none");
    let is_utf8 = terminal.is_unicode();
    line(out, if is_utf8 { Mark::Good } else { Mark::Bad }, "characters", &format!("locale {locale}"))?;
    if !is_utf8 {
        remedy(out, "`export LC_ALL=C.UTF-8`, otherwise boxes and graphs are drawn in ASCII")?;
    }
    Ok(())
}

fn colours(terminal: &Terminal) -> &'static str {
    match (&terminal.colours, terminal.kind.as_deref()) {
        _ if terminal.no_colour => "none, because `NO_COLOR` is set",
        (Some(colours), _) if colours == "truecolor" || colours == "24bit" => "true color",
        (_, Some("dumb") | None) => "none",
        _ => "16 or 256",
    }
}

/// The same as one document.
pub fn document(findings: &Findings) -> Value {
    let Findings { sample, bandwidth, engine, stores, engines, file, problems, terminal, log } = findings;
    let source = |source: &Source| {
        let mut value = document::source(source);
        value["lasting_remedy"] = json!(lasting(source));
        value
    };
    json!({
        "schema": "taffrail/doctor/2",
        "sources": sample.sources.iter().map(source).collect::<Vec<_>>(),
        "power": sample.power.iter().map(|power| json!({
            "name": power.name,
            "watts": figure(&power.watts),
            "adds": power.adds,
        })).collect::<Vec<_>>(),
        "bandwidth": match bandwidth {
            Some(Ok(bandwidth)) => json!(bandwidth),
            Some(Err(reason)) => json!({ "bytes_per_second": null, "reason": reason }),
            None => Value::Null,
        },
        "engine": {
            "built_in": engine.built_in,
            "backends": engine.backends,
            "others": engine.others.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        },
        "rpc": sample.rpc,
        "stores": stores.iter().map(|store| json!({
            "store": store.store.name(),
            "engine": store.engine,
            "place": store.place,
            "n_models": store.n_models,
            "problems": store.problems,
        })).collect::<Vec<_>>(),
        "engines": engines.iter().map(|engine| EngineDocument::new(engine, engine.at)).collect::<Vec<_>>(),
        "settings": {
            "file": file.as_ref().map(|file| file.display().to_string()),
            "exists": file.as_ref().is_some_and(|file| file.is_file()),
            "problems": problems.iter().map(|problem| json!({
                "origin": problem.origin.to_string(),
                "what": problem.what,
                "hint": problem.hint,
            })).collect::<Vec<_>>(),
        },
        "log": log.as_ref().map(|folder| folder.display().to_string()),
        "version": env!("CARGO_PKG_VERSION"),
        "terminal": {
            "input": terminal.is_terminal.0,
            "output": terminal.is_terminal.1,
            "columns": terminal.size.map(|size| size.0),
            "rows": terminal.size.map(|size| size.1),
            "term": terminal.kind,
            "colors": colours(terminal),
            "utf8": terminal.is_unicode(),
        },
    })
}

#[cfg(test)]
mod tests;
