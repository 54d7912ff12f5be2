//! Bodies that are JSON: those of requests are of a known shape, and read within bounds of size and time.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{ApiError, Kind};

/// How long a client may take to send its body; a slow one holds a connection.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// The body as JSON. What it is declared as does not matter: many clients say nothing, or the wrong thing.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = bytes(request, state).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Err(error) => ApiError::new(Kind::Failed, error.to_string()).into_response(),
        }
    }
}

/// The body as it is.
pub(super) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    bytes_within(request, state, BODY_TIMEOUT).await
}

async fn bytes_within<S: Send + Sync>(request: Request, state: &S, timeout: Duration) -> Result<Bytes, ApiError> {
    let reading = tokio::time::timeout(timeout, Bytes::from_request(request, state)).await;
    let late = || ApiError::new(Kind::Timeout, "the request body arrived too slowly");
    let read = reading.ok().ok_or_else(late)?;
    read.map_err(|rejection| {
        if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
            let message = "the request body is larger than `server.max_body` in config.toml allows";
            return ApiError::new(Kind::TooLarge, message);
        }
        ApiError::new(Kind::Invalid, format!("the request body can't be read: {rejection}"))
    })
}

/// Read JSON; an error names the field that is wrong.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // A list would be taken for the fields of an object in their order.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte != b'{') {
        return Err(ApiError::new(Kind::Invalid, "the body must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if !inner.is_data() {
            return ApiError::new(Kind::Invalid, format!("the body is not valid JSON: {inner}"));
        }
        let message = inner.to_string();
        // Where in the text it is helps nobody who knows the field.
        let message = message.split(" at line ").next().unwrap_or_default();
        match missing(message) {
            Some(name) if path == "." => ApiError::field(name, "is missing"),
            Some(name) => ApiError::field(format!("{path}.{name}"), "is missing"),
            None if path == "." => ApiError::new(Kind::Invalid, format!("invalid body: {message}")),
            None => ApiError::field(path, format!("is wrong: {message}")),
        }
    })?;
    deserializer.end().map_err(|error| ApiError::new(Kind::Invalid, format!("the body is not valid JSON: {error}")))?;
    Ok(value)
}

/// The name of a field that serde misses.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// A number within bounds.
pub(super) fn within<T: PartialOrd + Copy + std::fmt::Display>(
    field: &str,
    value: Option<T>,
    least: T,
    most: T,
) -> Result<Option<T>, ApiError> {
    match value {
        Some(value) if value < least || value > most || value.partial_cmp(&value).is_none() => {
            Err(ApiError::field(field, format!("must be from {least} to {most}")))
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct Outer {
        inner: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct Inner {
        number: u8,
    }

    #[test]
    fn an_error_names_its_field() {
        for (text, field, message) in [
            (
                r#"{"inner": [{"number": 1}, {"number": "x"}]}"#,
                Some("inner[1].number"),
                "is wrong: invalid type: string \"x\", expected u8",
            ),
            (r#"{"inner": [{}]}"#, Some("inner[0].number"), "is missing"),
            ("{}", Some("inner"), "is missing"),
            ("{", None, "not valid JSON: EOF"),
            ("[1]", None, ""),
            (r#"{"inner": []} x"#, None, "trailing characters"),
            (&"[".repeat(10_000), None, ""),
        ] {
            let error = parse::<Outer>(text.as_bytes()).unwrap_err();
            assert_eq!((error.kind, error.field.as_deref()), (Kind::Invalid, field), "{text}");
            assert!(error.message.contains(message), "{text}: {}", error.message);
        }
        let unknown = parse::<Outer>(br#"{"inner": [{"number": 3, "more": [1]}], "else": null}"#).unwrap();
        assert_eq!(unknown, Outer { inner: vec![Inner { number: 3 }] });
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_waited_for_so_long() {
        let never = futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>();
        let request = Request::new(axum::body::Body::from_stream(never));
        let error = bytes_within(request, &(), Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(error.kind, Kind::Timeout);
    }

    #[test]
    fn numbers_are_held_to_their_bounds() {
        assert_eq!(within("n", Some(3), 1, 4).unwrap(), Some(3));
        assert_eq!(within("n", None, 1, 4).unwrap(), None);
        for value in [-0.1, 2.1, f64::NAN] {
            let error = within("temperature", Some(value), 0.0, 2.0).unwrap_err();
            assert_eq!(error.message, "`temperature` must be from 0 to 2");
        }
    }
}
