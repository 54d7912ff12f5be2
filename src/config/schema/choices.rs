//! The words that settings with a few values take.

use crate::config::value::Value;
use domain::settings::{GraphStyle, OnQuit, WaitPolicy};

pub(super) const GRAPHS: &[(&str, GraphStyle)] =
    &[("braille", GraphStyle::Braille), ("block", GraphStyle::Block), ("ascii", GraphStyle::Ascii)];

pub(super) const ON_QUIT: &[(&str, OnQuit)] = &[("ask", OnQuit::Ask), ("keep", OnQuit::Keep), ("stop", OnQuit::Stop)];

pub(super) const WAIT_POLICIES: &[(&str, WaitPolicy)] = &[
    (WaitPolicy::Passive.name(), WaitPolicy::Passive),
    (WaitPolicy::Brief.name(), WaitPolicy::Brief),
    (WaitPolicy::OpenMp.name(), WaitPolicy::OpenMp),
    (WaitPolicy::Active.name(), WaitPolicy::Active),
];

pub(super) fn name_of<T: PartialEq + Copy>(choices: &[(&str, T)], wanted: T) -> Value {
    Value::Text(choices.iter().find(|(_, choice)| *choice == wanted).map_or("", |(name, _)| name).to_owned())
}
