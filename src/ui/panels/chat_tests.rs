use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::ui::State;
use crate::ui::keymap::Keymap;
use crate::ui::testing as fixture;
use crate::ui::theme::Theme;
use crate::ui::view::view;
use crate::ui::view_state::ViewState;

const ANSWER: &str = "## Two ways\n\nSort by **speed**:\n\n1. `sort_unstable`\n   - no memory of its own\n2. merge\n\n\
    ```rust\nfn main() {\n    let 模型 = 1;\n}\n```\n\n| Name | Speed |\n|---|---:|\n| quick | 12.5 |\n| merge | 7 |";

fn answering(text: &str) -> State {
    let mut state = fixture::crowded(1, 20);
    let session = &mut state.domain.sessions[0];
    session.turns.truncate(1);
    session.turns[0].text = "How do I **sort**?".to_owned();
    session.make_request().answer.text = text.to_owned();
    state
}

fn drawn(state: &State, view_state: &mut ViewState, theme: &Theme, (columns, rows): (u16, u16)) -> Buffer {
    let area = Rect::new(0, 0, columns, rows);
    let mut buffer = Buffer::empty(area);
    view(state, view_state, theme, &Keymap::default(), area, &mut buffer);
    buffer
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let line = |cells: &[ratatui::buffer::Cell]| {
        let mut line = String::new();
        let mut behind = 0;
        for (column, cell) in cells.iter().enumerate().filter(|(column, _)| *column < width) {
            // The second half of a wide character is no cell of its own.
            if column >= behind {
                line.push_str(cell.symbol());
                behind = column + super::text::width(cell.symbol()).max(1);
            }
        }
        line.trim_end().to_owned()
    };
    buffer.content.chunks(width).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_answer_shows_its_markdown() {
    let theme = Theme::load_all(None).0.remove("dark").unwrap();
    for (columns, rows) in [(80, 36), (120, 40)] {
        let text = text(&drawn(&answering(ANSWER), &mut ViewState::default(), &theme, (columns, rows)));
        insta::assert_snapshot!(format!("markdown-{columns}x{rows}"), text);
    }
}

#[test]
fn every_frame_of_an_answer_that_comes_is_as_if_it_were_the_first() {
    let theme = Theme::load_all(None).0.remove("dark").unwrap();
    let other = Theme::monochrome();
    let mut kept = ViewState::default();
    for end in (0..ANSWER.len()).filter(|end| ANSWER.is_char_boundary(*end)) {
        let state = answering(&ANSWER[..end]);
        for (theme, size) in [(&theme, (80, 24)), (&other, (80, 24)), (&theme, (60, 24))] {
            // Every width at times, so that each is drawn from rows of its own as well.
            if size.0 == 80 || end % 9 == 0 {
                assert_eq!(
                    drawn(&state, &mut kept, theme, size),
                    drawn(&state, &mut ViewState::default(), theme, size),
                    "{end}"
                );
            }
        }
    }
}

/// An answer that was given room before is not told to ask for it.
#[test]
fn a_full_context_names_the_setting_that_would_help() {
    let theme = Theme::monochrome();
    for (n_shifted, told, not_told) in
        [(0, "context_full = shift", "a few times"), (1784, "is given room a few times only", "context_full = shift")]
    {
        let mut state = answering("A long answer");
        let answer = &mut state.domain.sessions[0].make_request().answer;
        answer.end = Some(domain::session::End::Finished(wire::Finish::ContextFull));
        let mut figures = domain::request::Figures::default();
        figures.counters.n_shifted = n_shifted;
        answer.figures = Some(figures);
        let text = text(&drawn(&state, &mut ViewState::default(), &theme, (200, 50)));
        let text = text.replace('\n', " ");
        assert!(text.contains(told) && !text.contains(not_told), "{n_shifted}: {text}");
    }
}
