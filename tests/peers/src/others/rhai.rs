//! rhai: the script is parsed once, its function called with maps and numbers.

use std::borrow::Cow;

use anyhow::{Context, Result, anyhow};
use rhai::{Array, CallFnOptions, Dynamic, Engine, INT, Map, OptimizationLevel, Scope};
use rule::{Award, Line};

use crate::peer::{Peer, versioned};
use crate::transactions::Sample;

const SCRIPT: &str = r#"
fn evaluate(lines, lunar_day, lifetime_spend, granted) {
    let eligible = 0;
    let units = 0;
    for line in lines {
        if line.category != "tobacco" {
            eligible += line.amount;
        }
        if "eco" in line.tags {
            units += line.quantity;
        }
    }
    let purchase = eligible / 100;
    let market = if lunar_day % 10 in [1, 4, 7] { purchase } else { 0 };
    let tier = if lifetime_spend >= 500000 { (purchase + market) * 10 / 100 } else { 0 };
    let eco = units * 5;

    let room = if granted < 2000 { 2000 - granted } else { 0 };
    let awards = [];
    if purchase > room { purchase = room; }
    room -= purchase;
    if purchase > 0 { awards.push(#{ points: purchase, reason: "purchase" }); }
    if market > room { market = room; }
    room -= market;
    if market > 0 { awards.push(#{ points: market, reason: "market-day" }); }
    if tier > room { tier = room; }
    room -= tier;
    if tier > 0 { awards.push(#{ points: tier, reason: "tier" }); }
    if eco > room { eco = room; }
    if eco > 0 { awards.push(#{ points: eco, reason: "eco" }); }
    awards
}
"#;

pub(crate) fn peer(samples: &[Sample]) -> Result<Peer<'_>> {
    let mut engine = Engine::new();
    engine.set_optimization_level(OptimizationLevel::Full);
    let script = engine.compile(SCRIPT).map_err(|error| anyhow!("{error}"))?;
    Ok(Peer::shared(format!("{}, script parsed beforehand", versioned("rhai")), move |index| {
        let transaction = &samples[index].transaction;
        let lines: Array = transaction.lines.iter().map(map).collect();
        let input = (
            lines,
            INT::from(transaction.lunar_day),
            number(transaction.lifetime_spend),
            number(transaction.granted),
        );
        let options = CallFnOptions::new().eval_ast(false);
        let awards =
            engine.call_fn_with_options::<Array>(options, &mut Scope::new(), &script, "evaluate", input);
        awards.map_err(|error| anyhow!("{error}"))?.into_iter().map(award).collect()
    }))
}

fn map(line: &Line) -> Dynamic {
    let mut map = Map::new();
    map.insert("category".into(), line.category.as_str().into());
    map.insert("quantity".into(), number(line.quantity).into());
    map.insert("amount".into(), number(line.amount).into());
    map.insert("tags".into(), line.tags.iter().map(|tag| tag.as_str().into()).collect::<Array>().into());
    map.into()
}

fn award(award: Dynamic) -> Result<Award> {
    let mut award = award.try_cast::<Map>().context("an award is a map")?;
    let mut field = |name: &str| award.remove(name).with_context(|| format!("an award has {name}"));
    let points = field("points")?.as_int().map_err(|kind| anyhow!("points are {kind}"))?;
    let reason = field("reason")?.into_string().map_err(|kind| anyhow!("reason is {kind}"))?;
    Ok(Award { points: points.try_into()?, reason: Cow::Owned(reason) })
}

fn number(number: u64) -> INT {
    INT::try_from(number).expect("amounts are small")
}
