//! Values of options that have bounds: an error names them.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Reads a whole number within these bounds.
pub(super) fn whole<T>(bounds: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    within(bounds, "whole number")
}

/// Reads a number within these bounds.
pub(super) fn number(bounds: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone {
    within(bounds, "number")
}

fn within<T>(bounds: RangeInclusive<T>, kind: &'static str) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let value = text.trim().parse().ok().filter(|value| bounds.contains(value));
        value.ok_or_else(|| format!("must be a {kind} from {} to {}", bounds.start(), bounds.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_bounds() {
        let count = whole(1..=100_u32);
        for (text, expected) in [
            ("1", Ok(1)),
            (" 100 ", Ok(100)),
            ("0", Err("must be a whole number from 1 to 100".to_owned())),
            ("101", Err("must be a whole number from 1 to 100".to_owned())),
            ("-1", Err("must be a whole number from 1 to 100".to_owned())),
            ("many", Err("must be a whole number from 1 to 100".to_owned())),
            ("1.5", Err("must be a whole number from 1 to 100".to_owned())),
        ] {
            assert_eq!(count(text), expected, "{text}");
        }
        let percent = number(0.0..=100.0);
        assert_eq!(percent("99.5"), Ok(99.5));
        for wrong in ["NaN", "101", "-1", "all"] {
            assert_eq!(percent(wrong), Err("must be a number from 0 to 100".to_owned()), "{wrong}");
        }
    }
}
