//! How models stand after all votes: the Bradley–Terry model (Bradley and Terry, Biometrika 1952) on Elo's scale.
//!
//! The chance that one is preferred to another is the logistic function of the difference of their strengths; a tie
//! counts as half a win for each. A vote for one of several columns counts as a win over each of the others, a tie as one
//! of each pair; these are not independent, so with more than two columns the interval is a little too narrow. A normal
//! prior keeps a model that has only won finite. The interval is Laplace's: the curvature at the most likely strengths.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::core::event::Moment;

/// Strength to rating: 400 points are odds of ten to one.
const SCALE: f64 = 400.0 / std::f64::consts::LN_10;
/// The rating of a model of mean strength.
const MEAN: f64 = 1500.0;
/// Standard deviation of the prior, in units of strength: about 350 points.
const PRIOR: f64 = 2.0;
/// Newton's steps; the likelihood is concave, and a dozen are enough.
const MAX_STEPS: usize = 100;
/// The most votes that count, the newest. Ratings are computed whenever they show.
pub const MAX_VOTES: usize = 10_000;
/// The most models that are rated: those of the newest votes. The fit takes time with the cube of their number.
const MAX_MODELS: usize = 128;
/// Half the width of a 95 % interval in standard deviations.
const Z95: f64 = 1.96;

/// One vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vote {
    /// The race, while the program lives; 0 of an earlier one.
    pub race: u64,
    /// When.
    #[serde(serialize_with = "unix")]
    pub at: Moment,
    /// The columns' names, in the order that they showed.
    pub models: Vec<String>,
    /// The best one's place; `None` is a tie.
    pub winner: Option<usize>,
    /// Whether the names were hidden.
    pub blind: bool,
}

impl Vote {
    /// The vote that a record of the history keeps: its time, milliseconds since 1970, and the text of its body, which is
    /// a race's document. `None` where it is no vote. Columns without an answer took no part.
    pub fn read(at: i64, body: &str) -> Option<Self> {
        let ballot: Ballot = serde_json::from_str(body).ok()?;
        let choice = ballot.vote?;
        let models: Vec<String> =
            ballot.columns.into_iter().filter(|column| column.text.is_some()).map(|column| column.name).collect();
        let winner = match choice.winner {
            Some(name) => Some(models.iter().position(|model| *model == name)?),
            None => None,
        };
        let at = Moment { unix: at.div_euclid(1000), ..Moment::default() };
        Some(Self { race: 0, at, models, winner, blind: ballot.blind })
    }

    /// Whether this is the same judgement, told by what the history keeps of one.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.at.unix, &self.models, self.winner) == (other.at.unix, &other.models, other.winner)
    }
}

/// What a vote needs of a race's document.
#[derive(Deserialize)]
struct Ballot {
    columns: Vec<Column>,
    vote: Option<Choice>,
    #[serde(default)]
    blind: bool,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    text: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice {
    winner: Option<String>,
}

fn unix<S: serde::Serializer>(at: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.unix)
}

/// How one model stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rating {
    /// Its name.
    pub model: String,
    /// On Elo's scale, 1500 the mean of all.
    pub rating: f64,
    /// Half the width of the 95 % interval; the prior's where there is no vote.
    pub interval: f64,
    /// Votes it took part in.
    pub n_votes: usize,
    /// Votes it won.
    pub n_wins: usize,
    /// Ties it took part in.
    pub n_ties: usize,
}

/// The ratings of all models that were voted on, best first.
pub fn ratings(votes: &[Vote]) -> Vec<Rating> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for vote in votes.iter().rev() {
        if known.len() + vote.models.len() <= MAX_MODELS {
            known.extend(vote.models.iter().map(String::as_str));
        }
    }
    let names: Vec<&str> = known.iter().copied().collect();
    let votes = votes.iter().filter(|vote| vote.models.iter().all(|model| known.contains(model.as_str())));
    let n = names.len();
    let place = |name: &str| names.binary_search(&name).unwrap_or(0);
    let mut wins = vec![vec![0.0; n]; n];
    let mut ratings: Vec<Rating> = names
        .iter()
        .map(|name| Rating { model: (*name).to_owned(), rating: MEAN, interval: 0.0, n_votes: 0, n_wins: 0, n_ties: 0 })
        .collect();
    for vote in votes {
        let places: Vec<usize> = vote.models.iter().map(|name| place(name)).collect();
        for (index, one) in places.iter().enumerate() {
            ratings[*one].n_votes += 1;
            match vote.winner {
                None => ratings[*one].n_ties += 1,
                Some(winner) if winner == index => ratings[*one].n_wins += 1,
                Some(_) => {}
            }
            for (other_index, other) in places.iter().enumerate().filter(|(_, other)| *other != one) {
                match vote.winner {
                    // Each pair is met twice, once from each side.
                    None => wins[*one][*other] += 0.5,
                    Some(winner) if winner == index && other_index != index => wins[*one][*other] += 1.0,
                    Some(_) => {}
                }
            }
        }
    }
    let (strengths, covariance) = fit(&wins);
    let mean = strengths.iter().sum::<f64>() / (n.max(1) as f64);
    for (index, rating) in ratings.iter_mut().enumerate() {
        rating.rating = MEAN + SCALE * (strengths[index] - mean);
        rating.interval = Z95 * SCALE * covariance[index][index].max(0.0).sqrt();
    }
    ratings.sort_by(|one, other| other.rating.total_cmp(&one.rating).then_with(|| one.model.cmp(&other.model)));
    ratings
}

/// The most likely strengths under the prior, by Newton's method, and the inverse of the curvature there.
fn fit(wins: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = wins.len();
    let mut strengths = vec![0.0; n];
    let mut covariance = vec![vec![0.0; n]; n];
    for _ in 0..MAX_STEPS {
        let mut gradient: Vec<f64> = strengths.iter().map(|strength| -strength / (PRIOR * PRIOR)).collect();
        let mut curvature = vec![vec![0.0; n]; n];
        for i in 0..n {
            curvature[i][i] += 1.0 / (PRIOR * PRIOR);
            for j in (0..n).filter(|j| *j != i) {
                let games = wins[i][j] + wins[j][i];
                let chance = 1.0 / (1.0 + f64::exp(strengths[j] - strengths[i]));
                gradient[i] += wins[i][j] - games * chance;
                let weight = games * chance * (1.0 - chance);
                curvature[i][i] += weight;
                curvature[i][j] -= weight;
            }
        }
        covariance = inverse(curvature);
        let step: Vec<f64> = covariance.iter().map(|row| row.iter().zip(&gradient).map(|(a, b)| a * b).sum()).collect();
        for (strength, step) in strengths.iter_mut().zip(&step) {
            // A step longer than this overshoots where the curve is flat.
            *strength += f64::clamp(*step, -1.0, 1.0);
        }
        if step.iter().all(|step| step.abs() < 1e-10) {
            break;
        }
    }
    (strengths, covariance)
}

/// Gauss and Jordan's inverse. The curvature is positive definite by the prior, so no pivot is zero.
fn inverse(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = matrix.len();
    let mut inverse: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    for pivot in 0..n {
        let scale = 1.0 / matrix[pivot][pivot];
        for column in 0..n {
            matrix[pivot][column] *= scale;
            inverse[pivot][column] *= scale;
        }
        for row in (0..n).filter(|row| *row != pivot) {
            let factor = matrix[row][pivot];
            for column in 0..n {
                let (above, above_inverse) = (matrix[pivot][column], inverse[pivot][column]);
                matrix[row][column] -= factor * above;
                inverse[row][column] -= factor * above_inverse;
            }
        }
    }
    inverse
}
