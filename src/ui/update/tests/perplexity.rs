//! The prompt weighed on the Race screen: what is started, what ends it, what is refused.

use wire::{Event as Said, Request};

use super::race::{answer, load, program};
use super::{Program, loaded};
use crate::ui::Action;
use crate::ui::RaceTab;
use domain::event::WorkerEvent;
use domain::lab::perplexity;
use domain::lab::race::Order;
use domain::session::WorkerId;
use domain::{Effect, Event};

/// A race that is over, with models of the same vocabulary, and the heat asked for; gives the workers.
fn heated() -> (Program, [WorkerId; 2]) {
    let mut program = program(&["alpha", "beta"], Order::Together, false);
    load(&mut program, 0);
    load(&mut program, 1);
    answer(&mut program, 0, "so");
    answer(&mut program, 1, "so");
    let effects = program.act(Action::KlHeatmap);
    let [Effect::TempDir(order)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((order.text.as_str(), order.every), ("why?", true));
    program.happens(Event::TempDir(order.clone()));
    let workers = [2, 3].map(|place| program.state.domain.sessions[place].worker);
    for worker in workers {
        program.happens(Event::Worker(worker, WorkerEvent::Message(loaded())));
    }
    (program, workers)
}

/// The chunk that is asked of this worker.
fn asked(effects: &[Effect], of: WorkerId) -> &wire::Score {
    let score = effects.iter().find_map(|effect| match effect {
        Effect::Send { worker, request: Request::Score(score) } if *worker == of => Some(score),
        _ => None,
    });
    score.unwrap_or_else(|| panic!("{effects:?}"))
}

#[test]
fn the_prompt_is_weighed_by_two_columns_and_both_are_stopped() {
    let (mut program, [model, reference]) = heated();
    let score = asked(&program.effects, reference).clone();
    let scored = |score: &wire::Score, divergence: Option<f32>| {
        let weight =
            wire::Weight { bytes: b"why".to_vec(), surprise: 1.0, divergence, agrees: divergence.map(|_| true) };
        let (id, chunk) = (score.id, score.chunk);
        let scored =
            wire::Scored { id, chunk, n_chunks: 1, vocabulary: [5; 32], before: Vec::new(), tokens: vec![weight] };
        WorkerEvent::Message(Said::Scored(Box::new(scored)))
    };
    let effects = program.happens(Event::Worker(reference, scored(&score, None)));
    let score = asked(&effects, model).clone();
    let effects = program.happens(Event::Worker(model, scored(&score, Some(0.3))));
    for worker in [model, reference] {
        assert!(effects.contains(&Effect::Stop { worker }), "{effects:?}");
    }
    assert!(effects.contains(&Effect::RemoveTempDir), "what lay on the disk goes");
    let weighed = program.state.domain.perplexity.as_ref().unwrap();
    assert_eq!(weighed.stage, perplexity::Stage::Done);
    assert_eq!(program.state.ui.race.tab, RaceTab::KlHeatmap);
    // What is known is shown again; the other way round it is not.
    program.act(Action::Back);
    assert_eq!(program.state.ui.race.tab, RaceTab::Answers);
    assert_eq!(program.act(Action::KlHeatmap), []);
    let effects = program.act(Action::NextTab);
    assert!(matches!(&effects[..], [Effect::TempDir(_)]), "{effects:?}");
}

#[test]
fn the_answer_of_the_chosen_column_is_weighed_behind_the_prompt() {
    let (mut program, [model, reference]) = heated();
    let text = |effects: &[Effect]| {
        let order = effects.iter().find_map(|effect| match effect {
            Effect::TempDir(order) => Some(order.text.clone()),
            _ => None,
        });
        order.unwrap_or_else(|| panic!("{effects:?}"))
    };
    let effects = program.act(Action::KlHeatmap);
    assert_eq!(text(&effects), "why?\n\nso");
    for worker in [model, reference] {
        assert!(effects.contains(&Effect::Stop { worker }), "the prompt alone is weighed no more: {effects:?}");
    }
    // It stays so for another column, and a column that has no output leaves the prompt.
    assert_eq!(text(&program.act(Action::NextTab)), "why?\n\nso");
    program.state.domain.race.as_mut().unwrap().columns[0].answer = None;
    assert_eq!(text(&program.act(Action::NextTab)), "why?");
    program.act(Action::NextTab);
    program.act(Action::KlHeatmap);
    assert_eq!(program.state.ui.race.tab, RaceTab::Answers);
    assert_eq!(text(&program.act(Action::KlHeatmap)), "why?", "it begins with the prompt");
}

#[test]
fn leaving_the_heat_ends_what_is_being_weighed() {
    let (mut program, [model, reference]) = heated();
    let effects = program.act(Action::Back);
    for worker in [model, reference] {
        assert!(effects.contains(&Effect::Stop { worker }), "{effects:?}");
    }
    assert_eq!(program.state.ui.race.tab, RaceTab::Answers);
    assert!(program.state.domain.race.is_some(), "the race stays");
}

#[test]
fn what_can_not_be_weighed_is_said() {
    let mut program = program(&["alpha", "beta"], Order::Together, true);
    assert_eq!(program.act(Action::KlHeatmap), [], "wait for the end");
    program.happens(Event::Random(1));
    load(&mut program, 0);
    load(&mut program, 1);
    answer(&mut program, 0, "so");
    answer(&mut program, 1, "so");
    let said = |program: &mut Program| {
        assert_eq!(program.act(Action::KlHeatmap), []);
        program.state.ui.notices.back().unwrap().text.clone()
    };
    assert!(said(&mut program).contains("vote first"));
    program.state.domain.race.as_mut().unwrap().vote = Some(None);
    let column = &mut program.state.domain.race.as_mut().unwrap().columns[0];
    let mut model = (*column.model).clone();
    let bytes = gguf::testing::Builder::tiny_llama().build();
    model.summary = Some(gguf::Header::read(&bytes[..]).unwrap().summary());
    column.model = model.into();
    assert!(said(&mut program).contains("different vocabularies"));
    program.state.domain.race.as_mut().unwrap().columns.truncate(1);
    assert!(said(&mut program).contains("two columns"));
}
