//! The sessions that jobs work with.

use crate::session::SessionId;
use crate::state::Domain;

/// The sessions that jobs work with now, and whether each was started for its job.
pub(crate) fn sessions(domain: &Domain) -> Vec<(SessionId, bool)> {
    let race = domain.race.iter().filter(|race| race.is_running()).flat_map(|race| &race.columns);
    let suite = || domain.suite.iter().filter(|run| !run.is_over());
    let jobs = race.map(|column| &column.session);
    let jobs = jobs.chain(suite().flat_map(|run| &run.models).map(|model| &model.session));
    let helpers = suite().flat_map(|run| &run.models).flat_map(|model| &model.helpers);
    let jobs = jobs.chain(helpers.map(|helper| &helper.session));
    let jobs = jobs.chain(suite().map(|run| &run.judge.session));
    let jobs = jobs.filter_map(|job| Some((job.id?, job.is_own)));
    let scoring = domain.perplexity.iter().filter(|perplexity| !perplexity.is_over());
    let scoring = scoring.flat_map(|perplexity| [Some(perplexity.sessions.0), perplexity.sessions.1]);
    jobs.chain(scoring.flatten().map(|id| (id, true))).collect()
}
