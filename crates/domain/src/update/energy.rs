//! What follows from a tick's energy: answers are charged, sessions get their power, a calibration goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use super::bench;
use super::common::notify;
use crate::command::{Cause, Refused};
use crate::effect::Effect;
use crate::energy::{Consumer, Ended, EnergyAccount, Idle, LOAD, Shared};
use crate::figure::{Figure, Grade};
use crate::machine::Sample;
use crate::request::{Figures, RequestId};
use crate::requests::EndedRequests;
use crate::session::Session;
use crate::settings;
use crate::state::Domain;
use crate::units::{Joules, Watts};

/// Turns back from the last in which an answer may stand that a tick still pays for: two answers, each with its prompt.
const RECENT_TURNS: usize = 6;

/// Book the tick's energy to the sessions on this machine, and their answers.
pub(super) fn attribute(domain: &mut Domain, sample: &Sample, now: Duration) -> Vec<Effect> {
    let (ended, _) = attribute_on(domain, None, sample, now);
    match ended {
        None => Vec::new(),
        Some(Ended::Complete) => {
            notify(domain, "the idle baseline is calibrated", false);
            vec![Effect::SaveBaselines(domain.attribution.baselines.calibrated())]
        }
        Some(Ended::Broken(reason)) => {
            notify(domain, format!("the calibration ended: {reason}"), true);
            Vec::new()
        }
    }
}

/// The same for a machine: `None` is this one. Gives how a calibration ended, and whether there is such a machine.
pub(super) fn attribute_on(
    domain: &mut Domain,
    machine: Option<&str>,
    sample: &Sample,
    now: Duration,
) -> (Option<Ended>, bool) {
    let mut consumers = Vec::new();
    for session in domain.sessions.iter_mut().filter(|session| session.machine() == machine) {
        let done = session.timer.take(now);
        // What it takes is drawn elsewhere.
        if let Some(reason) = session.why_no_energy() {
            session.watts = Figure::unknown(reason);
            continue;
        }
        // What runs elsewhere draws nothing that a meter of this machine sees.
        if let Some(remote) = &session.model.remote {
            session.watts = match remote.energy(1.0) {
                Figure::Known { .. } if !session.is_busy() => Figure::unknown("none of its answers runs"),
                energy => energy.map(|joules| Watts(joules.0)),
            };
            continue;
        }
        if session.pid.is_none() {
            session.watts = Figure::unknown("no worker");
        }
        if session.pid.is_some() || !done.spans.is_empty() || !done.intervals.is_empty() {
            consumers.push(Consumer { session: session.id, pid: session.pid, is_loaded: session.is_loaded(), done });
        }
    }
    let period = domain.settings.telemetry.interval;
    let Some(attribution) = domain.attribution_on(machine) else { return (None, false) };
    let (shared, ended) = attribution.tick(sample, &consumers, period);
    for (consumer, shared) in consumers.into_iter().zip(shared) {
        let Domain { sessions, ended_requests, bench, .. } = domain;
        bench::charge(bench, &consumer, &shared);
        let Some(session) = sessions.iter_mut().find(|session| session.id == consumer.session) else { continue };
        charge(session, ended_requests, &consumer, &shared);
        session.watts = shared.watts;
        session.standby.0 += shared.standby.0;
        if shared.standby.0 > 0.0 {
            let model = session.model.id.clone();
            if let Some(attribution) = domain.attribution_on(machine) {
                attribution.keep(model, shared.standby);
            }
        }
    }
    (ended, true)
}

