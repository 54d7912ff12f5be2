//! The choice of the next token.
//!
//! Owned here: the chain that `wire::Sampling` names, in its order and with llama.cpp's arithmetic, and which of
//! request, file and default wins. It is our own because llama.cpp's chain first copies the whole vocabulary into an
//! array of candidates for every token, which for a small model costs as much as a layer. Absent: grammars, and llama.cpp's
//! other samplers (DRY, dynamic temperature, adaptive p).

mod narrow;
mod penalty;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use wire::{LogitBias, Sampling};

use penalty::Penalties;

/// The settings where neither the request nor the file has one.
const DEFAULT: Sampling = Sampling {
    temperature: Some(0.8),
    top_k: Some(40),
    top_p: Some(0.95),
    min_p: Some(0.05),
    typical_p: Some(1.0),
    top_n_sigma: Some(0.0),
    xtc_probability: Some(0.0),
    xtc_threshold: Some(0.1),
    repeat_penalty: Some(1.0),
    frequency_penalty: Some(0.0),
    presence_penalty: Some(0.0),
    repeat_last_n: Some(64),
    mirostat: Some(0),
    mirostat_tau: Some(5.0),
    mirostat_eta: Some(0.1),
    seed: None,
};

/// Each setting of `request`, else of `file`, else the default; the seed is the request's alone.
pub fn resolve(request: &Sampling, file: &Sampling) -> Sampling {
    macro_rules! first {
        ($($field:ident),*) => {
            Sampling { $($field: request.$field.or(file.$field).or(DEFAULT.$field),)* seed: request.seed }
        };
    }
    first!(
        temperature,
        top_k,
        top_p,
        min_p,
        typical_p,
        top_n_sigma,
        xtc_probability,
        xtc_threshold,
        repeat_penalty,
        frequency_penalty,
        presence_penalty,
        repeat_last_n,
        mirostat,
        mirostat_tau,
        mirostat_eta
    )
}

/// What is wrong with these settings, as a sentence without a full stop.
pub fn check(sampling: &Sampling) -> Result<(), String> {
    for (name, value, low, high) in [
        ("temperature", sampling.temperature, 0.0, 100.0),
        ("top-p", sampling.top_p, 0.0, 1.0),
        ("min-p", sampling.min_p, 0.0, 1.0),
        ("typical-p", sampling.typical_p, 0.0, 1.0),
        ("top-n-sigma", sampling.top_n_sigma, 0.0, 1000.0),
        ("xtc probability", sampling.xtc_probability, 0.0, 1.0),
        ("xtc threshold", sampling.xtc_threshold, 0.0, 1.0),
        ("repeat penalty", sampling.repeat_penalty, 0.01, 100.0),
        ("frequency penalty", sampling.frequency_penalty, -100.0, 100.0),
        ("presence penalty", sampling.presence_penalty, -100.0, 100.0),
        ("mirostat", sampling.mirostat.map(|version| version as f32), 0.0, 2.0),
        ("mirostat tau", sampling.mirostat_tau, 0.0, 100.0),
        ("mirostat eta", sampling.mirostat_eta, 0.0, 1.0),
    ] {
        if let Some(value) = value.filter(|value| !(low..=high).contains(value)) {
            return Err(format!("{name} must be between {low} and {high}, and is {value}"));
        }
    }
    Ok(())
}

/// One token that may come next.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    logit: f32,
    token: u32,
}

impl Candidate {
    /// The likelier first; of equals the smaller token, so that a seed always gives the same text.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "sorting compares by reference")]
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        other.logit.total_cmp(&self.logit).then(self.token.cmp(&other.token))
    }
}

/// Mirostat's settings, and how surprising a token may be now, in bits.
#[derive(Debug, Clone, Copy)]
struct Mirostat {
    version: u32,
    tau: f32,
    eta: f32,
    most: f32,
}

