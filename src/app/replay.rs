//! A recording as a source of events: each tick at its time, by a speed.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::recording::{Fault, Recording};
use domain::Event;
use domain::record::trace::Frame;

/// Frames that are read ahead.
const AHEAD: usize = 16;

/// A recording that plays.
#[derive(Debug)]
pub struct Replay {
    /// The time between two ticks of the recording.
    pub interval: Duration,
    frames: mpsc::Receiver<Result<Frame, Fault>>,
    next: Option<Frame>,
    /// When the first frame was shown, and its time.
    begin: Option<(Instant, u64)>,
    speed: f64,
    told: bool,
}

impl Replay {
    /// Open a recording, to be played so many times as fast as it was made. A thread reads ahead, so that a slow disk
    /// holds up no key.
    pub fn open(path: &Path, speed: f64) -> std::io::Result<Self> {
        let mut recording = Recording::open(path)?;
        let interval = recording.interval;
        let (sender, frames) = mpsc::channel(AHEAD);
        std::thread::Builder::new().name("recording".to_owned()).spawn(move || {
            while let Some(next) = recording.tick().transpose() {
                let is_over = next.is_err();
                if sender.blocking_send(next).is_err() || is_over {
                    return;
                }
            }
        })?;
        Ok(Self { interval, frames, next: None, begin: None, speed, told: false })
    }

    /// The next thing that happens. It may be called again after it was dropped halfway.
    pub(super) async fn next(&mut self) -> Event {
        if self.next.is_none() {
            match self.frames.recv().await {
                Some(Ok(frame)) => self.next = Some(frame),
                Some(Err(fault)) => {
                    self.told = true;
                    return Event::Failed(format!("the recording ends here: {fault}"));
                }
                None if !self.told => {
                    self.told = true;
                    return Event::Notice("the recording has ended".to_owned());
                }
                None => std::future::pending().await,
            }
        }
        let time = self.next.as_ref().map_or(0, |frame| frame.uptime_ms);
        let (start, first) = *self.begin.get_or_insert((Instant::now(), time));
        let after = Duration::from_millis(time.saturating_sub(first)).div_f64(self.speed);
        sleep_until(start + after).await;
        self.next.take().map_or(Event::Elapsed, |frame| Event::Frame(Box::new(frame)))
    }
}