/// Charge a session's answers.
fn charge(session: &mut Session, ended: &mut EndedRequests, consumer: &Consumer, shared: &Shared) {
    for interval in &consumer.done.intervals {
        book(session, ended, interval.generation, |energy_account| {
            energy_account.spend(interval);
            energy_account.miss(&shared.absent);
        });
    }
    for share in &shared.shares {
        for interval in &share.intervals {
            book(session, ended, interval.generation, |energy_account| energy_account.book(share, interval));
        }
    }
    session.energy_account.tokens = Some((session.n_prompt, session.n_generated));
    let generations: BTreeSet<u64> = shared
        .shares
        .iter()
        .flat_map(|share| &share.intervals)
        .chain(&consumer.done.intervals)
        .map(|interval| interval.generation)
        .collect();
    let why = shared.watts.clone();
    for figures in all_figures(session, ended).filter(|figures| generations.contains(&figures.request.0)) {
        let counters = &figures.counters;
        figures.energy_account.tokens = Some((u64::from(counters.n_prompt), u64::from(counters.n_generated)));
        settle(figures, &why);
    }
    // With this tick, what ended before it is whole.
    let open = session.requests.iter().filter(|request| request.is_open()).map(|request| request.id);
    let open: BTreeSet<RequestId> = open.collect();
    for figures in all_figures(session, ended) {
        figures.is_settled |= !open.contains(&figures.request);
    }
}

/// Book to an answer, wherever its figures are, and to the session.
fn book(session: &mut Session, ended: &mut EndedRequests, generation: u64, with: impl Fn(&mut EnergyAccount)) {
    // Loading is no answer's.
    if generation == LOAD {
        return with(&mut session.load);
    }
    with(&mut session.energy_account);
    for figures in all_figures(session, ended).filter(|figures| figures.request.0 == generation) {
        with(&mut figures.energy_account);
    }
}

/// The figures of the last answers: in the requests, in those that the session knows no longer, and in the conversation.
fn all_figures<'a>(session: &'a mut Session, ended: &'a mut EndedRequests) -> impl Iterator<Item = &'a mut Figures> {
    let left = ended.unsettled(session.id);
    let turns = session.turns.iter_mut().rev().take(RECENT_TURNS).filter_map(|turn| turn.figures.as_mut());
    let requests = session.requests.iter_mut();
    requests
        .flat_map(|one| std::iter::once(&mut one.figures).chain(one.answer.figures.as_mut()))
        .chain(left)
        .chain(turns)
}

/// Sum up an answer's bill. Uncertainty is the view's to ask for; the sum needs none.
fn settle(figures: &mut Figures, why: &Figure<Watts>) {
    let why = match why {
        Figure::Unknown { reason, remedy } => Figure::Unknown { reason: reason.clone(), remedy: remedy.clone() },
        Figure::Known { .. } => Figure::unknown("the answer was shorter than a sensor's tick"),
    };
    figures.energy =
        figures.energy_account.answer(&settings::Energy::default(), &why).map(|joules| Joules(joules.value));
    figures.metered = Duration::from_secs_f64(figures.energy_account.metered().max(0.0));
}

/// Begin to calibrate the idle baseline.
pub(super) fn calibrate(domain: &mut Domain) -> Result<Vec<Effect>, Refused> {
    let Some(sample) = &domain.machine.sample else {
        return Err(Refused::new(Cause::BUSY, "the sensors have not been read yet"));
    };
    // An estimate has the baseline that the user gave it.
    let is_metered = sample.total().is_some_and(|(_, grade)| grade != Grade::Estimated);
    if !is_metered {
        // The sources beside it say what would mend that.
        let (reason, _) = sample.why_no_power();
        return Err(Refused::new(Cause::Invalid, format!("nothing can be calibrated, {reason}")));
    }
    if domain.sessions.iter().any(Session::is_busy) {
        let reason = "wait for the answers: the baseline is what the machine draws without them";
        return Err(Refused::new(Cause::BUSY, reason));
    }
    let is_loaded = domain.sessions.iter().any(Session::is_loaded);
    let idle = if is_loaded { Idle::Loaded } else { Idle::Empty };
    // By the samples' clock: that of a recording is another one.
    let since = sample.at.uptime;
    domain.attribution.baselines.calibrate(idle, since);
    Ok(Vec::new())
}

/// End a calibration that runs.
pub(super) fn cancel_calibration(domain: &mut Domain) -> Vec<Effect> {
    if domain.attribution.baselines.calibration.take().is_some() {
        notify(domain, "the calibration was cancelled", false);
    }
    Vec::new()
}
