//! extism: the native function as a plugin, JSON in and out. Kept, and fresh for each evaluation, which is what compares
//! with a virgin instance; no limits are set.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use extism::convert::Json;
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use rule::{Award, Transaction};

use crate::peer::{Peer, versioned};
use crate::transactions::Sample;

pub(crate) fn peers<'s>(samples: &'s [Sample], plugin: &Path) -> Result<[Peer<'s>; 2]> {
    let wasm = fs::read(plugin).with_context(|| format!("read {}", plugin.display()))?;
    let manifest = Manifest::new([Wasm::data(wasm)]);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest).with_cache_disabled())?;
    let mut kept = Plugin::new_from_compiled(&compiled)?;
    let name = versioned("extism");
    Ok([
        Peer::shared(format!("{name}, plugin reused"), move |index| {
            evaluate(&mut kept, &samples[index].transaction)
        }),
        Peer::virgin(format!("{name}, plugin fresh each time, compiled beforehand"), move |index| {
            evaluate(&mut Plugin::new_from_compiled(&compiled)?, &samples[index].transaction)
        }),
    ])
}

fn evaluate(plugin: &mut Plugin, transaction: &Transaction) -> Result<Vec<Award>> {
    let Json(awards) = plugin.call::<_, Json<Vec<Award>>>("evaluate", Json(transaction))?;
    Ok(awards)
}
