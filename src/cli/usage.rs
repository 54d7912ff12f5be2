//! `taffrail usage`: what the models take of the disks, and what could be tidied up.

use std::io::{self, Write};

use serde::Serialize;

use super::cleanup::StorageContext;
use super::progress::Progress;
use super::table::{self, Column};
use domain::settings;
use domain::storage::{DiskUsageReport, Kind, Share};
use domain::units::{self, Bytes};

/// Models that are listed unless asked for all.
const MAX_MODELS: usize = 15;
/// Columns of the longest bar.
const BAR: usize = 24;

/// What `usage` is asked.
#[derive(Debug, clap::Args)]
pub struct Usage {
    /// List every model
    #[arg(long)]
    pub all: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Write the report.
pub fn run(
    arguments: &Usage,
    settings: &settings::Library,
    width: Option<usize>,
    out: &mut impl Write,
) -> io::Result<()> {
    let place = StorageContext::look(settings);
    let disk_usage = Progress::during("measuring the disk usage", || place.cleanup.disk_usage(&place.listing.models));
    if arguments.json {
        return crate::json::write(out, &Document::new(&disk_usage));
    }
    let usage = &disk_usage.usage;
    let what = match usage.models.len() {
        1 => "1 model takes".to_owned(),
        count => format!("{count} models take"),
    };
    writeln!(out, "{what} {} of the disks.", usage.total)?;
    shares(out, "Store", &usage.stores.iter().collect::<Vec<_>>(), usage.total, width)?;
    shares(out, "Family", &usage.families.iter().collect::<Vec<_>>(), usage.total, width)?;
    let most = if arguments.all { usize::MAX } else { MAX_MODELS };
    let models: Vec<_> = usage.models.iter().map(|model| &model.share).take(most).collect();
    shares(out, "Model", &models, usage.total, width)?;
    let n_more = usage.models.len().saturating_sub(most);
    if n_more > 0 {
        writeln!(out, "and {n_more} smaller ones (--all lists them)")?;
    }
    reclaimable(out, &disk_usage)?;
    for problem in &disk_usage.problems {
        writeln!(out, "! {}", gguf::clean(problem, 400))?;
    }
    Ok(())
}

fn shares(
    out: &mut impl Write,
    title: &'static str,
    shares: &[&Share],
    total: Bytes,
    width: Option<usize>,
) -> io::Result<()> {
    if shares.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let part = |share: &Share| share.bytes.0 as f64 / total.0.max(1) as f64;
    let rows: Vec<_> = shares
        .iter()
        .map(|share| {
            let bar = "█".repeat(((part(share) * BAR as f64).round() as usize).min(BAR));
            vec![gguf::clean(&share.name, 60), share.bytes.to_string(), units::share(share.bytes, total), bar]
        })
        .collect();
    let column = |title, right, least| Column { title, right, least, goes: 0 };
    let columns = [
        column(title, false, Some(12)),
        column("size", true, None),
        column("share", true, None),
        column("", false, None),
    ];
    table::write(out, &columns, &rows, width)
}

fn reclaimable(out: &mut impl Write, disk_usage: &DiskUsageReport) -> io::Result<()> {
    writeln!(out, "\nCan be cleaned up")?;
    if disk_usage.reclaimable.is_empty() {
        writeln!(out, "  nothing")?;
    }
    for reclaimable in &disk_usage.reclaimable {
        let how = match reclaimable.kind {
            Kind::Duplicate => "taffrail dedupe --known",
            Kind::LikelyDuplicate => "taffrail dedupe",
            Kind::Unused => "taffrail prune --unused 30",
            Kind::Trash => "taffrail prune --trash",
            _ => "taffrail prune",
        };
        let first = if reclaimable.kind == Kind::LikelyDuplicate { " compares them first" } else { "" };
        writeln!(
            out,
            "  {:>8}  {:<24} `{how}`{first}",
            reclaimable.frees,
            reclaimable.kind.counted(reclaimable.count)
        )?;
    }
    if let Some(title) = &disk_usage.undo {
        writeln!(out, "\n`taffrail undo` undoes: {}", gguf::clean(title, 200))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    total_bytes: u64,
    stores: Vec<ShareView<'a>>,
    families: Vec<ShareView<'a>>,
    models: Vec<ShareView<'a>>,
    reclaimable: Vec<CleanupView>,
    undo: Option<&'a str>,
    problems: &'a [String],
}

#[derive(Serialize)]
struct ShareView<'a> {
    name: &'a str,
    bytes: u64,
    n_models: usize,
}

#[derive(Serialize)]
struct CleanupView {
    kind: &'static str,
    count: usize,
    frees_bytes: u64,
}

impl<'a> Document<'a> {
    fn new(disk_usage: &'a DiskUsageReport) -> Self {
        fn view(share: &Share) -> ShareView<'_> {
            ShareView { name: &share.name, bytes: share.bytes.0, n_models: share.n_models }
        }
        let usage = &disk_usage.usage;
        let reclaimable = disk_usage.reclaimable.iter();
        Self {
            schema: "taffrail/usage/1",
            total_bytes: usage.total.0,
            stores: usage.stores.iter().map(view).collect(),
            families: usage.families.iter().map(view).collect(),
            models: usage.models.iter().map(|model| view(&model.share)).collect(),
            reclaimable: reclaimable
                .map(|reclaimable| CleanupView {
                    kind: reclaimable.kind.name(),
                    count: reclaimable.count,
                    frees_bytes: reclaimable.frees.0,
                })
                .collect(),
            undo: disk_usage.undo.as_deref(),
            problems: &disk_usage.problems,
        }
    }
}
