//! A repetition of a bench, as far as it can be had over HTTP: how fast a prompt is read, how fast is generated, and how long
//! the first token takes, with and without the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::try_join_all;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde_json::Value;
use tokio::sync::oneshot;

use super::RemoteError;
use super::answer::timed;
use super::client::Client;
use super::question::{Target, question};
use crate::engine::command::News;
use domain::event::WorkerEvent;
use domain::model::remote::EngineKind;
use domain::session::WorkerId;
use wire::{
    Chat, Counters, Event as Said, Failure, FailureKind, Generate, Measure, Measured, Message, Prompt, Role, Sampling,
};

/// Words that most vocabularies have as one token each with the blank before them. Drawn at random they make a prompt that no
/// engine has in its cache.
const WORDS: [&str; 64] = [
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state",
    "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week", "company", "system",
    "program", "question", "work", "night", "point", "home", "water", "room", "mother", "area", "money", "story",
    "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business", "issue", "side", "kind",
    "head", "house", "service", "friend", "father", "power", "hour", "game", "line", "end", "member", "law", "car",
    "city",
];

/// What is asked where generation is measured: an answer without an end.
const ENDLESS: &str = "Count upwards from 1 in words, one number a line, and go on as long as you can.";

/// An answer that is shorter than this share of what was asked for says little of the speed.
const LEAST_SHARE: f64 = 0.25;

/// Words that make a thousand tokens, by the prompts so far.
#[derive(Debug)]
pub(super) struct Words(AtomicU32);

impl Default for Words {
    fn default() -> Self {
        Self(AtomicU32::new(1000))
    }
}

impl Words {
    /// So many tokens of a prompt.
    fn prompt(&self, n_tokens: u32) -> Result<(usize, String), RemoteError> {
        let per_thousand = u64::from(self.0.load(Ordering::Relaxed));
        let n = (u64::from(n_tokens) * per_thousand / 1000).max(1) as usize;
        let mut drawn = vec![0; n];
        let none = |_error| RemoteError::new("no random numbers can be had");
        SysRng.try_fill_bytes(&mut drawn).map_err(none)?;
        let words: Vec<&str> = drawn.iter().map(|byte| WORDS[usize::from(byte % 64)]).collect();
        Ok((n, words.join(" ")))
    }

    /// Learn from what the engine counted.
    fn learn(&self, n_words: usize, n_tokens: u32) {
        let per_thousand = n_words as u64 * 1000 / u64::from(n_tokens.max(1));
        // A count that can't be is not believed.
        if (100..=2000).contains(&per_thousand) {
            self.0.store(per_thousand as u32, Ordering::Relaxed);
        }
    }
}

/// Measure once, and tell what came of it; `cancelled` ends it.
pub(super) async fn measure(
    worker: WorkerId,
    client: Client,
    (model, n_ctx, words): (String, u32, Arc<Words>),
    measure: Measure,
    mut cancelled: oneshot::Receiver<()>,
    news: News,
) {
    let id = measure.id;
    let target = Target { kind: client.kind(), model: &model, n_ctx, is_openai: client.host() == "api.openai.com" };
    let told = tokio::select! {
        biased;
        _ = &mut cancelled => Ok(Measured { id, ..Measured::default() }),
        told = once(&client, target, measure, &words) => told,
    };
    let said = told.map_or_else(
        |RemoteError { reason, hint, .. }| {
            let message = format!("{}: {reason}", client.name);
            Said::Failed(Failure { id: Some(id), kind: FailureKind::Request, message, hint })
        },
        Said::Measured,
    );
    let _ = news.send((worker, WorkerEvent::Message(said))).await;
}

