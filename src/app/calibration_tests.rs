//! The idle baseline from the key to the file and back, over the real loop, the real sampler and a counter that moves.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use tokio::time::timeout;

use super::*;
use crate::ui::Screen;
use crate::ui::{Keymap, Theme, ViewState, view};

/// Nothing here takes as long, unless it hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many times faster time goes: the half minute that a calibration watches takes three seconds.
const RATE: u32 = 10;

/// What the machine draws without work, in watts.
const IDLE: f64 = 40.0;

/// A program over a machine with one package, whose counter goes on with the program's clock.
struct Machine {
    app: App,
    keymap: Keymap,
    root: PathBuf,
    clock: Clock,
}

impl Machine {
    fn start(root: &Path, data: &Path) -> Self {
        let mut settings = Settings::default();
        settings.telemetry.interval = Duration::from_millis(250);
        settings.history.keep = false;
        let (keymap, _) = Keymap::new(&settings.keys);
        let zone = root.join("sys/class/powercap/intel-rapl:0");
        std::fs::create_dir_all(&zone).unwrap();
        std::fs::write(zone.join("name"), "package-0").unwrap();
        std::fs::write(zone.join("max_energy_range_uj"), "262143328850").unwrap();
        let clock = Clock::fast(RATE);
        let program = Program { path: "/bin/false".into(), arguments: Vec::new(), machine: None };
        let mut app = App::over(root.to_owned(), clock, settings, Vec::new(), program).unwrap();
        // By the clock that flies a tick is this long.
        app.state.domain.settings.telemetry.interval *= RATE;
        app.data = Some(data.to_owned());
        app.state.ui.screen = Screen::Machine;
        app.recall_baselines();
        Self { app, keymap, root: root.to_owned(), clock }
    }

    /// Let the loop go on until a condition holds.
    async fn run(&mut self, what: &str, until: impl Fn(&State) -> bool) {
        let go_on = async {
            while !until(&self.app.state) {
                self.count();
                let event = self.app.next().await;
                self.app.handle(event);
            }
        };
        timeout(PATIENCE, go_on).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
    }

    /// Move the counter on. A reader finds the old file or the new one.
    fn count(&self) {
        let microjoules = self.clock.now().uptime.as_secs_f64() * IDLE * 1e6;
        let counter = self.root.join("sys/class/powercap/intel-rapl:0/energy_uj");
        std::fs::write(counter.with_extension("new"), format!("{microjoules:.0}")).unwrap();
        std::fs::rename(counter.with_extension("new"), counter).unwrap();
    }

    fn press(&mut self, key: char) {
        let event = self.keymap.resolve(&self.app.state, KeyEvent::from(KeyCode::Char(key)));
        self.app.handle(event.expect("the key does something here"));
    }

    /// The row of the Machine screen that begins like this.
    fn drawn(&self, begin: &str) -> String {
        let area = Rect::new(0, 0, 160, 60);
        let mut buffer = Buffer::empty(area);
        let (state, theme) = (&self.app.state, Theme::monochrome());
        view(state, &mut ViewState::default(), &theme, &self.keymap, area, &mut buffer);
        let rows = buffer.content.chunks(usize::from(area.width));
        let mut rows = rows.map(|cells| cells.iter().map(Cell::symbol).collect::<String>());
        rows.find_map(|row| row.split_once(begin).map(|(_, rest)| rest.trim().to_owned())).unwrap_or_default()
    }

    fn notices(&self) -> Vec<&str> {
        self.app.state.ui.notices.iter().map(|notice| &*notice.text).collect()
    }
}

#[tokio::test]
async fn the_key_calibrates_and_the_next_start_knows_it() {
    let (root, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kept = data.path().join("energy-baselines.json");
    let mut machine = Machine::start(root.path(), data.path());
    let has_power =
        |state: &State| state.domain.machine.sample.as_ref().is_some_and(|sample| sample.total_power().is_some());
    machine.run("a first reading", has_power).await;
    assert!(machine.app.state.domain.attribution.baselines.known.is_empty());
    machine.press('C');
    let watched = |state: &State| state.domain.attribution.baselines.calibration.map(|calibration| calibration.watched);
    machine.run("its progress", |state| watched(state).is_some_and(|watched| !watched.is_zero())).await;
    let row = machine.drawn("calibrating ");
    assert!(row.contains("of 30 s without an answer, empty"), "{row}");
    assert!(!kept.exists(), "nothing is kept before it is complete");
    machine.run("its end", |state| watched(state).is_none()).await;
    assert!(machine.notices().contains(&"the idle baseline is calibrated"), "{:?}", machine.notices());
    let of = |state: &State| {
        let [baseline] = &state.domain.attribution.baselines.known[..] else { panic!("one meter, one baseline") };
        assert!(baseline.is_calibrated && baseline.meter == "package-0", "{baseline:?}");
        baseline.watts
    };
    let watts = of(&machine.app.state);
    // The counter is read a little after it was moved, so its ends are not sharp.
    assert!((IDLE * 0.8..IDLE * 1.2).contains(&watts.0), "{watts}");
    let row = machine.drawn("idle package-0 ");
    assert!(row.starts_with(&format!("{watts} empty, calibrated ")), "{row}");
    machine.app.shut_down().await;

    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text.contains("\"package-0\"") && text.contains("\"is_calibrated\": true"), "{text}");
    let mut next = Machine::start(root.path(), data.path());
    assert_eq!(of(&next.app.state), watts, "known before anything was measured");
    next.run("its use", |state| state.domain.attribution.tally.idle > 0.0).await;
    assert!(next.drawn("idle package-0 ").contains("calibrated "));
    assert!(next.drawn("power goes to ").contains("idle "), "{}", next.drawn("power goes to "));
    next.app.shut_down().await;
}

#[tokio::test]
async fn a_second_press_ends_it_and_keeps_nothing() {
    let (root, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut machine = Machine::start(root.path(), data.path());
    let has_power =
        |state: &State| state.domain.machine.sample.as_ref().is_some_and(|sample| sample.total_power().is_some());
    machine.run("a first reading", has_power).await;
    machine.press('C');
    machine.press('C');
    assert_eq!(machine.notices().last(), Some(&"the calibration was cancelled"));
    assert_eq!(machine.app.state.domain.attribution.baselines.calibration, None);
    machine.app.shut_down().await;
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0);
}
