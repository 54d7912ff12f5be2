//! The Machine screen and that of `taffrail top`, with their graphs.

use domain::figure::Grade;

use super::{Binding, HIDDEN, Hint, bind, fleet, shown, when};
use crate::ui::update::{graphs, machine, screen};
use crate::ui::{Action, State};

pub(super) const TABLE: &[Binding] = &[
    bind(Action::Choose, &["enter"], missing, machine::show_missing),
    bind(Action::Calibrate, &["C"], calibrate, machine::calibrate).anywhere(),
    bind(
        Action::MeasureBandwidth,
        &["b"],
        |state| when(!state.domain.machine.measuring, "bandwidth"),
        machine::measure_bandwidth,
    )
    .anywhere(),
];

pub(super) const TOP: &[Binding] = &[
    bind(Action::Calibrate, &["C"], calibrate, machine::calibrate),
    bind(Action::Theme, &["T"], HIDDEN, screen::next_theme),
    bind(Action::Help, &["?", "f1"], HIDDEN, screen::help),
];

pub(super) const GRAPHS: &[Binding] = &[
    bind(Action::PauseGraphs, &["p"], fleet::pause, graphs::pause),
    bind(Action::ZoomOut, &["-"], |_| shown("zoom out"), |client| graphs::zoom(client, 1)),
    bind(Action::ZoomIn, &["+", "="], |_| shown("zoom in"), |client| graphs::zoom(client, -1)),
    bind(Action::Earlier, &["left", "h", "["], |_| shown("read graphs"), |client| graphs::move_cursor(client, -1)),
    bind(Action::Later, &["right", "l", "]"], HIDDEN, |client| graphs::move_cursor(client, 1)),
    bind(Action::Back, &["esc"], |state| when(state.ui.machine.cursor.is_some(), "back to now"), graphs::back),
    bind(Action::Split, &["|"], fleet::split, graphs::split),
    bind(Action::ExportGraphs, &["E"], |_| shown("export"), graphs::export),
];

fn calibrate(state: &State) -> Hint {
    let is_calibrating = state.domain.attribution.baselines.calibration.is_some();
    // Without a meter there is nothing to calibrate.
    let has_meter = state
        .domain
        .machine
        .sample
        .as_ref()
        .is_some_and(|sample| sample.total().is_some_and(|(_, grade)| grade != Grade::Estimated));
    when(is_calibrating || has_meter, if is_calibrating { "stop calibrating" } else { "calibrate" })
}

/// The sensors that are absent, one by one.
fn missing(state: &State) -> Hint {
    let is_any = state
        .domain
        .machine
        .sample
        .as_ref()
        .is_some_and(|sample| sample.sources.iter().any(|source| source.reading.value().is_none()));
    when(is_any, if state.ui.machine.shows_missing { "fold absent" } else { "absent sensors" })
}
