//! `/api/create`: models made of files, and of other models with settings of their own.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::blobs::place;
use super::names::{copied, set};
use super::{Lines, Stop, known, run};
use crate::server::blobs::BlobDigest;
use crate::server::error::{ApiError, Result};
use crate::server::incoming::Incoming;
use crate::server::limits;
use crate::server::shared::Shared;
use domain::alias::{self, Alias};
use domain::settings::SessionSettings;

/// Ollama's parameters with the settings of a session that they are.
const PARAMETERS: [(&str, &str); 9] = [
    ("num_ctx", "context"),
    ("num_predict", "max_tokens"),
    ("num_batch", "batch"),
    ("temperature", "temperature"),
    ("top_k", "top_k"),
    ("top_p", "top_p"),
    ("min_p", "min_p"),
    ("repeat_penalty", "repeat_penalty"),
    ("seed", "seed"),
];

/// The model that is to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OllamaCreateRequest)]
pub(in crate::server::ollama) struct Request {
    /// Its name.
    model: Option<String>,
    /// The older name of it.
    name: Option<String>,
    /// The model that it is, with what else is said here.
    from: Option<String>,
    /// The one GGUF file that it is: its name with the hash under which it was sent to `/api/blobs`.
    files: Option<BTreeMap<String, String>>,
    /// The system prompt of conversations that have none.
    system: Option<String>,
    /// How it runs: `num_ctx`, `temperature` and others of `options`.
    #[schema(value_type = Option<Object>)]
    parameters: Option<BTreeMap<String, Value>>,
    /// Not supported: a template in place of the model's own.
    template: Option<String>,
    /// Not supported: adapters.
    #[schema(value_type = Option<Object>)]
    adapters: Option<Value>,
    /// Not supported: a conversation that comes before each.
    #[schema(value_type = Option<Vec<Object>>)]
    messages: Option<Value>,
    /// Not supported: another quantisation.
    quantize: Option<String>,
    /// Tell what is done; so it is where nothing is said.
    stream: Option<bool>,
}

/// Make a model, over an earlier one that was made under its name.
#[utoipa::path(
    post,
    path = "/api/create",
    tag = "ollama",
    request_body = Request,
    responses(
        (status = 200, description = "Progress as JSON lines, or the final status"),
        (status = 400, description = "Invalid field"),
        (status = 403, description = "The key does not have the scope"),
        (status = 404, description = "The base model was not found"),
    )
)]
pub(in crate::server::ollama) async fn create(incoming: Incoming<Request>) -> Result<Response> {
    let mut request = incoming.request;
    let shared = incoming.shared;
    let is_stream = request.stream.unwrap_or(true);
    request.check()?;
    let name = request.model.take().or(request.name.take()).ok_or_else(|| ApiError::field("model", "is missing"))?;
    let name = name.strip_suffix(":latest").unwrap_or(&name).to_owned();
    if !Alias::is_name(&name) {
        return Err(ApiError::field("model", format!("must have {}", Alias::NAME_RULE)));
    }
    let wanted = name.clone();
    let taken = shared.handle.read(move |domain| {
        let found = alias::resolve(domain, &wanted).ok()?;
        found.alias.is_none().then(|| found.model.path().cloned()).flatten()
    });
    if let Some(path) = taken.await?
        && !shared.blobs.as_ref().is_some_and(|blobs| blobs.is_made(&path))
    {
        return Err(ApiError::field("model", "is already the name of a model"));
    }
    let own = request.settings()?;
    match (request.from, request.files) {
        (Some(source), None) => {
            let alias = shared.handle.read(move |domain| copied(domain, &source)).await??;
            let alias = over(alias, own);
            run(is_stream, async move |lines: Lines| {
                lines.tell(json!({"status": "writing manifest"})).await?;
                Ok(set(&shared.handle, "model", &name, alias).await?)
            })
            .await
        }
        (None, Some(files)) => {
            let digest = one_file(&files)?;
            run(is_stream, async move |lines| of_file(&shared, &lines, &name, &digest, own).await).await
        }
        _ => Err(ApiError::field("from", "or `files` must say what the model is made of, and not both")),
    }
}

fn one_file(files: &BTreeMap<String, String>) -> Result<BlobDigest> {
    let mut all = files.values();
    match (all.next(), all.next()) {
        (Some(digest), None) => BlobDigest::parse("files", digest),
        _ => Err(ApiError::field("files", "must name one GGUF file")),
    }
}

