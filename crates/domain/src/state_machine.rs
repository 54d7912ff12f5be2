//! The one holder of a [`Domain`] that changes.

use std::ops::Deref;
#[cfg(any(test, feature = "testing"))]
use std::ops::DerefMut;

use crate::effect::Effect;
use crate::event::Event;
use crate::moment::Moment;
use crate::settings::Settings;
use crate::state::Domain;

/// The one holder of a [`Domain`] that changes: by events, and by nothing else.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct StateMachine {
    domain: Domain,
}

impl StateMachine {
    /// The machine at the program's start.
    pub fn new(settings: Settings) -> Self {
        Self { domain: Domain::new(settings) }
    }

    /// Change the domain by what happened, and say what is to be done.
    pub fn update(&mut self, now: Moment, event: Event) -> Vec<Effect> {
        crate::update::update(&mut self.domain, now, event)
    }
}

impl Deref for StateMachine {
    type Target = Domain;

    fn deref(&self) -> &Domain {
        &self.domain
    }
}

/// For tests and fixtures only.
#[cfg(any(test, feature = "testing"))]
impl DerefMut for StateMachine {
    fn deref_mut(&mut self) -> &mut Domain {
        &mut self.domain
    }
}
