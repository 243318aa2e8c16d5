//! `jifen why`: explains the receipt of an event.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_ledger::{Ledger, Logged};
use jifen_loyalty::event::{
    Block, Body, Conversion, Correction, Goal, Occasion, Purpose, Redemption, Refund as RefundEvent,
    Revision, Step, TermCause, Told as ToldOf,
};
use jifen_loyalty::{BusinessDay, Event};
use rules_guest::calendar::Day;
use serde::Deserialize;

use super::settle::prepaid_words;
use super::statement::{money, signed_money};
use crate::active::{self, Pins};
use crate::releases::Releases;
use crate::words::Words as HostWords;

#[derive(Args)]
pub(super) struct Why {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// Print the receipt itself
    #[arg(long)]
    json: bool,
    /// Who sent the event
    source: String,
    /// The sender's name for it
    id: String,
}

/// What is told of a receipt.
#[derive(Deserialize)]
struct Told {
    member: String,
    time: String,
    day: String,
    program: String,
    awards: Vec<Award>,
    #[serde(default)]
    declined: Vec<Declined>,
    #[serde(default)]
    notices: Vec<Notice>,
    faults: Vec<Fault>,
    evaluations: Vec<Evaluation>,
    refund: Option<Refund>,
    #[serde(default)]
    redemptions: Vec<Redeemed>,
    #[serde(default)]
    expired: Vec<Expired>,
    #[serde(default)]
    repayments: Vec<Repayment>,
    #[serde(default)]
    terms: Vec<Retermed>,
    conversion: Option<Converted>,
    settlement: Option<Settlement>,
}

#[derive(Deserialize)]
struct Refund {
    of: Option<Key>,
    #[serde(default)]
    waited: Vec<Key>,
    levels: Vec<Level>,
    reversals: Vec<Reversal>,
}

#[derive(Deserialize)]
struct Key {
    source: String,
    id: String,
}

#[derive(Deserialize)]
struct Level {
    deployment: String,
    to: String,
    unit: String,
    granted: u64,
}

#[derive(Deserialize)]
struct Reversal {
    deployment: String,
    to: String,
    unit: String,
    reversed: u64,
    taken: Vec<Taken>,
    #[serde(default)]
    debt: u64,
    #[serde(default)]
    forgiven: u64,
}

#[derive(Deserialize)]
struct Taken {
    lot: String,
    points: u64,
}

#[derive(Deserialize)]
struct Redeemed {
    redemption: String,
    unit: String,
    #[serde(default)]
    deployment: String,
    offer: Option<Offer>,
    until: Option<String>,
    #[serde(default)]
    held: Vec<Taken>,
    #[serde(default)]
    captured: Vec<Taken>,
    #[serde(default)]
    released: Vec<Taken>,
    #[serde(default)]
    cancelled: Vec<Taken>,
    #[serde(default)]
    returned: Vec<Returned>,
}

#[derive(Deserialize)]
struct Offer {
    points: u64,
    cash: u64,
    worth: u64,
    benefit: String,
    #[serde(default)]
    restrictions: Vec<String>,
}

#[derive(Deserialize)]
struct Returned {
    lot: String,
    points: u64,
    #[serde(default)]
    lapsed: bool,
    new: Option<String>,
}

#[derive(Deserialize)]
struct Expired {
    unit: String,
    lot: String,
    points: u64,
}

#[derive(Deserialize)]
struct Retermed {
    lot: String,
    was: Term,
    now: Term,
}

#[derive(Deserialize)]
struct Term {
    available: Option<String>,
    expires: Option<String>,
    notice: Option<String>,
    awaits: Option<String>,
}