async fn once(client: &Client, target: Target<'_>, measure: Measure, words: &Words) -> Result<Measured, RemoteError> {
    let reads = measure.n_prompt > 0;
    if reads && measure.n_depth > 0 {
        let reason = "a prompt behind others can't be measured at an engine elsewhere";
        return Err(RemoteError::new(reason).with_hint("leave out the depth"));
    }
    let asked = (0..measure.n_parallel.max(1)).map(|_| async move {
        let n_read = if reads { measure.n_prompt } else { measure.n_depth };
        let (n_words, text) = if n_read > 0 { words.prompt(n_read)? } else { (0, String::new()) };
        let text = if reads { text } else { format!("{text} {ENDLESS}") };
        let generate = generate(measure.id, text.trim(), if reads { 1 } else { measure.n_generate });
        let mut question = question(target, &generate)?;
        let own: &[(&str, Value)] = match target.kind {
            EngineKind::LlamaServer => &[("ignore_eos", Value::Bool(true)), ("cache_prompt", Value::Bool(false))],
            EngineKind::Vllm | EngineKind::Sglang => &[("ignore_eos", Value::Bool(true))],
            _ => &[],
        };
        for (name, value) in own {
            question.body[*name] = value.clone();
        }
        let counters = timed(client, &question, &generate).await?;
        if reads && counters.n_prompt > 0 {
            words.learn(n_words, counters.n_prompt);
        }
        Ok(counters)
    });
    let all: Vec<Counters> = try_join_all(asked).await?;
    if reads { prompt(measure, &all) } else { generation(measure, &all) }
}

/// A prompt that is a conversation, for some engines take nothing else.
fn generate(id: u64, text: &str, max_tokens: u32) -> Generate {
    let chat = Chat { messages: vec![Message::new(Role::User, text)], ..Chat::default() };
    Generate {
        id,
        prompt: Prompt::Chat(chat),
        max_tokens: Some(max_tokens),
        sampling: Sampling::OPEN,
        logit_bias: Vec::new(),
        grammar: None,
        stop: Vec::new(),
        n_top_logprobs: 0,
        credits: None,
        min_room: 0,
        context_shift: false,
    }
}

/// The time that a count took, as that of the count that was planned: the engine's tokens are not exactly those.
fn planned(micros: u64, counted: u64, planned: u64) -> u64 {
    (micros as f64 * planned as f64 / counted.max(1) as f64) as u64
}

/// How fast the prompts were read: by the engine's clock where it tells, else until the first token came.
fn prompt(measure: Measure, all: &[Counters]) -> Result<Measured, RemoteError> {
    let n_read: u64 = all.iter().map(|one| u64::from(one.n_prompt)).sum();
    if n_read == 0 {
        return Err(RemoteError::new("it does not tell how many tokens it read"));
    }
    let most = |of: fn(&Counters) -> Option<u64>| all.iter().map(of).collect::<Option<Vec<_>>>()?.into_iter().max();
    let Some(ttft) = most(|one| one.ttft_us) else { return Err(RemoteError::new("it answered nothing")) };
    let own = most(|one| Some(one.prompt_us).filter(|micros| *micros > 0));
    // The times of several prompts overlap in a way that no one tells.
    let micros = own.filter(|_| all.len() == 1).unwrap_or(ttft);
    Ok(Measured {
        id: measure.id,
        is_whole: true,
        prompt_us: planned(micros, n_read, u64::from(measure.n_prompt) * all.len() as u64).max(1),
        ttft_us: Some(ttft),
        engine_ttft_us: most(|one| one.engine_ttft_us).filter(|_| all.len() == 1),
        ..Measured::default()
    })
}

/// How fast was generated, all answers together.
fn generation(measure: Measure, all: &[Counters]) -> Result<Measured, RemoteError> {
    let least = all.iter().map(|one| one.n_generated).min().unwrap_or(0);
    let wanted = f64::from(measure.n_generate) * LEAST_SHARE;
    let rates: Option<Vec<f64>> = all.iter().map(Counters::generation_rate).collect();
    let Some(rates) = rates.filter(|_| f64::from(least) >= wanted) else {
        let reason = format!("it ended its answer after {least} of {} tokens", measure.n_generate);
        return Err(RemoteError::new(reason).with_hint("measure fewer tokens with `-n`"));
    };
    let rate: f64 = rates.into_iter().sum();
    let n_tokens = f64::from(measure.n_generate) * all.len() as f64;
    Ok(Measured {
        id: measure.id,
        is_whole: true,
        generation_us: Some(((n_tokens * 1e6 / rate) as u64).max(1)),
        ttft_us: all.iter().filter_map(|one| one.ttft_us).max(),
        engine_ttft_us: all.first().and_then(|one| one.engine_ttft_us).filter(|_| all.len() == 1),
        ..Measured::default()
    })
}
