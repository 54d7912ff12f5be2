//! A replayed recording of a machine: the content of its files is changed between ticks, and the test sets the time.

mod allowed;
mod apple;
mod board;
mod cards;
mod events;
mod faults;
mod foreign;
mod late;
mod machine;
mod meters;
mod nvidia;
mod traces;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::driver::{Closed, Driver, Reading};
use super::sampler::Access;
use super::{Files, Sampler};
use crate::telemetry::sources::allowed::Bounds;
use crate::telemetry::sources::perf::{Event, Events};
use domain::figure::Figure;
use domain::machine::Sample;
use domain::moment::Moment;

/// Files by path, where a path that ends in `/` is an empty folder; and the paths that were read. Clones share both.
#[derive(Clone, Default)]
struct Tree(Arc<Mutex<BTreeMap<String, Content>>>, Arc<Mutex<BTreeSet<String>>>);

/// The content of a file, or the error of reading it.
type Content = Result<Vec<u8>, ErrorKind>;

impl Tree {
    /// The workstation of the fixtures, with this process on it.
    fn workstation() -> Self {
        let tree = Self::default();
        tree.plant(include_str!("../../../tests/fixtures/telemetry/workstation.tree"));
        tree.process(std::process::id(), 50, 90_000);
        tree
    }

    /// Add the files of a fixture.
    fn plant(&self, text: &str) {
        for file in text.split("\n@ ").skip(1) {
            let (path, content) = file.split_once('\n').unwrap_or((file, ""));
            self.set(path, content);
        }
    }

    fn set_bytes(&self, path: &str, content: Vec<u8>) {
        self.0.lock().unwrap().insert(path.to_owned(), Ok(content));
    }

    #[expect(clippy::needless_pass_by_value, reason = "takes literals and numbers alike")]
    fn set(&self, path: &str, content: impl ToString) {
        self.0.lock().unwrap().insert(path.to_owned(), Ok(content.to_string().into_bytes()));
    }

    /// Reading this path fails from now on.
    fn fail(&self, path: &str, kind: ErrorKind) {
        self.0.lock().unwrap().insert(path.to_owned(), Err(kind));
    }

    /// Remove everything whose path has this prefix.
    fn remove(&self, prefix: &str) {
        self.0.lock().unwrap().retain(|path, _| !path.starts_with(prefix));
    }

    /// Add a process, with its processor time and its start time in clock ticks.
    fn process(&self, pid: u32, ticks: u64, started: u64) {
        let fields = format!("S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {started} 0 0");
        self.set(&format!("proc/{pid}/stat"), format!("{pid} (test) {fields}"));
        self.set(&format!("proc/{pid}/status"), "VmRSS:\t  2000 kB\nRssAnon:\t  1000 kB\nVmSwap:\t  0 kB\n");
    }

