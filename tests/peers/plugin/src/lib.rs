//! The policy as an extism plugin: JSON in, JSON out, as its guide has it.

use std::sync::LazyLock;

use extism_pdk::{FnResult, Json, plugin_fn};
use rule::{Award, Parameters, Transaction};

/// Made once an instance, which a plugin that is kept has over one that is fresh.
static PARAMETERS: LazyLock<Parameters> = LazyLock::new(Parameters::of_the_comparison);

#[plugin_fn]
pub fn evaluate(Json(transaction): Json<Transaction>) -> FnResult<Json<Vec<Award>>> {
    Ok(Json(rule::evaluate(&PARAMETERS, &transaction)))
}