/// Draws tokens with one generation's settings.
#[derive(Debug)]
pub struct Sampler {
    temperature: f32,
    /// 0 keeps all.
    top_k: usize,
    top_p: f32,
    min_p: f32,
    typical_p: f32,
    top_n_sigma: f32,
    /// How often, and from which probability on.
    xtc: (f32, f32),
    mirostat: Option<Mirostat>,
    penalties: Penalties,
    random: Pcg64Mcg,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler for checked settings; an open one takes its default, an open seed 0.
    pub fn new(sampling: &Sampling) -> Self {
        let sampling = resolve(sampling, &DEFAULT);
        let tau = sampling.mirostat_tau.unwrap_or(5.0);
        let mirostat = |version| Mirostat { version, tau, eta: sampling.mirostat_eta.unwrap_or(0.1), most: 2.0 * tau };
        Self {
            temperature: sampling.temperature.unwrap_or(0.0),
            top_k: sampling.top_k.unwrap_or(0) as usize,
            top_p: sampling.top_p.unwrap_or(1.0),
            min_p: sampling.min_p.unwrap_or(0.0),
            typical_p: sampling.typical_p.unwrap_or(1.0),
            top_n_sigma: sampling.top_n_sigma.unwrap_or(0.0),
            xtc: (sampling.xtc_probability.unwrap_or(0.0), sampling.xtc_threshold.unwrap_or(0.1)),
            mirostat: sampling.mirostat.filter(|version| *version > 0).map(mirostat),
            penalties: Penalties::new(&sampling),
            random: Pcg64Mcg::seed_from_u64(u64::from(sampling.seed.unwrap_or(0))),
            candidates: Vec::new(),
        }
    }

    /// The same with tokens that are made more or less likely.
    #[must_use]
    pub fn biased(mut self, bias: &[LogitBias]) -> Self {
        self.penalties.bias = bias.to_vec();
        self
    }

    /// The next token, given the logits of all and the tokens so far; `None` where no logit is a number.
    /// The logits of biased and penalised tokens are changed in place.
    pub fn sample(&mut self, logits: &mut [f32], tokens: &[i32]) -> Option<u32> {
        self.penalties.apply(logits, tokens);
        self.sample_again(logits)
    }

    /// The next token by logits that were penalised already.
    pub fn sample_again(&mut self, logits: &[f32]) -> Option<u32> {
        if self.temperature == 0.0 {
            self.keep_top(logits, 1);
            return self.candidates.first().map(|first| first.token);
        }
        if let Some(mirostat) = self.mirostat {
            return self.draw_by_surprise(logits, mirostat);
        }
        self.keep(logits);
        let most = self.candidates.first()?.logit;
        if self.min_p > 0.0 {
            let least = most + self.min_p.ln();
            self.candidates.retain(|candidate| candidate.logit >= least);
        }
        let (probability, threshold) = self.xtc;
        if probability > 0.0 && threshold <= 0.5 && self.random.random::<f32>() < probability {
            self.leave_likeliest_out(threshold);
        }
        self.draw().map(|candidate| candidate.token)
    }

    /// Candidates: those that top-n-sigma, top-k, typical-p and top-p leave, the likeliest first.
    fn keep(&mut self, logits: &[f32]) {
        let is_narrowed = self.typical_p < 1.0 || self.top_n_sigma > 0.0;
        match self.top_k {
            0 if is_narrowed => self.keep_top(logits, logits.len()),
            0 if self.top_p < 1.0 => return self.keep_nucleus_of_all(logits),
            0 => return self.keep_all(logits),
            k => self.keep_top(logits, k),
        }
        if self.top_n_sigma > 0.0 {
            self.keep_within_deviations(logits);
        }
        if self.typical_p < 1.0 {
            self.keep_typical();
        }
        self.keep_nucleus(None);
    }

