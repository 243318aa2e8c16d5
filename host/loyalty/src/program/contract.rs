//! Contracts: what points cost.

use std::collections::BTreeMap;

use rules_guest::rate::Rate;

use crate::id::MerchantId;
use crate::lot::Issuer;
use crate::time::Instant;

/// What an issuer's points of a unit cost, for some time. Rates are in minor units for a point.
#[derive(Debug)]
pub struct Contract {
    /// Whose points.
    pub issuer: Issuer,
    /// Of which unit, by place in [`super::Program::units`].
    pub unit: usize,
    /// ISO 4217.
    pub currency: String,
    /// The first instant of business time at which it holds.
    pub from: Instant,
    /// The first at which it no longer does.
    pub until: Instant,
    /// What the issuer pays into the pool for a point that it awards.
    pub accrual: Rate,
    /// What the pool pays whoever takes a point.
    pub redemption: Rate,
    /// What the pool pays back to the issuer for a point that lapses.
    pub breakage: Rate,
    /// What some acceptors are paid instead.
    pub acceptors: BTreeMap<MerchantId, Rate>,
}

impl Contract {
    /// Returns what a merchant is paid for a point.
    pub fn redemption_at(&self, acceptor: &MerchantId) -> Rate {
        self.acceptors.get(acceptor).copied().unwrap_or(self.redemption)
    }
}
