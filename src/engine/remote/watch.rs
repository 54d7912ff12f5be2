//! Asking engines again and again: what they have, and how much they do. Each has a task of its own, so that one that hangs
//! delays nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::Client;
use super::find::{Engines, Found};
use super::metrics;
use domain::engine_metrics::{EngineNews, EngineReading, EngineSilence};
use domain::event::LibraryEvent;
use domain::model::remote::EngineKind;
use domain::settings::Settings;

/// The time between two looks at what the engines have.
const LIST_EVERY: Duration = Duration::from_secs(30);

/// The time between two looks at how much one does.
const EVERY: Duration = Duration::from_secs(2);

/// The longest time between two looks at one that fails, or that has no counters.
const LONGEST: Duration = Duration::from_mins(1);

/// A llama-server that is still for so long is looked at less and less, for it would never sleep.
const STILL: Duration = Duration::from_mins(1);

/// The longest time between two looks at its counters then.
const LONGEST_STILL: Duration = Duration::from_mins(20);

/// Which engines are worth asking how much they do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// All of them: a screen shows them.
    pub all: bool,
    /// Those that have a session.
    pub engines: BTreeSet<String>,
    /// Of these, those that answer us now.
    pub busy: BTreeSet<String>,
}

impl Wanted {
    fn has(&self, engine: &str) -> bool {
        self.all || self.engines.contains(engine)
    }
}

/// Ask all engines until no one listens.
pub async fn watch(settings: Settings, wanted: watch::Receiver<Wanted>, news: mpsc::Sender<LibraryEvent>) {
    let mut watcher = Watcher { settings, wanted, news, engines: Engines::default(), pollers: HashMap::new() };
    let mut n_before = 0;
    loop {
        let mut round = watcher.engines.begin(&watcher.settings).await;
        let n_asked = round.len();
        let mut is_new = n_asked < n_before;
        n_before = n_asked;
        // What one says is told before another has answered.
        while let Some((access, answer)) = round.next().await {
            is_new |= watcher.engines.take(&access, answer);
            watcher.follow();
            if std::mem::take(&mut is_new) && !watcher.tell().await {
                return;
            }
        }
        // None may be left.
        if is_new && !watcher.tell().await {
            return;
        }
        tokio::select! {
            () = sleep(LIST_EVERY) => {}
            () = watcher.news.closed() => return,
        }
    }
}

struct Watcher {
    settings: Settings,
    wanted: watch::Receiver<Wanted>,
    news: mpsc::Sender<LibraryEvent>,
    engines: Engines,
    /// A task for each engine that has answered. One that is dropped ends.
    pollers: HashMap<String, (Client, JoinSet<()>)>,
}

impl Watcher {
    /// Have each engine that is known asked by a task of its own.
    fn follow(&mut self) {
        let Self { engines, pollers, wanted, news, .. } = self;
        pollers.retain(|_, (client, _)| engines.clients().any(|known| known.is_like(client)));
        for client in engines.clients() {
            pollers.entry(client.name.clone()).or_insert_with(|| {
                let mut task = JoinSet::new();
                task.spawn(poll(client.clone(), wanted.clone(), news.clone()));
                (client.clone(), task)
            });
        }
    }

    /// Tell what the engines have; gives whether anybody listens.
    async fn tell(&mut self) -> bool {
        self.follow();
        let Found { models, stores } = self.engines.found(&self.settings);
        self.news.send(LibraryEvent::Remotes { models, stores }).await.is_ok()
    }
}

