//! The sessions that jobs work with.

use crate::lab::job::JobSession;
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
    let jobs = jobs.chain(suite().map(|run| &run.judge.session)).chain(measuring(domain));
    jobs.filter_map(|job| Some((job.id?, job.is_own))).collect()
}

/// The sessions of the bench and of the scoring that run.
fn measuring(domain: &Domain) -> impl Iterator<Item = &JobSession> {
    let bench = Some(&domain.bench).filter(|bench| bench.is_running());
    let bench = bench.into_iter().flat_map(|bench| &bench.entries).map(|entry| &entry.session);
    let scoring = domain.perplexity.iter().filter(|run| !run.is_over());
    bench.chain(scoring.flat_map(|run| run.sessions()))
}
