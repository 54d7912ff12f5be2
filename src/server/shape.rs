//! Errors in the shape of the API that was asked, and which API that is.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::error::{ApiError, Kind};

/// The APIs whose errors differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    OpenAi,
    Anthropic,
    Ollama,
}

impl Shape {
    /// The API of a path. Both `OpenAI` and Anthropic have `/v1/models`; the latter's clients name a version.
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Self {
        if path == "/v1/messages" || path.starts_with("/v1/messages/") {
            return Self::Anthropic;
        }
        if path.starts_with("/v1/models") && headers.contains_key("anthropic-version") {
            return Self::Anthropic;
        }
        if path == "/api" || path.starts_with("/api/") { Self::Ollama } else { Self::OpenAi }
    }

    /// The body of an error; also in the middle of a stream.
    pub(super) fn body(self, error: &ApiError) -> Value {
        match self {
            Self::OpenAi => json!({"error": {
                "message": error.message,
                "type": openai_type(error.kind),
                "param": error.field,
                "code": openai_code(error.kind),
            }}),
            Self::Anthropic => json!({"type": "error", "error": {
                "type": anthropic_type(error.kind),
                "message": error.message,
            }}),
            Self::Ollama => json!({"error": error.message}),
        }
    }
}

fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid
        | Kind::ContextLength
        | Kind::ModelNotFound
        | Kind::NotFound
        | Kind::Method
        | Kind::Timeout
        | Kind::TooLarge => "invalid_request_error",
        Kind::Unauthorized => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::Busy => "rate_limit_error",
        Kind::Unavailable | Kind::Failed => "server_error",
    }
}

fn openai_code(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ContextLength => Some("context_length_exceeded"),
        Kind::ModelNotFound => Some("model_not_found"),
        Kind::Unauthorized => Some("invalid_api_key"),
        Kind::Busy => Some("rate_limit_exceeded"),
        _ => None,
    }
}

fn anthropic_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid | Kind::ContextLength | Kind::Method => "invalid_request_error",
        Kind::Unauthorized => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::ModelNotFound | Kind::NotFound => "not_found_error",
        Kind::Timeout => "timeout_error",
        Kind::TooLarge => "request_too_large",
        Kind::Busy => "rate_limit_error",
        Kind::Unavailable => "overloaded_error",
        Kind::Failed => "api_error",
    }
}

/// Give the errors of all that lies behind the shape of the API that was asked.
pub(super) async fn shape(request: Request, next: Next) -> Response {
    let shape = Shape::of(request.uri().path(), request.headers());
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<ApiError>() else { return response };
    let mut shaped = (response.status(), super::body::Json(shape.body(&error))).into_response();
    for (name, value) in response.headers() {
        if *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE {
            shaped.headers_mut().insert(name, value.clone());
        }
    }
    shaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_has_its_errors() {
        let error = ApiError::field("messages[0].role", "must be one of system, user");
        let message = "`messages[0].role` must be one of system, user";
        for (path, version, body) in [
            (
                "/v1/chat/completions",
                false,
                json!({"error": {"message": message, "type": "invalid_request_error", "param": "messages[0].role", "code": null}}),
            ),
            (
                "/v1/messages",
                false,
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}}),
            ),
            (
                "/v1/models/x",
                true,
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}}),
            ),
            ("/api/chat", false, json!({"error": message})),
        ] {
            let mut headers = HeaderMap::new();
            if version {
                headers.insert("anthropic-version", axum::http::HeaderValue::from_static("2023-06-01"));
            }
            assert_eq!(Shape::of(path, &headers).body(&error), body, "{path}");
        }
    }
}
