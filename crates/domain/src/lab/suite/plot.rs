//! The Pareto front as a plot of characters: to the right it costs more, upwards more passes.

use super::tally::{Cost, Tally, front};

/// The least columns of a plot.
const LEAST_WIDTH: usize = 20;
/// The least rows between its highest and its lowest.
const LEAST_HEIGHT: usize = 3;

/// The plot's lines, of so many columns with the labels, and so many rows without the axis. Each model is a letter, a
/// capital one on the front.
pub fn plot(tallies: &[Tally], by: Cost, (width, height): (usize, usize)) -> Vec<String> {
    let height = height.max(LEAST_HEIGHT);
    let costs: Vec<_> = tallies.iter().map(|tally| tally.cost(by)).collect();
    let most = costs.iter().flatten().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return Vec::new();
    }
    let width = width.saturating_sub(7).max(LEAST_WIDTH);
    let mut cells = vec![vec![' '; width]; height];
    let is_first = front(tallies, by);
    // Those on the front are drawn last, so that none of them is hidden.
    let mut order: Vec<usize> = (0..tallies.len()).collect();
    order.sort_by_key(|index| is_first[*index]);
    for index in order {
        let Some(cost) = costs[index] else { continue };
        let column = (cost / most * (width - 1) as f64).round() as usize;
        let row = ((1.0 - tallies[index].rate()) * (height - 1) as f64).round() as usize;
        cells[row.min(height - 1)][column.min(width - 1)] = letter(index, is_first[index]);
    }
    let label = |row: usize| match row {
        0 => "100 %",
        row if row == height / 2 => " 50 %",
        row if row == height - 1 => "  0 %",
        _ => "     ",
    };
    let lines = cells.iter().enumerate().map(|(row, cells)| {
        let line: String = cells.iter().collect();
        format!("{} ┤{}", label(row), line.trim_end())
    });
    let end = end(tallies, by, most);
    let gap = width.saturating_sub(1 + end.chars().count());
    lines.chain([format!("      └{}", "─".repeat(width)), format!("       0{}{end}", " ".repeat(gap))]).collect()
}

/// The label at the end of the axis; an energy has its grade.
fn end(tallies: &[Tally], by: Cost, most: f64) -> String {
    let highest = tallies.iter().filter_map(|tally| tally.joules).max_by(|a, b| a.value.total_cmp(&b.value));
    match (by, highest) {
        (Cost::Energy, Some(joules)) => format!("{} J", joules.brief()),
        _ => amount(by, most),
    }
}

/// The letter of a model; past the alphabet all look alike.
pub fn letter(index: usize, is_first: bool) -> char {
    let letter = u8::try_from(index).ok().and_then(|index| (b'a'.checked_add(index)).filter(u8::is_ascii_lowercase));
    let letter = letter.map_or('+', char::from);
    if is_first { letter.to_ascii_uppercase() } else { letter }
}

/// A cost with its unit.
pub fn amount(by: Cost, cost: f64) -> String {
    match by {
        Cost::Energy => format!("{} J", crate::units::digits(cost)),
        Cost::Time => format!("{} s", crate::units::digits(cost)),
        Cost::Memory => crate::units::Bytes(cost as u64).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Grade, Graded};

    #[test]
    fn the_front_stands_out() {
        let exact = |value| Graded { value, grade: Some(Grade::Measured), relative: Some(0.05) };
        let tally = |passed, joules: Option<f64>| Tally {
            name: String::new(),
            passed,
            n: 4,
            joules: joules.map(exact),
            seconds: 1.0,
            memory: 1,
        };
        let all = [tally(4, Some(40.0)), tally(2, Some(10.0)), tally(1, Some(30.0)), tally(4, None)];
        let plot = plot(&all, Cost::Energy, (40, 12));
        assert_eq!(plot[0], format!("100 % ┤{}A", " ".repeat(32)));
        assert_eq!(plot[6], format!(" 50 % ┤{}B", " ".repeat(8)));
        assert_eq!(plot[8], format!("      ┤{}c", " ".repeat(24)));
        assert_eq!(plot.last().unwrap().trim_start(), format!("0{}40.0 J", " ".repeat(26)));
        assert!(!plot.iter().any(|line| line.contains('d')), "one of unknown cost has no place");
    }
}
