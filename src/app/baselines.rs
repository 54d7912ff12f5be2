//! Calibrated idle baselines, kept across runs in taffrail's own data folder.

use std::io::{self, Read};
use std::path::Path;

use domain::energy::{Baseline, MAX_BASELINES};

const FILE: &str = "energy-baselines.json";

/// Far more than so many baselines need.
const MAX_FILE: u64 = 256 << 10;

/// The longest name that is believed.
const MAX_NAME: usize = 128;

/// No meter of one part of a machine shows more without work, in watts.
const MOST: f64 = 2000.0;

/// What an earlier run kept in the data folder. A file that can't be read or understood is as none: the next calibration writes it anew.
pub(super) fn recall(data: Option<&Path>) -> Vec<Baseline> {
    data.and_then(|data| read(&data.join(FILE)).ok()).unwrap_or_default()
}

/// Keep them. The error is one sentence.
pub(super) fn keep(data: Option<&Path>, baselines: &[Baseline]) -> Result<(), String> {
    let path = data.ok_or("the baseline can't be kept: there is no data folder")?.join(FILE);
    write(&path, baselines).map_err(|error| format!("the baseline can't be kept in {}: {error}", path.display()))
}

fn read(path: &Path) -> io::Result<Vec<Baseline>> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    let mut all: Vec<Baseline> = serde_json::from_slice(&text)?;
    all.truncate(MAX_BASELINES);
    all.retain(|baseline| (0.0..=MOST).contains(&baseline.watts.0));
    for baseline in &mut all {
        baseline.meter = gguf::clean(&baseline.meter, MAX_NAME);
        baseline.device = gguf::clean(&baseline.device, MAX_NAME);
    }
    Ok(all)
}

fn write(path: &Path, baselines: &[Baseline]) -> io::Result<()> {
    crate::atomic_file::replace(path, &serde_json::to_vec_pretty(baselines)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::energy::Idle;
    use domain::figure::Grade;
    use domain::units::Watts;

    fn baseline(meter: &str, watts: f64) -> Baseline {
        let (meter, device) = (meter.to_owned(), "a card".to_owned());
        Baseline {
            meter,
            device,
            idle: Idle::Empty,
            watts: Watts(watts),
            unix: 7,
            is_calibrated: true,
            grade: Grade::Measured,
        }
    }

    #[test]
    fn what_was_kept_is_recalled_and_nonsense_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own").join(FILE);
        assert!(read(&path).is_err());
        write(&path, &[baseline("gpu-0", 21.5), baseline("gpu\u{1b}[2J", 3.0), baseline("gpu-1", 1e9)]).unwrap();
        let read_back = read(&path).unwrap();
        assert_eq!(read_back.first(), Some(&baseline("gpu-0", 21.5)));
        assert_eq!(read_back.len(), 2);
        assert!(!read_back[1].meter.contains('\u{1b}'));
        for broken in ["", "{", "[{\"meter\": 3}]", "[null]"] {
            std::fs::write(&path, broken).unwrap();
            assert!(read(&path).is_err(), "{broken}");
        }
    }
}
