//! Clearing: what issuers, acceptors and the program owe each other in money.
//!
//! Points have an origin, and contracts say what it costs: an issuer pays into the program's pool for points when they are
//! awarded, whoever takes them is paid from it, and an issuer may get something back for points that lapse. Nothing is
//! worked out on the way; it is all in the postings (scenarios A19, A20, G2).

mod block;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure like any other")]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use rules_guest::rate::{Rate, Rounding};

pub use self::block::Block;
use self::block::cover;
use crate::id::{MerchantId, UnitId};
use crate::lot::Issuer;
use crate::posting::{Kind, Posting, Postings, parse_claim};
use crate::program::{Contract, Program};
use crate::time::Instant;

/// Why money is owed for points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The issuer awarded them: it pays the pool. Negative where they were taken back, or became points of another unit.
    Accrual,
    /// A merchant took them: the pool pays. Negative where they were given back.
    Redemption,
    /// They lapsed: the pool pays the issuer. Negative where they were taken back instead.
    Breakage,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Accrual, Self::Redemption, Self::Breakage];

    /// Returns the word that stands in statements.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Accrual => "accrual",
            Self::Redemption => "redemption",
            Self::Breakage => "breakage",
        }
    }

    /// Reads the word.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// Whoever pays or is paid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The program.
    Pool,
    /// A merchant.
    Merchant(MerchantId),
}

/// `pool`, or the merchant's name behind `merchant/`.
impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool => f.write_str("pool"),
            Self::Merchant(merchant) => write!(f, "merchant/{merchant}"),
        }
    }
}

/// What points are cleared by: those that have all of this in common are summed before the sum is rounded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Why.
    pub reason: Reason,
    /// Whose points.
    pub issuer: Issuer,
    /// Who took them, for a redemption.
    pub acceptor: Option<MerchantId>,
    /// Of which unit.
    pub unit: UnitId,
    /// ISO 4217; empty where no contract says what the points cost.
    pub currency: String,
    /// Minor units for a point.
    pub rate: Rate,
}

impl Position {
    /// Returns whether a merchant pays or is paid for it.
    pub fn concerns(&self, merchant: &MerchantId) -> bool {
        match &self.acceptor {
            Some(acceptor) => acceptor == merchant,
            None => matches!(&self.issuer, Issuer::Merchant(issuer) if issuer == merchant),
        }
    }
}

/// A position with what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What for.
    pub position: Position,
    /// How many points.
    pub points: i64,
    /// How many of them cost nothing now: blocks cover them. Negative for points that went back into blocks.
    pub prepaid: i64,
    /// What the others come to in minor units, rounded once, halves up.
    pub amount_minor: i64,
}

/// Money that one party pays another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Who pays; of a negative amount, who is paid.
    pub payer: Party,
    /// Who is paid.
    pub payee: Party,
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub amount_minor: i64,
}

/// What a party gets in a currency; negative for what it pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// Who.
    pub party: Party,
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub amount_minor: i64,
}

/// Sums of points by what they are cleared by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clearing(BTreeMap<Position, Sum>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    points: i64,
    prepaid: i64,
}

/// What a settlement came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The place in the log behind which it begins: what lies before is settled already.
    pub after: u64,
    /// What it settles.
    pub lines: Vec<Line>,
    /// Blocks of which something was taken or is left, the oldest first.
    pub blocks: Vec<Block>,
}

impl Clearing {
    /// Adds a posting of an entry that was decided by a program and happened at `time`.
    pub fn add(&mut self, posting: &Posting, program: &Program, time: Instant) {
        match posting.kind {
            Kind::Award | Kind::Clawback | Kind::Repayment | Kind::Exchange => {
                self.issuer(Reason::Accrual, posting, posting.points.saturating_neg(), program, time);
            }
            Kind::Expiry => self.issuer(Reason::Breakage, posting, posting.points, program, time),
            Kind::Redemption | Kind::Return => self.claim(posting, program, time),
            Kind::Hold | Kind::Release | Kind::Transfer | Kind::Settlement => {}
        }
    }

    fn issuer(&mut self, reason: Reason, posting: &Posting, points: i64, program: &Program, time: Instant) {
        let merchant = Issuer::parse(&posting.account).filter(|issuer| *issuer != Issuer::Platform);
        let Some(issuer) = merchant.filter(|_| posting.lot.is_none()) else { return };
        let contract = program.contract(&issuer, &posting.unit, time);
        let rate = |contract: &Contract| match reason {
            Reason::Accrual => contract.accrual,
            Reason::Breakage => contract.breakage,
            Reason::Redemption => contract.redemption,
        };
        let (currency, rate) = terms(contract, rate);
        let unit = posting.unit.clone();
        self.sum(Position { reason, issuer, acceptor: None, unit, currency, rate }, points);
    }

