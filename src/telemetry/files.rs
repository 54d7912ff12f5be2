//! The system's files, as needed by the sensors.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Reads small files below a root folder. Paths have no leading slash.
pub trait Files: Send + Sync {
    /// The content of a file, truncated to 4 MiB.
    fn bytes(&self, path: &str) -> io::Result<Vec<u8>>;
    /// The names in a folder, sorted; at most 4096.
    fn names(&self, path: &str) -> io::Result<Vec<String>>;
    /// The target of a symbolic link.
    fn link(&self, path: &str) -> io::Result<String>;

    /// The file's text; invalid UTF-8 is replaced.
    fn text(&self, path: &str) -> io::Result<String> {
        let bytes = self.bytes(path)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Whether a counter that has just had this value changes soon. On a real system this waits briefly, to distinguish
    /// a counter that is updated every few seconds from one that is updated continuously.
    fn goes_on(&self, path: &str, value: u64) -> bool {
        let _ = (path, value);
        true
    }

    /// The number that is the only content of a file.
    fn number(&self, path: &str) -> io::Result<u64> {
        let text = self.text(path)?;
        let number = text.trim();
        number.parse().map_err(|_not_a_number: std::num::ParseIntError| {
            io::Error::new(io::ErrorKind::InvalidData, format!("`{path}` contains no number"))
        })
    }
}

/// A real folder: `/`, or a substitute for it in tests.
pub struct Root(pub PathBuf);

/// The largest file read is `/proc/stat` of a machine with hundreds of processors.
const LONGEST: u64 = 4 << 20;

/// Counters that are updated continuously change several times in this period.
const SOON: Duration = Duration::from_millis(100);

impl Files for Root {
    fn bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.0.join(path))?.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let entries = self.0.join(path).read_dir()?.take(4096);
        let mut names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn link(&self, path: &str) -> io::Result<String> {
        Ok(self.0.join(path).read_link()?.to_string_lossy().into_owned())
    }

    fn goes_on(&self, path: &str, value: u64) -> bool {
        let since = Instant::now();
        loop {
            if self.number(path).is_ok_and(|now| now != value) {
                return true;
            }
            if since.elapsed() >= SOON {
                return false;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}
