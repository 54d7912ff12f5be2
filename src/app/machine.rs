//! Samples of the machine and at what taffrail runs on, for commands without a loop.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::Clock;
pub use super::background::kept as kept_bandwidth;
use crate::library::Env;
use crate::telemetry::{self, Sampler};
use domain::machine::{Bandwidth, Sample};
use domain::settings::Settings;
use domain::{Domain, Event, Moment, StateMachine};

/// How long a driver may take to answer: NVIDIA's first call takes a second, and more where a card must be set up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The shortest time over which the counters tell a mean that is worth printing.
const SHORTEST: Duration = Duration::from_millis(500);

/// The machine over an interval, half a second at least. Three samples are taken: the first finds other programs'
/// processes, the second reads them, and rates and power need what is between that and the third.
#[expect(
    clippy::disallowed_methods,
    reason = "time must pass between two readings, and the command has nothing to do meanwhile"
)]
pub fn sample(settings: Settings) -> StateMachine {
    let clock = Clock::start();
    let interval = settings.telemetry.interval;
    let mut sampler = Sampler::new("/".into(), interval).with_rpc(&settings.rpc).patient(PATIENCE);
    let mut domain = begin(settings);
    let mut look = || take(&mut domain, clock.now(), sampler.sample(clock.now(), &[]));
    look();
    look();
    std::thread::sleep(interval.max(SHORTEST));
    look();
    domain
}

/// The state before the first sample, with the idle baselines that were calibrated before.
fn begin(settings: Settings) -> StateMachine {
    let mut domain = StateMachine::new(settings);
    let kept = super::baselines::recall(Env::read().data.as_deref());
    domain.update(Moment::default(), Event::Baselines(kept));
    domain
}

/// A sample goes the way that it goes in the dashboard; what follows from it is nobody's to do here.
fn take(domain: &mut StateMachine, now: Moment, sample: Sample) {
    domain.update(now, Event::Sample(Box::new(sample)));
}

/// Hand the machine to `show` at every sample, from the second on, until it fails.
///
/// # Errors
///
/// What `show` says, or that the system allows no further thread.
pub fn watch(settings: Settings, mut show: impl FnMut(&Domain) -> io::Result<()>) -> io::Result<()> {
    let clock = Clock::start();
    let (send, samples) = sync_channel(1);
    let emit = move |sample| send.send(sample).is_ok();
    let what = (settings.telemetry.interval, &settings.rpc);
    let _thread = telemetry::spawn("/".into(), what, move || clock.now(), emit)?;
    let mut domain = begin(settings);
    for (index, sample) in samples.iter().enumerate() {
        take(&mut domain, sample.at, sample);
        if index > 0 {
            show(&domain)?;
        }
    }
    Ok(())
}

/// Measure the memory's bandwidth with all cores that may be used, and keep it.
///
/// # Errors
///
/// Why it could not be measured.
pub fn bandwidth(sample: &Sample) -> Result<Bandwidth, String> {
    super::background::measure(sample.threads(), sample.available_memory(), Clock::start().now().unix)
}

/// Hand every tick of a recording to `show`, without waiting.
///
/// # Errors
///
/// What `show` says, that the file can't be read, or what is wrong with it and in which line.
pub fn replay(
    path: &std::path::Path,
    mut settings: Settings,
    mut show: impl FnMut(&Domain) -> io::Result<()>,
) -> io::Result<()> {
    let mut recording = super::recording::Recording::open(path)?;
    settings.telemetry.interval = recording.interval;
    let mut domain = StateMachine::new(settings);
    while let Some(frame) = recording.tick()? {
        let at = Moment { uptime: Duration::from_millis(frame.uptime_ms), unix: frame.unix };
        domain.update(at, Event::Frame(Box::new(frame)));
        show(&domain)?;
    }
    Ok(())
}

/// What can run models here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Engine {
    /// Whether llama.cpp is built in.
    pub built_in: bool,
    /// What it can use besides the processor, by the names of the build's features.
    pub backends: Vec<&'static str>,
    /// Programs of other engines that the command search path holds.
    pub others: Vec<PathBuf>,
}

/// Programs that load models themselves.
const PROGRAMS: [&str; 8] = ["ollama", "llama-server", "llama-cli", "lms", "vllm", "koboldcpp", "jan", "mlx_lm.server"];

impl Engine {
    /// Look.
    pub fn read() -> Self {
        let backends = [
            (cfg!(feature = "cuda"), "cuda"),
            (cfg!(feature = "vulkan"), "vulkan"),
            (cfg!(feature = "metal"), "metal"),
            (cfg!(feature = "rocm"), "rocm"),
        ];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            |program: &str| std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
        Self {
            built_in: cfg!(feature = "llama"),
            backends: backends.into_iter().filter_map(|(is_built, name)| is_built.then_some(name)).collect(),
            others: PROGRAMS.into_iter().filter_map(found).collect(),
        }
    }
}

/// What the dashboard would be drawn on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Whether the input is one, and the output.
    pub is_terminal: (bool, bool),
    /// Columns and rows.
    pub size: Option<(u16, u16)>,
    /// `TERM`.
    pub kind: Option<String>,
    /// `COLORTERM`, which tells true colour.
    pub colours: Option<String>,
    /// Whether `NO_COLOR` asks for none.
    pub no_colour: bool,
    /// The locale that decides on the characters.
    pub locale: Option<String>,
}

/// Columns of the terminal that progress is told in; the usual 80 where it tells none.
pub fn terminal_columns() -> usize {
    /// A narrower one shows nothing that can be read.
    const NARROWEST: usize = 20;
    // A terminal that nobody told its size says 0.
    let size = crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns)).filter(|columns| *columns > 0);
    size.map_or(80, |columns| columns.max(NARROWEST))
}

impl Terminal {
    /// Whether it only prints lines.
    pub fn is_dumb(&self) -> bool {
        self.kind.as_deref() == Some("dumb")
    }

    /// Whether it shows more than ASCII: not where the locale names another encoding than UTF-8. One that names none, or
    /// no locale at all, as in many containers, says nothing of the terminal, and terminals are UTF-8 nowadays; `C` and
    /// `POSIX` alone are ASCII.
    pub fn is_unicode(&self) -> bool {
        let Some(locale) = &self.locale else { return true };
        let locale = locale.to_ascii_lowercase();
        match locale.split_once('.') {
            Some((_, encoding)) => encoding.starts_with("utf-8") || encoding.starts_with("utf8"),
            None => locale != "c" && locale != "posix",
        }
    }

    /// Look.
    pub fn read() -> Self {
        use std::io::IsTerminal as _;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (input, output) = (io::stdin().is_terminal(), io::stdout().is_terminal());
        Self {
            is_terminal: (input, output),
            size: crossterm::terminal::size().ok().filter(|_| output),
            kind: variable("TERM"),
            colours: variable("COLORTERM"),
            no_colour: variable("NO_COLOR").is_some(),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable),
        }
    }
}
