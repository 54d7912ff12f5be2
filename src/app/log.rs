//! The log file, and what is done when a thread panics.
//!
//! Owned here: where the log is, what goes into it, and how long it is kept. Absent: what is logged; prompts, answers and
//! tokens never are. `TAFFRAIL_LOG` chooses the targets and levels, in the syntax of
//! [`tracing_subscriber::EnvFilter`]. The file is made with the first line, so that a command with nothing to log leaves
//! none.

use std::backtrace::Backtrace;
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

/// The variable that chooses what is logged.
pub const VARIABLE: &str = "TAFFRAIL_LOG";

/// Days whose files are kept.
const MAX_FILES: usize = 7;

/// What is logged unless the user chose: what went wrong, and the lives of workers.
const DEFAULT: &str = "warn,taffrail=info";
/// The same with `--verbose`.
const VERBOSE: &str = "info,taffrail=debug";

/// The folder of the log files; `None` where the user has no home.
pub fn folder() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let strategy = etcetera::choose_base_strategy().ok()?;
    let state = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Some(state.join("taffrail").join("log"))
}

/// The log files that are there, newest first.
pub fn files() -> Vec<PathBuf> {
    let entries = folder().and_then(|folder| std::fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
    // Their names are their dates.
    files.sort_unstable_by(|a, b| b.cmp(a));
    files
}

/// Log from now on; with `on_screen` to standard error as well. A filter that can't be read is reported and not used.
pub fn start(verbose: bool, on_screen: bool) -> Result<(), String> {
    let default = if verbose { VERBOSE } else { DEFAULT };
    let chosen = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
    let (filter, problem) = match chosen.as_deref().map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(default), Some(format!("{VARIABLE} can't be read: {error}"))),
        None => (EnvFilter::new(default), None),
    };
    let file = fmt::layer().with_ansi(false).with_writer(|| LogFile).with_filter(filter);
    let screen = on_screen.then(|| {
        fmt::layer().with_ansi(false).without_time().with_writer(io::stderr).with_filter(EnvFilter::new(default))
    });
    // Only the first call has an effect.
    let _ = tracing_subscriber::registry().with(file).with(screen).try_init();
    problem.map_or(Ok(()), Err)
}

/// Writes into the file of the day, which is made with the first line. A disk that takes no more loses lines, and nothing
/// else.
struct LogFile;

fn appender() -> Option<&'static RollingFileAppender> {
    static APPENDER: OnceLock<Option<RollingFileAppender>> = OnceLock::new();
    let make = || {
        let folder = folder()?;
        // The crate reports one that is missing on standard error.
        std::fs::create_dir_all(&folder).ok()?;
        let builder = RollingFileAppender::builder().rotation(Rotation::DAILY).filename_prefix("taffrail");
        builder.filename_suffix("log").max_log_files(MAX_FILES).build(folder).ok()
    };
    APPENDER.get_or_init(make).as_ref()
}

impl io::Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use fmt::MakeWriter as _;
        match appender() {
            Some(appender) => appender.make_writer().write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Listener = Box<dyn Fn(String) + Send>;

/// What is called when a thread panics.
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Tell this function of panics from now on, with a sentence for the user.
pub fn on_panic(listener: impl Fn(String) + Send + 'static) {
    if let Ok(mut slot) = LISTENER.lock() {
        *slot = Some(Box::new(listener));
    }
}

/// Log every panic of any thread; one of the main thread says on standard error where the report is.
pub fn catch_panics() {
    let before = std::panic::take_hook();
    let main = std::thread::current().id();
    std::panic::set_hook(Box::new(move |panic| {
        let report = record(panic);
        if std::thread::current().id() != main {
            return;
        }
        before(panic);
        if let Some(report) = report {
            let _ = writeln!(io::stderr(), "taffrail: the report is in {}", report.display());
        }
    }));
}

/// Log a panic; gives the file with the report.
fn record(panic: &PanicHookInfo<'_>) -> Option<PathBuf> {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    tracing::error!(thread = name, backtrace = %Backtrace::force_capture(), "{panic}");
    let file = files().into_iter().next();
    let place = file.as_ref().map_or_else(String::new, |file| format!("; the report is in {}", file.display()));
    // The lock is not waited for: the thread that holds it may be the one that panicked.
    if let Ok(listener) = LISTENER.try_lock()
        && let Some(listener) = listener.as_ref()
    {
        listener(format!("a background thread ({name}) ended by an error of taffrail{place}"));
    }
    file
}
