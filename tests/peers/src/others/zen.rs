//! zen-engine (GoRules): a decision of one expression node, compiled.

use std::borrow::Cow;

use anyhow::{Context, Result, anyhow};
use futures_executor::block_on;
use rule::{Award, Line, Transaction};
use rust_decimal::prelude::ToPrimitive;
use serde_json::json;
use zen_engine::model::GraphContent;
use zen_engine::{Decision, Variable};
use zen_types::variable::VariableMap;

use crate::peer::{Peer, versioned};
use crate::transactions::Sample;

/// What the node computes, in order; `$` is what it has so far.
const EXPRESSIONS: [(&str, &str); 10] = [
    ("bought", "floor(sum(map(filter(lines, #.category != 'tobacco'), #.amount)) / 100)"),
    ("doubled", "lunar_day % 10 in [1, 4, 7] ? $.bought : 0"),
    ("raised", "lifetime_spend >= 500000 ? floor(($.bought + $.doubled) * 10 / 100) : 0"),
    ("green", "sum(map(filter(lines, 'eco' in #.tags), #.quantity)) * 5"),
    ("room", "granted < 2000 ? 2000 - granted : 0"),
    ("purchase", "min([$.bought, $.room])"),
    ("market", "min([$.doubled, $.room - $.purchase])"),
    ("tier", "min([$.raised, $.room - $.purchase - $.market])"),
    ("eco", "min([$.green, $.room - $.purchase - $.market - $.tier])"),
    (
        "awards",
        "filter([{points: $.purchase, reason: 'purchase'}, {points: $.market, reason: 'market-day'}, \
         {points: $.tier, reason: 'tier'}, {points: $.eco, reason: 'eco'}], #.points > 0)",
    ),
];

pub(crate) fn peers(samples: &[Sample]) -> Result<[Peer<'_>; 2]> {
    let inputs: Vec<Variable> = samples.iter().map(|sample| input(&sample.transaction)).collect();
    let (decision, same) = (decision()?, decision()?);
    let name = versioned("zen-engine");
    Ok([
        Peer::shared(format!("{name}, compiled decision"), move |index| {
            evaluate(&decision, input(&samples[index].transaction))
        }),
        Peer::shared(format!("{name}, compiled decision, input converted beforehand"), move |index| {
            evaluate(&same, inputs[index].shallow_clone())
        }),
    ])
}

fn decision() -> Result<Decision> {
    let expressions: Vec<_> =
        EXPRESSIONS.iter().map(|(key, value)| json!({"id": key, "key": key, "value": value})).collect();
    let graph: GraphContent = serde_json::from_value(json!({
        "nodes": [
            {"id": "input", "name": "input", "type": "inputNode", "content": {}},
            {"id": "rule", "name": "rule", "type": "expressionNode", "content": {"expressions": expressions}},
            {"id": "output", "name": "output", "type": "outputNode", "content": {}},
        ],
        "edges": [
            {"id": "in", "type": "edge", "sourceId": "input", "targetId": "rule"},
            {"id": "out", "type": "edge", "sourceId": "rule", "targetId": "output"},
        ],
    }))?;
    let mut decision = Decision::from(graph);
    decision.compile();
    Ok(decision)
}

fn evaluate(decision: &Decision, input: Variable) -> Result<Vec<Award>> {
    let response = block_on(decision.evaluate(input)).map_err(|error| anyhow!("{error}"))?;
    let awards = response.result.dot("awards").context("the result has awards")?;
    let awards = awards.as_array().context("awards are an array")?;
    let awards = awards.borrow();
    awards.iter().map(award).collect()
}

fn award(award: &Variable) -> Result<Award> {
    let award = award.as_object().context("an award is an object")?;
    let award = award.borrow();
    let points = award.get_str("points").and_then(Variable::as_number).and_then(|points| points.to_u64());
    let reason = award.get_str("reason").and_then(Variable::as_str).context("an award has a reason")?;
    Ok(Award { points: points.context("an award has points")?, reason: Cow::Owned(reason.to_owned()) })
}

fn input(transaction: &Transaction) -> Variable {
    object([
        ("lines", Variable::from_array(transaction.lines.iter().map(line).collect())),
        ("lunar_day", Variable::Number(transaction.lunar_day.into())),
        ("lifetime_spend", Variable::Number(transaction.lifetime_spend.into())),
        ("granted", Variable::Number(transaction.granted.into())),
    ])
}

fn line(line: &Line) -> Variable {
    object([
        ("category", text(&line.category)),
        ("quantity", Variable::Number(line.quantity.into())),
        ("amount", Variable::Number(line.amount.into())),
        ("tags", Variable::from_array(line.tags.iter().map(|tag| text(tag)).collect())),
    ])
}

fn object<const N: usize>(fields: [(&'static str, Variable); N]) -> Variable {
    let mut map = VariableMap::with_capacity(N);
    for (key, value) in fields {
        map.insert(zen_types::symbol::Symbol::from_static(key), value);
    }
    Variable::from_object(map)
}

fn text(text: &str) -> Variable {
    Variable::String(text.into())
}
