//! What goes wrong with a request, before any API has given it its shape.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::command::{Cause, Refused};
use domain::session::End;
use wire::FailureKind;

/// The most characters of a message: reasons come from files, workers and other programs.
const MAX_CHARS: usize = 2000;

/// How long a client is asked to wait where a queue is full and nothing better is known, in seconds.
const RETRY_AFTER_S: u64 = 1;

/// The kinds of errors that the APIs tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Malformed request.
    Invalid,
    /// The prompt does not fit the context.
    ContextLength,
    /// No key, or an unknown one.
    Unauthorized,
    /// The key, the host or the origin does not allow it.
    Forbidden,
    /// Model not found.
    ModelNotFound,
    /// There is no such address.
    NotFound,
    /// The address knows no such method.
    Method,
    /// The client took too long to send its request.
    Timeout,
    /// The request body is too large.
    TooLarge,
    /// Too much waits already.
    Busy,
    /// The model can't be loaded now.
    Unavailable,
    /// The model failed.
    Failed,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    /// What kind.
    pub(super) kind: Kind,
    /// One sentence.
    pub(super) message: String,
    /// The field of the request that is wrong, as a path: `messages[0].role`.
    pub(super) field: Option<String>,
    /// When the client may try again, in seconds.
    pub(super) retry_after: Option<u64>,
}

pub(super) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    pub(super) fn new(kind: Kind, message: impl AsRef<str>) -> Self {
        let message = gguf::clean(message.as_ref(), MAX_CHARS);
        Self { kind, message, field: None, retry_after: (kind == Kind::Busy).then_some(RETRY_AFTER_S) }
    }

    /// A field that is wrong. The message says what would be right: `must be …`.
    pub(super) fn field(field: impl Into<String>, message: impl AsRef<str>) -> Self {
        let field = gguf::clean(&field.into(), 200);
        let error = Self::new(Kind::Invalid, format!("`{field}` {}", message.as_ref()));
        Self { field: Some(field), ..error }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Invalid | Kind::ContextLength => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::ModelNotFound | Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
            Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Why an answer failed, where it did.
    pub(super) fn of_end(end: &End, kind: Option<FailureKind>) -> Option<Self> {
        match end {
            End::Finished(wire::Finish::Cancelled) => Some(Self::new(Kind::Failed, "the request was cancelled")),
            End::Finished(_) => None,
            End::Failed { reason, hint } => {
                let kind = match kind {
                    Some(FailureKind::PromptTooLong) => Kind::ContextLength,
                    Some(FailureKind::Request | FailureKind::Template) => Kind::Invalid,
                    Some(FailureKind::Busy) => Kind::Busy,
                    Some(FailureKind::Load | FailureKind::Context) => Kind::Unavailable,
                    Some(FailureKind::Decode) | None => Kind::Failed,
                };
                Some(Self::new(kind, with_hint(reason, hint.as_deref())))
            }
        }
    }
}

fn with_hint(reason: &str, hint: Option<&str>) -> String {
    hint.map_or_else(|| reason.to_owned(), |hint| format!("{reason} ({hint})"))
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let kind = match refused.cause {
            Cause::Invalid => Kind::Invalid,
            Cause::NotFound => Kind::ModelNotFound,
            Cause::Busy { .. } => Kind::Busy,
            Cause::Unsafe | Cause::NotRunnable | Cause::Memory(_) | Cause::MemoryTogether => Kind::Unavailable,
        };
        let mut error = Self::new(kind, with_hint(&refused.reason, refused.hint.as_deref()));
        if let Cause::Busy { retry_after: Some(time) } = refused.cause {
            // Whole seconds, as the header has it.
            error.retry_after = Some(time.as_secs_f64().ceil().max(1.0) as u64);
        }
        if kind == Kind::ModelNotFound {
            error.field = Some("model".to_owned());
        }
        error
    }
}

/// Without a body: [`super::shape`] writes it in the way of the API that was asked.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
