//! The status page for a browser, and the document that it draws.
//!
//! The page holds nothing of this machine: its script asks for the document, with the key of whoever looks where one is
//! needed. So nobody learns anything by the page who could not ask for the document.

mod document;

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use maud::{DOCTYPE, PreEscaped, html};
use sha2::{Digest as _, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::Json;
use super::error::Result;
use super::shared::Shared;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(status))
}

/// What the status page shows: the machine, the models, the requests, and the last minutes of throughput and power.
#[utoipa::path(
    get,
    path = "/status.json",
    tag = "taffrail",
    responses((status = 200, description = "The document `taffrail/status/1`"))
)]
async fn status(State(shared): State<Arc<Shared>>) -> Result<Response> {
    let document = shared.handle.read(|domain| serde_json::json!(document::Document::new(domain))).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(document)).into_response())
}

/// Whether whoever asks would rather have a page than a text: browsers name HTML, other programs take anything.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let kinds = accepts.flat_map(|accept| accept.split(','));
    kinds
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .any(|kind| kind.eq_ignore_ascii_case("text/html"))
}

/// The page.
pub(super) fn page() -> Response {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { "taffrail" }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { "taffrail" }
                        p #machine .muted {}
                        p #state .muted role="status" {}
                    }
                    noscript { p { "This page draws " code { "/status.json" } " with a script, and scripts are off." } }
                    form #ask hidden {
                        label for="key" { "This server requires a key with the scope " code { "metrics" } "." }
                        div .row {
                            input #key type="password" autocomplete="off" spellcheck="false" placeholder="tfl-…" required;
                            button { "Show" }
                        }
                        p .muted {
                            code { "taffrail keys add NAME --scope metrics" }
                            " creates one. It stays in this tab and is sent to this server only."
                        }
                    }
                    main hidden {
                        section .graphs {
                            figure { figcaption { "Throughput" span #throughput-now {} } div #throughput {} }
                            figure { figcaption { "Power" span #power-now {} } div #power {} }
                        }
                        section { h2 { "Models" } div #models .wide {} }
                        section { h2 { "Requests" } div #requests .wide {} }
                    }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    });
    // Whatever the page is made to hold: it loads nothing, and runs and looks as it was written alone.
    static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
        let hash = |text: &str| BASE64.encode(&Sha256::digest(text));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        HeaderValue::from_str(&policy).ok()
    });
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE.as_str()).into_response();
    let headers = response.headers_mut();
    headers.extend(POLICY.clone().map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_alone_get_the_page() {
        for (accept, expected) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json, text/plain, */*"), false),
            (Some("text/html"), true),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), true),
            (Some("application/xml, TEXT/HTML;q=0.5"), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept))));
            assert_eq!(is_wanted(&headers), expected, "{accept:?}");
        }
    }

    #[test]
    fn the_page_is_self_contained_and_its_script_makes_no_markup_of_text() {
        for resource in ["http://", "https://", "url(", "@import", "src="] {
            assert!(!STYLE.contains(resource) && !SCRIPT.replace("http://www.w3.org/2000/svg", "").contains(resource));
        }
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!SCRIPT.contains(way), "{way}");
        }
        // What would end an element that holds it.
        assert!(!SCRIPT.contains("</") && !STYLE.contains("</"));
    }
}
