//! Text from outside that would leave its cells.

use super::*;

/// Everything that an outsider can name or say, in one state.
pub(super) fn hostile() -> State {
    const TEXT: &str = "a\x1b[31mb\x1b]0;title\x07c\r\nd\u{202e}e\u{200b}\u{9b}2Jf\tg\u{feff}\x7fh\u{2066}i\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}";
    let mut state = fixture::busy();
    state.domain.library.models = state
        .domain
        .library
        .models
        .iter()
        .map(|model| {
            let mut model = domain::model::Model::clone(model);
            model.name = TEXT.to_owned();
            model.note = Some(TEXT.to_owned());
            model.repository = Some(TEXT.to_owned());
            for file in &mut model.files {
                file.path = TEXT.into();
            }
            if let Some(summary) = &mut model.summary {
                for text in [&mut summary.license, &mut summary.architecture, &mut summary.quant] {
                    *text = Some(TEXT.to_owned());
                }
                summary.base_models = vec![TEXT.to_owned()];
                for share in &mut summary.types {
                    share.name = TEXT.to_owned();
                }
            }
            std::sync::Arc::new(model)
        })
        .collect();
    for store in &mut state.domain.library.stores {
        store.problems = vec![TEXT.to_owned(); 9];
    }
    state.ui.fleet.folds = state.domain.sessions.iter().map(|session| (session.id, false)).collect();
    for session in &mut state.domain.sessions {
        session.name = TEXT.to_owned();
        session.log = vec![TEXT.to_owned(); 50];
        session.watts = Figure::unknown(TEXT);
        if let Phase::Failed { reason, hint } = &mut session.phase {
            *reason = TEXT.to_owned();
            *hint = Some(TEXT.to_owned());
        }
        for turn in &mut session.turns {
            turn.text = TEXT.repeat(3);
            turn.reasoning = TEXT.repeat(3);
        }
        if let Some(turn) = session.turns.last_mut() {
            turn.end = Some(End::failed(TEXT));
        }
    }
    state.ui.fleet.prompts.insert(SessionId(1), crate::ui::editor::Editor::with_text(TEXT));
    if let Some(sample) = &mut state.domain.machine.sample {
        sample.host.name = TEXT.to_owned();
        for source in &mut sample.sources {
            source.name = TEXT.to_owned();
            source.covers = TEXT.to_owned();
            source.reading = Figure::Unknown { reason: TEXT.to_owned(), remedy: Some(TEXT.to_owned()) };
        }
        for disk in &mut sample.disks {
            disk.mount = TEXT.to_owned();
        }
        for gpu in &mut sample.gpus {
            gpu.name = TEXT.to_owned();
        }
    }
    state.ui.notices.push_back(Notice { text: TEXT.to_owned(), is_error: true, at: state.domain.now, actions: &[] });
    state
}

#[test]
fn hostile_text_never_reaches_a_cell() {
    let mut state = hostile();
    let overlays = SCENES.iter().filter_map(|scene| fixture::scene(scene).unwrap().ui.overlay).map(Some).chain([None]);
    let overlays: Vec<_> = overlays.collect();
    for overlay in overlays {
        state.ui.overlay = overlay;
        for (screen, ..) in Screen::ALL {
            state.ui.screen = screen;
            for (tab, _) in SessionTab::ALL {
                state.ui.fleet.tab = tab;
                for (columns, rows) in [(80, 24), (160, 50)] {
                    let buffer = draw(&state, columns, rows);
                    for cell in &buffer.content {
                        let symbol = cell.symbol();
                        let bad = |c: char| {
                            c.is_control()
                                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
                        };
                        assert!(!symbol.chars().any(bad), "{symbol:?}");
                        assert!(symbol.chars().count() <= 8, "{symbol:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn wide_characters_leave_columns_where_they_are() {
    let mut state = fixture::busy();
    state.domain.sessions[1].name = "模型的名字很长很长很长很长很长很长很长很长".to_owned();
    state.domain.sessions[2].name = "🐳🐳 café".to_owned();
    for (columns, rows) in [(80, 24), (121, 40), (200, 50)] {
        let buffer = draw(&state, columns, rows);
        let (x, y) = find(&buffer, "State").unwrap();
        for (row, glyph) in ["●", "●", "○", "◐", "✕"].into_iter().zip(y + 1..).map(|(glyph, row)| (row, glyph))
        {
            assert_eq!(buffer[(x, row)].symbol(), glyph, "{columns}×{rows}\n{}", text_of(&buffer));
        }
    }
}
