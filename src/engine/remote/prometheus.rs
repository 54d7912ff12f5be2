//! The text format in which engines show their counters, as far as figures are read from it.
//!
//! No crate does it: `prometheus-parse` knows no colon in a name, which all engines have there, and the others are under
//! another licence or bring old versions of much (docs/decisions/0105).

/// The values of all series of one name.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Series {
    /// All together.
    pub(super) sum: f64,
    /// The largest.
    pub(super) most: f64,
}

/// The values of these names, in their order; `None` where no series has the name.
pub(super) fn read<const N: usize>(text: &str, names: [&str; N]) -> [Option<Series>; N] {
    let mut found = [None::<Series>; N];
    // Of thousands of lines some ten are wanted, so most are passed over by their first bytes.
    let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
    for line in text.lines() {
        let bytes = line.as_bytes();
        let head = bytes.get(..=longest).unwrap_or(bytes);
        let Some(end) = head.iter().position(|byte| matches!(byte, b'{' | b' ' | b'\t')) else { continue };
        let (name, rest) = line.split_at(end);
        let Some(place) = names.iter().position(|wanted| *wanted == name) else { continue };
        let (labels, value) = split_labels(rest);
        // Behind the value may stand a time.
        let value = value.split_ascii_whitespace().next().and_then(|value| value.parse::<f64>().ok());
        // What is no number or negative is none that an engine would count.
        let Some(value) = value.filter(|value| value.is_finite() && *value >= 0.0) else { continue };
        if is_repeated(labels) {
            continue;
        }
        let series = found[place].get_or_insert_default();
        (series.sum, series.most) = (series.sum + value, series.most.max(value));
    }
    found
}

/// The labels and what follows them. A label's value may hold braces and escaped quotes.
fn split_labels(text: &str) -> (&str, &str) {
    let Some(rest) = text.strip_prefix('{') else { return ("", text) };
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, character) in rest.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '}' if !is_quoted => return (&rest[..at], &rest[at + 1..]),
            _ => {}
        }
    }
    ("", "")
}

/// Whether another series tells the same: those who compute one model together may each count its requests.
fn is_repeated(labels: &str) -> bool {
    ["tp_rank=\"", "pp_rank=\""]
        .iter()
        .any(|label| labels.find(label).is_some_and(|at| !labels[at + label.len()..].starts_with("0\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_names_alone() {
        let of = |text: &str| read(text, ["vllm:n"])[0].map(|series| (series.sum, series.most));
        for (text, expected) in [
            ("vllm:n 3", Some((3.0, 3.0))),
            ("vllm:n 3.0 1789056823000", Some((3.0, 3.0))),
            ("vllm:n{engine=\"0\",model_name=\"a b\"} 3.0", Some((3.0, 3.0))),
            ("vllm:n{a=\"}\",b=\"\\\"} 9\"} 2", Some((2.0, 2.0))),
            ("# TYPE vllm:n gauge\nvllm:n{engine=\"0\"} 1\nvllm:n{engine=\"1\"} 4\n", Some((5.0, 4.0))),
            ("vllm:n{tp_rank=\"0\"} 1\nvllm:n{tp_rank=\"1\"} 1", Some((1.0, 1.0))),
            ("vllm:n_by_reason{reason=\"x\"} 7", None),
            ("vllm:n{engine=\"0\" 7", None),
            ("vllm:n NaN\nvllm:n -3\nvllm:n +Inf\nvllm:n\nvllm:n x", None),
            ("", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
