//! What commands that list things of this machine ask of the others.

use std::io::{self, Write};

use serde::Serialize;

use crate::app::machines::{self, Listed, Listing, Unreached, Wants};
use domain::Event;
use domain::machine::remote::RemoteEvent;
use domain::model::Model;
use domain::model::library_view::may_be_on;
use domain::settings::Settings;

/// A machine that has answered, by its name, and what it has.
pub type Answered = (String, Listing);

/// The most characters of such a line.
const MAX_CHARS: usize = 500;

/// A machine in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachineView {
    /// Its name in config.toml.
    pub name: String,
    /// Why it does not show what it has; `None` where it does.
    pub problem: Option<String>,
    /// What could be done.
    pub hint: Option<String>,
}

/// Ask the machines of the settings that the filter lets through: all at once, each within a deadline of its own. Blocks.
pub fn ask(settings: &Settings, wants: Wants, filter: &str) -> Vec<Listed> {
    let asked = settings.machines.iter().filter(|(name, _)| may_be_on(filter, name));
    let asked: Vec<_> = asked.map(|(name, machine)| (name.as_str(), machine)).collect();
    if asked.is_empty() { Vec::new() } else { machines::look(&asked, wants) }
}

/// What the sensors of a model's machine say, as an event of it; `None` for this machine's, and where it does not answer.
pub fn sample(settings: &Settings, model: &Model) -> Option<Event> {
    let name = model.machine.as_deref()?;
    let machine = settings.machines.get(name)?;
    let listing = machines::look(&[(name, machine)], Wants::Sample).pop()?.listing.ok()?;
    Some(Event::Remote(name.to_owned(), RemoteEvent::Sample(listing.sample?)))
}

/// What each told, and the machines for the document; those that did not answer are named on `err`.
pub fn split(listed: Vec<Listed>, err: &mut impl Write) -> io::Result<(Vec<MachineView>, Vec<Answered>)> {
    let (mut views, mut listings) = (Vec::new(), Vec::new());
    for Listed { name, listing } in listed {
        let (problem, hint) = match listing {
            Ok(listing) => {
                listings.push((name.clone(), listing));
                (None, None)
            }
            Err(Unreached { reason, hint }) => {
                let more = hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
                writeln!(err, "warning: {}", gguf::clean(&format!("{name}: {reason}{more}"), MAX_CHARS))?;
                (Some(reason), hint)
            }
        };
        views.push(MachineView { name, problem, hint });
    }
    Ok((views, listings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_named_with_what_could_be_done() {
        let failed = |name: &str, hint: Option<&str>| Listed {
            name: name.to_owned(),
            listing: Err(Unreached { reason: "no".to_owned(), hint: hint.map(str::to_owned) }),
        };
        let there = Listed { name: "desk".to_owned(), listing: Ok(Listing::default()) };
        let mut err = Vec::new();
        let (views, listings) =
            split(vec![failed("lab", Some("do this")), there, failed("x", None)], &mut err).unwrap();
        assert_eq!(String::from_utf8(err).unwrap(), "warning: lab: no; do this\nwarning: x: no\n");
        assert_eq!(listings.len(), 1);
        let problems: Vec<_> = views.iter().map(|view| (view.name.as_str(), view.problem.is_some())).collect();
        assert_eq!(problems, [("lab", true), ("desk", false), ("x", true)]);
    }
}
