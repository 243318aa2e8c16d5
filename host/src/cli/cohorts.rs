//! `jifen cohorts`: what became of points by the period in which they were awarded, and what of it is revenue.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use jifen_ledger::{Ledger, Stored};
use jifen_loyalty::Instant;
use jifen_loyalty::cohort::{Cohort, Cohorts, Figures, Period, Revenue, Span};
use jifen_loyalty::event::Body;
use jifen_loyalty::lot::Issuer;
use jifen_loyalty::time::{Zone, day_number, next_day};
use serde::Serialize;

use super::statement::{money, signed_money};
use crate::active::{self, program_of};
use crate::estimates::{self, Estimates};
use crate::settle::{self, Walked};

#[derive(Args)]
#[command(
    after_help = "The points of a cohort add up: issued + restored + exchanged - redeemed - expired - clawed back = outstanding + held.\n\n\
    The first line of a file of estimates names the columns: merchant,unit,cohort,period,currency,allocated,expected. Each row says \
    what of the price is allocated to the cohort's points, in minor units, and how many are expected to be redeemed in all, as of a \
    period; another row with a later period revises that."
)]
pub(super) struct ByCohort {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// Only points of that merchant; platform for the program's own
    #[arg(long, value_parser = |name: &str| Ok::<_, Infallible>(Issuer::named(name)))]
    merchant: Option<Issuer>,
    /// How long the periods are
    #[arg(long, value_enum, default_value = "year")]
    by: By,
    /// A file of estimates: say what is revenue, too
    #[arg(long, value_name = "FILE.csv")]
    estimates: Option<PathBuf>,
    /// As of the end of that business day [default: of the ledger's latest]
    #[arg(long, value_name = "DAY")]
    through: Option<NaiveDate>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Year,
    Quarter,
    Month,
}

