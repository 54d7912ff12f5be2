//! The document that describes the APIs: what the handlers say of themselves, and what is the same for all of them.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, PathItem, RefOr, Response};

/// What any address may answer.
const ANY: [(&str, &str); 4] = [
    ("400", "Malformed request"),
    ("401", "An API key is required"),
    ("403", "Not allowed for this key, host or origin"),
    ("500", "It failed"),
];

/// What an address that takes a body may answer as well.
const WITH_BODY: [(&str, &str); 4] = [
    ("408", "The request body arrived too slowly"),
    ("413", "The request body is too large"),
    ("429", "The queue is full; `Retry-After` says when to try again"),
    ("503", "The model can't be loaded now"),
];

/// Complete what the handlers say.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    let paths = std::mem::take(&mut document.paths.paths);
    // A name with slashes in it is a wildcard for the router, and a plain parameter for readers.
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for (operation, has_body) in document.paths.paths.values_mut().flat_map(operations) {
        let with_body: &[_] = if has_body { &WITH_BODY } else { &[] };
        for (status, description) in ANY.iter().chain(with_body) {
            let response = || RefOr::T(Response::new(*description));
            operation.responses.responses.entry((*status).to_owned()).or_insert_with(response);
        }
    }
    document
}

/// What can be asked at a path, and whether with a body.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&mut Operation, bool)> {
    let with_body = [&mut item.post, &mut item.delete].into_iter().flatten().map(|operation| (operation, true));
    let without = [&mut item.get, &mut item.head].into_iter().flatten().map(|operation| (operation, false));
    with_body.chain(without)
}
