//! Requests of several clients in every state.

use std::time::Duration;

use wire::{Counters, Finish};

use super::{busy, energy};
use crate::ui::State;
use domain::Moment;
use domain::ask::{Api, Asker};
use domain::figure::{Figure, Grade};
use domain::request::{Client, Request, RequestId, Stage, Step};
use domain::requests::{self, Facts};
use domain::session::End;
use domain::units::Joules;

/// The requests' tab.
pub(super) fn list() -> State {
    let mut state = busy();
    let now = state.domain.now;
    let before = |seconds: f64| Moment {
        uptime: now.uptime.saturating_sub(Duration::from_secs_f64(seconds)),
        unix: now.unix - seconds as i64,
    };
    let asked = |id: u64, (name, agent, api): (&str, &str, Api), seconds: f64| {
        let mut request = Request::new(RequestId(id), Client::Api, Vec::new(), before(seconds));
        request.asker = Some(Asker { name: name.to_owned(), agent: agent.to_owned(), api });
        request
    };
    let laptop = ("laptop", "OpenAI/Python 2.8.1", Api::OpenAi);
    let mut answering = asked(41, laptop, 9.2);
    answering.stage = Stage::Running(Step::Answer);
    (answering.started, answering.first_token) = (Some(before(9.1)), Some(before(8.4)));
    answering.figures.counters = counters(412, 700_000, 301, 8_100_000);
    answering.figures.n_cached = 2048;
    answering.figures.energy = joules(640.0);
    answering.figures.energy_account = energy::energy_account(640.0, 9.0);
    let mut reading = asked(42, ("ci", "ollama-python/0.6.1", Api::Ollama), 3.0);
    reading.stage = Stage::Running(Step::Prompt { n_done: 512, n_prompt: 7900 });
    reading.started = Some(before(1.2));
    reading.figures.counters = counters(512, 1_100_000, 0, 0);
    let waiting = asked(43, ("laptop", "claude-cli/2.0.55", Api::Anthropic), 1.4);
    let mut done = asked(38, laptop, 64.0);
    (done.stage, done.answer.end) = (Stage::Ended, Some(End::Finished(Finish::Stop)));
    (done.started, done.first_token, done.ended) = (Some(before(64.0)), Some(before(63.6)), Some(before(52.0)));
    done.figures.counters = counters(96, 400_000, 214, 11_000_000);
    done.figures.energy = joules(812.0);
    done.figures.energy_account = energy::energy_account(812.0, 11.0);
    let mut failed = asked(39, ("ci", "", Api::OpenAi), 40.0);
    (failed.stage, failed.ended) = (Stage::Ended, Some(before(40.0)));
    failed.answer.end = Some(End::failed("the prompt has 9,120 tokens, and the context only 8,192"));
    let mut cancelled = asked(40, ("local", "curl/8.5.0", Api::OpenAi), 31.0);
    (cancelled.stage, cancelled.answer.end) = (Stage::Ended, Some(End::Finished(Finish::Cancelled)));
    cancelled.ended = Some(before(22.0));
    if let Some(session) = state.domain.sessions.first_mut() {
        session.requests.extend([done, failed, cancelled, answering, reading, waiting]);
    }
    state.ui.requests.shown = true;
    state.ui.requests.chosen = Some(RequestId(41));
    relist(&mut state);
    state
}

/// List them anew.
pub(super) fn relist(state: &mut State) {
    let (domain, view) = (&state.domain, &mut state.ui.requests);
    let facts = Facts { now: domain.now, energy: &domain.settings.energy };
    let all = requests::all(&domain.sessions, &domain.ended_requests);
    let rows = requests::listed(all, view.filter.text(), (view.sort, view.reverse), facts);
    view.rows = rows.iter().map(|row| row.id).collect();
    view.n_all = requests::all(&domain.sessions, &domain.ended_requests).count();
}

fn counters(n_prompt: u32, prompt_us: u64, n_generated: u32, generation_us: u64) -> Counters {
    Counters { n_prompt, prompt_us, n_generated, generation_us, ..Counters::default() }
}

fn joules(value: f64) -> Figure<Joules> {
    Figure::Known { value: Joules(value), grade: Grade::Apportioned, source: "NVML".to_owned() }
}
