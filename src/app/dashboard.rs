//! The dashboard's loop: keys, events, frames.
//!
//! A frame is drawn when something changed, at most one in 16 ms; what happens between two frames is taken in one go. A key
//! does not wait for its turn that long.

use std::collections::BTreeMap;
use std::io::{self, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, Event as Input, EventStream, KeyEventKind,
    KeyboardEnhancementFlags, MouseButton, MouseEvent, MouseEventKind, PopKeyboardEnhancementFlags,
    PushKeyboardEnhancementFlags,
};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use futures_util::StreamExt;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::time::{Instant, sleep_until};

use super::clipboard;
use super::external_editor;
use super::front::Front;
use crate::ui::State;
use crate::ui::hits::{self, Gesture, Hit};
use crate::ui::{self, Keymap, Theme, ViewState, view};

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(16);
/// The least time before the frame that answers a key.
const KEY_FRAME: Duration = Duration::from_millis(4);

/// The most events that are taken between two looks at the keyboard.
const BATCH: usize = 256;

/// Run the dashboard until the user leaves or a signal ends it.
#[expect(clippy::too_many_lines, reason = "one loop, whose arms share what it holds")]
pub async fn run(front: &mut Front, keymap: &Keymap, themes: &BTreeMap<String, Theme>) -> io::Result<()> {
    let mut screen = Screen::open(front.state().ui.mouse)?;
    let mut view_state = ViewState::default();
    let mut input = EventStream::new();
    let mut mouse = MouseState::default();
    let mut signals = Signals::new()?;
    // What the last run found is read while the first frame is drawn.
    front.begin();
    // The first frame needs nothing from the disk.
    screen.draw(front.state(), &mut view_state, keymap, themes)?;
    front.started();
    let mut drawn = Instant::now();
    let mut wait = FRAME;
    let mut dirty = false;
    let mut is_shown = false;
    while !front.state().ui.leaving {
        tokio::select! {
            biased;
            key = input.next() => match key {
                Some(Ok(Input::Mouse(event))) => if let Some(event) = mouse.take(event, &view_state.hits) {
                    front.handle(event);
                    wait = KEY_FRAME;
                    dirty = true;
                },
                Some(Ok(event)) => if take(front, keymap, event) {
                    wait = KEY_FRAME;
                    dirty = true;
                },
                // The terminal is gone.
                Some(Err(_)) | None => break,
            },
            signal = signals.next() => match signal {
                Signal::End => break,
                Signal::Suspend => {
                    screen.suspend()?;
                    dirty = true;
                }
                Signal::Resumed => {
                    screen.take()?;
                    dirty = true;
                }
            },
            () = sleep_until(drawn + wait), if dirty => {
                screen.draw(front.state(), &mut view_state, keymap, themes)?;
                // Only a frame knows how many lines a text takes; what was scrolled beyond it is taken back.
                if let Some(limit) = view_state.scroll_limit {
                    front.handle(ui::Event::ScrollLimit(limit));
                }
                drawn = Instant::now();
                wait = FRAME;
                dirty = false;
                if !is_shown && !front.state().domain.library.models.is_empty() {
                    is_shown = true;
                    front.shown();
                }
            }
            event = front.next() => {
                front.take(event);
                for _ in 0..BATCH {
                    let Some(event) = front.try_next() else { break };
                    front.take(event);
                }
                dirty = true;
            }
        }
        if front.state().ui.suspending {
            screen.suspend()?;
            front.handle(ui::Event::Redraw);
            dirty = true;
        }
        front.settle().await;
        if let Some(text) = front.take_external_edit() {
            // Two readers of one terminal would share its keys.
            drop(input);
            restore();
            let edited = edit_externally(front, &text).await;
            screen.take()?;
            input = EventStream::new();
            match edited {
                Ok(Some(text)) => front.handle(ui::Event::Edited(text)),
                Ok(None) => {}
                Err(error) => front.notify(error.to_string(), true),
            }
            dirty = true;
        }
        if let Some(text) = front.take_clipboard() {
            clipboard::copy(&mut stdout(), &text)?;
            front.notify("copied, if the terminal allows it".to_owned(), false);
            dirty = true;
        }
    }
    Ok(())
}

/// Have the user write in an editor of their own, which has the terminal meanwhile; `None` where nothing was changed. What
/// happens meanwhile is taken.
async fn edit_externally(front: &mut Front, text: &str) -> io::Result<Option<String>> {
    let mut editing = external_editor::begin(text)?;
    loop {
        tokio::select! {
            ended = editing.wait() => return ended,
            event = front.next() => front.take(event),
        }
    }
}

/// Take what the terminal says. Gives whether anything may have changed.
fn take(front: &mut Front, keymap: &Keymap, input: Input) -> bool {
    match input {
        Input::Key(key) if key.kind != KeyEventKind::Release => match keymap.resolve(front.state(), key) {
            Some(event) => front.handle(event),
            None => return false,
        },
        Input::Paste(text) => front.handle(ui::Event::Text(text)),
        Input::Resize(..) | Input::FocusGained => front.handle(ui::Event::Redraw),
        _ => return false,
    }
    true
}

/// The longest time between the two presses of a double click.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);

/// What of the mouse decides on what it does next.
#[derive(Default)]
struct MouseState {
    /// Where and when the button was pressed last.
    pressed: Option<(u16, u16, Instant)>,
    /// The part on which it is held down.
    held: Option<Hit>,
}