/// Ask one engine as long as it is wanted.
async fn poll(client: Client, mut wanted: watch::Receiver<Wanted>, news: mpsc::Sender<LibraryEvent>) {
    let mut pace = Pace::default();
    let mut last: Option<Instant> = None;
    loop {
        if wanted.wait_for(|wanted| wanted.has(&client.name)).await.is_err() {
            return;
        }
        let begun = Instant::now();
        let is_busy = wanted.borrow().busy.contains(&client.name);
        let answer = if client.kind() == EngineKind::LlamaServer && !is_busy && pace.spares(begun) {
            if !metrics::sleeps(&client).await {
                sleep_until(begun + EVERY).await;
                continue;
            }
            Ok(EngineReading { is_asleep: true, ..EngineReading::default() })
        } else {
            metrics::look(&client).await
        };
        let pause = pace.next(&answer, is_busy, begun);
        let now = Instant::now();
        let after = last.map(|last| now - last);
        last = answer.is_ok().then_some(now);
        let said = EngineNews { engine: client.name.clone(), kind: client.kind(), after, answer };
        if news.send(LibraryEvent::Engine(Box::new(said))).await.is_err() {
            return;
        }
        sleep_until(begun + pause).await;
    }
}

/// How often an engine is asked.
#[derive(Debug, Default)]
struct Pace {
    /// Looks in a row that failed.
    n_failed: u32,
    /// What it said last, and since when nothing has changed in it.
    still: Option<(EngineReading, Instant)>,
    /// When its counters are looked at again, if it is still, and how long that was to take.
    again: Option<(Instant, Duration)>,
}

impl Pace {
    /// Whether its counters are left alone for now.
    fn spares(&self, now: Instant) -> bool {
        // What sleeps is not woken by being asked.
        let is_asleep = self.still.is_some_and(|(reading, _)| reading.is_asleep);
        !is_asleep && self.again.is_some_and(|(again, _)| now < again)
    }

    /// How long to wait, after an answer.
    fn next(&mut self, answer: &Result<EngineReading, EngineSilence>, is_busy: bool, now: Instant) -> Duration {
        match answer {
            Ok(reading) => {
                self.n_failed = 0;
                let since =
                    self.still.filter(|(before, _)| before == reading && !is_busy).map_or(now, |(_, since)| since);
                self.still = Some((*reading, since));
                self.again = (now - since >= STILL).then(|| {
                    let pause = self.again.map_or(EVERY, |(_, pause)| pause * 2).min(LONGEST_STILL);
                    (now + pause, pause)
                });
                EVERY
            }
            Err(EngineSilence::NotReported { .. }) => LONGEST,
            Err(EngineSilence::Failed { .. }) => {
                self.n_failed = self.n_failed.saturating_add(1);
                EVERY.saturating_mul(1 << self.n_failed.min(5)).min(LONGEST)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_asked_less_and_what_is_still_is_left_to_sleep() {
        let failed = Err(EngineSilence::Failed { reason: "gone".to_owned() });
        let silent = Err(EngineSilence::NotReported { reason: "none".to_owned(), remedy: None });
        let reading = |n: f64| Ok(EngineReading { n_generated: Some(n), ..EngineReading::default() });
        let mut pace = Pace::default();
        let now = Instant::now();
        let pauses: Vec<u64> = (0..7).map(|_| pace.next(&failed, false, now).as_secs()).collect();
        assert_eq!(pauses, [4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pace.next(&silent, false, now), LONGEST);
        // Whatever goes on keeps it in view.
        for second in 0..100 {
            assert_eq!(pace.next(&reading(second as f64), false, now + Duration::from_secs(second)), EVERY);
            assert!(!pace.spares(now + Duration::from_secs(second)));
        }
        // Then nothing changes any more.
        let mut at = now + Duration::from_secs(100);
        let mut gaps = Vec::new();
        while gaps.len() < 12 {
            pace.next(&reading(7.0), false, at);
            gaps.extend(pace.again.map(|(_, gap)| gap.as_secs()));
            at = pace.again.map_or(at + EVERY, |(again, _)| again);
        }
        assert_eq!(gaps, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1200, 1200]);
        pace.next(&reading(7.0), true, at);
        assert!(!pace.spares(at), "it answers us");
    }
}
