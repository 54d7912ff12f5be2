//! What a person should know before running a model, in a sentence each.

use crate::admission;
use crate::admission::fit::{Room, rooms};
use crate::model::{Model, Status, identity};
use crate::settings::SessionSettings;
use crate::state::Domain;
use crate::units::Bytes;

/// The context that the figures of an advice are for, tokens.
const USUAL: u32 = 8192;
/// From this size on, a mixture's experts are worth placing separately.
const LARGE: Bytes = Bytes(20_000_000_000);

/// One sentence, without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What to know or to do.
    pub text: String,
    /// It costs much, or does not do what one would think.
    pub is_warning: bool,
}

/// Advice on a model, what matters most first. Without a sample of the machine, nothing about what is free.
pub fn advice(domain: &Domain, model: &Model) -> Vec<Advice> {
    let Some(summary) = &model.summary else { return Vec::new() };
    let mut all = Vec::new();
    let mut say = |is_warning, text: String| all.push(Advice { text, is_warning });
    match (&model.status, summary.part) {
        (Status::Incomplete { found, count }, _) => say(
            true,
            format!(
                "parts missing: {} of {count}; the figures are of those that are here",
                count.saturating_sub(*found)
            ),
        ),
        (Status::Runnable, Some(part)) => say(false, format!("all {} parts are here", part.count)),
        _ => {}
    }
    if let Some(times) = summary.latent_overhead() {
        say(
            true,
            format!(
                "an older conversion without MLA: its context costs {times:.0} times as much; a newer file is better"
            ),
        );
    }
    let settings = SessionSettings { context: admission::context(model, USUAL), ..domain.settings.session };
    let needed = admission::memory_estimate(model, &settings);
    let experts = Bytes(summary.routed_bytes);
    if summary.active_parameters().is_some() && needed.weights >= LARGE {
        // Prompts are cached in main memory.
        let rest = needed.total().saturating_sub(experts).saturating_sub(needed.prompt_cache);
        say(
            false,
            format!(
                "with the experts on the processor ({experts} in main memory), a GPU needs {rest} for the rest at \
                 {USUAL} tokens (llama.cpp's --cpu-moe)"
            ),
        );
        let rooms = rooms(domain, model);
        if !rooms.is_empty() {
            let together: Bytes = rooms.iter().map(|room| room.free).sum();
            let list: Vec<String> = rooms.iter().map(|Room { name, free }| format!("{free} in {name}")).collect();
            let verdict = if needed.total() <= together { "enough" } else { "too little" };
            let place = model.machine.as_ref().map_or_else(|| "here".to_owned(), |machine| format!("on {machine}"));
            let list = list.join(", ");
            say(needed.total() > together, format!("free {place}: {list}: {verdict} for {}", needed.total()));
        }
    }
    if identity::identify(model).is_r1 {
        say(
            false,
            "its makers advise temperature 0.6, top-p 0.95 and no system prompt; 8k to 32k of context are usual"
                .to_owned(),
        );
    }
    all
}
