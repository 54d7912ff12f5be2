use super::*;
use crate::ui::Screen;
use crate::ui::testing as fixture;
use crate::ui::{State, update};
use domain::Event;

/// The fixture's sessions over some seconds, one of them answering.
fn frames(count: u64) -> Vec<Frame> {
    let mut state = fixture::busy();
    (0..count)
        .map(|second| {
            for session in state.domain.sessions.iter_mut().take(1) {
                session.n_generated += 40;
            }
            let mut frame = Frame::of(&state.domain).unwrap();
            (frame.uptime_ms, frame.unix) = (1000 * second, 1_764_000_000 + second.cast_signed());
            frame
        })
        .collect()
}

fn recorded(frames: &[Frame]) -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new(), Duration::from_secs(1)).unwrap();
    for frame in frames {
        recorder.write(frame).unwrap();
    }
    recorder.file
}

fn read(bytes: &[u8]) -> (Vec<Frame>, Option<Fault>) {
    let mut frames = Vec::new();
    let mut recording = match Recording::new(bytes) {
        Ok(recording) => recording,
        Err(fault) => return (frames, Some(fault)),
    };
    loop {
        match recording.tick() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(fault) => return (frames, Some(fault)),
        }
    }
}

#[test]
fn what_was_recorded_is_read_again() {
    let frames = frames(20);
    let bytes = recorded(&frames);
    let (again, fault) = read(&bytes);
    assert_eq!(fault, None);
    // The moment stands beside the sample, and is put back by the replay.
    let bare = |frame: &Frame| {
        let mut frame = frame.clone();
        frame.sample.at = domain::Moment::default();
        frame
    };
    assert_eq!(again, frames.iter().map(bare).collect::<Vec<_>>());
    let (first, all) = (recorded(&frames[..1]).len(), bytes.len());
    assert!(all - first < 19 * first * 7 / 10, "a line names what changed: {first} bytes, then {}", (all - first) / 19);
}

#[test]
fn a_damaged_or_newer_file_says_line_and_reason() {
    let whole = recorded(&frames(3));
    let text = String::from_utf8(whole.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let broken = format!("{}\n{}\nnot json\n", lines[0], lines[1]);
    let empty = format!("{}\n{{}}\n", lines[0]);
    let long = format!("{}\n{}", lines[0], " ".repeat(MAX_LINE as usize));
    for (bytes, n_frames, expected) in [
        (&b""[..], 0, "line 1 of the recording: the file is empty"),
        (b"hello\n", 0, "line 1 of the recording: this is no recording of taffrail"),
        (
            b"{\"taffrail\":\"top\",\"version\":1,\"interval_ms\":1}\n",
            0,
            "line 1 of the recording: this is no recording",
        ),
        (newer.as_bytes(), 0, "line 1 of the recording: version 2 is newer than this program, which reads 1"),
        (&whole[..whole.len() - 5], 2, "line 4 of the recording: it is cut off"),
        (broken.as_bytes(), 1, "line 3 of the recording: it can't be read: expected ident"),
        (empty.as_bytes(), 0, "line 2 of the recording: it can't be read: missing field"),
        (long.as_bytes(), 0, "line 2 of the recording: it is too long for a recording"),
    ] {
        let (frames, fault) = read(bytes);
        let fault = fault.unwrap().to_string();
        assert!(fault.starts_with(expected), "{fault}");
        assert_eq!(frames.len(), n_frames, "{fault}");
    }
}

/// Takes so many bytes and no more, as a full disk does.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_of_the_recording_alone() {
    let mut recorder = Recorder::new(Full(20_000), Duration::from_secs(1)).unwrap();
    let results: Vec<_> = frames(50).iter().map(|frame| recorder.write(frame).map_err(|error| error.kind())).collect();
    assert_eq!((results.first(), results.last()), (Some(&Ok(())), Some(&Err(io::ErrorKind::StorageFull))));
}

#[test]
fn a_recording_drives_the_real_state() {
    let mut state = State::new(fixture::empty().domain.settings.clone(), Vec::new());
    state.ui.screen = Screen::Fleet;
    for frame in frames(20) {
        let now = state.domain.now;
        assert_eq!(update(&mut state, now, Event::Frame(Box::new(frame))), []);
    }
    let sessions = &state.domain.sessions;
    assert_eq!(
        sessions.iter().map(|session| session.name.as_str()).collect::<Vec<_>>()[..2],
        ["qwen3-8b", "r1-qwen-1.5b"]
    );
    assert_eq!(state.ui.fleet.rows.len(), 5);
    assert_eq!(sessions[0].throughput.window(20, 0).collect::<Vec<_>>()[..2], [Some(0.0), Some(40.0)]);
    assert_eq!(sessions[0].figures().energy.value().map(|joules| joules.0), Some(812.0));
    assert_eq!(state.domain.machine.sample.as_ref().map(|sample| sample.at.unix), Some(1_764_000_019));
    // A session that has ended is gone, and its throughput stays in the sum.
    let mut last = frames(1).remove(0);
    last.sessions.remove(0);
    let now = state.domain.now;
    update(&mut state, now, Event::Frame(Box::new(last)));
    assert_eq!(
        (state.domain.sessions.len(), state.domain.machine.throughput.window(2, 0).next()),
        (4, Some(Some(40.0)))
    );
}
