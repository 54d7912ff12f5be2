//! A model's openness card on the command line.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use domain::openness::license::License;
use domain::openness::{Card, Class, Dimension, Judged, Table};

/// The longest text that is shown of anything from outside, characters.
const TEXT_CHARS: usize = 400;

/// Write the card, and whom the judgements on it are from.
pub(super) fn write(out: &mut impl Write, card: &Card, table: &Table) -> io::Result<()> {
    writeln!(out, "\nOpenness")?;
    let mut line =
        |label: &str, value: &str| writeln!(out, "  {:<18} {}", gguf::clean(label, 18), gguf::clean(value, TEXT_CHARS));
    if card.declared.is_empty() {
        line("declared", "no known license")?;
    }
    for declared in &card.declared {
        line("declared", &format!("{} ({})", declared.licence.described(), declared.place))?;
    }
    for inherited in &card.inherited {
        let licence = inherited.licence.as_ref().map_or_else(|| "not known".to_owned(), License::described);
        let found = inherited.found.as_ref().map(|found| format!(" (by {found})")).unwrap_or_default();
        line("inherited", &format!("{licence}, from {}{found}", inherited.base))?;
    }
    if let Some(strictest) = card.strictest.as_ref().filter(|_| card.conflict) {
        line("⚠ conflict", &format!("most restrictive: {}", strictest.described()))?;
    }
    for (label, cells) in judgements(&card.judged) {
        line(label, cells.trim_end())?;
    }
    for judged in &card.judged {
        line(&judged.short, &format!("matched {}; judged there: {}", judged.matched, judged.judged))?;
    }
    for source in table.sources.iter().filter(|source| card.judged.iter().all(|judged| *judged.source != *source.name))
    {
        line(&source.short, &format!("not assessed: {}, {}, does not know it", source.name, source.read))?;
    }
    for source in table.sources.iter().filter(|source| card.judged.iter().any(|judged| *judged.source == *source.name))
    {
        writeln!(out, "  {}, {}, {}: {}", source.name, source.licence, source.link, source.citation)?;
    }
    Ok(())
}

/// A column for each source with its day, a line for each dimension.
fn judgements(judged: &[Judged]) -> Vec<(&'static str, String)> {
    if judged.is_empty() {
        return Vec::new();
    }
    let head: Vec<_> = judged.iter().map(|judged| format!("{}, {}", judged.short, judged.read)).collect();
    let mut rows = vec![("judged", head)];
    for (index, (_, _, name)) in Dimension::ALL.iter().enumerate() {
        let cell = |judged: &Judged| {
            let (glyph, word) = Class::shown(judged.class(index));
            let detail = judged.detail(index).map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{glyph} {word}{detail}")
        };
        rows.push((name, judged.iter().map(cell).collect()));
    }
    let width = |column: usize| rows.iter().map(|(_, cells)| cells[column].width()).max().unwrap_or(0);
    let widths: Vec<_> = (0..judged.len()).map(width).collect();
    let joined = |cells: &[String]| {
        let padded =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
        padded.collect::<Vec<_>>().join("   ")
    };
    rows.iter().map(|(label, cells)| (*label, joined(cells))).collect()
}
