//! cel: named expressions, compiled, each of which sees the ones before it, as Kubernetes has its variables. The language
//! has no sum; the host gives it one, as is its custom.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use cel::common::types::{CelInt, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::Val;
use cel::objects::Key;
use cel::{Context, Env, ExecutionError, Program, Value};
use rule::{Award, Line};

use crate::peer::{Peer, versioned};
use crate::transactions::Sample;

const EXPRESSIONS: [(&str, &str); 9] = [
    ("bought", "sum(lines.map(line, line.category != 'tobacco', line.amount)) / 100"),
    ("doubled", "lunar_day % 10 in [1, 4, 7] ? bought : 0"),
    ("raised", "lifetime_spend >= 500000 ? (bought + doubled) * 10 / 100 : 0"),
    ("green", "sum(lines.map(line, 'eco' in line.tags, line.quantity)) * 5"),
    ("room", "granted < 2000 ? 2000 - granted : 0"),
    ("purchase", "bought < room ? bought : room"),
    ("market", "doubled < room - purchase ? doubled : room - purchase"),
    ("tier", "raised < room - purchase - market ? raised : room - purchase - market"),
    ("eco", "green < room - purchase - market - tier ? green : room - purchase - market - tier"),
];
const AWARDS: &str = "[{'points': purchase, 'reason': 'purchase'}, {'points': market, 'reason': 'market-day'}, \
                      {'points': tier, 'reason': 'tier'}, {'points': eco, 'reason': 'eco'}]\
                      .filter(award, award.points > 0)";

pub(crate) fn peer(samples: &[Sample]) -> Result<Peer<'_>> {
    let env = Arc::new(Env::stdlib());
    let program = |source: &str| env.compile(source).map_err(|error| anyhow!("{error}"));
    let mut programs = Vec::new();
    for (name, source) in EXPRESSIONS {
        programs.push((name, program(source)?));
    }
    let awards = program(AWARDS)?;
    let mut root = Context::with_env(env);
    root.add_function("sum", sum).map_err(|error| anyhow!("{error}"))?;
    Ok(Peer::shared(format!("{}, compiled", versioned("cel")), move |index| {
        evaluate(&root, &programs, &awards, &samples[index])
    }))
}

fn evaluate(
    root: &Context<'_, 'static>,
    programs: &[(&str, Program)],
    awards: &Program,
    sample: &Sample,
) -> Result<Vec<Award>> {
    let transaction = &sample.transaction;
    let mut context = root.new_inner_scope();
    context.add_variable_as_val("lines", list(transaction.lines.iter().map(line)));
    context.add_variable_as_val("lunar_day", int(transaction.lunar_day.into()));
    context.add_variable_as_val("lifetime_spend", int(transaction.lifetime_spend));
    context.add_variable_as_val("granted", int(transaction.granted));
    for (name, program) in programs {
        let value = program.execute(&context)?;
        context.add_variable_from_value(*name, value);
    }
    let awards = awards.execute(&context)?;
    let Value::List(awards) = awards else { bail!("awards are {awards:?}") };
    awards.iter().map(award).collect()
}

fn sum(values: Arc<Vec<Value>>) -> Result<i64, ExecutionError> {
    values.iter().try_fold(0, |sum, value| {
        let Value::Int(value) = value else {
            return Err(ExecutionError::function_error("sum", format!("{value:?} is no int")));
        };
        Ok(sum + value)
    })
}

fn award(award: &Value) -> Result<Award> {
    let Value::Map(award) = award else { bail!("an award is {award:?}") };
    let field = |name: &'static str| award.get(&Key::from(name));
    match (field("points"), field("reason")) {
        (Some(Value::Int(points)), Some(Value::String(reason))) => {
            Ok(Award { points: u64::try_from(*points)?, reason: Cow::Owned(reason.to_string()) })
        }
        _ => Err(anyhow!("{award:?}")).context("read an award"),
    }
}

fn line(line: &Line) -> Box<dyn Val> {
    let fields: [(&'static str, Box<dyn Val>); 4] = [
        ("category", text(&line.category)),
        ("quantity", int(line.quantity)),
        ("amount", int(line.amount)),
        ("tags", list(line.tags.iter().map(|tag| text(tag)))),
    ];
    let fields = fields.map(|(key, value)| (CelMapKey::from(key), value));
    Box::new(CelMap::from(HashMap::from(fields)))
}

fn list(values: impl Iterator<Item = Box<dyn Val>>) -> Box<dyn Val> {
    Box::new(CelList::from(values.collect::<Vec<_>>()))
}

fn text(text: &str) -> Box<dyn Val> {
    Box::new(CelString::from(text.to_owned()))
}

fn int(number: u64) -> Box<dyn Val> {
    Box::new(CelInt::from(i64::try_from(number).expect("amounts are small")))
}
