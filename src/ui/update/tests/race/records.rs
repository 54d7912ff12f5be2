//! Races that end: their records and votes.

use super::*;

/// The records that effects keep.
pub(super) fn kept(effects: Vec<Effect>) -> Vec<Record> {
    let records = effects.into_iter().filter_map(|effect| match effect {
        Effect::SaveRecord { record, .. } => Some(*record),
        _ => None,
    });
    records.collect()
}

#[test]
fn what_ends_is_kept_once_and_so_is_the_vote() {
    for (order, n_figures) in [(Order::InTurn, 2), (Order::Together, 0)] {
        let mut program = program(&["alpha", "beta"], order, true);
        program.happens(Event::Random(7));
        let mut records = Vec::new();
        for column in 0..2 {
            load(&mut program, column);
            if order == Order::Together && column == 0 {
                continue;
            }
            let columns = if order == Order::Together { 0..2 } else { column..column + 1 };
            for column in columns {
                records.extend(kept(answer(&mut program, column, "because it is so, and so it was ever since")));
                if order == Order::InTurn {
                    let worker = worker(&program, column);
                    records.extend(kept(exit(&mut program, worker, true)));
                }
            }
        }
        records.extend(kept(program.happens(crate::ui::Event::Redraw)));
        let [race] = &records[..] else { panic!("{records:?}") };
        assert_eq!((race.kind(), race.title.as_str(), race.figures.len()), (Kind::Race, "why?", n_figures));
        assert_eq!(race.models.len(), 2);
        assert!(race.figures.iter().all(|figure| figure.series.settings.starts_with("threads=4 ")), "{race:?}");
        let document = &race.body.race().unwrap().document;
        assert!(document.blind);
        let hidden = document.columns.iter().any(|column| column.model.is_none());
        assert!(!hidden, "the history knows who raced: {document:?}");
        program.act(Action::Vote);
        let votes = kept(program.act(Action::Choose));
        let [vote] = &votes[..] else { panic!("{votes:?}") };
        assert_eq!((vote.kind(), vote.figures.len()), (Kind::Vote, 0));
        let choice = vote.body.race().unwrap().document.vote.as_ref().unwrap();
        assert_eq!(choice.winner.as_ref(), Some(&document.columns[0].name));
    }
}

#[test]
fn a_record_is_deleted_after_a_question_and_its_vote_counts_no_more() {
    let mut program = program(&["alpha", "beta"], Order::InTurn, false);
    let vote = |unix| Vote {
        race: 0,
        at: Moment { unix, ..Moment::default() },
        models: ["alpha", "beta"].map(|name| Contender::new(name, &domain::record::Options::new(), name)).to_vec(),
        winner: Some(0),
        blind: false,
    };
    program.happens(Event::History(HistoryEvent::Votes(vec![vote(1), vote(2)])));
    program.act(Action::History);
    let entry = |id| HistoryEntry {
        id,
        kind: Kind::Vote,
        at: id * 1000,
        models: Vec::new(),
        title: "why?".to_owned(),
        rate: None,
        joules: None,
        is_sealed: false,
    };
    let (generation, entries) = (program.state.ui.history.generation, vec![entry(9), entry(4)]);
    program.happens(Event::History(HistoryEvent::Listed { generation, entries, more: false }));
    program.act(Action::Last);
    assert!(program.act(Action::DeleteSelected).is_empty());
    let Some(Overlay::Confirm { question, .. }) = &program.state.ui.overlay else { panic!("nothing was asked") };
    assert!(question.contains("vote 4"), "{question}");
    assert!(program.act(Action::No).is_empty());
    program.act(Action::DeleteSelected);
    assert!(matches!(program.act(Action::Yes)[..], [Effect::DeleteRecord(4)]));
    program.happens(Event::History(HistoryEvent::Deleted { id: 4, vote: Some(vote(2)) }));
    assert_eq!(program.state.domain.votes, [vote(1)]);
    assert_eq!((program.state.ui.history.entries.len(), program.state.ui.history.chosen), (1, 0));
}

#[test]
fn a_record_of_the_history_opens_on_the_screen() {
    let mut program = Program::new();
    program.act(Action::History);
    program.screen.clear();
    program.act(Action::Choose);
    assert!(program.screen.is_empty(), "the list is empty");
    let entry = HistoryEntry {
        id: 4,
        kind: Kind::Run,
        at: 0,
        models: vec!["alpha".to_owned()],
        title: "why?".to_owned(),
        rate: None,
        joules: None,
        is_sealed: false,
    };
    let generation = program.state.ui.history.generation;
    program.happens(Event::History(HistoryEvent::Listed { generation, entries: vec![entry], more: false }));
    program.screen.clear();
    program.act(Action::Open);
    assert_eq!(program.screen, [crate::ui::Effect::GetRecord(4)]);
    let body = serde_json::json!({ "turns": [{ "role": "user", "text": "why?" }], "text": "Because" });
    let body = Body::from_value(Kind::Run, body).unwrap();
    let record = Record { id: 4, ..Record::new(0, "why?".to_owned(), body) };
    program.happens(Event::History(HistoryEvent::Record(Some(Box::new(record)))));
    let Some(Overlay::Record { title, text, .. }) = &program.state.ui.overlay else { panic!("nothing opened") };
    assert_eq!(title, "run 4 · why?");
    assert!(text.contains("why?") && text.contains("Because"), "{text}");
    program.act(Action::Back);
    assert!(program.state.ui.overlay.is_none());
    program.happens(Event::History(HistoryEvent::Record(None)));
    assert!(program.state.ui.overlay.is_none());
}
