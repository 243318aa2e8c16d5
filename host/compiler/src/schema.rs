//! Holds parameters against the schema by which a policy says what they are.
//!
//! The schema is a stranger's, as the component is: it may refer to itself without end, or to files. So it is looked at here, and loads
//! nothing.

use std::error::Error;

use boon::{Compiler, Schemas, UrlLoader, ValidationError};
use jifen_engine::Refusal;
use jifen_engine::limits::MESSAGE_BYTES_MAX;
use jifen_engine::protocol::Response;
use jifen_engine::words::clean;
use serde::Deserialize;
use serde_json::Value;

/// What the schema is called where it refers to itself.
const NAME: &str = "policy:/parameters";

/// What of a description is looked at here.
#[derive(Deserialize)]
struct Description {
    parameters: Option<Value>,
}

/// Returns whether sets of parameters are as a description says. One that has no schema says nothing of them.
pub(crate) fn validate(description: &str, parameters: &[String]) -> Response {
    let parameters =
        parameters.iter().map(|set| serde_json::from_str(set)).collect::<Result<Vec<Value>, _>>();
    match parameters {
        Ok(parameters) => first_unfit(description, &parameters).unwrap_or_else(Response::Refused),
        Err(error) => Response::Refused(Refusal::ParametersUnfit { why: said(&error) }),
    }
}

fn first_unfit(description: &str, parameters: &[Value]) -> Result<Response, Refusal> {
    let invalid = |error: &dyn std::fmt::Display| Refusal::InvalidSchema { why: said(error) };
    let description: Description = toml::from_str(description).map_err(|error| invalid(&error.message()))?;
    let Some(schema) = description.parameters else { return Ok(Response::Fit) };
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.use_loader(Box::new(Nothing));
    compiler.add_resource(NAME, schema).map_err(|error| invalid(&error))?;
    let schema = compiler.compile(NAME, &mut schemas).map_err(|error| invalid(&format_args!("{error:#}")))?;
    for (set, parameters) in parameters.iter().enumerate() {
        if let Err(error) = schemas.validate(parameters, schema) {
            let why = said(&faults(&error).join("; "));
            return Ok(Response::Unfit { set, refusal: Refusal::ParametersUnfit { why } });
        }
    }
    Ok(Response::Fit)
}

/// Returns what is wrong, each with its place.
fn faults(error: &ValidationError<'_, '_>) -> Vec<String> {
    if error.causes.is_empty() {
        let at = error.instance_location.to_string();
        let at = if at.is_empty() { "they" } else { &at };
        return vec![format!("{at}: {}", error.kind)];
    }
    error.causes.iter().flat_map(faults).collect()
}

fn said(words: &dyn std::fmt::Display) -> String {
    clean(&words.to_string(), MESSAGE_BYTES_MAX)
}

/// Loads no schema from anywhere.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, _: &str) -> Result<Value, Box<dyn Error>> {
        Err("a schema stands by itself".into())
    }
}
