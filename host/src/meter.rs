//! What evaluations cost and come to, for whoever runs a host. It is counted where somebody asks for it, as [`crate::service`] does,
//! and costs next to nothing elsewhere. Nothing that is decided reads it.

use jifen_engine::Evaluation;
use jifen_loyalty::DeploymentId;
use metrics::{Histogram, counter, histogram};

use crate::clock::Stopwatch;

/// Seconds that an evaluation took, with its instance.
pub(crate) const SECONDS: &str = "jifen_evaluation_seconds";
/// Units of fuel that an evaluation used.
pub(crate) const FUEL: &str = "jifen_evaluation_fuel";
/// Evaluations that gave no answer.
pub(crate) const FAULTS: &str = "jifen_evaluation_faults_total";

/// What a deployment's evaluations cost.
pub(crate) struct Meter {
    deployment: String,
    seconds: Histogram,
    fuel: Histogram,
}

impl Meter {
    pub(crate) fn new(deployment: &DeploymentId) -> Self {
        let deployment = deployment.to_string();
        let seconds = histogram!(SECONDS, "deployment" => deployment.clone());
        let fuel = histogram!(FUEL, "deployment" => deployment.clone());
        Self { deployment, seconds, fuel }
    }

    /// Evaluates, and counts what that cost.
    pub(crate) fn of<T>(&self, evaluate: impl FnOnce() -> Evaluation<T>) -> Evaluation<T> {
        let watch = Stopwatch::start();
        let evaluation = evaluate();
        self.seconds.record(watch.elapsed());
        // Far below where a float is no longer exact.
        self.fuel.record(u32::try_from(evaluation.fuel_used).unwrap_or(u32::MAX));
        if let Err(fault) = &evaluation.outcome {
            counter!(FAULTS, "deployment" => self.deployment.clone(), "fault" => fault.code()).increment(1);
        }
        evaluation
    }
}
