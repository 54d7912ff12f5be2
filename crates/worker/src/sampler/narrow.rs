//! The samplers that few ask for: top-n-sigma, typical-p, XTC, Mirostat.
//!
//! Each is llama.cpp's of that name. They work on candidates that are sorted, the likeliest first, and leave them so.

use super::{Candidate, Mirostat, Sampler};

/// The tokens by which the first Mirostat estimates how steep a distribution is.
const N_ESTIMATED: usize = 100;

impl Sampler {
    /// Drop candidates that are more than top-n-sigma standard deviations below the greatest logit.
    pub(super) fn keep_within_deviations(&mut self, logits: &[f32]) {
        let finite = || logits.iter().copied().filter(|logit| logit.is_finite()).map(f64::from);
        let count = finite().count().max(1) as f64;
        let mean = finite().sum::<f64>() / count;
        let deviation = (finite().map(|logit| (logit - mean).powi(2)).sum::<f64>() / count).sqrt();
        let Some(most) = self.candidates.first().map(|first| first.logit) else { return };
        let least = f64::from(most) - f64::from(self.top_n_sigma) * deviation;
        self.candidates.retain(|candidate| f64::from(candidate.logit) >= least);
    }

    /// Keep the candidates whose surprise is nearest to the expected one, until they reach typical-p.
    pub(super) fn keep_typical(&mut self) {
        let probabilities = self.probabilities(1.0);
        let entropy: f32 = probabilities.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        let distance = |p: f32| (-p.ln() - entropy).abs();
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|one, other| distance(probabilities[*one]).total_cmp(&distance(probabilities[*other])));
        let mut reached = 0.0;
        let n_kept = order.iter().position(|place| {
            reached += probabilities[*place];
            reached > self.typical_p
        });
        order.truncate(n_kept.map_or(order.len(), |last| last + 1));
        order.sort_unstable();
        self.candidates = order.into_iter().map(|place| self.candidates[place]).collect();
    }

    /// Cut all candidates that reach the threshold but the least likely of them.
    pub(super) fn leave_likeliest_out(&mut self, threshold: f32) {
        self.candidates.sort_unstable_by(Candidate::order);
        let n_above = self.probabilities(1.0).iter().take_while(|p| **p >= threshold).count();
        self.candidates.drain(..n_above.saturating_sub(1));
    }

    /// Draw by Mirostat, and learn from how surprising the token is.
    pub(super) fn draw_by_surprise(&mut self, logits: &[f32], mirostat: Mirostat) -> Option<u32> {
        self.keep_top(logits, logits.len());
        let probabilities = self.probabilities(self.temperature);
        let n_kept = if mirostat.version == 1 {
            estimate(&probabilities, mirostat.most)
        } else {
            probabilities.iter().take_while(|p| -p.log2() <= mirostat.most).count()
        };
        self.candidates.truncate(n_kept.max(1));
        let kept = self.probabilities(self.temperature);
        let drawn = self.draw()?;
        let place = self.candidates.iter().position(|candidate| candidate.token == drawn.token)?;
        let surprise = -kept[place].log2();
        if let Some(mirostat) = &mut self.mirostat {
            mirostat.most -= mirostat.eta * (surprise - mirostat.tau);
        }
        Some(drawn.token)
    }

    /// How likely each candidate is among them, at a temperature.
    fn probabilities(&self, temperature: f32) -> Vec<f32> {
        let most = self.candidates.first().map_or(0.0, |first| first.logit);
        let weight = |candidate: &Candidate| ((candidate.logit - most) / temperature).exp();
        let whole: f32 = self.candidates.iter().map(weight).sum();
        self.candidates.iter().map(|candidate| weight(candidate) / whole).collect()
    }
}

/// How many of the likeliest the first Mirostat keeps, by Zipf's law through the steepness of the likeliest.
fn estimate(probabilities: &[f32], most: f32) -> usize {
    let (mut products, mut squares) = (0.0, 0.0);
    for (rank, pair) in probabilities.windows(2).take(N_ESTIMATED - 1).enumerate() {
        let ([one, other], rank) = (pair, rank as f32) else { continue };
        let (t, b) = (((rank + 2.0) / (rank + 1.0)).ln(), (one / other).ln());
        if b.is_finite() {
            products += t * b;
            squares += t * t;
        }
    }
    if squares == 0.0 {
        return probabilities.len();
    }
    let steepness: f32 = products / squares;
    let epsilon = steepness - 1.0;
    let n = probabilities.len() as f32;
    let k = ((epsilon * most.exp2()) / (1.0 - n.powf(-epsilon))).powf(1.0 / steepness);
    if k.is_finite() { (k as usize).clamp(1, probabilities.len()) } else { probabilities.len() }
}