impl Retermed {
    fn words(&self) -> String {
        let Self { lot, was, now } = self;
        let until = now.expires.as_ref().map_or_else(|| "for ever".to_owned(), |end| format!("until {end}"));
        match (&was.awaits, &now.available) {
            (Some(action), Some(from)) if now.awaits.is_none() => {
                format!("there      lot {lot}, which waited for {action}, from {from} {until}")
            }
            _ if now.notice.is_some() => {
                format!("stays      lot {lot}: nobody told the member that it was to end")
            }
            _ => format!("told       lot {lot} can be spent {until}"),
        }
    }
}

#[derive(Deserialize)]
struct Converted {
    unit: String,
    to: String,
    into: String,
    parts: Vec<ConvertedPart>,
}

#[derive(Deserialize)]
struct ConvertedPart {
    from: Taken,
    points: u64,
}

impl Converted {
    fn words(&self) -> impl Iterator<Item = String> {
        let Self { unit, to, into, parts } = self;
        parts.iter().map(move |ConvertedPart { from, points }| {
            format!("became     {points} {into} of {to}: {} {unit} of lot {}", from.points, from.lot)
        })
    }
}

#[derive(Deserialize)]
struct Settlement {
    lines: Vec<SettledLine>,
    #[serde(default)]
    blocks: Vec<SettledBlock>,
}

impl Settlement {
    fn words(&self) -> impl Iterator<Item = String> {
        self.lines.iter().map(SettledLine::words).chain(self.blocks.iter().map(SettledBlock::words))
    }
}

#[derive(Deserialize)]
struct SettledBlock {
    source: String,
    id: String,
    unit: String,
    points: u64,
    taken: i64,
    left: u64,
}

impl SettledBlock {
    fn words(&self) -> String {
        let Self { source, id, unit, points, taken, left } = self;
        format!("block      {id} of {source}: {taken} taken, {left} left of {points} {unit}")
    }
}

#[derive(Deserialize)]
struct SettledLine {
    reason: String,
    issuer: String,
    acceptor: Option<String>,
    unit: String,
    points: i64,
    #[serde(default)]
    prepaid: i64,
    currency: String,
    amount: i64,
}

impl SettledLine {
    fn words(&self) -> String {
        let Self { reason, issuer, acceptor, unit, points, prepaid, currency, amount } = self;
        let at = acceptor.as_ref().map(|acceptor| format!(" at {acceptor}")).unwrap_or_default();
        let (prepaid, amount) = (prepaid_words(*prepaid), signed_money(*amount));
        format!("{reason:<10} {points} {unit} of {issuer}{at}{prepaid}: {amount} {currency}")
    }
}

#[derive(Deserialize)]
struct Repayment {
    unit: String,
    to: String,
    from: Taken,
}

#[derive(Deserialize)]
struct Award {
    deployment: String,
    to: String,
    unit: String,
    issuer: String,
    asked: u64,
    granted: u64,
    reason: String,
    code: Option<String>,
    available: Option<String>,
    awaits: Option<String>,
    expires: Option<String>,
}

#[derive(Deserialize)]
struct Notice {
    deployment: String,
    notice: String,
    #[serde(default)]
    shadow: bool,
}

#[derive(Deserialize)]
struct Declined {
    deployment: String,
    reason: String,
}

#[derive(Deserialize)]
struct Fault {
    deployment: String,
    message: String,
}

#[derive(Deserialize)]
struct Evaluation {
    deployment: String,
    fuel: u64,
    #[serde(default)]
    facts: Vec<(String, u64)>,
}