    /// Candidates: the `k` likeliest, likeliest first. One pass that looks closer only at blocks which hold a logit
    /// above the least that is kept so far.
    fn keep_top(&mut self, logits: &[f32], k: usize) {
        const BLOCK: usize = 32;
        self.candidates.clear();
        let most = k.saturating_mul(2).max(BLOCK);
        let mut above = f32::NEG_INFINITY;
        for (idx, block) in logits.chunks(BLOCK).enumerate() {
            #[expect(
                clippy::needless_bitwise_bool,
                reason = "without a jump per number, this is a few vector instructions"
            )]
            let any_above = block.iter().fold(false, |any, logit| any | (*logit > above));
            if !any_above {
                continue;
            }
            for (token, logit) in (idx * BLOCK..).zip(block) {
                if *logit > above {
                    self.candidates.push(Candidate { logit: *logit, token: token as u32 });
                }
            }
            if self.candidates.len() >= most {
                self.candidates.select_nth_unstable_by(k - 1, Candidate::order);
                self.candidates.truncate(k);
                above = self.candidates[k - 1].logit;
            }
        }
        self.candidates.sort_unstable_by(Candidate::order);
        self.candidates.truncate(k);
    }

    /// Candidates: all that have a finite logit, the likeliest first, the others in no order.
    fn keep_all(&mut self, logits: &[f32]) {
        self.candidates.clear();
        let all = (0_u32..).zip(logits).map(|(token, logit)| Candidate { logit: *logit, token });
        self.candidates.extend(all.filter(|candidate| candidate.logit > f32::NEG_INFINITY));
        let first = (0..self.candidates.len()).min_by(|a, b| self.candidates[*a].order(&self.candidates[*b]));
        if let Some(first) = first {
            self.candidates.swap(0, first);
        }
    }

    /// Candidates: the likeliest of the whole vocabulary that together reach `top_p`, without sorting all of it.
    fn keep_nucleus_of_all(&mut self, logits: &[f32]) {
        let mut k = 256;
        self.keep_top(logits, k);
        let Some(most) = self.candidates.first().map(|first| first.logit) else { return };
        let whole = logits.iter().filter(|logit| !logit.is_nan()).map(|logit| (logit - most).exp()).sum();
        while !self.keep_nucleus(Some(whole)) && k < logits.len() {
            k *= 8;
            self.keep_top(logits, k);
        }
    }

    /// Cut sorted candidates where they reach `top_p` of `whole`, or of their own weight; whether they do.
    fn keep_nucleus(&mut self, whole: Option<f32>) -> bool {
        let Some(most) = self.candidates.first().map(|first| first.logit) else { return false };
        if self.top_p >= 1.0 {
            return true;
        }
        let weight = |candidate: &Candidate| (candidate.logit - most).exp();
        let wanted = self.top_p * whole.unwrap_or_else(|| self.candidates.iter().map(weight).sum());
        let mut reached = 0.0;
        for (idx, candidate) in self.candidates.iter().enumerate() {
            reached += weight(candidate);
            if reached >= wanted {
                self.candidates.truncate(idx + 1);
                return true;
            }
        }
        false
    }

    /// Draw one of the candidates by its weight at this temperature.
    fn draw(&mut self) -> Option<Candidate> {
        let most = self.candidates.first()?.logit;
        let weight = |candidate: &Candidate| f64::from(((candidate.logit - most) / self.temperature).exp());
        let whole: f64 = self.candidates.iter().map(weight).sum();
        let mut left = self.random.random::<f64>() * whole;
        for candidate in &self.candidates {
            left -= weight(candidate);
            if left < 0.0 {
                return Some(*candidate);
            }
        }
        self.candidates.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    const ALL: Sampling = Sampling {
        temperature: Some(1.0),
        top_k: Some(0),
        top_p: Some(1.0),
        min_p: Some(0.0),
        seed: Some(1),
        ..Sampling::OPEN
    };

    /// How often each token comes in 20,000 draws, in percent.
    fn shares(sampling: &Sampling, logits: &[f32], tokens: &[i32]) -> Vec<i32> {
        let mut sampler = Sampler::new(sampling);
        let mut counts = vec![0; logits.len()];
        for _ in 0..20_000 {
            counts[sampler.sample(&mut logits.to_vec(), tokens).unwrap() as usize] += 1;
        }
        counts.into_iter().map(|count| (count + 100) / 200).collect()
    }

    #[test]
    fn each_setting_does_what_it_says() {
        // Probabilities of 0.1, 0.5, 0.3, 0.1.
        let logits = [0.1_f32.ln(), 0.5_f32.ln(), 0.3_f32.ln(), 0.1_f32.ln()];
        for (name, sampling, tokens, expected) in [
            ("all", ALL, &[][..], [10, 50, 30, 10]),
            ("greedy", Sampling { temperature: Some(0.0), ..ALL }, &[], [0, 100, 0, 0]),
            ("cold", Sampling { temperature: Some(0.5), ..ALL }, &[], [3, 69, 25, 3]),
            ("top-k", Sampling { top_k: Some(2), ..ALL }, &[], [0, 62, 38, 0]),
            ("top-k above the vocabulary", Sampling { top_k: Some(9), ..ALL }, &[], [10, 50, 30, 10]),
            ("top-p", Sampling { top_p: Some(0.7), ..ALL }, &[], [0, 62, 38, 0]),
            ("top-p after top-k", Sampling { top_k: Some(3), top_p: Some(0.55), ..ALL }, &[], [0, 100, 0, 0]),
            ("top-p of nothing keeps one", Sampling { top_p: Some(0.0), ..ALL }, &[], [0, 100, 0, 0]),
            ("min-p", Sampling { min_p: Some(0.5), ..ALL }, &[], [0, 62, 38, 0]),
            ("penalty", Sampling { repeat_penalty: Some(2.0), ..ALL }, &[1, 1, 2], [19, 46, 16, 19]),
            ("frequency", Sampling { frequency_penalty: Some(1.0), ..ALL }, &[1, 1, 2], [26, 18, 29, 26]),
            ("presence", Sampling { presence_penalty: Some(1.0), ..ALL }, &[1, 1, 2], [20, 37, 22, 20]),
            (
                "penalties without a window",
                Sampling { repeat_last_n: Some(0), presence_penalty: Some(1.0), ..ALL },
                &[1],
                [10, 50, 30, 10],
            ),
            (
                "a window of one",
                Sampling { repeat_last_n: Some(1), presence_penalty: Some(9.0), ..ALL },
                &[2, 1],
                [20, 0, 60, 20],
            ),
            // Entropy is 1.17 nats: the surprise of 0.3, 1.2, is nearest to it.
            ("typical-p", Sampling { typical_p: Some(0.2), ..ALL }, &[], [0, 0, 100, 0]),
            ("top-n-sigma", Sampling { top_n_sigma: Some(1.0), ..ALL }, &[], [0, 62, 38, 0]),
            ("xtc", Sampling { xtc_probability: Some(1.0), xtc_threshold: Some(0.2), ..ALL }, &[], [20, 0, 60, 20]),
            (
                "xtc that is off",
                Sampling { xtc_probability: Some(1.0), xtc_threshold: Some(0.6), ..ALL },
                &[],
                [10, 50, 30, 10],
            ),
            (
                "mirostat 2",
                Sampling { mirostat: Some(2), mirostat_tau: Some(0.6), mirostat_eta: Some(0.0), ..ALL },
                &[],
                [0, 100, 0, 0],
            ),
        ] {
            for (share, expected) in shares(&sampling, &logits, tokens).into_iter().zip(expected) {
                assert!((share - expected).abs() <= 1, "{name}: {share} % rather than {expected} %");
            }
        }
    }

    #[test]
    fn a_bias_bans_a_token_or_forces_it() {
        let draw = |sampling: Sampling, token, bias| {
            let mut sampler = Sampler::new(&sampling).biased(&[LogitBias { token, bias }]);
            (0..200).map(|_| sampler.sample(&mut [1.0, 3.0, 2.0, 0.0], &[]).unwrap()).collect::<BTreeSet<_>>()
        };
        for sampling in [ALL, Sampling { temperature: Some(0.0), ..ALL }, Sampling { mirostat: Some(1), ..ALL }] {
            assert!(!draw(sampling, 1, -100.0).contains(&1));
            assert_eq!(draw(sampling, 3, 100.0), [3].into());
        }
        // A token that does not exist has no effect here.
        assert_eq!(draw(Sampling { temperature: Some(0.0), ..ALL }, 9, 100.0), [1].into());
    }

    #[test]
    fn mirostat_holds_its_surprise() {
        // A vocabulary with a long tail.
        let logits: Vec<f32> = (1..2000_u16).map(|rank| -f32::from(rank).ln()).collect();
        let whole: f32 = logits.iter().map(|logit| logit.exp()).sum();
        let surprise = |token: u32| -(logits[token as usize].exp() / whole).log2();
        for version in [1, 2] {
            for tau in [3.0, 6.0] {
                let sampling = Sampling { mirostat: Some(version), mirostat_tau: Some(tau), ..ALL };
                let mut sampler = Sampler::new(&sampling);
                let drawn: Vec<f32> =
                    (0..4000).map(|_| surprise(sampler.sample(&mut logits.clone(), &[]).unwrap())).collect();
                let mean = drawn[1000..].iter().sum::<f32>() / 3000.0;
                // Of the truncated distribution it is the surprise that is held, which is somewhat less.
                assert!((mean - tau).abs() < 1.5, "{version}: {mean} rather than {tau}");
            }
        }
    }

    /// What a seed gives is the same on every machine and in every version of the generator.
    #[test]
    fn a_seed_gives_the_same_tokens() {
        let drawn = |seed: u32| {
            let mut sampler = Sampler::new(&Sampling { seed: Some(seed), ..ALL });
            (0..16).filter_map(|_| sampler.sample(&mut [0.0; 10], &[])).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), [8, 1, 4, 7, 3, 5, 3, 7, 1, 4, 0, 0, 0, 3, 8, 8]);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn the_penalty_forgets_after_64_tokens() {
        let mut tokens = vec![0; 1];
        tokens.extend([1; 63]);
        let sampling = Sampling { temperature: Some(0.0), repeat_penalty: Some(4.0), ..ALL };
        let mut sampler = Sampler::new(&sampling);
        assert_eq!(sampler.sample(&mut [3.0, 1.0, 2.0], &tokens), Some(2));
        tokens.push(1);
        assert_eq!(sampler.sample(&mut [3.0, 1.0, 2.0], &tokens), Some(0));
    }

    #[test]
    fn what_is_no_number_is_never_drawn() {
        for sampling in [ALL, Sampling::default(), Sampling { temperature: Some(0.0), ..ALL }] {
            let mut sampler = Sampler::new(&sampling);
            assert_eq!(sampler.sample(&mut [f32::NAN, f32::NEG_INFINITY, 1.0], &[]), Some(2));
            assert_eq!(sampler.sample(&mut [f32::NAN, f32::NEG_INFINITY], &[]), None);
            assert_eq!(sampler.sample(&mut [], &[]), None);
        }
    }

    #[test]
    fn the_request_wins_over_the_file_and_the_file_over_the_default() {
        let file = Sampling { temperature: Some(0.6), top_k: Some(20), seed: Some(7), ..Sampling::default() };
        let request = Sampling { top_k: Some(5), ..Sampling::default() };
        let expected = Sampling { temperature: Some(0.6), top_k: Some(5), seed: None, ..DEFAULT };
        assert_eq!(resolve(&request, &file), expected);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        for (sampling, name) in [
            (Sampling { temperature: Some(-1.0), ..ALL }, "temperature"),
            (Sampling { temperature: Some(f32::NAN), ..ALL }, "temperature"),
            (Sampling { top_p: Some(1.5), ..ALL }, "top-p"),
            (Sampling { min_p: Some(-0.1), ..ALL }, "min-p"),
            (Sampling { repeat_penalty: Some(0.0), ..ALL }, "repeat penalty"),
            (Sampling { frequency_penalty: Some(f32::INFINITY), ..ALL }, "frequency penalty"),
            (Sampling { mirostat: Some(3), ..ALL }, "mirostat"),
            (Sampling { xtc_threshold: Some(-1.0), ..ALL }, "xtc threshold"),
        ] {
            assert!(check(&sampling).unwrap_err().starts_with(name));
        }
        assert_eq!(check(&ALL), Ok(()));
        assert_eq!(check(&DEFAULT), Ok(()));
    }

    proptest! {
        #[test]
        fn the_top_k_are_those_of_a_full_sort(
            logits in proptest::collection::vec(prop_oneof![-9.0_f32..9.0, (-3_i8..3).prop_map(f32::from)], 1..600),
            k in 1_usize..70,
        ) {
            let mut sampler = Sampler::new(&ALL);
            sampler.keep_top(&logits, k);
            let mut sorted = logits.clone();
            sorted.sort_unstable_by(|a, b| b.total_cmp(a));
            sorted.truncate(k);
            let kept: Vec<f32> = sampler.candidates.iter().map(|candidate| candidate.logit).collect();
            prop_assert_eq!(kept, sorted);
            for candidate in &sampler.candidates {
                prop_assert_eq!(logits[candidate.token as usize].to_bits(), candidate.logit.to_bits());
            }
        }

        #[test]
        fn the_nucleus_of_all_is_that_of_a_full_sort(
            logits in proptest::collection::vec(-4.0_f32..4.0, 300..900),
            top_p in 0.05_f32..0.98,
        ) {
            let mut sampler = Sampler::new(&Sampling { top_p: Some(top_p), ..ALL });
            sampler.keep_nucleus_of_all(&logits);
            let fast = sampler.candidates.len();
            sampler.keep_top(&logits, logits.len());
            sampler.keep_nucleus(None);
            // Sums of floats in another order may differ by a candidate at the border.
            prop_assert!(fast.abs_diff(sampler.candidates.len()) <= 1);
        }
    }
}
