//! How the tabs of the Bench screen are drawn.

use super::tests::{draw, text_of};
use crate::ui::testing as fixture;
use crate::ui::{Action, State};
use domain::settings::GraphStyle;

#[test]
fn the_matrix_and_its_plot_are_readable_in_ascii() {
    let mut state = fixture::scene("suite-running").unwrap();
    state.ui.graphs = GraphStyle::Ascii;
    let text = text_of(&draw(&state, 80, 24));
    assert!(text.contains("++-++>......"), "{text}");
    assert!(text.contains("100 % |") && !text.contains('┤'), "{text}");
}

#[test]
fn many_prompts_show_around_the_selected_one() {
    let mut state = fixture::scene("suite").unwrap();
    let wide = text_of(&draw(&state, 80, 24));
    let prompt = |n: u32| format!("[[prompt]]\ntext = \"{n}?\"\nchecks = [{{ number = {n} }}]");
    let suite = (0..300).map(prompt).collect::<Vec<_>>().join("\n");
    let suite = domain::lab::suite::run::SuiteFile::parse("many".into(), format!("name = \"many\"\n{suite}")).unwrap();
    if let Some(run) = state.domain.suite.as_mut() {
        run.order.suite = std::sync::Arc::new(suite);
        run.models[1].answers.truncate(1);
        run.models[1].answers[0].prompt = "300".to_owned();
    }
    for (prompt, last) in [(0, '·'), (299, '✓')] {
        state.ui.suites.prompt = prompt;
        let text = text_of(&draw(&state, 80, 24));
        let row = text.lines().find(|line| line.contains("▌")).unwrap();
        let glyphs: String = row.chars().filter(|glyph| "·✓✗".contains(*glyph)).collect();
        assert!(glyphs.ends_with(last) && glyphs.chars().count() >= 12, "{prompt}: {row}\n{wide}");
    }
}

#[test]
fn a_suite_without_an_answer_has_no_plot() {
    let state = fixture::scene("suite-running").unwrap();
    let mut none = state.clone();
    if let Some(run) = none.domain.suite.as_mut() {
        run.models.iter_mut().for_each(|one| one.answers.clear());
    }
    assert!(text_of(&draw(&none, 120, 40)).contains("No answers yet."));
    assert!(text_of(&draw(&state, 120, 40)).contains("100 % ┤"));
}

#[test]
fn the_selected_row_of_a_bench_is_the_one_that_the_keys_move_to() {
    let mut state = fixture::scene("bench").unwrap();
    let title = |state: &State| {
        let text = text_of(&draw(state, 120, 40));
        text.lines().find(|line| line.contains("· batch")).unwrap().trim().to_owned()
    };
    let before = title(&state);
    crate::ui::update(&mut state, domain::Moment::default(), crate::ui::Event::Action(Action::Up));
    assert_ne!(title(&state), before);
}
