//! Waits until what an answer took of energy is booked.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::energy::Metered;
use super::handle::{Ending, Meter};
use domain::request::RequestId;
use domain::requests;

/// How often an answer that has ended is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The shortest time that the next reading of the sensors is waited for, and the longest: a sensor that fails must not hold
/// up answers.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// An answer that has ended, whose energy is being waited for.
#[derive(Debug)]
pub(super) struct Settling {
    pub(super) choice: usize,
    pub(super) ending: Box<Ending>,
    pub(super) request: RequestId,
    pub(super) meter: Meter,
    pub(super) since: Instant,
}

impl Settling {
    /// Wait until all of its energy is booked, or for long enough. May be given up and called again.
    pub(super) async fn settle(&mut self) {
        loop {
            let request = self.request;
            let read = self.meter.handle.read(move |domain| {
                let row = requests::find(&domain.sessions, &domain.ended_requests, request);
                let figures = row.map(|row| row.figures.clone());
                (figures, domain.settings.energy.clone(), domain.settings.telemetry.interval)
            });
            // The program is ending.
            let Ok((figures, settings, interval)) = read.await else { return };
            let is_asked = self.meter.is_asked;
            let metered = match figures {
                None => Metered::unknown("the request is no longer known", settings, is_asked),
                Some(figures) if figures.is_settled => Metered::of(figures, settings, is_asked),
                Some(_) if self.since.elapsed() > (interval * 3).clamp(PATIENCE.0, PATIENCE.1) => {
                    let reason = "the sensors were not read in time after the end of the answer";
                    Metered::unknown(reason, settings, is_asked)
                }
                Some(_) => {
                    sleep(LOOK).await;
                    continue;
                }
            };
            self.ending.metered = Some(metered);
            return;
        }
    }
}
