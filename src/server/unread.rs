//! What a client still sends when its request is answered already.
//!
//! Many clients write their whole request before they look at the answer. If the connection closes meanwhile they lose the answer
//! and see a broken connection. So what a handler leaves unread is read here, up to a bound, and thrown away. Absent: bounds of
//! what handlers read; those are [`DefaultBodyLimit`](axum::extract::DefaultBodyLimit)'s and the uploads' own.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use http_body::{Frame, SizeHint};

/// The most that is read and dropped, in bytes.
const MAX_UNREAD: usize = 16 << 20;

/// How long this may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Middleware: read the rest of a request whose handler reads only a part of it, or nothing.
pub(super) async fn drain(request: Request, next: Next) -> Response {
    // A client that waits for "100 Continue" sends nothing unless it is asked to.
    let waits = request.headers().contains_key(header::EXPECT);
    next.run(request.map(|body| Body::new(Rest { body, is_coming: !waits }))).await
}

/// A body whose rest is read after its reader has left it.
struct Rest {
    body: Body,
    is_coming: bool,
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.is_coming = !matches!(frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (true, false, Ok(runtime)) = (self.is_coming, self.body.is_end_stream(), runtime) {
            runtime.spawn(tokio::time::timeout(PATIENCE, read(std::mem::take(&mut self.body))));
        }
    }
}

async fn read(body: Body) {
    let mut parts = body.into_data_stream();
    let mut n_left = MAX_UNREAD;
    while let Some(Ok(bytes)) = parts.next().await {
        let Some(left) = n_left.checked_sub(bytes.len()) else { return };
        n_left = left;
    }
}