impl From<By> for Span {
    fn from(by: By) -> Self {
        match by {
            By::Year => Self::Year,
            By::Quarter => Self::Quarter,
            By::Month => Self::Month,
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    issuer: String,
    unit: &'a str,
    cohort: String,
    issued: i64,
    restored: i64,
    exchanged: i64,
    redeemed: i64,
    expired: i64,
    clawed_back: i64,
    outstanding: i64,
    /// Of those that are outstanding.
    pending: i64,
    held: i64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    revenue: Option<Recognised<'a>>,
}

#[derive(Serialize)]
struct Recognised<'a> {
    currency: &'a str,
    allocated: u64,
    revenue: Vec<RevenueLine>,
}

#[derive(Serialize)]
struct RevenueLine {
    period: String,
    redeemed: i64,
    expected: u64,
    cumulative: u64,
    revenue: i64,
}

impl ByCohort {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let span = Span::from(self.by);
        let estimates = self.estimates.as_deref().map(|file| estimates::read(file, span)).transpose()?;
        let figures = self.figures(&*ledger, span)?;
        if let Some(asked @ Issuer::Merchant(merchant)) = &self.merchant
            && !figures.keys().any(|cohort| cohort.issuer == *asked)
        {
            active::check_merchant(&*ledger, merchant)?;
        }
        let estimates = self.known(estimates.unwrap_or_default(), &figures)?;
        let there = figures.iter().filter(|(_, figures)| **figures != Figures::default());
        for (cohort, figures) in there.filter(|(cohort, _)| self.is_asked(&cohort.issuer)) {
            let line = Line::new(cohort, figures, &estimates);
            if self.json {
                super::print(&serde_json::to_string(&line)?)?;
            } else {
                super::print(&line.words()?.trim_end())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn is_asked(&self, issuer: &Issuer) -> bool {
        self.merchant.as_ref().is_none_or(|asked| asked == issuer)
    }

    fn figures(&self, ledger: &dyn Ledger, span: Span) -> anyhow::Result<BTreeMap<Cohort, Figures>> {
        let through = ledger.length()?;
        let Some(at) = self.instant(ledger, through)? else { return Ok(BTreeMap::new()) };
        let mut cohorts = Cohorts::new(span, at);
        ledger.stored(&mut |stored| {
            if let Stored::Lot { lot, .. } = stored {
                cohorts.know(&lot);
            }
        })?;
        settle::walk(ledger, 0, through, |Walked { logged, inputs, event, program }| {
            // What a midnight does is of the day that it ends.
            let closed = if let Body::Close(close) = &event.body { Some(close.day) } else { None };
            let day = closed.unwrap_or_else(|| program.zone.local(event.time).date);
            let later = self.through.is_some_and(|through| through < day);
            cohorts.add(&logged.postings, &inputs, day_number(day), later);
        })?;
        Ok(cohorts.into_figures())
    }

    /// Returns the instant as of which points are pending; `None` of an empty ledger.
    fn instant(&self, ledger: &dyn Ledger, length: u64) -> anyhow::Result<Option<Instant>> {
        let Some(day) = self.through else { return Ok(ledger.latest_time()?) };
        let Some(last) = ledger.log(length.saturating_sub(1), 1)?.pop() else { return Ok(None) };
        Ok(Some(last_instant(program_of(ledger, &last)?.0.zone, day)))
    }

    /// Returns the estimates as far as they are asked for and made by then. One for points that there are not is a mistake.
    fn known(
        &self,
        mut estimates: Estimates,
        figures: &BTreeMap<Cohort, Figures>,
    ) -> anyhow::Result<Estimates> {
        let through = self.through.map(|day| Period::of(self.by.into(), day));
        let by_then = |period: &Period| through.is_none_or(|through| *period <= through);
        estimates.retain(|cohort, _| self.is_asked(&cohort.issuer) && by_then(&cohort.period));
        for (cohort, (line, allocation)) in &mut estimates {
            allocation.expected.retain(|period, _| by_then(period));
            let Cohort { issuer, unit, period } = cohort;
            anyhow::ensure!(
                figures.contains_key(cohort),
                "{}, line {line}, column cohort: the ledger has no {unit} of {issuer} that were awarded in {period}",
                self.estimates.as_deref().unwrap_or("".as_ref()).display()
            );
        }
        Ok(estimates)
    }
}

/// Returns the last instant of a day.
fn last_instant(zone: Zone, day: NaiveDate) -> Instant {
    Instant::from_millis(zone.start_of(next_day(day)).millis().saturating_sub(1))
}

impl<'a> Line<'a> {
    fn new(cohort: &'a Cohort, figures: &Figures, estimates: &'a Estimates) -> Self {
        let revenue = estimates.get(cohort).map(|(_, allocation)| Recognised {
            currency: &allocation.currency,
            allocated: allocation.allocated_minor,
            revenue: allocation.revenue(&figures.used).into_iter().map(RevenueLine::from).collect(),
        });
        Self {
            issuer: cohort.issuer.to_string(),
            unit: cohort.unit.as_str(),
            cohort: cohort.period.to_string(),
            issued: figures.issued,
            restored: figures.restored,
            exchanged: figures.exchanged,
            redeemed: figures.redeemed,
            expired: figures.expired,
            clawed_back: figures.clawed_back,
            outstanding: figures.outstanding,
            pending: figures.pending,
            held: figures.held,
            revenue,
        }
    }

    fn words(&self) -> Result<String, std::fmt::Error> {
        let Self { issuer, unit, cohort, issued, restored, exchanged, redeemed, .. } = self;
        let Self { expired, clawed_back, outstanding, pending, held, .. } = self;
        let mut words = format!(
            "{cohort} {unit} of {issuer}: {issued} issued, {restored} restored, {exchanged} exchanged, {redeemed} redeemed, \
             {expired} expired, {clawed_back} clawed back; {outstanding} outstanding, of which {pending} pending, and {held} held\n"
        );
        let Some(Recognised { currency, allocated, revenue }) = &self.revenue else { return Ok(words) };
        let allocated = money(*allocated);
        for RevenueLine { period, redeemed, expected, cumulative, revenue } in revenue {
            let (cumulative, revenue) = (money(*cumulative), signed_money(*revenue));
            writeln!(
                words,
                "  {period}: {redeemed} of {expected} redeemed, {cumulative} of {allocated} {currency} is revenue, {revenue} of it new"
            )?;
        }
        Ok(words)
    }
}

impl From<Revenue> for RevenueLine {
    fn from(revenue: Revenue) -> Self {
        let Revenue { period, redeemed, expected, cumulative_minor, revenue_minor } = revenue;
        Self {
            period: period.to_string(),
            redeemed,
            expected,
            cumulative: cumulative_minor,
            revenue: revenue_minor,
        }
    }
}
