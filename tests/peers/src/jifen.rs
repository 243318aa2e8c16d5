//! Jifen: the reference policy as a component, compiled by `jifen-compile`, every bound on.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use jifen_engine::{Policy, PolicyStore, Prepared};
use jifen_loyalty::facts::Facts;
use jifen_loyalty::points::Points;
use jifen_loyalty::proposal::Proposal;
use rule::{Award, Parameters};

use crate::peer::Peer;
use crate::transactions::Sample;

/// What the evaluations of all transactions took.
pub(crate) struct Fuel {
    pub(crate) min: u64,
    pub(crate) median: u64,
    pub(crate) max: u64,
}

/// Compiles the policy with the parameters of the comparison.
pub(crate) fn policy(compiler: &Path, component: &Path) -> Result<Arc<Policy>> {
    let parameters = serde_json::to_string(&Parameters::of_the_comparison())?;
    let cache = std::env::temp_dir().join(format!("jifen-peers-{}", std::process::id()));
    let store = PolicyStore::open(&cache, compiler)?;
    let policy = store.policy(&PolicyStore::read(component)?, &parameters).context("compile the policy");
    fs::remove_dir_all(&cache).context("remove the cache")?;
    policy
}

pub(crate) fn peers<'s>(policy: &'s Policy, samples: &'s [Sample]) -> [Peer<'s>; 2] {
    let prepared = prepared(samples);
    [
        Peer::virgin("Jifen, from an event", |index| {
            let sample = &samples[index];
            answer(policy, &prepare(sample), sample)
        }),
        Peer::virgin("Jifen, from an event prepared for all deployments", move |index| {
            answer(policy, &prepared[index], &samples[index])
        }),
    ]
}

pub(crate) fn prepared(samples: &[Sample]) -> Vec<Prepared<'_>> {
    samples.iter().map(prepare).collect()
}

/// Evaluates as the host does, which hands over the facts of a member anew each time.
pub(crate) fn evaluate(policy: &Policy, event: &Prepared<'_>, sample: &Sample) -> jifen_engine::Evaluation {
    policy.evaluate(event, Points::ZERO, Facts::Known(sample.known.clone()))
}

pub(crate) fn fuel(policy: &Policy, samples: &[Sample]) -> Fuel {
    let prepared = prepared(samples);
    let evaluations =
        prepared.iter().zip(samples).map(|(event, sample)| evaluate(policy, event, sample).fuel_used);
    let mut used: Vec<u64> = evaluations.collect();
    used.sort_unstable();
    Fuel { min: used[0], median: used[used.len() / 2], max: used[used.len() - 1] }
}

fn prepare(sample: &Sample) -> Prepared<'_> {
    Prepared::new(&sample.occasion, "supermarket", &sample.today)
}

fn answer(policy: &Policy, event: &Prepared<'_>, sample: &Sample) -> Result<Vec<Award>> {
    match evaluate(policy, event, sample).outcome? {
        Proposal::Awards(awards) => {
            let awards = awards.into_iter();
            Ok(awards
                .map(|award| Award { points: award.points.get(), reason: Cow::Owned(award.reason) })
                .collect())
        }
        Proposal::Declined(reason) => bail!("declined with {reason}"),
    }
}
