//! Short jobs beside answers: vectors, tokens, conversations as the model is told them.

use domain::ask::{Generation, Priority};
use domain::command::Refused;
use domain::query::{Query, QueryError, Target};
use domain::session::{End, Phase};
use domain::{Domain, alias};
use wire::{Chat, Input, MAX_INPUTS, Prompt, QueryJob, QueryResult};

use super::asking::{Asking, with_context};
use super::error::{ApiError, Kind, Result};
use super::models::{Served, find, named};
use super::shared::Shared;

/// The most inputs of a request for vectors, as `OpenAI` has it.
const INPUTS: usize = 2048;

/// Vectors of inputs.
pub(super) struct Embedded {
    /// In the order of the inputs.
    pub(super) vectors: Vec<Vec<f32>>,
    /// Tokens of all inputs.
    pub(super) n_tokens: u64,
}

/// How vectors are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Divided by their length.
    pub(super) normalize: bool,
    /// Of inputs that are cut where they are too long.
    pub(super) truncate: bool,
    /// Of so many numbers, the first ones.
    pub(super) dimensions: Option<usize>,
}

impl Wanted {
    /// The first numbers of a vector, of length 1 again where that is wanted.
    fn shorten(self, mut vector: Vec<f32>) -> Vec<f32> {
        let Some(dimensions) = self.dimensions.filter(|dimensions| *dimensions < vector.len()) else { return vector };
        vector.truncate(dimensions);
        let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
        if self.normalize && length > 0.0 {
            for number in &mut vector {
                *number = (f64::from(*number) / length) as f32;
            }
        }
        vector
    }
}

impl Shared {
    /// The vectors of inputs, in parts that a worker takes at once.
    pub(super) async fn embed(
        &self,
        served: &Served,
        inputs: Vec<Input>,
        wanted: Wanted,
        asking: &Asking,
    ) -> Result<Embedded> {
        let is_empty = |input: &Input| input.n_bytes() == 0;
        if inputs.is_empty() || inputs.len() > INPUTS || inputs.iter().any(is_empty) {
            return Err(ApiError::field("input", format!("must be 1 to {INPUTS} inputs, none of them empty")));
        }
        let mut embedded = Embedded { vectors: Vec::with_capacity(inputs.len()), n_tokens: 0 };
        for part in inputs.chunks(MAX_INPUTS) {
            let (normalize, truncate) = (wanted.normalize, wanted.truncate);
            let job = QueryJob::Embed { inputs: part.to_vec(), normalize, truncate };
            let QueryResult::Embedded { vectors, n_tokens } = self.query(served, job, asking).await? else {
                return Err(unexpected());
            };
            let length = vectors.first().map_or(0, Vec::len);
            if wanted.dimensions.is_some_and(|dimensions| !(1..=length).contains(&dimensions)) {
                let message = format!("must be 1 to {length}: the dimension of this model's embeddings");
                return Err(ApiError::field("dimensions", message));
            }
            let vectors = vectors.into_iter().map(|vector| wanted.shorten(vector));
            embedded.n_tokens += n_tokens.iter().map(|count| u64::from(*count)).sum::<u64>();
            embedded.vectors.extend(vectors);
        }
        Ok(embedded)
    }

    /// A conversation as the model is told it, and its tokens.
    pub(super) async fn apply_template(&self, served: &Served, chat: Chat, asking: &Asking) -> Result<(String, u32)> {
        match self.query(served, QueryJob::ApplyTemplate(Box::new(chat)), asking).await? {
            QueryResult::Applied { prompt, n_tokens } => Ok((prompt, n_tokens)),
            _ => Err(unexpected()),
        }
    }

    /// Have a model carry out a query.
    pub(super) async fn query(&self, served: &Served, job: QueryJob, asking: &Asking) -> Result<QueryResult> {
        let (name, asking) = (served.name.clone(), asking.clone());
        let query = self.handle.read(move |domain| query(domain, &name, job, asking)).await??;
        let result = self.handle.query(query).await?;
        result.map(|result| *result).map_err(failed)
    }

    /// The model of this name, or the one that was loaded last where none is named.
    pub(super) async fn named_or_loaded(&self, name: Option<&str>) -> Result<Served> {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return named(&self.handle, name).await;
        }
        let loaded = self.handle.read(|domain| {
            let session = domain.sessions.iter().rfind(|session| session.phase == Phase::Ready)?;
            find(domain, &session.model.id).ok()
        });
        loaded.await?.ok_or_else(|| ApiError::field("model", "is missing: no model is loaded"))
    }
}

/// A job for the model of this name, with what the name stands for.
fn query(domain: &Domain, name: &str, job: QueryJob, asking: Asking) -> std::result::Result<Query, Refused> {
    let target = alias::resolve(domain, name)?;
    let (prompt, job) = match job {
        QueryJob::ApplyTemplate(chat) => (Prompt::Chat(*chat), None),
        job => (Prompt::Raw(String::new()), Some(job)),
    };
    let priority = Priority::Interactive;
    let ask = target.ask(domain, Generation::new(prompt), asking.asker, priority, asking.keep_alive);
    let job = match (job, ask.generation.prompt) {
        (Some(job), _) => job,
        (None, Prompt::Chat(chat)) => QueryJob::ApplyTemplate(Box::new(chat)),
        (None, Prompt::Raw(text)) => {
            let (add_special, parse_special, with_pieces) = (true, true, false);
            QueryJob::Tokenize { text, add_special, parse_special, with_pieces }
        }
    };
    let settings = match asking.context {
        Some(context) => {
            let settings = ask.settings.map_or(domain.settings.session, |settings| *settings);
            Some(Box::new(with_context(settings, context)))
        }
        None => ask.settings,
    };
    Ok(Query { target: Target::Model { id: ask.model, settings, keep_alive: ask.keep_alive }, job })
}

fn failed(error: QueryError) -> ApiError {
    let QueryError { reason, hint, kind } = error;
    let failed = ApiError::of_end(&End::Failed { reason, hint }, kind);
    failed.unwrap_or_else(|| ApiError::new(Kind::Failed, "the request failed"))
}

/// A worker has answered something else.
pub(super) fn unexpected() -> ApiError {
    ApiError::new(Kind::Failed, "the worker sent an unexpected answer")
}
