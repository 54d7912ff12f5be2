use std::time::Duration;

use crate::ui::{Action, Effect, LibraryTab, Overlay, State, update};
use domain::command::What;
use domain::download::{DownloadEvent, DownloadId, Order, Phase};
use domain::event::Event;
use domain::hub::{Failure, Files, HubEvent, RemoteFile, Repository, Sort};
use domain::hub::{FailureKind, Interrupted};
use domain::moment::Moment;
use domain::settings::Settings;
use domain::units::Bytes;

struct Program {
    state: State,
    seconds: u64,
}

impl Program {
    fn new() -> Self {
        let mut program = Self { state: State::new(Settings::default(), Vec::new()), seconds: 0 };
        program.act(Action::Hub);
        program
    }

    fn happens(&mut self, event: impl Into<crate::ui::Event>) -> Vec<Effect> {
        self.seconds += 1;
        update(&mut self.state, Moment { uptime: Duration::from_secs(self.seconds), unix: 0 }, event)
    }

    fn act(&mut self, action: Action) -> Vec<Effect> {
        self.happens(crate::ui::Event::Action(action))
    }

    fn search(&mut self, text: &str) -> Vec<Effect> {
        self.act(Action::Filter);
        self.happens(crate::ui::Event::Text(text.into()));
        self.act(Action::Choose)
    }

    fn found(&mut self, ids: &[(&str, u64)]) -> Vec<Effect> {
        let generation = self.state.ui.hub.generation;
        let results = ids.iter().map(|(id, downloads)| repository(id, *downloads)).collect();
        self.happens(Event::Hub(HubEvent::Found { generation, results: Ok(results) }))
    }

    fn fetch(&mut self, label: &str) -> (DownloadId, Vec<Effect>) {
        let then = What::Download(an_order(label)).into();
        self.state.ui.overlay = Some(Overlay::Confirm { question: String::new(), then });
        let effects = self.act(Action::Yes);
        (self.state.domain.downloads.all.last().unwrap().id, effects)
    }

    fn news(&mut self, id: DownloadId, event: DownloadEvent) -> Vec<Effect> {
        self.happens(Event::Download(id, event))
    }

    fn phases(&self) -> Vec<&Phase> {
        self.state.domain.downloads.all.iter().map(|download| &download.phase).collect()
    }
}

fn repository(id: &str, downloads: u64) -> Repository {
    Repository {
        id: id.to_owned(),
        downloads: Some(downloads),
        likes: Some(1000 - downloads),
        updated: None,
        license: None,
        gated: None,
        files: Files::Unasked,
    }
}

fn file(path: &str, size: u64) -> RemoteFile {
    RemoteFile { path: path.to_owned(), size: Bytes(size) }
}

fn an_order(label: &str) -> Order {
    Order {
        repository: "a/b".to_owned(),
        revision: "main".to_owned(),
        label: label.to_owned(),
        files: vec![file(&format!("{label}.gguf"), 1000)],
    }
}

