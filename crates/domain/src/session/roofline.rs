//! How much of what the memory allows a session makes of it, and what holds it back.
//!
//! To generate a token, the weights that it uses and the keys and values of all tokens before it are read once. Bytes per
//! token times tokens per second, over the bandwidth that was measured on this machine, is the share of the roofline
//! (Williams, Waterman and Patterson, 2009: the side of the roof that is memory).

pub use super::bound::{Bound, Roofline};
use crate::admission;
use crate::request::Figures;
use crate::session::{Session, placement};
use crate::settings::SessionSettings;
use crate::state::Domain;
use crate::units::{Bytes, Ratio};

/// From this share on the memory is what bounds: code that only reads gets no further than three quarters in practice.
const NEAR: f64 = 0.65;

/// No processor's cache holds more (AMD EPYC 9684X: 1.15 GB). What is larger comes from memory, and a share above one is
/// what the measurement missed.
const LARGEST_CACHE: Bytes = Bytes(1_200_000_000);

/// Answers with fewer tokens say little about speed.
const MIN_TOKENS: u32 = 16;

/// Where one of a session's answers stands, or why that is not known.
pub fn roofline(domain: &Domain, session: &Session, figures: &Figures) -> Result<Roofline, String> {
    let loaded = session.loaded.as_ref().ok_or("the model is not loaded")?;
    if !session.is_here() || session.machine().is_some() {
        return Err("it runs on another machine, whose memory bandwidth is not known".to_owned());
    }
    let counters = &figures.counters;
    let rate = counters.generation_rate().filter(|_| counters.n_generated >= MIN_TOKENS);
    let rate = rate.ok_or_else(|| format!("an answer of {MIN_TOKENS} tokens is needed"))?;
    let misplaced = placement::misplaced(domain, session);
    if loaded.n_gpu_layers > 0 && misplaced.is_none_or(|misplaced| !misplaced.is_total()) {
        return Err("the GPU's memory is not measured".to_owned());
    }
    let per_token = bytes_per_token(session, figures).ok_or("the header does not say what a token reads")?;
    let bandwidth = domain.machine.bandwidth.as_ref().ok_or("the memory's bandwidth was not measured yet")?;
    let read = per_token.0 + per_token.1;
    let bytes_per_second = read.0 as f64 * rate;
    let share = bytes_per_second / bandwidth.bytes_per_second;
    let n_busy = domain.sessions.iter().filter(|session| session.is_busy()).count();
    let limits = domain.machine.sample.as_ref().map(|sample| sample.limits).unwrap_or_default();
    let is_throttled = limits.n_throttled.is_some_and(|count| count > 0)
        || matches!((limits.allowed_mhz, limits.highest_mhz), (Some(allowed), Some(highest)) if allowed < highest);
    let bound = match share {
        _ if misplaced.is_some() => Bound::Offload,
        share if share > 1.0 && read <= LARGEST_CACHE => Bound::Cache,
        share if share >= NEAR => Bound::Bandwidth,
        _ if n_busy > 1 && session.is_busy() => Bound::Shared,
        _ if is_throttled => Bound::Throttled,
        _ => Bound::Compute,
    };
    Ok(Roofline { per_token, bytes_per_second, share: Ratio(share), bound })
}

