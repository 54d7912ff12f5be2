//! The sorting and the filter, over the sessions of the fixture.

use crate::ui::FleetSort;
use crate::ui::fleet_view::{foreign_rows, parse, rows};
use crate::ui::testing as fixture;

fn names(filter: &str, sort: FleetSort, reverse: bool) -> Vec<u64> {
    let state = fixture::busy();
    let filter = parse(filter, &state.domain.sessions, &[]);
    rows(&state.domain.sessions, &filter, sort, reverse).into_iter().map(|id| id.0).collect()
}

#[test]
fn every_column_sorts_and_unknown_stands_last() {
    for (sort, down, up) in [
        (FleetSort::Started, [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]),
        (FleetSort::Name, [4, 5, 1, 2, 3], [3, 2, 1, 5, 4]),
        (FleetSort::State, [1, 5, 4, 3, 2], [2, 3, 4, 5, 1]),
        (FleetSort::Context, [1, 2, 3, 4, 5], [3, 4, 5, 2, 1]),
        (FleetSort::Ttft, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        (FleetSort::Memory, [1, 2, 3, 4, 5], [3, 2, 1, 4, 5]),
        (FleetSort::Power, [1, 2, 3, 4, 5], [3, 2, 1, 4, 5]),
        (FleetSort::Energy, [1, 2, 3, 4, 5], [2, 1, 3, 4, 5]),
        (FleetSort::PerAnswer, [1, 2, 3, 4, 5], [2, 1, 3, 4, 5]),
        (FleetSort::Threads, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        (FleetSort::Processor, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        (FleetSort::GpuMemory, [1, 2, 3, 4, 5], [3, 2, 1, 4, 5]),
    ] {
        assert_eq!((names("", sort, false), names("", sort, true)), (down.to_vec(), up.to_vec()), "{sort:?}");
    }
    assert_eq!(FleetSort::ALL.len(), 13);
}

#[test]
fn the_filter_asks_for_words_and_figures() {
    for (filter, expected) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("qwen", vec![1, 2]),
        ("state:ready", vec![3]),
        ("state:answ", vec![1]),
        ("ready", vec![3]),
        ("qwen tok/s>1000", vec![]),
        ("ttft<200", vec![1, 2]),
        ("ttft:<200", vec![1, 2]),
        ("mem>5gb", vec![1]),
        ("power>=100 qwen", vec![1]),
        ("j/tok>2", vec![1]),
        ("j/answer<500", vec![2]),
        ("ctx>2k", vec![1]),
        ("threads=2", vec![1, 2]),
        ("name:gemma", vec![4]),
        ("model:mistral", vec![5]),
        ("tok/s>", vec![1, 2, 3, 4, 5]),
        ("state:", vec![1, 2, 3, 4, 5]),
        ("mem>lots", vec![1, 2, 3, 4, 5]),
        ("-qwen -state:ready", vec![4, 5]),
        ("qwen -mem>5gb", vec![2]),
        ("ttft<1s", vec![1, 2]),
        ("-zzz", vec![1, 2, 3, 4, 5]),
        // What can't be asked hides nothing.
        ("zzz:1", vec![1, 2, 3, 4, 5]),
        ("état>é", vec![1, 2, 3, 4, 5]),
    ] {
        assert_eq!(names(filter, FleetSort::Started, false), expected, "{filter}");
    }
}

/// Other programs' processes, by their ids.
fn foreign(filter: &str, sort: FleetSort, reverse: bool) -> Vec<u32> {
    let state = fixture::scene("foreign").expect("the scene is there");
    let found = &state.domain.machine.sample.as_ref().expect("it has a sample").foreign;
    let rows = foreign_rows(found, &state.domain.attribution, &parse(filter, &[], found), sort, reverse);
    rows.into_iter().map(|(pid, _)| pid).collect()
}

#[test]
fn other_programs_sort_by_every_column() {
    for (sort, down, up) in [
        (FleetSort::Started, [5120, 5311, 5422], [5422, 5311, 5120]),
        (FleetSort::Name, [5422, 5120, 5311], [5311, 5120, 5422]),
        (FleetSort::State, [5120, 5311, 5422], [5120, 5311, 5422]),
        (FleetSort::Memory, [5120, 5422, 5311], [5311, 5422, 5120]),
        (FleetSort::Power, [5311, 5422, 5120], [5120, 5422, 5311]),
        (FleetSort::Processor, [5311, 5422, 5120], [5120, 5422, 5311]),
        // What is not known stands last either way round.
        (FleetSort::GpuMemory, [5120, 5311, 5422], [5120, 5311, 5422]),
        (FleetSort::Context, [5120, 5311, 5422], [5120, 5311, 5422]),
        (FleetSort::Throughput, [5120, 5311, 5422], [5120, 5311, 5422]),
        (FleetSort::Energy, [5120, 5311, 5422], [5120, 5311, 5422]),
    ] {
        assert_eq!((foreign("", sort, false), foreign("", sort, true)), (down.to_vec(), up.to_vec()), "{sort:?}");
    }
}

#[test]
fn the_filter_holds_for_other_programs_as_well() {
    for (filter, expected) in [
        ("ollama", vec![5120]),
        ("name:python", vec![5311]),
        ("model:gemma", vec![5422]),
        ("model:/srv", vec![5422]),
        ("quant:q4", vec![5422]),
        ("llama", vec![5120, 5422]),
        ("state:foreign", vec![5120, 5311, 5422]),
        ("is:ready", vec![]),
        ("mem>2gb", vec![5120, 5422]),
        ("gpu>100mb", vec![5120]),
        ("cpu>50", vec![5311, 5422]),
        ("power>3 cpu>80", vec![5311]),
        ("tok/s>1", vec![]),
        ("tok/s>", vec![5120, 5311, 5422]),
    ] {
        assert_eq!(foreign(filter, FleetSort::Started, false), expected, "{filter}");
    }
}

/// A name is whole in the table and over its conversation, where columns of less use or a line of its own make room.
#[test]
fn a_long_name_is_whole() {
    use crate::ui::{Keymap, Theme, ViewState, view};
    const NAME: &str = "SmolLM2-135M-Instruct.Q4_1";
    for (columns, rows) in [(80, 24), (120, 40), (200, 50)] {
        let mut state = fixture::crowded(1, 20);
        state.domain.sessions[0].name = NAME.to_owned();
        let area = ratatui::layout::Rect::new(0, 0, columns, rows);
        let mut buffer = ratatui::buffer::Buffer::empty(area);
        view(&state, &mut ViewState::default(), &Theme::monochrome(), &Keymap::default(), area, &mut buffer);
        let line =
            |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
        let lines: Vec<String> = buffer.content.chunks(usize::from(columns)).map(line).collect();
        let count = lines.iter().map(|line| line.matches(NAME).count()).sum::<usize>();
        assert!(count >= 2 && !lines.iter().any(|line| line.contains("SmolLM2-13…")), "{columns}: {lines:#?}");
    }
}
