//! The date as chat templates ask for it.
//!
//! Owned here: Python's `strftime` for the fields that templates use, in UTC. Absent: time zones, locales, parsing.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// The longest result, in bytes: a date is far below.
const MAX_LENGTH: usize = 4096;

/// `time` by Python's `strftime` rules; a field that isn't known stays as it is written.
pub fn format(time: SystemTime, format: &str) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let month_name = MONTHS[month as usize - 1];
    let day_name = DAYS[(days as usize + 4) % 7];
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if text.len() > MAX_LENGTH {
            break;
        }
        if character != '%' {
            text.push(character);
            continue;
        }
        let mut field = characters.next();
        // glibc's "no padding".
        let plain = field == Some('-');
        if plain {
            field = characters.next();
        }
        let number = match field {
            Some('m') => Some(month),
            Some('d') => Some(day),
            Some('H') => Some(hour),
            Some('I') => Some((hour + 11) % 12 + 1),
            Some('M') => Some(minute),
            Some('S') => Some(second),
            Some('y') => Some(year % 100),
            _ => None,
        };
        // Writing to a string can't fail.
        let _ = match (number, field) {
            (Some(number), _) if plain => write!(text, "{number}"),
            (Some(number), _) => write!(text, "{number:02}"),
            (None, Some('Y')) => write!(text, "{year}"),
            (None, Some('B')) => write!(text, "{month_name}"),
            (None, Some('b' | 'h')) => write!(text, "{}", month_name.get(..3).unwrap_or_default()),
            (None, Some('A')) => write!(text, "{day_name}"),
            (None, Some('a')) => write!(text, "{}", day_name.get(..3).unwrap_or_default()),
            (None, Some('e')) => write!(text, "{day:2}"),
            (None, Some('p')) => write!(text, "{}", if hour < 12 { "AM" } else { "PM" }),
            (None, Some('F')) => write!(text, "{year}-{month:02}-{day:02}"),
            (None, Some('T')) => write!(text, "{hour:02}:{minute:02}:{second:02}"),
            (None, Some('%') | None) => write!(text, "%"),
            (None, Some(other)) => write!(text, "%{other}"),
        };
    }
    text
}

/// Year, month and day of a day since 1970-01-01, by Howard Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates() {
        for (seconds, pattern, expected) in [
            (0, "%Y-%m-%d %H:%M:%S", "1970-01-01 00:00:00"),
            (951_782_400, "%d %b %Y", "29 Feb 2000"),
            (1_732_492_799, "%A, %B %-d, %Y %I:%M %p", "Sunday, November 24, 2024 11:59 PM"),
            (4_107_542_400, "%a %F %T %y", "Mon 2100-03-01 00:00:00 00"),
            (0, "100 %% %Q %", "100 % %Q %"),
        ] {
            assert_eq!(format(UNIX_EPOCH + Duration::from_secs(seconds), pattern), expected);
        }
    }
}
