//! Records for other programs: one JSON document, or CSV with a row for each speed.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{History, HistoryError};
use domain::figure::{Graded, UNKNOWN};
use domain::record::{Filter, Measured, Record};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{"schema": "taffrail/history/1", "records": […]}`, bodies included.
    Json,
    /// A head line, then a row for each speed, or one without a speed for a record that has none.
    Csv,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Who reads.
    #[error(transparent)]
    Out(#[from] io::Error),
}

const HEAD: &str = "id,at_ms,kind,title,model,hash,build,driver,settings,what,tokens_per_second,spread,n,joules_per_token,\
     joules_grade,joules_relative_uncertainty";

impl History {
    /// Write the records that pass the filter, newest first, one after the other.
    pub fn export(&mut self, filter: &Filter, format: Format, out: &mut dyn Write) -> Result<(), ExportError> {
        match format {
            Format::Json => out.write_all(b"{\"schema\":\"taffrail/history/1\",\"records\":[")?,
            Format::Csv => writeln!(out, "{HEAD}")?,
        }
        let mut first = true;
        for id in self.ids(filter)? {
            // One that was deleted meanwhile is no record any more.
            let Some(record) = self.get_whole(id)? else { continue };
            match format {
                Format::Json => {
                    out.write_all(if first { b"\n" } else { b",\n" })?;
                    crate::json::write_compact(out, &record)?;
                }
                Format::Csv => rows(&record, out)?,
            }
            first = false;
        }
        if format == Format::Json {
            out.write_all(b"\n]}\n")?;
        }
        Ok(())
    }
}

fn rows(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    let none = [Measured::default()];
    let figures = if record.figures.is_empty() { &none[..] } else { &record.figures };
    for figure in figures {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let series = &figure.series;
        let cells = [
            record.id.to_string(),
            record.at.to_string(),
            record.kind().name().to_owned(),
            record.title.clone(),
            series.model.clone(),
            series.hash.clone(),
            series.build.clone(),
            series.driver.clone(),
            series.settings.clone(),
            figure.what.clone(),
            number(figure.rate),
            number(figure.spread),
            figure.n.to_string(),
            number(figure.joules.map(|joules| joules.value)),
            figure.joules.map_or(UNKNOWN, Graded::word).to_owned(),
            number(figure.joules.and_then(|joules| joules.relative)),
        ];
        table.write_record(cells.each_ref().map(|cell| harmless(cell).into_owned()))?;
    }
    table.flush()
}

/// A cell that a spreadsheet would take for a formula is told to be text.
fn harmless(cell: &str) -> Cow<'_, str> {
    let is_formula =
        cell.starts_with(['=', '@', '\t', '\r']) || (cell.starts_with(['+', '-']) && cell.parse::<f64>().is_err());
    if is_formula { format!("'{cell}").into() } else { cell.into() }
}
