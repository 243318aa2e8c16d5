//! Paths that will go: their answers say since when nobody should begin to use them, and when they go (RFC 9745, RFC 8594), and the
//! description of the API marks them.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use utoipa::openapi::{Deprecated, OpenApi};

use super::api::operations;
use super::extract::route_of;

/// A path that will go.
pub(super) struct Old {
    /// As in the description of the API.
    pub(super) path: &'static str,
    /// Since when nobody should begin to use it: `@` and seconds of Unix time.
    pub(super) since: &'static str,
    /// When it goes, as an HTTP date.
    pub(super) until: &'static str,
}

/// All that there are. A path stands here for half a year at least before it goes.
pub(super) const PATHS: &[Old] = &[];

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Says in the answer that its path will go.
pub(super) async fn say(State(paths): State<&'static [Old]>, request: Request, next: Next) -> Response {
    let path = route_of(&request).to_owned();
    let mut response = next.run(request).await;
    mark(paths, &path, response.headers_mut());
    response
}

fn mark(paths: &[Old], path: &str, headers: &mut HeaderMap) {
    if let Some(Old { since, until, .. }) = paths.iter().find(|old| old.path == path) {
        headers.insert(DEPRECATION, HeaderValue::from_static(since));
        headers.insert(SUNSET, HeaderValue::from_static(until));
    }
}

/// Marks the paths in the description of the API.
pub(super) fn describe(paths: &[Old], api: &mut OpenApi) {
    for Old { path, .. } in paths {
        let item = api.paths.paths.get_mut(*path).expect("a path that will go is one of the API");
        for operation in operations(item) {
            operation.deprecated = Some(Deprecated::True);
        }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::path::{HttpMethod, OperationBuilder};
    use utoipa::openapi::{PathItem, Paths};

    use super::*;

    const OLD: [Old; 1] =
        [Old { path: "/v0/events", since: "@1793491200", until: "Tue, 01 Jun 2027 00:00:00 GMT" }];

    #[test]
    fn answers_and_the_description_say_which_paths_will_go() {
        let headers = |path| {
            let mut headers = HeaderMap::new();
            mark(&OLD, path, &mut headers);
            let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
            (text(DEPRECATION), text(SUNSET))
        };
        assert_eq!(headers("/v0/events"), (Some(OLD[0].since.to_owned()), Some(OLD[0].until.to_owned())));
        assert_eq!(headers("/v1/events"), (None, None));

        let mut api = OpenApi::default();
        let operation = || OperationBuilder::new().build();
        api.paths = Paths::new();
        for path in ["/v0/events", "/v1/events"] {
            api.paths.paths.insert(path.to_owned(), PathItem::new(HttpMethod::Post, operation()));
        }
        describe(&OLD, &mut api);
        let marked = api.paths.paths.values().map(|item| item.post.as_ref().unwrap().deprecated.is_some());
        assert_eq!(marked.collect::<Vec<_>>(), [true, false]);
    }

    /// A header that cannot be one would end the host.
    #[test]
    fn paths_that_will_go_can_be_said() {
        for Old { since, until, .. } in PATHS.iter().chain(&OLD) {
            assert!(since.strip_prefix('@').is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{since}");
            assert!(until.ends_with(" GMT"), "{until}");
        }
    }
}
