//! Quantities with their unit in the type, and how each is written.
//!
//! Sizes are decimal, as disks, the hub and `hf` print them. A number keeps its width while it changes, so that
//! columns stand still.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An amount of memory or disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// The amount in units of 10^9 bytes.
    pub fn gigabytes(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// What is left after taking `other`, never below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::Add for Bytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::iter::Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self(0), |sum, one| sum + one)
    }
}

impl fmt::Display for Bytes {
    /// Three significant digits at most: `0 B`, `640 kB`, `4.9 GB`, `212 GB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let text = if unit == 0 || value >= 99.95 {
            format!("{value:.0} {}", UNITS[unit])
        } else {
            format!("{value:.1} {}", UNITS[unit])
        };
        f.pad(&text)
    }
}

/// Tokens per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokensPerSecond(pub f64);

impl fmt::Display for TokensPerSecond {
    /// Without the unit, which is in the column's header: `0.42`, `42.7`, `3412`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&digits(self.0))
    }
}

/// Power.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watts(pub f64);

impl fmt::Display for Watts {
    /// With the unit: `3.2 W`, `143 W`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} W", digits(self.0)))
    }
}

/// Energy.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Joules(pub f64);

impl fmt::Display for Joules {
    /// With the unit: `0.41 J`, `812 J`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} J", digits(self.0)))
    }
}

/// Temperature in degrees Celsius.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Celsius(pub f32);

impl fmt::Display for Celsius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.0} °C", self.0))
    }
}

/// A share of a whole, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(pub f64);

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.0}%", self.0 * 100.0))
    }
}

/// A part of a whole, where little is not nothing: `0%` is said of nothing alone.
pub fn share(part: Bytes, whole: Bytes) -> String {
    match Ratio(part.0 as f64 / whole.0.max(1) as f64) {
        Ratio(little) if little > 0.0 && little < 0.01 => "<1%".to_owned(),
        ratio => ratio.to_string(),
    }
}

/// With its count: `1 record`, `2 records`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A reading as it is written, or `—` where there is none.
pub fn or_dash(reading: Option<impl fmt::Display>) -> String {
    reading.map_or_else(|| "—".to_owned(), |reading| reading.to_string())
}

/// About three significant digits without an exponent; `—` for what is no number.
pub fn digits(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "—".to_owned(),
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.0995 || v == 0.0 => format!("{value:.2}"),
        v if v >= 0.00995 => format!("{value:.3}"),
        v if v >= 0.0001 => format!("{value:.4}"),
        // Two digits of what is smaller, down to a billionth.
        v => format!("{value:.*}", (1.0 - v.log10().floor()).clamp(4.0, 9.0) as usize),
    }
}

/// A time in the past in words: `just now`, `2 h ago`; both in seconds since 1970.
pub fn ago(then: i64, now: i64) -> String {
    match now.saturating_sub(then) {
        seconds if seconds < 60 => "just now".to_owned(),
        seconds => format!("{} ago", span(Duration::from_secs(seconds.unsigned_abs()))),
    }
}

/// A time span in words: `61 ms`, `7.3 s`, `4 min`, `2 h`, `3 d`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{s:.1} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 129_600.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// A count of tokens: `812`, `2.1k`, `20k`; whole multiples of 1024, as contexts and batches are, are `8K`, `128K`, `1M`.
pub fn tokens(count: u64) -> String {
    const KIBI: u64 = 1024;
    match count {
        1.. if count.is_multiple_of(KIBI * KIBI) => format!("{}M", count / KIBI / KIBI),
        // Thousands of them have no shorter form, and a long number is no help.
        1..10_240_000 if count.is_multiple_of(KIBI) => format!("{}K", count / KIBI),
        0..=999 => count.to_string(),
        1_000..=9_999 => format!("{:.1}k", count as f64 / 1e3),
        10_000..=999_999 => format!("{:.0}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

/// A count of parameters: `1.1 M`, `135 M`, `8.2 B`, `671 B`.
pub fn parameters(count: u64) -> String {
    let (value, unit) = match count {
        0..=999_999 => (count as f64 / 1e3, "k"),
        1_000_000..=999_499_999 => (count as f64 / 1e6, "M"),
        999_500_000..=999_499_999_999 => (count as f64 / 1e9, "B"),
        _ => (count as f64 / 1e12, "T"),
    };
    if value >= 99.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (640_000, "640 kB"),
            (999_600, "1.0 MB"),
            (4_900_000_000, "4.9 GB"),
            (99_960_000_000, "100 GB"),
            (212_000_000_000, "212 GB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(format!("{:>8}", Bytes(1000)), "  1.0 kB");
    }

    #[test]
    fn shares() {
        for (part, whole, text) in
            [(0, 0, "0%"), (0, 9, "0%"), (1, 1000, "<1%"), (9, 1000, "<1%"), (10, 1000, "1%"), (9, 9, "100%")]
        {
            assert_eq!(share(Bytes(part), Bytes(whole)), text);
        }
    }

    #[test]
    fn numbers() {
        for (value, text) in [
            (0.0, "0.00"),
            (0.412, "0.41"),
            (0.0412, "0.041"),
            (0.0035, "0.0035"),
            (42.71, "42.7"),
            (3412.4, "3412"),
            (f64::NAN, "—"),
            (0.0002, "0.0002"),
            (0.000_023_4, "0.000023"),
            (1e-12, "0.000000000"),
        ] {
            assert_eq!(digits(value), text);
        }
    }

    #[test]
    fn spans() {
        for (seconds, text) in
            [(0.061, "61 ms"), (0.9996, "1.0 s"), (7.3, "7.3 s"), (240.0, "4 min"), (7200.0, "2 h"), (259_200.0, "3 d")]
        {
            assert_eq!(span(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn counts() {
        for (count, text) in [
            (0, "0"),
            (512, "512"),
            (812, "812"),
            (1_024, "1K"),
            (2_100, "2.1k"),
            (8_192, "8K"),
            (20_000, "20k"),
            (32_768, "32K"),
            (40_960, "40K"),
            (131_072, "128K"),
            (1_048_576, "1M"),
            (10_485_760, "10M"),
            (12_000_000, "12.0M"),
        ] {
            assert_eq!(tokens(count), text);
        }
        for (count, text) in
            [(1_066_112, "1.1 M"), (135_000_000, "135 M"), (8_190_000_000, "8.2 B"), (671_000_000_000, "671 B")]
        {
            assert_eq!(parameters(count), text);
        }
    }
}
