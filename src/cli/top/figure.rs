//! Figures as texts and as JSON.

use serde::Serialize;
use serde_json::{Value, json};

use domain::energy::range;
use domain::figure::{Figure, Grade};
use domain::units::Watts;

/// A value with grade and source, or null with the reason.
pub(in crate::cli) fn figure<T: Serialize>(figure: &Figure<T>) -> Value {
    match figure {
        Figure::Known { value, grade, source } => json!({ "value": value, "grade": grade, "source": source }),
        Figure::Unknown { reason, remedy } => {
            json!({ "value": null, "grade": "unknown", "reason": reason, "remedy": remedy })
        }
    }
}

/// Power as its grade is written: an estimate is a range wherever it stands.
pub(in crate::cli) fn watts_text(watts: Watts, grade: Grade) -> String {
    if grade == Grade::Estimated { range(watts) } else { format!("{}{watts}", grade.mark()) }
}
