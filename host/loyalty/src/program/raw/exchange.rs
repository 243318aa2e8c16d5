//! Exchanges as they are written.

use std::collections::BTreeSet;
use std::ops::Range;

use num_rational::Ratio;
use num_traits::CheckedMul;
use rules_guest::rate::Rate;
use serde::Deserialize;
use toml::Spanned;

use super::{Context, InvalidProgram, Text};
use crate::program::{Exchange, Unit};
use crate::time::Instant;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExchange {
    unit: Spanned<String>,
    into: Spanned<String>,
    rate: Spanned<Rate>,
    #[serde(default)]
    expires: RawExchangeExpiry,
    from: Option<Spanned<Text>>,
    until: Option<Spanned<Text>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawExchangeExpiry {
    /// As what was given.
    #[default]
    Preserve,
    /// As if it were awarded then.
    Reset,
}

impl RawExchange {
    /// Returns where its rate stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.rate.span()
    }
}

/// What a point comes to by exchanges that are at work at one time.
#[derive(Clone)]
struct Chain {
    worth: Ratio<u128>,
    /// The units that it goes by, by place.
    by: Vec<usize>,
}

impl Context<'_> {
    /// Refuses exchanges that are at work at one time and, one after the other, make more points of points. Of those that
    /// let points live longer, it warns.
    pub(super) fn circles(
        &self,
        exchanges: &[Exchange],
        spans: &[Range<usize>],
        warnings: &mut Vec<String>,
    ) -> Result<(), InvalidProgram> {
        let mut longer = BTreeSet::new();
        let times: BTreeSet<_> =
            exchanges.iter().flat_map(|exchange| [exchange.from, exchange.until]).collect();
        for time in times {
            let at_work = at_work(exchanges, time);
            for (index, exchange) in &at_work {
                let span = || spans.get(*index).cloned().unwrap_or_default();
                let wrong =
                    |reason: String| self.at.wrong(&format!("exchange[{index}].rate"), span(), reason);
                let Some(circle) = self.circle(exchange, &at_work).map_err(wrong)? else { continue };
                if circle.worth > Ratio::ONE {
                    return Err(wrong(self.gain(&circle)));
                }
                longer.extend((!exchange.preserve).then_some(*index));
            }
        }
        let warning = |index| {
            format!(
                "exchange[{index}]: points that are exchanged there and back live longer; expires = \"preserve\" keeps their end"
            )
        };
        warnings.extend(longer.into_iter().map(warning));
        Ok(())
    }

    /// Returns what comes of a point by an exchange and the best way back; `None` if there is none.
    fn circle(&self, first: &Exchange, all: &[(usize, &Exchange)]) -> Result<Option<Chain>, String> {
        let start = Chain { worth: Ratio::ONE, by: vec![first.unit] };
        let mut best: Vec<Option<Chain>> = vec![None; self.units.items.len()];
        best[first.into] = Some(start.then(first)?);
        // A way back goes through no unit twice.
        for _ in &self.units.items {
            for (_, next) in all.iter().filter(|(_, next)| next.unit != first.unit) {
                let Some(chain) = &best[next.unit] else { continue };
                let chain = chain.then(next)?;
                if best[next.into].as_ref().is_none_or(|known| chain.worth > known.worth) {
                    best[next.into] = Some(chain);
                }
            }
        }
        Ok(best.swap_remove(first.unit))
    }

    fn gain(&self, circle: &Chain) -> String {
        let name = |place: &usize| self.units.items.get(*place).map_or("", |unit: &Unit| unit.id.as_str());
        let names: Vec<_> = circle.by.iter().map(name).collect();
        let (points, more) = (circle.worth.denom(), circle.worth.numer());
        format!("makes points: {points} become {more} by {}; lower a rate", names.join(" -> "))
    }

    pub(super) fn exchange(&self, field: &str, raw: RawExchange) -> Result<Exchange, InvalidProgram> {
        let within = |name: &str| format!("{field}.{name}");
        let (from, until) = self.interval(field, raw.from.as_ref(), raw.until.as_ref())?;
        let unit = self.spendable(&within("unit"), &raw.unit)?;
        let into = self.spendable(&within("into"), &raw.into)?;
        if unit == into {
            return Err(self.at.wrong(&within("into"), raw.into.span(), "is the unit itself; name another"));
        }
        if raw.rate.as_ref().is_zero() {
            let reason = "is 0, so that points would become nothing; write how many there are for one";
            return Err(self.at.wrong(&within("rate"), raw.rate.span(), reason));
        }
        let preserve = raw.expires == RawExchangeExpiry::Preserve;
        Ok(Exchange { unit, into, rate: raw.rate.into_inner(), preserve, from, until })
    }
}

/// Returns the exchanges that are at work at a time, each with its place in the file: of two between the same units, the
/// first.
fn at_work(exchanges: &[Exchange], time: Instant) -> Vec<(usize, &Exchange)> {
    let mut pairs = BTreeSet::new();
    let holds = |exchange: &Exchange| (exchange.from..exchange.until).contains(&time);
    let all = exchanges.iter().enumerate().filter(|(_, exchange)| holds(exchange));
    all.filter(|(_, exchange)| pairs.insert((exchange.unit, exchange.into))).collect()
}

impl Chain {
    fn then(&self, next: &Exchange) -> Result<Self, String> {
        let (numerator, denominator) = next.rate.fraction();
        let rate = Ratio::new(u128::from(numerator), u128::from(denominator));
        let long = "is so long that it cannot be seen whether a circle of exchanges makes points; write fewer digits";
        let worth = self.worth.checked_mul(&rate).ok_or(long)?;
        Ok(Self { worth, by: [self.by.as_slice(), &[next.into]].concat() })
    }
}