/// Weights and context that a token reads; `None` if the header lacks the figures.
fn bytes_per_token(session: &Session, figures: &Figures) -> Option<(Bytes, Bytes)> {
    let summary = session.model.summary.as_ref()?;
    // Of the routed experts only those are read that the router chooses.
    let idle = summary
        .experts
        .filter(|(all, used)| used < all)
        .map_or(0.0, |(all, used)| summary.routed_bytes as f64 * (1.0 - used as f64 / all as f64));
    // Of an embedding that is separate from the output matrix, one row is read.
    let embedding = summary.vocabulary.zip(summary.embedding_length).filter(|_| summary.output_parameters > 0);
    let rows = embedding.map_or(0.0, |(rows, columns)| {
        (rows as f64 * columns as f64).min(summary.parameters as f64) * summary.bits_per_weight.unwrap_or(0.0) / 8.0
    });
    let weights = summary.tensor_bytes as f64 - idle - rows;
    let counters = &figures.counters;
    let context = counters.n_past.saturating_sub(counters.n_generated / 2).max(1);
    let kv = admission::estimate(&session.model, &SessionSettings { context, ..session.settings })?.kv?;
    Some((Bytes(weights.max(0.0) as u64), Bytes(kv)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gguf::testing::Builder;
    use wire::{Ledger, Loaded};

    use super::*;
    use crate::machine::Bandwidth;

    fn of(domain: &Domain, session: &Session) -> Result<Roofline, String> {
        roofline(domain, session, session.figures())
    }

    fn read(session: &Session) -> Option<(Bytes, Bytes)> {
        bytes_per_token(session, session.figures())
    }
    use crate::machine::{Limits, Sample};
    use crate::model::Model;
    use crate::request::{Stage, Step};
    use crate::session::{Phase, SessionId, WorkerId};
    use crate::settings::Settings;
    use crate::state::Domain;

    fn state(bandwidth: f64, limits: Limits) -> Domain {
        let mut state = Domain::new(Settings::default());
        state.machine.sample = Some(Box::new(Sample { limits, ..Sample::default() }));
        state.machine.bandwidth =
            Some(Bandwidth { bytes_per_second: bandwidth, threads: 2, unix: 0, processor: String::new() });
        state
    }

    fn session(summary: gguf::Summary, rate: u32) -> Session {
        let model = Model { summary: Some(summary), ..crate::testing::model("x") };
        let settings = SessionSettings::default();
        let mut session = Session::new(SessionId(1), WorkerId(1), Arc::new(model), "x".to_owned(), settings, 10);
        session.loaded = Some(Box::new(Loaded {
            n_ctx: 512,
            n_ctx_train: 512,
            n_gpu_layers: 0,
            n_layers: 2,
            ledger: Ledger::default(),
            has_template: false,
            embeds_only: false,
            sampling: wire::Sampling::default(),
            load_us: 1,
            load_cpu_us: None,
        }));
        session.phase = Phase::Ready;
        session.make_request().stage = Stage::Running(Step::Answer);
        session.figures_mut().counters.n_generated = 101;
        session.figures_mut().counters.n_past = 150;
        session.figures_mut().counters.generation_us = 100 * 1_000_000 / u64::from(rate);
        session
    }

    fn summary() -> gguf::Summary {
        let bytes = Builder::tiny_llama().build();
        let mut summary = gguf::Header::read(&bytes[..]).unwrap().summary();
        summary.tensor_bytes = 1_000_000_000;
        summary.output_parameters = 0;
        summary
    }

    #[test]
    fn shares_and_bounds() {
        let kv = read(&session(summary(), 10)).unwrap().1.0 as f64;
        let per_second = 10.0 * (1e9 + kv);
        let held = Limits { n_throttled: Some(3), ..Limits::default() };
        let low = Limits { allowed_mhz: Some(1000), highest_mhz: Some(4000), ..Limits::default() };
        for (times, limits, others, expected) in [
            (1.25, Limits::default(), false, Bound::Bandwidth),
            (2.0, Limits::default(), false, Bound::Compute),
            (2.0, held, false, Bound::Throttled),
            (2.0, low, false, Bound::Throttled),
            (2.0, held, true, Bound::Shared),
            (0.5, Limits::default(), false, Bound::Cache),
        ] {
            let mut state = state(times * per_second, limits);
            let session = session(summary(), 10);
            state.sessions = vec![session.clone(); 1 + usize::from(others)];
            let roofline = of(&state, &session).unwrap();
            assert!((roofline.share.0 - 1.0 / times).abs() < 1e-9, "{roofline:?}");
            assert_eq!(roofline.bound, expected, "{times} {limits:?}");
        }
    }

    #[test]
    fn no_share_above_one_is_shown() {
        for (tensor_bytes, bound, reached) in [
            (90_000_000, Bound::Cache, "— what is read does not have to come from memory"),
            (5_000_000_000, Bound::Bandwidth, "all of what this memory allows"),
        ] {
            let session = session(gguf::Summary { tensor_bytes, ..summary() }, 10);
            let roofline = of(&state(5e8, Limits::default()), &session).unwrap();
            assert!(roofline.share.0 > 1.0, "{roofline:?}");
            assert_eq!((roofline.bound, roofline.reached().as_str()), (bound, reached));
        }
    }

    #[test]
    fn what_a_token_reads() {
        let weights = |change: &dyn Fn(&mut gguf::Summary)| {
            let mut summary = summary();
            change(&mut summary);
            read(&session(summary, 10)).unwrap().0.0
        };
        assert_eq!(weights(&|_| {}), 1_000_000_000);
        // 8 of 128 experts are read of 800 MB.
        let experts = |summary: &mut gguf::Summary| {
            (summary.experts, summary.routed_bytes) = (Some((128, 8)), 800_000_000);
        };
        assert_eq!(weights(&experts), 250_000_000);
        // An embedding of 1000 rows of 1000 at 4 bits that is not the output's matrix.
        let untied = |summary: &mut gguf::Summary| {
            (summary.vocabulary, summary.embedding_length) = (Some(1000), Some(1000));
            (summary.output_parameters, summary.parameters) = (1_000_000, 2_000_000_000);
            summary.bits_per_weight = Some(4.0);
        };
        assert_eq!(weights(&untied), 999_500_000);
        // The more context, the more is read.
        let context = |n_past| {
            let mut session = session(summary(), 10);
            session.figures_mut().counters.n_past = n_past;
            read(&session).unwrap().1
        };
        assert!(context(4000) > context(100));
    }

    #[test]
    fn what_is_missing_is_said() {
        let good = || session(summary(), 10);
        let mut state = state(1e10, Limits::default());
        assert!(of(&state, &good()).is_ok());
        let short = |session: &mut Session| session.figures_mut().counters.n_generated = 3;
        let cold = |session: &mut Session| session.loaded = None;
        let on_gpu = |session: &mut Session| session.loaded.as_mut().unwrap().n_gpu_layers = 2;
        for (change, reason) in [(&short as &dyn Fn(&mut Session), "tokens"), (&cold, "not loaded"), (&on_gpu, "GPU")] {
            let mut session = good();
            change(&mut session);
            assert!(of(&state, &session).unwrap_err().contains(reason));
        }
        state.machine.bandwidth = None;
        assert!(of(&state, &good()).unwrap_err().contains("not measured"));
    }
}
