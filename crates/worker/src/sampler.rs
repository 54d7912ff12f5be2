//! The choice of the next token.
//!
//! Owned here: the chain that `wire::Sampling` names, in its order and with llama.cpp's arithmetic, and which of
//! request, file and default wins. It is our own because llama.cpp's chain first copies the whole vocabulary into an
//! array of candidates for every token, which for a small model costs as much as a layer. Absent: grammars, logit
//! biases, the other samplers.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use wire::Sampling;

/// How many of the last tokens the repeat penalty looks at.
pub const N_PENALISED: usize = 64;

/// The settings where neither the request nor the file has one.
const DEFAULT: Sampling = Sampling {
    temperature: Some(0.8),
    top_k: Some(40),
    top_p: Some(0.95),
    min_p: Some(0.05),
    repeat_penalty: Some(1.0),
    seed: None,
};

/// Each setting of `request`, else of `file`, else the default; the seed is the request's alone.
pub fn resolve(request: &Sampling, file: &Sampling) -> Sampling {
    Sampling {
        temperature: request.temperature.or(file.temperature).or(DEFAULT.temperature),
        top_k: request.top_k.or(file.top_k).or(DEFAULT.top_k),
        top_p: request.top_p.or(file.top_p).or(DEFAULT.top_p),
        min_p: request.min_p.or(file.min_p).or(DEFAULT.min_p),
        repeat_penalty: request.repeat_penalty.or(file.repeat_penalty).or(DEFAULT.repeat_penalty),
        seed: request.seed,
    }
}

/// What is wrong with these settings, as a sentence without a full stop.
pub fn check(sampling: &Sampling) -> Result<(), String> {
    let within = |name: &str, value: Option<f32>, low: f32, high: f32| match value {
        Some(value) if !(low..=high).contains(&value) => {
            Err(format!("{name} must be between {low} and {high}, and is {value}"))
        }
        _ => Ok(()),
    };
    within("temperature", sampling.temperature, 0.0, 100.0)?;
    within("top-p", sampling.top_p, 0.0, 1.0)?;
    within("min-p", sampling.min_p, 0.0, 1.0)?;
    within("repeat penalty", sampling.repeat_penalty, 0.01, 100.0)
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

/// Draws tokens with one generation's settings.
#[derive(Debug)]
pub struct Sampler {
    temperature: f32,
    /// 0 keeps all.
    top_k: usize,
    top_p: f32,
    min_p: f32,
    repeat_penalty: f32,
    random: Pcg64Mcg,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler for checked settings; an open one takes its default, an open seed 0.
    pub fn new(sampling: &Sampling) -> Self {
        let sampling = resolve(sampling, &DEFAULT);
        Self {
            temperature: sampling.temperature.unwrap_or(0.0),
            top_k: sampling.top_k.unwrap_or(0) as usize,
            top_p: sampling.top_p.unwrap_or(1.0),
            min_p: sampling.min_p.unwrap_or(0.0),
            repeat_penalty: sampling.repeat_penalty.unwrap_or(1.0),
            random: Pcg64Mcg::seed_from_u64(u64::from(sampling.seed.unwrap_or(0))),
            candidates: Vec::new(),
        }
    }

    /// The next token, given the logits of all and the tokens so far; `None` where no logit is a number.
    /// The logits of penalised tokens are changed in place.
    pub fn sample(&mut self, logits: &mut [f32], tokens: &[i32]) -> Option<u32> {
        self.penalise(logits, &tokens[tokens.len().saturating_sub(N_PENALISED)..]);
        self.sample_again(logits)
    }

    /// The next token by logits that were penalised already.
    pub fn sample_again(&mut self, logits: &[f32]) -> Option<u32> {
        if self.temperature == 0.0 {
            self.keep_top(logits, 1);
            return self.candidates.first().map(|first| first.token);
        }
        match self.top_k {
            0 if self.top_p < 1.0 => self.keep_nucleus_of_all(logits),
            0 => self.keep_all(logits),
            k => {
                self.keep_top(logits, k);
                self.keep_nucleus(None);
            }
        }
        let most = self.candidates.first()?.logit;
        if self.min_p > 0.0 {
            let least = most + self.min_p.ln();
            self.candidates.retain(|candidate| candidate.logit >= least);
        }
        self.draw(most)
    }

    /// Make each distinct token of `recent` less likely.
    fn penalise(&self, logits: &mut [f32], recent: &[i32]) {
        #[expect(clippy::float_cmp, reason = "this very number is the setting's off")]
        if self.repeat_penalty == 1.0 {
            return;
        }
        for (idx, token) in recent.iter().enumerate() {
            if recent[..idx].contains(token) {
                continue;
            }
            if let Some(logit) = usize::try_from(*token).ok().and_then(|token| logits.get_mut(token)) {
                *logit = if *logit <= 0.0 { *logit * self.repeat_penalty } else { *logit / self.repeat_penalty };
            }
        }
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
    fn draw(&mut self, most: f32) -> Option<u32> {
        let weight = |candidate: &Candidate| f64::from(((candidate.logit - most) / self.temperature).exp());
        let whole: f64 = self.candidates.iter().map(weight).sum();
        let mut left = self.random.random::<f64>() * whole;
        for candidate in &self.candidates {
            left -= weight(candidate);
            if left < 0.0 {
                return Some(candidate.token);
            }
        }
        self.candidates.first().map(|candidate| candidate.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Sampling = Sampling {
        temperature: Some(1.0),
        top_k: Some(0),
        top_p: Some(1.0),
        min_p: Some(0.0),
        repeat_penalty: Some(1.0),
        seed: Some(1),
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
        ] {
            for (share, expected) in shares(&sampling, &logits, tokens).into_iter().zip(expected) {
                assert!((share - expected).abs() <= 1, "{name}: {share} % rather than {expected} %");
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
        tokens.extend([1; N_PENALISED - 1]);
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
