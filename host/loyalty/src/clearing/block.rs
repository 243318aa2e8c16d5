//! Blocks: points that a merchant bought of the pool in advance, and what settlements take of them.
//!
//! What a settlement bills a merchant for a unit in a currency is a net: what was awarded less what was taken back. Blocks
//! cover as much of it as is left of them, the oldest first, and that much costs no more money, for it was paid with the
//! block. Where the net is negative, blocks get back what they had given, the newest first, and only the rest is money.

use std::collections::BTreeMap;

use super::{Line, Party, Payment, Position, Reason};
use crate::event;
use crate::id::UnitId;
use crate::lot::Issuer;
use crate::points::Points;
use crate::receipt::Key;
use crate::time::Instant;

/// A block, with what settlements took of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The event by which it was bought: its name.
    pub key: Key,
    /// When it was bought.
    pub time: Instant,
    /// What was bought.
    pub bought: event::Block,
    /// What is left of it.
    pub left: Points,
    /// What the settlement at hand took of it; negative for what it gave back.
    pub taken: i64,
}

impl Block {
    /// Returns a block of which nothing was taken yet.
    pub fn new(key: Key, time: Instant, bought: event::Block) -> Self {
        Self { key, time, left: bought.points, bought, taken: 0 }
    }

    fn account(&self) -> Account {
        let event::Block { merchant, unit, currency, .. } = &self.bought;
        (Issuer::Merchant(merchant.clone()), unit.clone(), currency.clone())
    }

    /// Takes points of it, or gives some back to it where they are negative: as many as there are, or it had given. Returns
    /// how many that were.
    fn take(&mut self, points: i64) -> i64 {
        let given = self.bought.points.less(self.left);
        let taken = points.clamp(given.entry().saturating_neg(), self.left.entry());
        self.left = self.left.moved(taken.saturating_neg());
        self.taken = self.taken.saturating_add(taken);
        taken
    }
}

impl event::Block {
    /// Returns what the merchant pays for it.
    pub fn payment(&self) -> Payment {
        Payment {
            payer: Party::Merchant(self.merchant.clone()),
            payee: Party::Pool,
            currency: self.currency.clone(),
            amount_minor: i64::try_from(self.amount_minor).unwrap_or(i64::MAX),
        }
    }
}

/// What is netted before blocks cover it: an issuer's points of a unit, billed in a currency.
type Account = (Issuer, UnitId, String);

/// Lets blocks, given the oldest first, cover what lines bill their merchants. Where points cost more than one rate, the
/// lines are covered in their order, that of the lower rate first.
pub(super) fn cover(lines: &mut [Line], blocks: &mut [Block]) {
    let mut nets = BTreeMap::<Account, i64>::new();
    for (account, line) in lines.iter().filter_map(|line| Some((line.account()?, line))) {
        let net = nets.entry(account).or_default();
        *net = net.saturating_add(line.points);
    }
    for (account, net) in nets {
        let covered = draw(blocks, &account, net);
        spread(lines, &account, covered);
    }
}

/// Takes what an account comes to of its blocks. Returns how many points that were.
fn draw(blocks: &mut [Block], account: &Account, net: i64) -> i64 {
    let mut wanted = net;
    let draw = |block: &mut Block| wanted = wanted.saturating_sub(block.take(wanted));
    let own = blocks.iter_mut().filter(|block| block.account() == *account);
    match net {
        ..0 => own.rev().for_each(draw),
        0.. => own.for_each(draw),
    }
    net.saturating_sub(wanted)
}

/// Says of an account's lines how many of their points are covered.
fn spread(lines: &mut [Line], account: &Account, covered: i64) {
    let mut left = covered;
    let own =
        |line: &&mut Line| line.account().as_ref() == Some(account) && (line.points < 0) == (covered < 0);
    for line in lines.iter_mut().filter(own) {
        let share = if covered < 0 { left.max(line.points) } else { left.min(line.points) };
        left = left.saturating_sub(share);
        line.cover(share);
    }
}

impl Line {
    /// Returns what it is netted with, if blocks can cover it: not what costs nothing anyway.
    fn account(&self) -> Option<Account> {
        let Position { reason, issuer, unit, currency, rate, .. } = &self.position;
        let billed = *reason == Reason::Accrual && !rate.is_zero();
        billed.then(|| (issuer.clone(), unit.clone(), currency.clone()))
    }
}