/// Make a model of a file that was sent.
async fn of_file(
    shared: &Shared,
    lines: &Lines,
    name: &str,
    digest: &BlobDigest,
    own: Alias,
) -> std::result::Result<(), Stop> {
    lines.tell(json!({"status": "creating model"})).await?;
    let stem = stem(name);
    let path = place(shared)?.make(digest, &stem)?;
    let id = format!("folder:{}", path.display());
    known(&shared.handle, &id).await?;
    if stem != name || own != Alias::default() {
        lines.tell(json!({"status": "writing manifest"})).await?;
        set(&shared.handle, "model", name, Alias { model: id, ..own }).await?;
    }
    Ok(())
}

/// What the file of a model is called: its name, with what other systems or we ourselves would take for something else
/// left out.
fn stem(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    format!("{}{}", if plain.starts_with('.') { "-" } else { "" }, plain)
}

/// What is said of a model over what it had.
fn over(alias: Alias, own: Alias) -> Alias {
    let mut settings = alias.settings;
    settings.extend(own.settings);
    Alias { settings, system: own.system.or(alias.system), ..alias }
}

impl Request {
    /// Refuse what is not supported by its name.
    fn check(&self) -> Result<()> {
        let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let has_items = |value: &Option<Value>| match value {
            None | Some(Value::Null) => false,
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(fields)) => !fields.is_empty(),
            Some(_) => true,
        };
        for (field, is_there, why) in [
            ("template", is_given(&self.template), "the template of the model's file is used"),
            ("adapters", has_items(&self.adapters), "adapters can't be loaded"),
            ("messages", has_items(&self.messages), "give them with each request"),
            ("quantize", is_given(&self.quantize), "files are taken as they are"),
        ] {
            if is_there {
                return Err(ApiError::field(field, format!("is not supported: {why}")));
            }
        }
        limits::text("system", self.system.as_deref().unwrap_or_default(), limits::PROMPT)
    }

    /// What it says of how the model runs, of a model that is not named yet.
    fn settings(&mut self) -> Result<Alias> {
        let mut settings = BTreeMap::new();
        let mut checked = SessionSettings::default();
        for (name, value) in self.parameters.take().unwrap_or_default() {
            let field = format!("parameters.{name}");
            let Some((_, setting)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
                let known: Vec<&str> = PARAMETERS.iter().map(|(known, _)| *known).collect();
                return Err(ApiError::field(field, format!("is not supported; {} are", known.join(", "))));
            };
            let text = match &value {
                // Without a limit.
                Value::Number(number) if name == "num_predict" && number.as_i64().is_some_and(|most| most < 0) => {
                    "auto".to_owned()
                }
                Value::Number(number) => number.to_string(),
                Value::String(text) => text.clone(),
                _ => return Err(ApiError::field(field, "must be a number")),
            };
            checked.set(setting, &text).map_err(|wrong| ApiError::field(field, wrong))?;
            settings.insert((*setting).to_owned(), text);
        }
        Ok(Alias { settings, system: self.system.take(), ..Alias::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(value: Value) -> Request {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn parameters_are_settings_of_a_session() {
        for (parameters, expected) in [
            (json!({"num_ctx": 4096, "temperature": 0.5}), Ok(vec![("context", "4096"), ("temperature", "0.5")])),
            (json!({"num_predict": -1}), Ok(vec![("max_tokens", "auto")])),
            (json!({"top_p": 2}), Err("parameters.top_p")),
            (json!({"mirostat": 1}), Err("parameters.mirostat")),
            (json!({"seed": [1]}), Err("parameters.seed")),
        ] {
            let alias = request(json!({"parameters": parameters})).settings().map_err(|error| error.field.unwrap());
            let settings = alias.map(|alias| alias.settings.into_iter().collect::<Vec<_>>());
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            assert_eq!(settings, expected.map(|all| all.into_iter().map(owned).collect()).map_err(str::to_owned));
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (field, value, is_refused) in [
            ("template", json!("{{ .Prompt }}"), true),
            ("template", json!(""), false),
            ("adapters", json!({"a": "sha256:0"}), true),
            ("adapters", json!({}), false),
            ("messages", json!([{"role": "user", "content": "x"}]), true),
            ("quantize", json!("q4_K_M"), true),
        ] {
            let refused = request(json!({field: value})).check().map_err(|error| error.field.unwrap());
            assert_eq!(refused, if is_refused { Err(field.to_owned()) } else { Ok(()) }, "{field}");
        }
    }

    #[test]
    fn names_of_files_stay_in_their_folder() {
        for (name, expected) in
            [("mine", "mine"), ("mine:q4", "mine-q4"), ("../../etc/x", "-..-..-etc-x"), ("a\\b", "a-b"), (".x", "-.x")]
        {
            assert_eq!(stem(name), expected);
        }
    }
}