#[test]
fn a_search_asks_for_what_its_rows_show_and_an_old_one_is_dropped() {
    let mut program = Program::new();
    assert!(program.state.ui.hub.typing, "an empty face waits for words");
    let effects = program.search("whale");
    assert_eq!(effects, [Effect::Search { generation: 1, text: "whale".into(), sort: Sort::Downloads }]);
    program.search(" white");
    let old = HubEvent::Found { generation: 1, results: Ok(vec![repository("x/old", 1)]) };
    assert_eq!(program.happens(Event::Hub(old)), []);
    let effects = program.found(&[("a/b", 5), ("c/d", 7)]);
    assert_eq!(effects.len(), 2);
    assert_eq!(effects[0], Effect::Files { repository: "c/d".into(), revision: "main".into() }, "most first");
    assert_eq!(program.state.ui.hub.chosen, 0);
    program.act(Action::Sort);
    assert_eq!(program.state.ui.hub.results[0].id, "a/b", "likes are the other way round");
    let names: Vec<_> = (0..40).map(|number| format!("e/f{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    assert_eq!(program.found(&many).len(), crate::ui::update::hub::MAX_ASKED);
    let asked = program.act(Action::Last);
    assert!(matches!(&asked[..], [Effect::Files { .. }]), "one further down is asked for when it is chosen: {asked:?}");
}

#[test]
fn the_best_is_chosen_when_its_files_come_and_enter_fetches_it() {
    let mut program = Program::new();
    program.search("x");
    program.found(&[("a/b", 5)]);
    program.act(Action::Choose);
    let files = vec![file("m-Q2_K.gguf", 10), file("m-Q4_K_M.gguf", 20), file("m-Q8_0.gguf", 30)];
    program.happens(Event::Hub(HubEvent::Files { repository: "a/b".into(), files: Ok(files) }));
    assert_eq!(program.state.ui.hub.open, Some(1), "the usual one while the memory is not known");
    program.act(Action::Down);
    let effects = program.act(Action::Choose);
    assert!(
        matches!(&effects[..], [Effect::Domain(domain::Effect::Download { order, .. })] if order.label == "Q8_0"),
        "{effects:?}"
    );
    assert_eq!(program.act(Action::Choose), [], "it is on its way");
    program.act(Action::Back);
    assert_eq!(program.state.ui.hub.open, None);
    program.act(Action::Back);
    assert_eq!(program.state.ui.library.tab, LibraryTab::Models);
}

#[test]
fn as_many_run_as_may_and_the_next_begins_when_one_is_over() {
    let mut program = Program::new();
    program.state.domain.settings.hub.downloads = 2;
    let (first, effects) = program.fetch("A");
    assert_eq!(effects.len(), 1);
    let (second, _) = program.fetch("B");
    let (third, effects) = program.fetch("C");
    assert_eq!((effects, program.phases()[2]), (vec![], &Phase::Queued));
    program.news(first, DownloadEvent::Progress(Bytes(10)));
    let effects = program.news(first, DownloadEvent::Done { path: String::new() });
    assert_eq!(
        effects,
        [
            Effect::Domain(domain::Effect::Scan),
            Effect::Domain(domain::Effect::Download { id: third, order: an_order("C") })
        ]
    );
    assert!(program.state.ui.notices.back().unwrap().text.contains("a/b:A is downloaded"));
    let failure = Failure { reason: "no".into(), hint: Some("do".into()), kind: FailureKind::Failed };
    program.news(second, DownloadEvent::Failed(failure));
    assert!(program.state.ui.notices.back().unwrap().is_error);
}

#[test]
fn a_download_pauses_goes_on_and_is_cancelled_when_confirmed() {
    let mut program = Program::new();
    let (id, _) = program.fetch("A");
    program.news(id, DownloadEvent::Progress(Bytes(10)));
    assert_eq!(program.act(Action::PauseDownload), [Effect::Domain(domain::Effect::Pause(id))]);
    assert_eq!(program.act(Action::PauseDownload), [], "it is pausing");
    program.news(id, DownloadEvent::Paused);
    assert_eq!(
        program.act(Action::PauseDownload),
        [Effect::Domain(domain::Effect::Download { id, order: an_order("A") })]
    );
    program.act(Action::CancelDownload);
    assert!(matches!(program.state.ui.overlay, Some(Overlay::Confirm { .. })));
    program.act(Action::No);
    program.act(Action::CancelDownload);
    assert_eq!(program.act(Action::Yes), [Effect::Domain(domain::Effect::CancelDownload(id))]);
    program.news(id, DownloadEvent::Cancelled);
    assert!(program.state.domain.downloads.all.is_empty());
    // One that does not run is thrown away without its thread.
    let (id, _) = program.fetch("B");
    program.news(id, DownloadEvent::Paused);
    program.act(Action::CancelDownload);
    assert_eq!(program.act(Action::Yes), [Effect::Domain(domain::Effect::Discard(an_order("B")))]);
    assert!(program.state.domain.downloads.all.is_empty());
}

#[test]
fn interrupted_downloads_are_offered_once_and_paused() {
    let mut program = Program::new();
    let found = || HubEvent::Interrupted(vec![domain::hub::Interrupted { order: an_order("A"), done: Bytes(400) }]);
    program.happens(Event::Hub(found()));
    program.happens(Event::Hub(found()));
    assert_eq!(program.phases(), [&Phase::Paused]);
    assert_eq!(program.state.domain.downloads.all[0].done, Bytes(400));
    program.act(Action::Back);
    program.state.ui.hub.typing = false;
    program.act(Action::Hub);
    program.act(Action::Focus);
    let effects = program.act(Action::Choose);
    assert!(
        matches!(
            &effects[..],
            [Effect::Domain(domain::Effect::Download { .. }), Effect::Domain(domain::Effect::KeepQueue(_))]
        ),
        "{effects:?}"
    );
}

#[test]
fn what_was_ordered_and_has_not_begun_is_kept() {
    let mut program = Program::new();
    program.state.domain.settings.hub.downloads = 1;
    // What an earlier run kept is not written over before it is known.
    let (first, effects) = program.fetch("A");
    assert!(
        !effects.iter().any(|effect| matches!(effect, Effect::Domain(domain::Effect::KeepQueue(_)))),
        "{effects:?}"
    );
    let earlier = Interrupted { order: an_order("Z"), done: Bytes(0) };
    let effects = program.happens(Event::Hub(HubEvent::Interrupted(vec![earlier])));
    assert_eq!(effects, [Effect::Domain(domain::Effect::KeepQueue(vec![an_order("A"), an_order("Z")]))]);
    let (_, effects) = program.fetch("B");
    assert_eq!(effects, [Effect::Domain(domain::Effect::KeepQueue(vec![an_order("A"), an_order("Z"), an_order("B")]))]);
    // One that runs has a journal of its own.
    let effects = program.news(first, DownloadEvent::Progress(Bytes(1)));
    assert_eq!(effects, [Effect::Domain(domain::Effect::KeepQueue(vec![an_order("Z"), an_order("B")]))]);
    assert_eq!(program.news(first, DownloadEvent::Progress(Bytes(2))), []);
}