    /// The paths read below this prefix, without the prefix.
    fn asked(&self, prefix: &str) -> Vec<String> {
        let asked = self.1.lock().unwrap();
        asked.iter().filter_map(|path| path.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// Add to a counter.
    fn add(&self, path: &str, counts: u64) {
        let value = self.number(path).unwrap() + counts;
        self.set(path, value);
    }
}

impl Files for Tree {
    /// A file of this name next to the counter makes it a slow one.
    fn goes_on(&self, path: &str, _value: u64) -> bool {
        !self.0.lock().unwrap().contains_key(&format!("{path}.slow"))
    }

    fn bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        self.1.lock().unwrap().insert(path.to_owned());
        match self.0.lock().unwrap().get(path) {
            Some(Ok(bytes)) => Ok(bytes.clone()),
            Some(Err(kind)) => Err((*kind).into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn names(&self, path: &str) -> io::Result<Vec<String>> {
        self.1.lock().unwrap().insert(path.to_owned());
        let files = self.0.lock().unwrap();
        if let Some(Err(kind)) = files.get(path) {
            return Err((*kind).into());
        }
        let folder = format!("{path}/");
        let below: Vec<_> = files.keys().filter_map(|file| file.strip_prefix(&folder)).collect();
        if below.is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
        let mut names: Vec<_> = below.iter().filter_map(|rest| rest.split('/').next()).map(ToOwned::to_owned).collect();
        names.retain(|name| !name.is_empty());
        names.dedup();
        Ok(names)
    }

    fn link(&self, path: &str) -> io::Result<String> {
        self.text(path)
    }
}

/// A driver whose answers are set by the test, and which counts the calls. Clones share it.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Answers>>);

struct Answers {
    open: Result<(), Closed>,
    cards: BTreeMap<String, Result<Reading, String>>,
    n_opened: usize,
    n_read: usize,
}

impl Default for Answers {
    fn default() -> Self {
        Self { open: Err(Closed::Missing), cards: BTreeMap::new(), n_opened: 0, n_read: 0 }
    }
}

impl Driver for Fake {
    fn open(&mut self) -> Result<(), Closed> {
        let mut answers = self.0.lock().unwrap();
        answers.n_opened += 1;
        answers.open.clone()
    }

    fn addresses(&mut self) -> Vec<String> {
        self.0.lock().unwrap().cards.keys().cloned().collect()
    }

    fn read(&mut self, address: &str) -> Result<Reading, String> {
        let mut answers = self.0.lock().unwrap();
        answers.n_read += 1;
        answers.cards.get(address).cloned().unwrap_or(Err("no such device".to_owned()))
    }
}

/// Events whose counts are set by the test, by configuration and processor. Clones share them.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<BTreeMap<(u64, u32), Count>>>);

/// The count of an event, or the error of opening and reading it.
type Count = Result<u64, ErrorKind>;

impl Events for Counted {
    fn open(&mut self, _kind: u32, config: u64, cpu: u32) -> io::Result<Box<dyn Event>> {
        match self.0.lock().unwrap().get(&(config, cpu)) {
            Some(Ok(_)) => Ok(Box::new(Opened(self.clone(), (config, cpu)))),
            Some(Err(kind)) => Err((*kind).into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }
}

/// One of them.
struct Opened(Counted, (u64, u32));

impl Event for Opened {
    fn count(&mut self) -> io::Result<u64> {
        let counts = self.0.0.lock().unwrap();
        counts.get(&self.1).copied().unwrap_or(Err(ErrorKind::NotFound)).map_err(io::Error::from)
    }
}

/// A sampler over a tree without a driver.
fn sampler(tree: &Tree) -> Sampler {
    with(tree, Fake::default(), Counted::default())
}

/// A sampler that waits for each source, whatever the load of the test machine.
fn with(tree: &Tree, driver: Fake, events: Counted) -> Sampler {
    let access = Access {
        files: Arc::new(tree.clone()),
        driver: Box::new(driver),
        events: Box::new(events),
        bounds: Bounds::default(),
    };
    Sampler::with(access, Duration::from_secs(1), Duration::from_mins(1))
}

/// A change to the machine.
type Change<'a> = &'a dyn Fn(&Tree);

/// So many milliseconds after the start.
fn at(milliseconds: u64) -> Moment {
    Moment { uptime: Duration::from_millis(milliseconds), unix: 0 }
}

/// All power as text; figures that are added to the total are marked.
fn powers(sample: &Sample) -> Vec<String> {
    let text = |power: &domain::machine::Power| {
        let adds = if power.adds { " +" } else { "" };
        match &power.watts {
            Figure::Known { value, .. } => format!("{} {value}{adds}", power.name),
            Figure::Unknown { reason, .. } => format!("{} — {reason}{adds}", power.name),
        }
    };
    sample.power.iter().map(text).collect()
}

/// The text of a source's row.
fn row(sample: &Sample, name: &str) -> String {
    let row = sample.sources.iter().find(|row| row.name == name).expect("each source has a row");
    match &row.reading {
        Figure::Known { value, .. } => value.clone(),
        Figure::Unknown { reason, remedy: Some(remedy) } => format!("— {reason} → {remedy}"),
        Figure::Unknown { reason, remedy: None } => format!("— {reason}"),
    }
}

/// No power figure is ever zero: a meter that reports zero is not trusted.
fn no_zero_watts(sample: &Sample) {
    for power in &sample.power {
        assert!(power.watts.value().is_none_or(|watts| watts.0 > 0.0), "{power:?}");
    }
    assert!(sample.total_power().is_none_or(|watts| watts.0 > 0.0));
}
