//! regorus: Rego as bytecode of its virtual machine, which is kept.

use std::borrow::Cow;

use anyhow::{Context, Result};
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::value::Object;
use regorus::{Engine, Value};
use rule::{Award, Line, Transaction};

use crate::peer::{Peer, versioned};
use crate::transactions::Sample;

const ENTRY: &str = "data.jifen.awards";
const REGO: &str = r#"
package jifen

import rego.v1

bought := floor(sum([line.amount | some line in input.lines; line.category != "tobacco"]) / 100)

default doubled := 0

doubled := bought if (input.lunar_day % 10) in {1, 4, 7}

default raised := 0

raised := floor(((bought + doubled) * 10) / 100) if input.lifetime_spend >= 500000

green := sum([line.quantity | some line in input.lines; "eco" in line.tags]) * 5

default room := 0

room := 2000 - input.granted if input.granted < 2000

purchase := min([bought, room])

market := min([doubled, room - purchase])

tier := min([raised, (room - purchase) - market])

eco := min([green, ((room - purchase) - market) - tier])

awards := [award |
	some award in [
		{"points": purchase, "reason": "purchase"},
		{"points": market, "reason": "market-day"},
		{"points": tier, "reason": "tier"},
		{"points": eco, "reason": "eco"},
	]
	award.points > 0
]
"#;

pub(crate) fn peers(samples: &[Sample]) -> Result<[Peer<'_>; 2]> {
    let keys = Keys::new();
    let inputs: Vec<Value> = samples.iter().map(|sample| keys.input(&sample.transaction)).collect();
    let (mut machine, mut same) = (machine()?, machine()?);
    let name = versioned("regorus");
    let read = Keys::new();
    Ok([
        Peer::shared(format!("{name}, bytecode and machine reused"), move |index| {
            evaluate(&mut machine, &keys, keys.input(&samples[index].transaction))
        }),
        Peer::shared(
            format!("{name}, bytecode and machine reused, input converted beforehand"),
            move |index| evaluate(&mut same, &read, inputs[index].clone()),
        ),
    ])
}

fn machine() -> Result<RegoVM> {
    let mut engine = Engine::new();
    engine.add_policy("jifen.rego".to_owned(), REGO.to_owned())?;
    let compiled = engine.compile_with_entrypoint(&ENTRY.into())?;
    let program = Compiler::compile_from_policy(&compiled, &[ENTRY])?;
    let mut machine = RegoVM::new();
    machine.load_program(program);
    Ok(machine)
}

fn evaluate(machine: &mut RegoVM, keys: &Keys, input: Value) -> Result<Vec<Award>> {
    machine.set_input(input);
    let awards = machine.execute()?;
    awards.as_array()?.iter().map(|award| keys.award(award)).collect()
}

/// The names of fields, made once.
struct Keys([Value; 10]);

impl Keys {
    fn new() -> Self {
        Self(
            [
                "lines",
                "lunar_day",
                "lifetime_spend",
                "granted",
                "category",
                "quantity",
                "amount",
                "tags",
                "points",
                "reason",
            ]
            .map(Value::from),
        )
    }

    fn input(&self, transaction: &Transaction) -> Value {
        let [lines, lunar_day, lifetime_spend, granted, ..] = &self.0;
        let of = transaction.lines.iter().map(|line| self.line(line)).collect::<Vec<_>>();
        object([
            (lines, of.into()),
            (lunar_day, u64::from(transaction.lunar_day).into()),
            (lifetime_spend, transaction.lifetime_spend.into()),
            (granted, transaction.granted.into()),
        ])
    }

    fn line(&self, line: &Line) -> Value {
        let [_, _, _, _, category, quantity, amount, tags, ..] = &self.0;
        object([
            (category, line.category.as_str().into()),
            (quantity, line.quantity.into()),
            (amount, line.amount.into()),
            (tags, line.tags.iter().map(|tag| Value::from(tag.as_str())).collect::<Vec<_>>().into()),
        ])
    }

    fn award(&self, award: &Value) -> Result<Award> {
        let [.., points, reason] = &self.0;
        let award = award.as_object()?;
        let points = award.get(points).context("an award has points")?.as_u64()?;
        let reason = award.get(reason).context("an award has a reason")?.as_string()?;
        Ok(Award { points, reason: Cow::Owned(reason.to_string()) })
    }
}

fn object<const N: usize>(fields: [(&Value, Value); N]) -> Value {
    let fields = fields.into_iter().map(|(key, value)| (key.clone(), value));
    fields.collect::<Object>().into_value()
}
