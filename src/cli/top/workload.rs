//! What runs or trains models on this machine: a row for each session, for each process of another program, and for
//! taffrail itself.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::figure::{figure, watts_text};
use crate::cli::table::{self, Column};
use domain::Domain;
use domain::figure::Figure;
use domain::machine::Sample;
use domain::machine::other_processes::OtherProcess;
use domain::session::Session;
use domain::units::{Bytes, Watts, digits, or_dash};

const COLUMNS: [Column; 8] = [
    Column { title: "Workload", right: false, least: None, goes: 0 },
    Column { title: "Model", right: false, least: Some(12), goes: 0 },
    Column { title: "CPU", right: true, least: None, goes: 0 },
    Column { title: "Memory", right: true, least: None, goes: 0 },
    Column { title: "GPU memory", right: true, least: None, goes: 0 },
    Column { title: "Watts", right: true, least: None, goes: 0 },
    Column { title: "tok/s", right: true, least: None, goes: 0 },
    Column { title: "State", right: false, least: None, goes: 0 },
];

/// Longest name of a program or a model, in characters.
const MAX_NAME: usize = 64;

/// The rows as a table.
pub(super) fn write(domain: &Domain, sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    let cpu = |cores: Option<f64>| or_dash(cores.map(|cores| format!("{}%", digits(cores * 100.0))));
    let watts =
        |watts: &Figure<Watts>| or_dash(watts.value().zip(watts.grade()).map(|(of, grade)| watts_text(*of, grade)));
    let unknown = || or_dash(None::<Bytes>);
    let of_session = |session: &Session| {
        vec![
            gguf::clean(&session.name, MAX_NAME),
            gguf::clean(&session.model.name, MAX_NAME),
            cpu(session.process.map(|process| process.cores)),
            or_dash(session.process.map(|process| process.resident)),
            or_dash(session.gpu_memory),
            watts(&session.watts),
            or_dash(session.rate().map(digits)),
            session.word().to_owned(),
        ]
    };
    let of_foreign = |foreign: &OtherProcess| {
        let process = &foreign.process;
        vec![
            format!("{} ({})", gguf::clean(&foreign.engine, MAX_NAME), process.pid),
            or_dash(foreign.model_name().map(|name| gguf::clean(name, MAX_NAME))),
            cpu(Some(process.cores)),
            process.resident.to_string(),
            or_dash(foreign.gpu_memory),
            watts(&domain.attribution.foreign_power(process)),
            unknown(),
            "foreign".to_owned(),
        ]
    };
    let own = sample.own.as_ref();
    let itself = vec![
        "taffrail itself".to_owned(),
        unknown(),
        cpu(own.map(|own| own.cores)),
        or_dash(own.map(|own| own.resident)),
        unknown(),
        watts(&domain.machine.own_watts),
        unknown(),
        String::new(),
    ];
    let sessions = domain.sessions.iter().map(of_session);
    let rows: Vec<_> = sessions.chain(sample.foreign.iter().map(of_foreign)).chain([itself]).collect();
    writeln!(out)?;
    table::write(out, &COLUMNS, &rows, None)
}

/// The sessions as a document.
pub(super) fn sessions(domain: &Domain) -> Vec<Value> {
    let one = |session: &Session| {
        let counters = &session.figures().counters;
        json!({
            "name": session.name,
            "model": session.model.name,
            "state": session.word(),
            "process": session.process,
            "gpu_memory_bytes": session.gpu_memory,
            "watts": figure(&session.watts),
            "tokens_per_second": session.rate(),
            "prompt_tokens_per_second": counters.prompt_rate(),
            "time_to_first_token_s": counters.ttft_us.map(|micros| micros as f64 / 1e6),
            "generated_tokens": session.n_generated,
            "prompt_tokens": session.n_prompt,
            "context_tokens": session.n_past,
            "context_size_tokens": session.known_context(),
            "answer_joules": figure(&session.figures().energy),
            "joules_per_token": figure(&session.joules_per_token()),
        })
    };
    domain.sessions.iter().map(one).collect()
}

/// Other programs' processes as a document.
pub(super) fn foreign(domain: &Domain, sample: &Sample) -> Vec<Value> {
    let one = |foreign: &OtherProcess| {
        json!({
            "pid": foreign.process.pid,
            "program": foreign.engine,
            "model": foreign.model_name(),
            "from": foreign.model,
            "process": foreign.process,
            "mapped_bytes": foreign.mapped,
            "gpu_memory_bytes": foreign.gpu_memory,
            "watts": figure(&domain.attribution.foreign_power(&foreign.process)),
        })
    };
    sample.foreign.iter().map(one).collect()
}
