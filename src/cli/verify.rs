//! `taffrail verify`: whether files are what their stores say they are.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Exit;
use super::cleanup::StorageContext;
use super::progress::Progress;
use crate::library::cleanup::{Checked, Verdict, verify};
use domain::settings;
use domain::units::{Bytes, Ratio};

/// Between two changes of the progress line.
const RENEW: Duration = Duration::from_millis(100);

/// What `verify` is asked.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Names, unique parts of some, `store:name`, `owner/repo[:quant]` or paths [default: all models]
    #[arg(value_name = "MODEL")]
    pub models: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    files: Vec<FileView>,
    seconds: f64,
    hashed_bytes: u64,
}

#[derive(Serialize)]
struct FileView {
    model: String,
    path: String,
    size_bytes: u64,
    /// `right`, `wrong`, `missing`, `unknown` or `unreadable`.
    verdict: &'static str,
    expected: Option<String>,
    found: Option<String>,
    reason: Option<String>,
}

/// Hash the files and compare.
pub fn run(arguments: &Verify, settings: &settings::Library, out: &mut impl Write) -> io::Result<Exit> {
    let mut place = StorageContext::look(settings);
    // What has no row can still be missed.
    place.listing.models.append(&mut place.listing.dangling);
    let (models, are_all_known) = if arguments.models.is_empty() {
        (place.listing.models.clone(), true)
    } else {
        match place.find_those(&arguments.models, settings) {
            Ok(found) => found,
            Err(exit) => return Ok(exit),
        }
    };
    let start = Instant::now();
    let mut told: Option<Instant> = None;
    let hashed = Cell::new(Bytes(0));
    // The line goes before a file's verdict is written.
    let line: RefCell<Option<Progress>> = RefCell::new(None);
    let mut progress = |done: Bytes, total: Bytes, path: &std::path::Path| {
        hashed.set(done);
        if told.is_none_or(|told| told.elapsed() >= RENEW) {
            told = Some(Instant::now());
            let rate = Bytes((done.0 as f64 / start.elapsed().as_secs_f64().max(1e-3)) as u64);
            let share = Ratio(done.0 as f64 / total.0.max(1) as f64);
            let name = gguf::clean(&path.file_name().unwrap_or_default().to_string_lossy(), 36);
            let text = format!("hashing {name}: {share}, {done} of {total}, {rate}/s");
            line.borrow_mut().get_or_insert_with(|| Progress::begin(text.as_str())).tell(text);
        }
    };
    let mut wrong = 0;
    let mut result = Ok(());
    let checked = verify(&models, &mut progress, &mut |one| {
        if !arguments.json {
            line.borrow_mut().take();
        }
        wrong += usize::from(matches!(one.verdict, Verdict::Wrong { .. } | Verdict::Missing | Verdict::Unreadable(_)));
        if !arguments.json && result.is_ok() {
            result = tell(one, out).and_then(|()| out.flush());
        }
    });
    drop(line.take());
    result?;
    let (took, hashed) = (start.elapsed(), hashed.get());
    if arguments.json {
        let files = checked.iter().map(FileView::new).collect();
        let (seconds, hashed_bytes) = (took.as_secs_f64(), hashed.0);
        crate::json::write(out, &Document { schema: "taffrail/verify/1", files, seconds, hashed_bytes })?;
    } else {
        end(&checked, wrong, hashed, took, out)?;
    }
    Ok(if wrong > 0 || !are_all_known { Exit::Failed } else { Exit::Done })
}

fn tell(one: &Checked, out: &mut impl Write) -> io::Result<()> {
    let path = gguf::clean(&one.path.to_string_lossy(), 400);
    match &one.verdict {
        Verdict::Right => writeln!(out, "right       {:>8}  {path}", one.size),
        Verdict::Unknown => writeln!(out, "no hash     {:>8}  {path}", one.size),
        Verdict::Missing => {
            writeln!(out, "missing     {:>8}  {path}", "—")?;
            let model = gguf::clean(&one.model, 200);
            writeln!(out, "    it belongs to `{model}`, which has to be fetched again")
        }
        Verdict::Unreadable(reason) => writeln!(out, "unreadable  {:>8}  {path}: {reason}", one.size),
        Verdict::Wrong { expected, found } => {
            writeln!(out, "WRONG       {:>8}  {path}", one.size)?;
            writeln!(out, "    its store says {expected}\n    the file has   {found}")?;
            let model = gguf::clean(&one.model, 200);
            writeln!(out, "    delete it with `taffrail rm '{model}'` and fetch it again")
        }
    }
}

fn end(checked: &[Checked], wrong: usize, hashed: Bytes, took: Duration, out: &mut impl Write) -> io::Result<()> {
    let count = |is: fn(&Verdict) -> bool| checked.iter().filter(|one| is(&one.verdict)).count();
    let right = count(|verdict| *verdict == Verdict::Right);
    let unknown = count(|verdict| *verdict == Verdict::Unknown);
    let missing = count(|verdict| *verdict == Verdict::Missing);
    let wrong = wrong - missing;
    let rate = Bytes((hashed.0 as f64 / took.as_secs_f64().max(1e-6)) as u64);
    writeln!(
        out,
        "\n{right} right, {wrong} wrong, {missing} missing, {unknown} of which no hash is known. {hashed} read at {rate}/s."
    )
}

impl FileView {
    fn new(one: &Checked) -> Self {
        let (verdict, expected, found, reason) = match &one.verdict {
            Verdict::Right => ("right", None, None, None),
            Verdict::Unknown => ("unknown", None, None, None),
            Verdict::Missing => ("missing", None, None, None),
            Verdict::Unreadable(reason) => ("unreadable", None, None, Some(reason.clone())),
            Verdict::Wrong { expected, found } => ("wrong", Some(expected.to_string()), Some(found.to_string()), None),
        };
        Self {
            model: one.model.clone(),
            path: one.path.to_string_lossy().into_owned(),
            size_bytes: one.size.0,
            verdict,
            expected,
            found,
            reason,
        }
    }
}
