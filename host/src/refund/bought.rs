//! A purchase that is in the ledger, with what refunds and corrections made of it.

use std::fmt;

use jifen_ledger::Logged;
use jifen_loyalty::clawback::Level;
use jifen_loyalty::event::{Body, Happening, Occasion, Purchase, Refund};
use jifen_loyalty::receipt::{Evaluation, Inputs, Key};
use jifen_loyalty::refund::Remainder;
use jifen_loyalty::{Event, InvalidEvent, MemberId, Receipt};

use super::{denied, key};

/// A purchase as its own receipt, its refunds and its corrections so far have it.
pub(super) struct Bought {
    pub(super) happening: Happening,
    pub(super) key: Key,
    pub(super) inputs: Inputs,
    /// The program that decides it: its own, or that of the last correction.
    pub(super) program: String,
    /// What deployments were asked about the whole of it, by the last program first.
    pub(super) evaluations: Vec<Evaluation>,
    /// Refunds and corrections that were applied, in their order.
    refunds: Vec<Refund>,
    /// The buyer's versions after the purchase and those: they name the lots of the order.
    pub(super) versions: Vec<u64>,
    /// What the whole purchase came to by that program, and what the order comes to now.
    pub(super) first: Vec<Level>,
    pub(super) levels: Vec<Level>,
    /// What it came to as it came.
    pub(super) originally: Vec<Level>,
    /// What was let go, because it was spent.
    pub(super) let_go: Vec<Level>,
}

impl Bought {
    /// Reads a purchase, and its refunds, from the entries that name its order.
    ///
    /// # Errors
    ///
    /// If the ledger's entries are not what was committed.
    pub(super) fn read(entries: &[Logged], seq: u64) -> Result<Self, InvalidEvent> {
        let own =
            entries.iter().find(|logged| logged.seq == seq).ok_or_else(|| damaged("has no such entry"))?;
        let (event, inputs) = parsed(own)?;
        let key = key(&event);
        let Body::Happening(happening) = event.body else {
            return Err(damaged("has no purchase where one was"));
        };
        let first = Receipt::awarded(&own.receipt).map_err(damaged)?;
        let levels = Receipt::levels(&own.receipt).map_err(damaged)?;
        let mut bought = Self {
            happening,
            key,
            program: inputs.program.clone(),
            evaluations: inputs.evaluations.clone(),
            refunds: Vec::new(),
            versions: vec![inputs.version],
            inputs,
            originally: first.clone(),
            first,
            levels,
            let_go: Vec::new(),
        };
        let waited = bought.inputs.refund.as_ref().map(|refund| refund.waited.clone()).unwrap_or_default();
        for logged in entries {
            let (event, inputs) = parsed(logged)?;
            let later = inputs.refund.as_ref().is_some_and(|refund| refund.of.as_ref() == Some(&bought.key));
            let Body::Refund(refund) = event.body else { continue };
            if later {
                let reversals = inputs.refund.iter().flat_map(|refund| &refund.reversals);
                let let_go = reversals.filter(|reversal| !reversal.forgiven.is_zero());
                bought.let_go.extend(let_go.map(|reversal| reversal.of.clone()));
            }
            if let (true, Some(correction)) = (later, refund.correction()) {
                bought.program.clone_from(&correction.program);
                bought.evaluations.splice(0..0, inputs.evaluations);
                let corrected = inputs.refund.unwrap_or_default();
                bought.first = corrected.first;
            }
            let own = Key { source: event.source, id: event.id };
            if waited.contains(&own) || later {
                bought.refunds.push(refund);
            }
            if later {
                bought.levels = Receipt::levels(&logged.receipt).map_err(damaged)?;
                bought.versions.push(inputs.version);
            }
        }
        Ok(bought)
    }

    /// Returns whoever brought the buyer, if after the refunds so far and one more nobody is to be rewarded for that.
    pub(super) fn denied<'r>(&'r self, refund: &'r Refund) -> Option<&'r MemberId> {
        denied(self.inputs.referral.as_ref(), self.refunds.iter().chain([refund]))
    }

    /// Returns the purchase.
    ///
    /// # Errors
    ///
    /// If the ledger's entry is not what was committed.
    pub(super) fn purchase(&self) -> Result<&Purchase, InvalidEvent> {
        match &self.happening.occasion {
            Occasion::Purchase(purchase) => Ok(purchase),
            Occasion::Registration(_) | Occasion::Run(_) => Err(damaged("has no purchase where one was")),
        }
    }

    /// Returns whether nothing of it was returned.
    ///
    /// # Errors
    ///
    /// If the ledger's entries are not what was committed.
    pub(super) fn is_untouched(&self) -> Result<bool, InvalidEvent> {
        Ok(self.remainder()? == Remainder::of(self.purchase()?))
    }

    /// Returns what remains after the refunds so far.
    ///
    /// # Errors
    ///
    /// If the ledger's entries are not what was committed.
    pub(super) fn remainder(&self) -> Result<Remainder<'_>, InvalidEvent> {
        let mut remainder = Remainder::of(self.purchase()?);
        self.refunds.iter().try_for_each(|refund| remainder.take(refund))?;
        Ok(remainder)
    }
}

/// Returns the refusal of a refund whose order the ledger cannot tell.
fn damaged(what: impl fmt::Display) -> InvalidEvent {
    let reason = format!("the ledger's entries of this order are damaged: {what}");
    InvalidEvent { field: "data.order".to_owned(), reason }
}

pub(super) fn parsed(logged: &Logged) -> Result<(Event, Inputs), InvalidEvent> {
    let event = Event::parse(&logged.event).map_err(damaged)?;
    Ok((event, Receipt::inputs(&logged.receipt).map_err(damaged)?))
}
