//! Other engines, each in its fastest ordinary use. What is timed begins with the transaction as a Rust value and ends
//! with the awards as Rust values; where the input can be converted beforehand, that is measured, too.

mod cel;
mod extism;
mod regorus;
mod rhai;
mod zen;

use std::path::Path;

use anyhow::{Context, Result};

use crate::peer::Peer;
use crate::transactions::Sample;

pub(crate) fn peers<'s>(samples: &'s [Sample], plugin: &Path) -> Result<Vec<Peer<'s>>> {
    let mut peers = Vec::new();
    peers.push(rhai::peer(samples).context("rhai")?);
    peers.extend(zen::peers(samples).context("zen-engine")?);
    peers.extend(regorus::peers(samples).context("regorus")?);
    peers.push(cel::peer(samples).context("cel")?);
    peers.extend(extism::peers(samples, plugin).context("extism")?);
    Ok(peers)
}
