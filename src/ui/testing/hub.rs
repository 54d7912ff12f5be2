//! The hub as the fixture knows it: a search with its results, and downloads in every phase.

use std::time::Duration;

use super::{gb, with_models};
use crate::ui::editor::Editor;
use crate::ui::{Action, State, update};
use crate::ui::{Overlay, Screen};
use domain::Event;
use domain::command::What;
use domain::download::hub::{Failure, FailureKind, Files, HubEvent, RemoteFile, Repository};
use domain::download::{DownloadEvent, DownloadId, Order};
use domain::moment::Moment;
use domain::units::Bytes;

/// The face before anything was asked.
pub(super) fn empty() -> State {
    let mut state = with_models();
    let now = state.domain.now;
    update(&mut state, now, crate::ui::Event::Action(Action::Hub));
    state
}

/// A search with results.
pub(super) fn found() -> State {
    let mut state = empty();
    let now = state.domain.now;
    state.ui.hub.field = Editor::with_text("qwen3 8b");
    update(&mut state, now, crate::ui::Event::Action(Action::Choose));
    let day = 86_400;
    let results = [
        ("Qwen/Qwen3-8B-GGUF", 1_234_567, 512, 3, Some("apache-2.0"), false),
        ("unsloth/Qwen3-8B-128K-GGUF", 98_765, 77, 40, Some("apache-2.0"), false),
        ("someone/Qwen3-8B-abliterated-with-a-rather-long-name-GGUF", 4_321, 12, 200, None, false),
        ("meta-llama/Llama-3.3-70B-Instruct-GGUF", 2_100, 9, 30, Some("llama3.3"), true),
    ];
    let repository =
        |(id, downloads, likes, days, license, gated): (&str, u64, u64, i64, Option<&str>, bool)| Repository {
            id: id.to_owned(),
            downloads: Some(downloads),
            likes: Some(likes),
            updated: Some(now.unix - days * day),
            license: license.map(str::to_owned),
            gated: Some(gated),
            files: Files::Unasked,
        };
    let results = Ok(results.into_iter().map(repository).collect());
    let generation = state.ui.hub.generation;
    update(&mut state, now, Event::Hub(HubEvent::Found { generation, results }));
    let file = |path: &str, tenths| RemoteFile { path: path.to_owned(), size: gb(tenths) };
    let qwen = vec![
        file("Qwen3-8B-Q2_K.gguf", 33),
        file("Qwen3-8B-Q4_K_M.gguf", 50),
        file("Qwen3-8B-Q6_K.gguf", 67),
        file("Qwen3-8B-Q8_0.gguf", 87),
        file("Qwen3-8B-BF16-00001-of-00002.gguf", 99),
        file("Qwen3-8B-BF16-00002-of-00002.gguf", 65),
        file("mmproj-Qwen3-8B-F16.gguf", 9),
        file("broken-Q5_0-00002-of-00003.gguf", 20),
    ];
    let llama = vec![file("Llama-3.3-70B-Instruct-Q4_K_M.gguf", 425), file("Llama-3.3-70B-Instruct-Q8_0.gguf", 750)];
    let refused = Failure {
        reason: "the hub answered with status 500".to_owned(),
        hint: Some("try again; what was downloaded is kept".to_owned()),
        kind: FailureKind::Failed,
    };
    for (repository, files) in [
        ("Qwen/Qwen3-8B-GGUF", Ok(qwen)),
        ("meta-llama/Llama-3.3-70B-Instruct-GGUF", Ok(llama)),
        ("someone/Qwen3-8B-abliterated-with-a-rather-long-name-GGUF", Err(refused)),
    ] {
        update(&mut state, now, Event::Hub(HubEvent::Files { repository: repository.to_owned(), files }));
    }
    state
}

/// The quantisations of the first repository.
pub(super) fn quants() -> State {
    let mut state = found();
    let now = state.domain.now;
    update(&mut state, now, crate::ui::Event::Action(Action::Choose));
    state
}

/// Downloads in every phase.
pub(super) fn downloads() -> State {
    let mut state = found();
    let start = state.domain.now;
    let order = |label: &str, tenths| Order {
        repository: "Qwen/Qwen3-8B-GGUF".to_owned(),
        revision: "main".to_owned(),
        label: label.to_owned(),
        files: vec![RemoteFile { path: format!("Qwen3-8B-{label}.gguf"), size: gb(tenths) }],
    };
    for (label, tenths) in [("Q4_K_M", 50), ("Q8_0", 87), ("Q2_K", 33), ("Q6_K", 67), ("IQ4_XS", 45)] {
        let then = What::Download(order(label, tenths)).into();
        state.ui.overlay = Some(Overlay::Confirm { question: String::new(), then });
        update(&mut state, start, crate::ui::Event::Action(Action::Yes));
    }
    let ids: Vec<DownloadId> = state.domain.downloads.all.iter().map(|download| download.id).collect();
    let later = |seconds: u64| Moment { uptime: start.uptime + Duration::from_secs(seconds), unix: start.unix };
    let space = Failure { reason: "the disk is full".to_owned(), hint: None, kind: FailureKind::Failed };
    for (place, seconds, event) in [
        (0, 0, DownloadEvent::Progress(Bytes(1_200_000_000))),
        (0, 10, DownloadEvent::Progress(Bytes(1_540_000_000))),
        (1, 10, DownloadEvent::Waiting("hf (process 4711) fetches this file".to_owned())),
        (2, 10, DownloadEvent::Done { path: String::new() }),
        (3, 10, DownloadEvent::Failed(space)),
    ] {
        update(&mut state, later(seconds), Event::Download(ids[place], event));
    }
    let now = later(10);
    state.domain.now = now;
    state.ui.hub.chosen_download = 3;
    state.ui.hub.in_downloads = true;
    state.ui.notices.clear();
    state
}

/// A search that failed.
pub(super) fn failed() -> State {
    let mut state = empty();
    let now = state.domain.now;
    update(&mut state, now, crate::ui::Event::Action(Action::Choose));
    let failure = Failure {
        reason: "huggingface.co can't be reached: Network is unreachable (os error 101)".to_owned(),
        hint: Some("check the network, or name a mirror with HF_ENDPOINT".to_owned()),
        kind: FailureKind::Failed,
    };
    let generation = state.ui.hub.generation;
    update(&mut state, now, Event::Hub(HubEvent::Found { generation, results: Err(failure) }));
    state.ui.screen = Screen::Library;
    state
}