impl Why {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let Self { source, id, .. } = &self;
        let logged = ledger
            .find(source, id)?
            .with_context(|| format!("find an event {id} of {source} in the ledger"))?;
        if self.json {
            super::print(&String::from_utf8_lossy(&logged.receipt))?;
        } else {
            super::print(&explain(&*ledger, &logged)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn explain(ledger: &dyn Ledger, logged: &Logged) -> anyhow::Result<String> {
    let told: Told = serde_json::from_slice(&logged.receipt).context("read the receipt")?;
    let event = Event::parse(&logged.event).context("read the event")?;
    let (program, pins) = active::program_of(ledger, logged)?;
    let day = match event.happening() {
        Some(happening) => day(program.situate(happening).context("put the event in its place")?.today),
        None => lunar(&program.day_of(event.time).context("put the event in its place")?.0),
    };
    let words = Words { releases: Releases::new(None, Some(ledger)), pins: &pins };

    let mut text = format!("receipt {}: event {} of {}\n", logged.seq, event.id, event.source);
    writeln!(text, "  member     {}", told.member)?;
    writeln!(text, "  happened   {}: {}", told.time, occasion(&event))?;
    writeln!(text, "  day        {}: {}", told.day, day)?;
    for award in &told.awards {
        writeln!(text, "  {}", words.award(award))?;
    }
    for Declined { deployment, reason } in &told.declined {
        writeln!(text, "  {deployment:<10} declined: {}", words.reason(deployment, reason))?;
    }
    for Notice { deployment, notice, shadow } in &told.notices {
        let verb = if *shadow { "would tell" } else { "tells" };
        writeln!(text, "  {deployment:<10} {verb}: {}", words.reason(deployment, notice))?;
    }
    for Fault { deployment, message } in &told.faults {
        writeln!(text, "  {deployment:<10} failed: it {message}")?;
    }
    for Evaluation { deployment, fuel, facts } in &told.evaluations {
        let facts: Vec<_> = facts.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let asked = if facts.is_empty() { "nothing".to_owned() } else { facts.join(", ") };
        writeln!(
            text,
            "  {deployment:<10} asked {asked}; used {fuel} fuel; ran {}",
            words.component(deployment)
        )?;
    }
    if let Some(refund) = &told.refund {
        let what = if event.correction().is_some() { "correction" } else { "refund" };
        refund.explain(what, &mut text)?;
    }
    for redeemed in &told.redemptions {
        words.redeemed(redeemed, &mut text)?;
    }
    for Expired { unit, lot, points } in &told.expired {
        writeln!(text, "  lapsed     {points} {unit} of lot {lot}")?;
    }
    for words in told.conversion.iter().flat_map(Converted::words) {
        writeln!(text, "  {words}")?;
    }
    for retermed in &told.terms {
        writeln!(text, "  {}", retermed.words())?;
    }
    for words in told.settlement.iter().flat_map(Settlement::words) {
        writeln!(text, "  {words}")?;
    }
    for Repayment { unit, to, from } in &told.repayments {
        writeln!(text, "  repaid     {} {unit} that were owed to {to}, from lot {}", from.points, from.lot)?;
    }
    writeln!(text, "  program    {}", told.program)?;
    write!(text, "  digest     {}", hex::encode(logged.receipt_digest))?;
    Ok(text)
}

fn occasion(event: &Event) -> String {
    match &event.body {
        Body::Redemption(redemption) => step(redemption),
        Body::Opening(opening) => format!("brought {} {} along", opening.points, opening.unit),
        Body::Conversion(conversion) => {
            let Conversion { unit, points, goal, .. } = conversion;
            match goal {
                Goal::Member(to) => format!("gave {points} {unit} to {to}"),
                Goal::Unit(into) => format!("exchanged {points} {unit} into {into}"),
            }
        }
        Body::TermChange(change) => match &change.cause {
            TermCause::Notified { unit: None, through } => format!("was told what ends up to {through}"),
            TermCause::Notified { unit: Some(unit), through } => {
                format!("was told which {unit} end up to {through}")
            }
            TermCause::Delivered { notice, told: None } => format!("got the notice {}", notice.name()),
            TermCause::Delivered { notice, told: Some(ToldOf { unit, through, .. }) } => {
                format!("got the notice {}: which {unit} end up to {through}", notice.name())
            }
            TermCause::Done { action, order: None } => action.clone(),
            TermCause::Done { action, order: Some(order) } => format!("{action} for order {order}"),
        },
        Body::Close(close) => format!("the day {} was closed", close.day),
        Body::Block(block) => {
            let Block { merchant, unit, points, currency, amount_minor } = block;
            format!("{merchant} bought {points} {unit} in advance for {} {currency}", money(*amount_minor))
        }
        Body::Settlement(settlement) => format!("all was settled up to receipt {}", settlement.through),
        Body::Refund(refund) => revision(refund),
        Body::Happening(happening) => match &happening.occasion {
            Occasion::Registration(_) => "registered".to_owned(),
            Occasion::Run(run) => format!("the campaign {} ran", run.campaign),
            Occasion::Purchase(purchase) => {
                let (lines, spend) = (purchase.lines.len(), money(purchase.spend_minor()));
                format!("bought {lines} lines for {spend} {} at {}", purchase.currency, purchase.merchant)
            }
        },
    }
}

fn revision(refund: &RefundEvent) -> String {
    let order = &refund.order;
    match &refund.revision {
        Revision::Returned => {
            let what = refund.lines.as_ref().map_or("all that remained".to_owned(), |lines| {
                let amount = lines.iter().fold(0, |sum: u64, line| sum.saturating_add(line.amount_minor));
                format!("{} lines for {}", lines.len(), money(amount))
            });
            format!("returned {what} of order {order}")
        }
        Revision::ReferralRejected => {
            format!("a review rejected the reward for having brought the buyer of order {order}")
        }
        Revision::Corrected(Correction { why, proposed_by, approved_by, .. }) => {
            format!(
                "order {order} was decided anew, as {proposed_by} proposed and {approved_by} approved: {why}"
            )
        }
    }
}

fn step(redemption: &Redemption) -> String {
    let Redemption { name, step } = redemption;
    let some = |points: &Option<jifen_loyalty::Points>| match points {
        Some(points) => format!("{points} points of {name}"),
        None => format!("the points of {name}"),
    };
    match step {
        Step::Requested(request) => {
            let what = match &request.purpose {
                Purpose::Item { item, quantity } => format!("{quantity} of {item}"),
                Purpose::Bill(bill) => format!("a bill of {} {}", money(bill.payable_minor()), bill.currency),
            };
            format!("asked as {name} for {what} at {}", request.merchant)
        }
        Step::Captured(points) => format!("used {}", some(points)),
        Step::Voided(points) => format!("let go {}", some(points)),
        Step::Lapsed => format!("held the points of {name} for as long as it could"),
        Step::Cancelled(points, cause) => {
            format!("cancelled {}, because of the {}", some(points), cause.code())
        }
    }
}

/// Returns where points came from or went to: `300 of lot ann/1/0, 200 of lot ann/2/0`.
fn lots(taken: &[Taken]) -> String {
    taken.iter().map(|taken| format!("{} of lot {}", taken.points, taken.lot)).collect::<Vec<_>>().join(", ")
}

fn day(today: BusinessDay) -> String {
    let market = if today.market_day { ", market day" } else { "" };
    format!("{}{market}", lunar(&today.day))
}

fn lunar(day: &Day) -> String {
    let lunar = day.lunar();
    let leap = if lunar.leap { "leap month" } else { "month" };
    format!("lunar {leap} {}, day {}", lunar.month, lunar.day)
}

impl Refund {
    fn explain(&self, what: &str, text: &mut String) -> std::fmt::Result {
        match (&self.of, self.waited.as_slice()) {
            (Some(of), _) => writeln!(text, "  {what:<10} of event {} of {}", of.id, of.source)?,
            (None, []) => writeln!(text, "  refund     waits for the purchase")?,
            (None, waited) => {
                let waited: Vec<_> =
                    waited.iter().map(|key| format!("{} of {}", key.id, key.source)).collect();
                writeln!(text, "  refunds    that had waited: {}", waited.join(", "))?;
            }
        }
        for Reversal { deployment, to, unit, reversed, taken, debt, forgiven } in &self.reversals {
            let from: Vec<_> =
                taken.iter().map(|taken| format!("{} from lot {}", taken.points, taken.lot)).collect();
            write!(text, "  {deployment:<10} {reversed} {unit} taken back from {to}: {}", from.join(", "))?;
            for (points, what) in [(*debt, "owed"), (*forgiven, "forgiven")] {
                if points > 0 {
                    write!(text, "; {points} {what}")?;
                }
            }
            writeln!(text)?;
        }
        for Level { deployment, to, unit, granted } in &self.levels {
            writeln!(text, "  {deployment:<10} the order comes to {granted} {unit} for {to} now")?;
        }
        Ok(())
    }
}

/// Finds the words that a policy's description has for its reasons.
struct Words<'a> {
    releases: Releases<'a>,
    pins: &'a Pins,
}

impl Words<'_> {
    fn redeemed(&self, redeemed: &Redeemed, text: &mut String) -> std::fmt::Result {
        let Redeemed { redemption, unit, deployment, offer, until, .. } = redeemed;
        if let Some(Offer { points, cash, worth, benefit, restrictions }) = offer {
            write!(text, "  {deployment:<10} {points} {unit} for {}", self.reason(deployment, benefit))?;
            for (minor, what) in [(*worth, "worth"), (*cash, "and to pay")] {
                if minor > 0 {
                    write!(text, ", {what} {}", money(minor))?;
                }
            }
            for restriction in restrictions {
                write!(text, "; {}", self.reason(deployment, restriction))?;
            }
            writeln!(text)?;
        }
        let until = until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
        for (what, taken, until) in [
            ("held", &redeemed.held, &*until),
            ("used", &redeemed.captured, ""),
            ("free again", &redeemed.released, ""),
            ("cancelled", &redeemed.cancelled, ""),
        ] {
            if !taken.is_empty() {
                writeln!(text, "  {redemption:<10} {what}: {}{until}", lots(taken))?;
            }
        }
        for Returned { lot, points, lapsed, new } in &redeemed.returned {
            write!(text, "  {redemption:<10} back: {points} of lot {lot}")?;
            match (lapsed, new) {
                (true, _) => writeln!(text, ", which has lapsed")?,
                (false, Some(until)) => writeln!(text, ", in a lot of their own until {until}")?,
                (false, None) => writeln!(text)?,
            }
        }
        Ok(())
    }

    fn award(&self, award: &Award) -> String {
        let Award { deployment, to, unit, issuer, asked, granted, reason, code, .. } = award;
        let mut words = format!("{deployment:<10} {granted} {unit} to {to}, owed by {issuer}");
        let why = self.reason(deployment, code.as_ref().unwrap_or(reason));
        match code {
            None => words.push_str(&format!(": {why}")),
            Some(_) => {
                words.push_str(&format!("; {asked} asked: {why}; limited by {reason}"));
                words.extend(HostWords::of_limit(reason).map(|it| format!(" ({} / {})", it.en, it.zh)));
            }
        }
        words.extend(award.awaits.iter().map(|action| format!("; available once {action}")));
        let not_before = if award.awaits.is_some() { "not before" } else { "available from" };
        words.extend(award.available.iter().map(|from| format!("; {not_before} {from}")));
        words.extend(award.expires.iter().map(|until| format!("; until {until}")));
        words
    }

    fn reason(&self, deployment: &str, code: &str) -> String {
        let pin = self.pins.policies.iter().find(|pin| pin.deployment == deployment);
        let release = pin.and_then(|pin| self.releases.find_digest(&pin.component).ok());
        let words = release.and_then(|release| release.description.as_ref()?.reason(code));
        words.unwrap_or_else(|| code.to_owned())
    }

    fn component(&self, deployment: &str) -> String {
        let pin = self.pins.policies.iter().find(|pin| pin.deployment == deployment);
        pin.map_or_else(String::new, |pin| format!("{} sha256:{}", pin.policy, pin.component))
    }
}