impl MouseState {
    /// What the screen is told of it; `None` where it is of no interest: a mouse that only moves costs no frame.
    fn take(&mut self, event: MouseEvent, all: &[Hit]) -> Option<ui::Event> {
        let (column, row) = (event.column, event.row);
        let (gesture, hit) = match event.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                let now = Instant::now();
                let is_again = self
                    .pressed
                    .is_some_and(|(x, y, at)| (x, y) == (column, row) && now.duration_since(at) < DOUBLE_CLICK);
                // A third press begins anew.
                self.pressed = (!is_again).then_some((column, row, now));
                self.held = hits::at(all, column, row);
                (if is_again { Gesture::DoubleClick } else { Gesture::Click }, self.held?)
            }
            MouseEventKind::Drag(MouseButton::Left) => (Gesture::Drag, self.held?),
            MouseEventKind::Up(_) => {
                self.held = None;
                return None;
            }
            MouseEventKind::ScrollUp => (Gesture::Wheel(-1), hits::at(all, column, row)?),
            MouseEventKind::ScrollDown => (Gesture::Wheel(1), hits::at(all, column, row)?),
            _ => return None,
        };
        Some(ui::Event::Mouse(hit.pointed(gesture, column, row)))
    }
}

/// Asks the terminal for presses, drags and the wheel, in the form that knows wide screens. crossterm's own command asks for
/// every movement as well, which nothing here needs and a slow line would carry.
struct ListenToMouse;

impl crossterm::Command for ListenToMouse {
    fn write_ansi(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        f.write_str("\x1b[?1000h\x1b[?1002h\x1b[?1006h")
    }
}

/// The terminal while the dashboard has it; given back when dropped, also by a panic.
struct Screen {
    terminal: Terminal<CrosstermBackend<io::Stdout>>,
}

impl Screen {
    fn open(mouse: bool) -> io::Result<Self> {
        MOUSE.store(mouse, Ordering::Relaxed);
        let before = std::panic::take_hook();
        let main = std::thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            // Any other thread ends alone: what it gave is kept, the log has it, and the dashboard shows a notice.
            if std::thread::current().id() == main {
                restore();
            }
            before(panic);
        }));
        enter()?;
        // From here on the terminal must be restored, whatever fails.
        let guard = Restore;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        std::mem::forget(guard);
        Ok(Self { terminal })
    }

    /// Give the terminal back and stop, as the shell's `ctrl-z` wants it. Returns when the shell continues the program.
    fn suspend(&mut self) -> io::Result<()> {
        restore();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
        self.take()
    }

    /// Take the terminal again after something else had it, and draw all of it with the next frame.
    fn take(&mut self) -> io::Result<()> {
        // Whoever had it may have left it in another mode than the one that we know of.
        restore();
        enter()?;
        execute!(stdout(), Clear(ClearType::All))?;
        // One that knows of no cell draws all of them. `Terminal::clear` asks where the cursor is, and waits for an answer.
        self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(())
    }

    fn draw(
        &mut self,
        state: &State,
        view_state: &mut ViewState,
        keymap: &Keymap,
        themes: &BTreeMap<String, Theme>,
    ) -> io::Result<()> {
        let fallback = Theme::monochrome();
        let theme = themes.get(&state.ui.theme).unwrap_or(&fallback);
        self.terminal.draw(|frame| {
            let area = frame.area();
            let cursor = view(state, view_state, theme, keymap, area, frame.buffer_mut());
            if let Some(cursor) = cursor {
                frame.set_cursor_position(cursor);
            }
        })?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal when dropped.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether the terminal is ours. A panic restores it before it unwinds, and a second time would move the cursor over
/// what was printed in between.
static OURS: AtomicBool = AtomicBool::new(false);

/// Whether the mouse is listened to while it is.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Take the terminal.
fn enter() -> io::Result<()> {
    OURS.store(true, Ordering::Relaxed);
    let guard = Restore;
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
    if MOUSE.load(Ordering::Relaxed) {
        execute!(stdout(), ListenToMouse)?;
    }
    // Terminals that know it tell Shift-Enter from Enter; the others ignore it.
    execute!(stdout(), PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES))?;
    std::mem::forget(guard);
    Ok(())
}

/// Give the terminal back as it was. Errors are of no use: it may be gone.
fn restore() {
    if !OURS.swap(false, Ordering::Relaxed) {
        return;
    }
    let mut out = stdout();
    let _ = execute!(
        out,
        PopKeyboardEnhancementFlags,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
    let _ = out.flush();
}

/// What a signal asks for.
enum Signal {
    /// End in order.
    End,
    /// Give the terminal back and stop.
    Suspend,
    /// Something stopped the program without asking, and it goes on.
    Resumed,
}

/// The signals that the dashboard answers.
struct Signals {
    /// SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGABRT.
    ends: [tokio::signal::unix::Signal; 5],
    suspend: tokio::signal::unix::Signal,
    resumed: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        let of = |kind: Signal| signal(SignalKind::from_raw(kind.as_raw()));
        Ok(Self {
            ends: [of(Signal::TERM)?, of(Signal::HUP)?, of(Signal::INT)?, of(Signal::QUIT)?, of(Signal::ABORT)?],
            suspend: of(Signal::TSTP)?,
            resumed: of(Signal::CONT)?,
        })
    }

    async fn next(&mut self) -> Signal {
        let [term, hup, int, quit, abort] = &mut self.ends;
        tokio::select! {
            _ = term.recv() => Signal::End,
            _ = hup.recv() => Signal::End,
            _ = int.recv() => Signal::End,
            _ = quit.recv() => Signal::End,
            _ = abort.recv() => Signal::End,
            _ = self.suspend.recv() => Signal::Suspend,
            _ = self.resumed.recv() => Signal::Resumed,
        }
    }
}