    fn claim(&mut self, posting: &Posting, program: &Program, time: Instant) {
        let Some((issuer, acceptor)) = parse_claim(&posting.account) else { return };
        let unit = posting.unit.clone();
        let contract = program.contract(&issuer, &unit, time);
        let (currency, rate) = terms(contract, |contract| contract.redemption_at(&acceptor));
        let reason = Reason::Redemption;
        self.sum(Position { reason, issuer, acceptor: Some(acceptor), unit, currency, rate }, posting.points);
    }

    fn sum(&mut self, position: Position, points: i64) {
        let sum = self.0.entry(position).or_default();
        sum.points = sum.points.saturating_add(points);
    }

    /// Adds points that cost nothing, because blocks covered them in a settlement.
    pub fn cover(&mut self, position: Position, points: i64) {
        let sum = self.0.entry(position).or_default();
        sum.prepaid = sum.prepaid.saturating_add(points);
    }

    /// Returns the lines, in the order of their positions, without those that came to nothing.
    pub fn lines(&self) -> Vec<Line> {
        let lines = self.0.iter().filter(|(_, sum)| **sum != Sum::default());
        let line = |(position, sum): (&Position, &Sum)| {
            let mut line = Line::new(position.clone(), sum.points);
            line.cover(sum.prepaid);
            line
        };
        lines.map(line).collect()
    }
}

impl Settled {
    /// Returns what lines come to that lie behind a place in the log, once blocks, given the oldest first, covered what
    /// they can.
    pub fn new(after: u64, mut lines: Vec<Line>, mut blocks: Vec<Block>) -> Self {
        cover(&mut lines, &mut blocks);
        blocks.retain(|block| block.taken != 0 || !block.left.is_zero());
        Self { after, lines, blocks }
    }

    /// Writes the postings: claims are settled in money, so nobody owes points for them any more.
    pub fn post(&self, postings: &mut Postings) {
        for line in &self.lines {
            let Position { issuer, acceptor: Some(acceptor), unit, .. } = &line.position else { continue };
            postings.claim(Kind::Settlement, issuer, acceptor, unit, line.points.saturating_neg());
            postings.issuer(Kind::Settlement, issuer, unit, line.points);
        }
    }
}

fn terms(contract: Option<&Contract>, rate: impl Fn(&Contract) -> Rate) -> (String, Rate) {
    contract.map_or((String::new(), Rate::ZERO), |contract| (contract.currency.clone(), rate(contract)))
}

impl Line {
    /// Returns what points come to.
    pub fn new(position: Position, points: i64) -> Self {
        let amount_minor = worth(position.rate, points);
        Self { position, points, prepaid: 0, amount_minor }
    }

    /// Says that so many points more of it are prepaid.
    pub fn cover(&mut self, points: i64) {
        self.prepaid = self.prepaid.saturating_add(points);
        self.amount_minor = worth(self.position.rate, self.points.saturating_sub(self.prepaid));
    }

    /// Returns what is paid for it; `None` where no contract says what the points cost.
    pub fn payment(&self) -> Option<Payment> {
        let (payer, payee) = self.parties();
        let Self { position: Position { currency, .. }, amount_minor, .. } = self;
        let payment = Payment { payer, payee, currency: currency.clone(), amount_minor: *amount_minor };
        (!currency.is_empty()).then_some(payment)
    }

    /// Returns who pays and who is paid; of a negative amount, the other way round.
    fn parties(&self) -> (Party, Party) {
        let issuer = || match &self.position.issuer {
            Issuer::Platform => Party::Pool,
            Issuer::Merchant(merchant) => Party::Merchant(merchant.clone()),
        };
        match (self.position.reason, &self.position.acceptor) {
            (Reason::Accrual, _) => (issuer(), Party::Pool),
            (Reason::Breakage, _) | (Reason::Redemption, None) => (Party::Pool, issuer()),
            (Reason::Redemption, Some(acceptor)) => (Party::Pool, Party::Merchant(acceptor.clone())),
        }
    }
}

/// Returns what points come to at a rate, rounded once, halves up.
fn worth(rate: Rate, points: i64) -> i64 {
    let amount = rate.of(points.unsigned_abs(), 1, Rounding::HalfUp).ok();
    let amount = amount.and_then(|amount| i64::try_from(amount).ok()).unwrap_or(i64::MAX);
    if points < 0 { amount.saturating_neg() } else { amount }
}

/// Nets lines: what each party gets or pays in all. In each currency it sums to zero.
pub fn net(lines: &[Line]) -> Vec<Net> {
    net_of(lines.iter().filter_map(Line::payment))
}

/// Nets payments: what each party gets or pays in all. In each currency it sums to zero.
pub fn net_of(payments: impl IntoIterator<Item = Payment>) -> Vec<Net> {
    let mut sums = BTreeMap::<(Party, String), i64>::new();
    for Payment { payer, payee, currency, amount_minor } in payments {
        for (party, amount) in [(payer, amount_minor.saturating_neg()), (payee, amount_minor)] {
            let sum = sums.entry((party, currency.clone())).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    let net = sums.into_iter().map(|((party, currency), amount_minor)| Net { party, currency, amount_minor });
    net.collect()
}
