//! Energy is neither made nor lost.

use domain::energy::{EnergyAccount, EnergyUsed, estimated};
use domain::machine::{Domain as Meter, Sample};
use domain::session::Session;
use domain::{Domain, Event};

/// Sums of floating point may be off by this share.
const TOLERANCE: f64 = 1e-9;

/// What was booked before an event.
#[derive(Debug, Default)]
pub(crate) struct Books {
    measured: f64,
    sessions: f64,
    standby: f64,
    benched: f64,
    /// By the meters of this event.
    metered: Option<f64>,
}

impl Books {
    pub(crate) fn before(&mut self, domain: &Domain, event: &Event) {
        self.metered = match event {
            Event::Sample(sample) => Some(metered(domain, sample)),
            _ => None,
        };
        let total = &domain.attribution.total;
        self.measured = total.measured();
        if self.metered.is_some() {
            (self.sessions, self.standby) = (charged(domain), standby(domain));
            self.benched = benched(domain);
        }
    }

    pub(crate) fn after(&self, domain: &Domain, event: &Event) {
        let measured = domain.attribution.total.measured();
        let Some(metered) = self.metered else {
            assert!((measured - self.measured).abs() <= TOLERANCE, "energy without a reading: {event:?}");
            return;
        };
        let tally = &domain.attribution.tally;
        let slack = TOLERANCE * (1.0 + measured.abs());
        let new = measured - self.measured;
        assert!((new - metered).abs() <= slack, "{new} J were booked where the meters measured {metered} J");
        for (owner, joules) in [
            ("sessions", tally.sessions),
            ("other programs", tally.foreign),
            ("standby", tally.standby),
            ("idle", tally.idle),
            ("nobody", tally.unattributed),
        ] {
            assert!(joules >= -slack, "{joules} J for {owner}");
        }
        // Sessions that a tick refuses had nothing; what ended within it is booked to nobody here.
        let charged = charged(domain) - self.sessions;
        assert!(charged <= tally.sessions + slack, "{charged} J are charged of {} J", tally.sessions);
        let benched = benched(domain) - self.benched;
        assert!(benched <= tally.sessions + slack, "a bench is charged {benched} J of {} J", tally.sessions);
        let standby = standby(domain) - self.standby;
        assert!(standby <= tally.standby + slack, "{standby} J of standby of {} J", tally.standby);
        for session in &domain.sessions {
            let own = answers(session);
            let whole = gross(&session.energy_account);
            assert!(own <= whole + slack, "the answers of {} have {own} J of {whole} J", session.name);
        }
    }
}

/// What the meters of a sample measured, of those that overlap no other.
fn metered(domain: &Domain, sample: &Sample) -> f64 {
    let elapsed = sample.elapsed.as_secs_f64();
    if elapsed <= 0.0 {
        return 0.0;
    }
    let estimate = estimated(sample, &domain.settings.energy);
    let parts = sample
        .power
        .iter()
        .chain(&estimate)
        .filter(|power| power.adds && matches!(power.domain, Meter::Package(_) | Meter::Dram(_) | Meter::Gpu(_)));
    let energy = parts.filter_map(|power| {
        let by_power = power.watts.value().map(|watts| watts.0 * elapsed);
        power.energy.map(|energy| energy.0).or(by_power)
    });
    energy.filter(|joules| joules.is_finite() && *joules >= 0.0).sum()
}

fn gross(energy_account: &EnergyAccount) -> f64 {
    let spent = |spent: &EnergyUsed| spent.charges.iter().map(|charge| charge.gross).sum::<f64>();
    spent(&energy_account.prompt) + spent(&energy_account.generation)
}

fn charged(domain: &Domain) -> f64 {
    domain.sessions.iter().map(|session| gross(&session.energy_account) + gross(&session.load)).sum()
}

fn standby(domain: &Domain) -> f64 {
    domain.sessions.iter().map(|session| session.standby.0).sum()
}

fn benched(domain: &Domain) -> f64 {
    let rows = domain.bench.rows.iter().flat_map(|row| row.repetitions.iter().chain(&row.aside));
    let rows = rows.map(|one| gross(&one.energy_account));
    rows.chain(domain.bench.trial.iter().map(|trial| gross(&trial.energy_account))).sum()
}

/// What a session's answers were charged that still stand in its conversation.
fn answers(session: &Session) -> f64 {
    let turns = session.turns.iter().filter_map(|turn| turn.figures.as_ref());
    let requests = session.requests.iter().map(|request| &request.figures);
    let others = requests.filter(|figures| !turns.clone().any(|turn| turn.request == figures.request));
    turns.clone().chain(others).map(|figures| gross(&figures.energy_account)).sum()
}
