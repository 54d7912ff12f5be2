//! Recordings: a line of JSON for each tick, and one before them that says what the file is.
//!
//! Owned here: the file's form, its bounds, and what is said of one that is damaged. A line names the fields of its
//! [`Frame`] that differ from the line before, so that a quiet machine takes little room; the first names all. Lines are
//! only ever appended, each in one write. Absent: what a frame holds (`domain::record::trace`), and when it is taken or shown.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use domain::record::trace::Frame;

/// The form of the lines. It rises with every change that an older program would misread.
const VERSION: u32 = 1;

/// A recording that is being written; `None` once it failed.
pub(super) type SharedRecorder = Arc<Mutex<Option<Recorder>>>;

/// The longest line: a machine with hundreds of cores stays far below, and a file that is no recording ends here.
const MAX_LINE: u64 = 4 << 20;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    taffrail: String,
    version: u32,
    interval_ms: u64,
}

const KIND: &str = "recording";

/// A recording that is being written.
#[derive(Debug)]
pub struct Recorder<W = File> {
    file: W,
    before: Map<String, Value>,
}

impl Recorder {
    /// Begin one. A file that is there already is left alone.
    pub fn create(path: &Path, interval: Duration) -> io::Result<Self> {
        Self::new(OpenOptions::new().write(true).create_new(true).open(path)?, interval)
    }
}

impl<W: Write> Recorder<W> {
    fn new(mut file: W, interval: Duration) -> io::Result<Self> {
        let interval_ms = interval.as_millis() as u64;
        let head = Head { taffrail: KIND.to_owned(), version: VERSION, interval_ms };
        file.write_all(format!("{}\n", serde_json::to_string(&head)?).as_bytes())?;
        Ok(Self { file, before: Map::new() })
    }

    /// Add a tick: a whole line, in one write.
    pub fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let now = fields(frame)?;
        let changed: Map<String, Value> =
            now.iter().filter(|(name, value)| self.before.get(*name) != Some(value)).map(pair).collect();
        let mut line = serde_json::to_string(&changed)?;
        line.push('\n');
        self.file.write_all(line.as_bytes())?;
        self.before = now;
        Ok(())
    }
}

fn pair((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// The frame's fields, those of its sample as `sample.NAME`.
fn fields(frame: &Frame) -> io::Result<Map<String, Value>> {
    let Value::Object(mut fields) = serde_json::to_value(frame)? else { return Ok(Map::new()) };
    if let Some(Value::Object(sample)) = fields.remove("sample") {
        fields.extend(sample.into_iter().map(|(name, value)| (format!("sample.{name}"), value)));
    }
    Ok(fields)
}

/// What is wrong with a recording, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// Why, in one clause.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the recording: {}", self.line, self.reason)
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault.to_string())
    }
}

/// A recording that is being read.
#[derive(Debug)]
pub struct Recording<R = BufReader<File>> {
    lines: R,
    line: u64,
    now: Map<String, Value>,
    /// The time between two ticks.
    pub interval: Duration,
}

impl Recording {
    /// Open one, and read its first line.
    pub fn open(path: &Path) -> io::Result<Self> {
        let named = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|error| io::Error::new(error.kind(), named(&error)))?;
        Self::new(BufReader::new(file)).map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, named(&fault)))
    }
}

impl<R: BufRead> Recording<R> {
    fn new(lines: R) -> Result<Self, Fault> {
        let mut recording = Self { lines, line: 0, now: Map::new(), interval: Duration::ZERO };
        let head = recording.text()?.ok_or_else(|| Fault { line: 1, reason: "the file is empty".to_owned() })?;
        let head: Head = serde_json::from_slice(&head)
            .ok()
            .filter(|head: &Head| head.taffrail == KIND)
            .ok_or_else(|| recording.fault("this is no recording of taffrail"))?;
        if head.version > VERSION {
            let reason = format!("version {} is newer than this program, which reads {VERSION}", head.version);
            return Err(recording.fault(reason));
        }
        // The interval divides elsewhere, and what was made up may be anything.
        recording.interval = Duration::from_millis(head.interval_ms.clamp(1, 3_600_000));
        Ok(recording)
    }

    /// The next tick; `None` at the end.
    pub fn tick(&mut self) -> Result<Option<Frame>, Fault> {
        let Some(text) = self.text()? else { return Ok(None) };
        let changed: Map<String, Value> =
            serde_json::from_slice(&text).map_err(|error| self.fault(format!("it can't be read: {error}")))?;
        self.now.extend(changed);
        let mut frame = Map::new();
        let mut sample = Map::new();
        for (name, value) in &self.now {
            match name.strip_prefix("sample.") {
                Some(name) => sample.insert(name.to_owned(), value.clone()),
                None => frame.insert(name.clone(), value.clone()),
            };
        }
        frame.insert("sample".to_owned(), Value::Object(sample));
        let frame = serde_json::from_value(Value::Object(frame));
        frame.map(Some).map_err(|error| self.fault(format!("it can't be read: {error}")))
    }

    /// The next line, without its end.
    fn text(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut text = Vec::new();
        self.line += 1;
        let read = self.lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut text);
        read.map_err(|error| self.fault(error))?;
        match text.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(text)),
            Some(_) if text.len() as u64 + 1 == MAX_LINE => Err(self.fault("it is too long for a recording")),
            Some(_) => Err(self.fault("it is cut off; everything before it is complete")),
        }
    }

    fn fault(&self, reason: impl fmt::Display) -> Fault {
        Fault { line: self.line, reason: gguf::clean(&reason.to_string(), 200) }
    }
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
