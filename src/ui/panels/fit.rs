//! Whether a model fits into what is free, from its header's estimate.

use wire::CacheType;

use crate::core::State;
use crate::core::model::{Model, Status};
use crate::core::plan::{free_memory, plan};
use crate::core::settings::SessionSettings;
use crate::core::units::Bytes;

/// Whether a model can be started here and now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fit {
    /// With the context that a new session asks for.
    Fits { context: u64 },
    /// With a shorter one.
    Shorter { context: u64 },
    /// Not even then.
    TooLarge { needed: Bytes },
    /// The header does not tell, or the memory is not read yet.
    Unknown,
    /// Parts of it are missing.
    Parts { found: u32, count: u32 },
    /// It can't be run at all.
    Never(String),
}

/// The shortest context that is still offered, tokens.
const SHORTEST: u64 = 1024;

/// Memory that a new session may take; `None` before the first reading.
pub(crate) fn free(state: &State) -> Option<Bytes> {
    free_memory(state).map(|(free, ..)| free)
}

/// What a model would take in all, with so much context and these cache types; `None` where its header can't be read.
pub(crate) fn needed(
    model: &Model,
    settings: &SessionSettings,
    context: u64,
    cache: Option<CacheType>,
) -> Option<Bytes> {
    model.summary.as_ref()?;
    let settings = SessionSettings {
        context: u32::try_from(context).unwrap_or(u32::MAX),
        cache_type_k: cache.unwrap_or(settings.cache_type_k),
        cache_type_v: cache.unwrap_or(settings.cache_type_v),
        ..*settings
    };
    Some(plan(model, &settings).total())
}

/// The context that a new session of this model gets.
pub(crate) fn wanted_context(model: &Model, settings: &SessionSettings) -> Option<u64> {
    let trained = model.summary.as_ref().and_then(|summary| summary.context_length);
    match (u64::from(settings.context), trained) {
        (0, trained) => trained,
        (asked, Some(trained)) => Some(asked.min(trained)),
        (asked, None) => Some(asked),
    }
}

/// Whether the model can be started here and now.
pub(crate) fn fit(state: &State, model: &Model) -> Fit {
    match &model.status {
        Status::Runnable => {}
        Status::Damaged(reason) | Status::NotAModel(reason) | Status::Unreadable(reason) => {
            return Fit::Never(reason.clone());
        }
        Status::Incomplete { found, count } => return Fit::Parts { found: *found, count: *count },
    }
    let settings = &state.settings.session;
    let (Some(free), Some(wanted)) = (free(state), wanted_context(model, settings)) else { return Fit::Unknown };
    let mut context = wanted;
    loop {
        let Some(needed) = needed(model, settings, context, None) else { return Fit::Unknown };
        if needed <= free {
            return if context == wanted { Fit::Fits { context } } else { Fit::Shorter { context } };
        }
        if context / 2 < SHORTEST {
            return Fit::TooLarge { needed };
        }
        context /= 2;
    }
}
