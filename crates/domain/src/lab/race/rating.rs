//! How models stand after all votes: the Bradley–Terry model (Bradley and Terry, Biometrika 1952) on Elo's scale.
//!
//! The chance that one is preferred to another is the logistic function of the difference of their strengths; a tie
//! counts as half a win for each. A vote for one of several columns counts as a win over each of the others, a tie as one
//! of each pair; these are not independent, so with more than two columns the interval is a little too narrow. A normal
//! prior keeps a model that has only won finite. The interval is Laplace's: the curvature at the most likely strengths.
//! Votes tell differences only: that all strengths rise together is held by the prior alone, and no vote narrows it. A
//! rating is a distance from the mean, so its interval is that of the centred strength, in which this has no part.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::moment::Moment;
use crate::record::{Options, RaceColumn, RaceDocument};

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

/// Settings that change how fast an answer comes, not what it says.
const ONLY_SPEED: [&str; 10] = [
    "prompt_cache_mib",
    "threads",
    "gpu_layers",
    "device",
    "mmap",
    "mlock",
    "batch",
    "ubatch",
    "parallel",
    "flash_attention",
];

/// Who can be voted for: a model with its settings, whatever it was called in a race.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Contender {
    /// The model's id; its name where an old record tells none.
    pub id: String,
    /// The settings that are not the usual ones and bear on the answer, by name.
    pub settings: BTreeMap<String, String>,
    /// The column's name in the race.
    pub name: String,
}

impl Contender {
    /// A model with its settings that are not the defaults.
    pub fn new(id: &str, options: &Options, name: &str) -> Self {
        let options = options.iter().filter(|(option, _)| !ONLY_SPEED.contains(&option.as_str()));
        let settings = options.map(|(option, value)| (option.clone(), value.clone())).collect();
        Self { id: id.to_owned(), settings, name: name.to_owned() }
    }

    /// What tells it from others.
    fn key(&self) -> (&str, &BTreeMap<String, String>) {
        (&self.id, &self.settings)
    }
}

/// One vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vote {
    /// The race, while the program lives; 0 of an earlier one.
    pub race: u64,
    /// When.
    #[serde(serialize_with = "unix")]
    pub at: Moment,
    /// The columns, in the order that they showed.
    pub models: Vec<Contender>,
    /// The best one's place; `None` is a tie.
    pub winner: Option<usize>,
    /// Whether the names were hidden.
    pub blind: bool,
}

impl Vote {
    /// The vote of a record that the history keeps, at its time, milliseconds since 1970. `None` where there is no vote
    /// in it. Columns without an answer took no part.
    pub fn of(at: i64, race: &RaceDocument) -> Option<Self> {
        let choice = race.vote.as_ref()?;
        let columns = race.columns.iter().filter(|column| column.text.is_some());
        let none = Options::new();
        let contender = |column: &RaceColumn| {
            let id = column.model.as_ref().and_then(|model| model.id.as_deref()).unwrap_or(&column.name);
            Contender::new(id, column.options.as_ref().unwrap_or(&none), &column.name)
        };
        let models: Vec<Contender> = columns.map(contender).collect();
        let winner = match &choice.winner {
            Some(name) => Some(models.iter().position(|model| model.name == *name)?),
            None => None,
        };
        let at = Moment { unix: at.div_euclid(1000), ..Moment::default() };
        Some(Self { race: 0, at, models, winner, blind: race.blind })
    }

    /// Whether this is the same judgement, told by what the history keeps of one.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.at.unix, &self.models, self.winner) == (other.at.unix, &other.models, other.winner)
    }
}

fn unix<S: serde::Serializer>(at: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.unix)
}

/// How one model stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rating {
    /// Its name, with what is set otherwise where several have the same.
    pub model: String,
    /// Its id.
    pub id: String,
    /// The settings that are not the usual ones and bear on the answer, by name.
    pub settings: BTreeMap<String, String>,
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
    let mut known: BTreeMap<_, &str> = BTreeMap::new();
    for vote in votes.iter().rev() {
        if known.len() + vote.models.len() <= MAX_MODELS {
            for model in &vote.models {
                // The newest race's name.
                known.entry(model.key()).or_insert(&model.name);
            }
        }
    }
    let keys: Vec<_> = known.keys().copied().collect();
    let votes = votes.iter().filter(|vote| vote.models.iter().all(|model| known.contains_key(&model.key())));
    let n = keys.len();
    let place = |model: &Contender| keys.binary_search(&model.key()).unwrap_or(0);
    let mut wins = vec![vec![0.0; n]; n];
    let mut ratings: Vec<Rating> = keys
        .iter()
        .zip(names(&known))
        .map(|((id, settings), model)| Rating {
            model,
            id: (*id).to_owned(),
            settings: (*settings).clone(),
            rating: MEAN,
            interval: 0.0,
            n_votes: 0,
            n_wins: 0,
            n_ties: 0,
        })
        .collect();
    for vote in votes {
        let places: Vec<usize> = vote.models.iter().map(place).collect();
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
        rating.interval = Z95 * SCALE * centred(&covariance, index).max(0.0).sqrt();
    }
    ratings.sort_by(|one, other| other.rating.total_cmp(&one.rating).then_with(|| one.model.cmp(&other.model)));
    ratings
}

/// The variance of a strength's distance from the mean of all: the diagonal of P C P with P = I - 11'/n. One alone is the
/// mean, and is known as little as the prior says.
fn centred(covariance: &[Vec<f64>], index: usize) -> f64 {
    let n = covariance.len() as f64;
    let own = covariance[index][index];
    if covariance.len() < 2 {
        return own;
    }
    let row: f64 = covariance[index].iter().sum();
    let all: f64 = covariance.iter().flatten().sum();
    own - 2.0 * row / n + all / (n * n)
}

/// What each is called: its newest name, with the settings that tell it from others of this name, or its id where none
/// does.
fn names(known: &BTreeMap<(&str, &BTreeMap<String, String>), &str>) -> Vec<String> {
    let name = |(id, settings): (&str, &BTreeMap<String, String>), name: &str| {
        let others = || known.iter().filter(|(key, other)| **other == name && **key != (id, settings));
        if others().next().is_none() {
            return name.to_owned();
        }
        let differs =
            |(option, value): &(&String, &String)| others().any(|((_, other), _)| other.get(*option) != Some(*value));
        let told: Vec<String> = settings
            .iter()
            .filter(differs)
            .map(|(option, value)| format!("{} {value}", option.replace('_', " ")))
            .collect();
        match (told.is_empty(), others().any(|((other, _), _)| *other != id)) {
            (true, true) => format!("{name} ({id})"),
            (true, false) => format!("{name} · usual"),
            (false, _) => format!("{name} · {}", told.join(", ")),
        }
    };
    known.iter().map(|(key, newest)| name(*key, newest)).collect()
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
