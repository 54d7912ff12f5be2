//! The date as chat templates ask for it.
//!
//! Owned here: Python's `strftime` of a local time, as glibc answers it in the C locale. Absent: other locales, parsing.

use std::fmt::Write as _;

use jiff::ZonedDateTime;

/// The longest result, in bytes: a date is far below.
const MAX_LENGTH: usize = 4096;
/// The widest field that a format may ask for.
const MAX_WIDTH: usize = 256;

/// The time in the user's own zone.
pub fn now() -> ZonedDateTime {
    ZonedDateTime::now()
}

/// `time` by Python's `strftime` rules; a field that isn't known stays as it is written.
pub fn format(time: &ZonedDateTime, format: &str) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, field)) = rest.split_once('%') {
        text.push_str(before);
        let length = write_field(time, field, &mut text);
        if text.len() > MAX_LENGTH {
            rest = "";
            break;
        }
        rest = field.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    text.truncate(text.floor_char_boundary(MAX_LENGTH));
    text
}

/// Write the value of a field, given without its percent sign; returns the field's length.
fn write_field(time: &ZonedDateTime, field: &str, text: &mut String) -> usize {
    let flags = field.len() - field.trim_start_matches(['-', '_', '0', '^', '#']).len();
    let after = field.get(flags..).unwrap_or_default();
    let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let width = after.get(..digits).and_then(|width| width.parse::<usize>().ok()).unwrap_or(0).min(MAX_WIDTH);
    let after = after.get(digits..).unwrap_or_default();
    // Other eras and digits, of which the C locale has none.
    let modifier = usize::from(after.starts_with(['E', 'O']));
    let Some(name) = after.chars().nth(modifier) else {
        text.push('%');
        text.push_str(field);
        return field.len();
    };
    let length = flags + digits + modifier + name.len_utf8();
    let flags = field.get(..flags).unwrap_or_default();
    match value(time, name) {
        Some(Field::Text(value)) => write_padded(&value, flags, width, ' ', text),
        Some(Field::Number(value, digits, fill)) => {
            let value = value.to_string();
            let fill = if flags.contains('_') {
                ' '
            } else if flags.contains('0') {
                '0'
            } else {
                fill
            };
            let width = if flags.contains('-') { 0 } else { width.max(digits) };
            write_padded(&value, flags, width, fill, text);
        }
        None => {
            text.push('%');
            text.push_str(field.get(..length).unwrap_or_default());
        }
    }
    length
}

enum Field {
    Text(String),
    /// A number, the digits that it is filled up to, and with what.
    Number(i64, usize, char),
}

/// The field with this name; `None` if unknown.
fn value(time: &ZonedDateTime, name: char) -> Option<Field> {
    let of = |pattern: &str| jiff::fmt::strtime::format(pattern, time).ok();
    let number = |pattern: &str, digits, fill| {
        let value = of(pattern)?.trim().parse().ok()?;
        Some(Field::Number(value, digits, fill))
    };
    match name {
        'Y' => number("%Y", 1, '0'),
        'G' => number("%G", 1, '0'),
        'C' | 'd' | 'g' | 'H' | 'I' | 'm' | 'M' | 'S' | 'U' | 'V' | 'W' | 'y' => number(&format!("%{name}"), 2, '0'),
        'j' => number("%j", 3, '0'),
        'e' => number("%d", 2, ' '),
        'k' => number("%H", 2, ' '),
        'l' => number("%I", 2, ' '),
        'u' | 'w' | 's' => number(&format!("%{name}"), 1, '0'),
        'f' => Some(Field::Number(i64::from(time.subsec_nanosecond() / 1000), 6, '0')),
        'a' | 'A' | 'b' | 'B' | 'p' | 'P' => Some(Field::Text(of(&format!("%{name}"))?)),
        'h' => Some(Field::Text(of("%b")?)),
        'c' => Some(Field::Text(of("%a %b %e %H:%M:%S %Y")?)),
        'D' | 'x' => Some(Field::Text(of("%m/%d/%y")?)),
        'F' => Some(Field::Text(of("%Y-%m-%d")?)),
        'r' => Some(Field::Text(of("%I:%M:%S %p")?)),
        'R' => Some(Field::Text(of("%H:%M")?)),
        'T' | 'X' => Some(Field::Text(of("%H:%M:%S")?)),
        // Python's `datetime.now()` knows no zone.
        'z' | 'Z' => Some(Field::Text(String::new())),
        'n' => Some(Field::Text("\n".to_owned())),
        't' => Some(Field::Text("\t".to_owned())),
        '%' => Some(Field::Text("%".to_owned())),
        _ => None,
    }
}

fn write_padded(value: &str, flags: &str, width: usize, fill: char, text: &mut String) {
    let value = match flags.chars().rev().find(|flag| matches!(flag, '^' | '#')) {
        Some('^') => value.to_uppercase(),
        // The other case: of what is all upper case the lower one.
        Some(_) if value.chars().any(char::is_lowercase) => value.to_uppercase(),
        Some(_) => value.to_lowercase(),
        None => value.to_owned(),
    };
    let fill = if flags.contains('0') { '0' } else { fill };
    text.extend(std::iter::repeat_n(fill, width.saturating_sub(value.chars().count())));
    // Writing to a string can't fail.
    let _ = write!(text, "{value}");
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::{self, TimeZone};

    use super::*;

    #[test]
    fn dates() {
        for (seconds, pattern, expected) in [
            (0, "%Y-%m-%d %H:%M:%S", "1970-01-01 00:00:00"),
            (951_782_400, "%d %b %Y", "29 Feb 2000"),
            (1_732_492_799, "%A, %B %-d, %Y %I:%M %p", "Sunday, November 24, 2024 11:59 PM"),
            (4_107_542_400, "%a %F %T %y", "Mon 2100-03-01 00:00:00 00"),
            (0, "100 %% %Q %", "100 % %Q %"),
            (1_732_492_799, "%j %U %W %V %G %u %w %C %e %k %l %s", "329 47 47 47 2024 7 0 20 24 23 11 1732492799"),
            (
                1_732_492_799,
                "%c|%x|%X|%D|%R|%r",
                "Sun Nov 24 23:59:59 2024|11/24/24|23:59:59|11/24/24|23:59|11:59:59 PM",
            ),
            (0, "%f|%z|%Z|%n|%t|%h|%P|%Ey|%Od", "000000|||\n|\t|Jan|am|70|01"),
            (0, "%-m|%_d|%05d|%^a|%#p|%10B|%-H", "1| 1|00001|THU|am|   January|0"),
            (0, "%999999999d %", &format!("{}1 %", "0".repeat(255))),
        ] {
            let time = Timestamp::from_second(seconds).unwrap().to_zoned_datetime(TimeZone::UTC);
            assert_eq!(format(&time, pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn the_day_is_that_of_the_users_zone() {
        let zone = TimeZone::fixed(tz::offset(9));
        let time = Timestamp::from_second(1_732_492_799).unwrap().to_zoned_datetime(zone);
        assert_eq!(format(&time, "%d %b %Y %H:%M"), "25 Nov 2024 08:59");
    }

    #[test]
    fn a_format_can_not_grow_without_bound() {
        let time = Timestamp::from_second(0).unwrap().to_zoned_datetime(TimeZone::UTC);
        assert!(format(&time, &"%255d".repeat(10_000)).len() <= MAX_LENGTH);
    }
}
