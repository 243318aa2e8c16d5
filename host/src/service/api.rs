//! How the API describes itself, as OpenAPI 3.1: what each operation says of itself, and what is true of all.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, Header, Object, PathItem, Ref, RefOr, Response as Described, ResponseBuilder, Type,
};

/// What the API is.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Jifen", description = "The points engine: events in, receipts and answers out."),
    tags(
        (name = "events", description = "What happened, and what was decided on it"),
        (name = "members", description = "What members have, and why"),
        (name = "merchants", description = "What merchants owe and are owed"),
        (name = "policies", description = "Releases that programs can deploy"),
        (name = "program", description = "The rules that are at work"),
        (name = "access", description = "Who may ask, and what they did"),
        (name = "health", description = "For whoever runs the host"),
    )
)]
pub(super) struct Api;

/// How every operation that asks for a key may be answered, where it says nothing more of that itself.
const ALWAYS: [(&str, &str); 5] = [
    ("401", "No key that is of use is shown"),
    ("403", "The key's role may not, or it is another's"),
    ("429", "Too much waits, or the key was used too often; nothing was taken"),
    ("500", "The host is at fault; nothing was acknowledged"),
    ("503", "The ledger cannot be reached; the same may be sent again"),
];

/// The same of those that take a body.
const WITH_A_BODY: [(&str, &str); 2] = [
    ("408", "The body did not come in time; nothing of it was taken"),
    ("413", "More was sent than is taken at once"),
];

/// Completes the description of all operations: keys, how each may be answered whatever it is, and that problems are told in a media
/// type of their own.
pub(super) fn complete(api: &mut utoipa::openapi::OpenApi) {
    let scheme = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("jifen_<id>_<secret>");
    let scheme =
        scheme.description(Some("A key of the ledger. Where there is none, nobody is asked for one."));
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("key", SecurityScheme::Http(scheme.build()));
    api.security = Some(vec![SecurityRequirement::new("key", [""; 0]), SecurityRequirement::default()]);
    complete_answers(api);
}

fn complete_answers(api: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut api.paths.paths {
        let asks = path.starts_with("/v1/") || path == "/metrics";
        for operation in operations(item) {
            let with_a_body = WITH_A_BODY.iter().filter(|_| operation.request_body.is_some());
            for (status, description) in ALWAYS.iter().chain(with_a_body).filter(|_| asks) {
                let responses = &mut operation.responses.responses;
                responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(problem(description)));
            }
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response {
                    complete_problem(status, response);
                }
            }
        }
    }
}

fn problem(description: &str) -> Described {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

/// Says in which media type a problem is told, and with which headers.
fn complete_problem(status: &str, response: &mut Described) {
    if status.starts_with(['4', '5'])
        && let Some(problem) = response.content.shift_remove("application/json")
    {
        response.content.insert("application/problem+json".to_owned(), problem);
    }
    let (name, of, description) = match status {
        "401" => ("WWW-Authenticate", Type::String, "How a key is shown"),
        "429" | "503" => ("Retry-After", Type::Integer, "Seconds after which to send it again"),
        _ => return,
    };
    response.headers.insert(name.to_owned(), RefOr::T(header(of, description)));
}

/// Says that what changes anything, or tries that, is named in the trail.
pub(super) fn name_steps(api: &mut utoipa::openapi::OpenApi) {
    complete_answers(api);
    for item in api.paths.paths.values_mut() {
        let changing = [&mut item.put, &mut item.post, &mut item.delete].into_iter().flatten();
        for (status, response) in changing.flat_map(|operation| &mut operation.responses.responses) {
            // Whoever is nobody asked for nothing.
            if let RefOr::T(response) = response
                && status != "401"
            {
                let name = header(Type::String, "Its name in the trail");
                response.headers.insert("X-Request-Id".to_owned(), RefOr::T(name));
            }
        }
    }
}

fn header(of: Type, description: &str) -> Header {
    HeaderBuilder::new().schema(Some(Object::with_type(of))).description(Some(description)).build()
}

/// Returns the operations of a path.
pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten()
}
