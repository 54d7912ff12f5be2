//! Whether a model fits into what is free, from its header's estimate.

use super::model::{Model, Status};
use super::plan::{self, context, free_memory};
use super::settings::SessionSettings;
use super::state::State;
use super::units::Bytes;

/// Whether a model can be started here and now.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit {
    /// With the context that a new session asks for.
    Fits {
        /// Tokens.
        context: u32,
    },
    /// With a shorter one.
    Shorter {
        /// Tokens.
        context: u32,
    },
    /// Not even then.
    TooLarge {
        /// What it would need with the shortest context that is offered.
        needed: Bytes,
    },
    /// The header does not tell, or the memory is not read yet.
    Unknown,
    /// Parts of it are missing.
    Parts {
        /// Parts that are there.
        found: u32,
        /// Parts in all.
        count: u32,
    },
    /// It can't be run at all.
    Never(String),
}

/// The shortest context that is still offered, tokens.
const SHORTEST: u32 = 1024;

/// Whether the model can be started here and now.
pub fn fit(state: &State, model: &Model) -> Fit {
    match &model.status {
        Status::Runnable => {}
        Status::Damaged(reason) | Status::NotAModel(reason) | Status::Unreadable(reason) => {
            return Fit::Never(reason.clone());
        }
        Status::OtherFormat(_) => return Fit::Never(model.status.to_string()),
        Status::Incomplete { found, count } => return Fit::Parts { found: *found, count: *count },
    }
    let settings = state.settings.session;
    let Some(free) = free_memory(state).map(|memory| memory.free).filter(|_| model.summary.is_some()) else {
        return Fit::Unknown;
    };
    let wanted = context(model, settings.context);
    let mut context = wanted;
    loop {
        let needed = plan::plan(model, &SessionSettings { context, ..settings }).total();
        if needed <= free {
            return if context == wanted { Fit::Fits { context } } else { Fit::Shorter { context } };
        }
        if context / 2 < SHORTEST {
            return Fit::TooLarge { needed };
        }
        context /= 2;
    }
}
