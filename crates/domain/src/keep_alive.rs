//! How long a model stays loaded after its last answer.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// How long a model stays loaded without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepAlive {
    /// So long after its last answer; zero unloads it as soon as nothing is asked of it.
    For(Duration),
    /// Until it is unloaded by a command, or for another model.
    Forever,
}

impl KeepAlive {
    /// Default for a model that was loaded for a request, the same as Ollama's.
    pub const DEFAULT: Self = Self::For(Duration::from_mins(5));

    /// Whether a model that has been idle for so long is to be unloaded.
    pub fn is_over(self, idle: Duration) -> bool {
        match self {
            Self::For(time) => idle >= time,
            Self::Forever => false,
        }
    }
}

/// The text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time such as 10m, 1h30m, a number of seconds, or forever")]
pub struct NoTime;

impl FromStr for KeepAlive {
    type Err = NoTime;

    /// `10m`, `1h30m`, seconds as a number; `forever`, and what is below zero, which means the same to Ollama's clients.
    fn from_str(text: &str) -> Result<Self, NoTime> {
        let text = text.trim();
        if text == "forever" {
            return Ok(Self::Forever);
        }
        if let Ok(seconds) = text.parse::<f64>() {
            if seconds.is_nan() {
                return Err(NoTime);
            }
            // What is too long to count is for ever.
            return Ok(if seconds < 0.0 { Self::Forever } else { Duration::try_from_secs_f64(seconds).into() });
        }
        let time: SignedDuration = text.parse().ok().ok_or(NoTime)?;
        Ok(if time.is_negative() { Self::Forever } else { Duration::try_from(time).into() })
    }
}

impl<E> From<Result<Duration, E>> for KeepAlive {
    fn from(time: Result<Duration, E>) -> Self {
        time.map_or(Self::Forever, Self::For)
    }
}

impl fmt::Display for KeepAlive {
    /// As [`KeepAlive::from_str`] reads it: `5m`, `1h30m`, `0s`, `forever`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::For(time) => match SignedDuration::try_from(*time) {
                Ok(time) => f.write_str(&format!("{time:#}").replace(' ', "")),
                Err(_) => f.write_str("forever"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        let seconds = |seconds| Ok(KeepAlive::For(Duration::from_secs(seconds)));
        for (text, read, written) in [
            ("5m", seconds(300), "5m"),
            ("300", seconds(300), "5m"),
            ("1h30m", seconds(5400), "1h30m"),
            (" 1h 30m ", seconds(5400), "1h30m"),
            ("90s", seconds(90), "1m30s"),
            ("0", seconds(0), "0s"),
            ("0s", seconds(0), "0s"),
            ("1.5", Ok(KeepAlive::For(Duration::from_millis(1500))), "1s500ms"),
            ("-1", Ok(KeepAlive::Forever), "forever"),
            ("-1m", Ok(KeepAlive::Forever), "forever"),
            ("1e300", Ok(KeepAlive::Forever), "forever"),
            ("forever", Ok(KeepAlive::Forever), "forever"),
            ("NaN", Err(NoTime), ""),
            ("soon", Err(NoTime), ""),
            ("", Err(NoTime), ""),
        ] {
            assert_eq!(text.parse(), read, "{text}");
            if let Ok(time) = read {
                assert_eq!(time.to_string(), written, "{text}");
                assert_eq!(written.parse(), Ok(time), "{text}");
            }
        }
    }
}
