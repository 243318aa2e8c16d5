//! What a purchase earns on.
//!
//! Points are earned on money. A discount on the whole basket lies on all lines in proportion to their amounts; what
//! was paid in points or by gift card lies on what the lines then cost and on the freight. Shares are whole minor units
//! by largest remainder, so they add up to the discount and to the payment exactly.

use crate::allocate::allocated;
use crate::{Line, Minor, Purchase, Tender, TenderKind, total};

impl Purchase {
    /// Returns the event's total in minor units: the amounts of all lines less the discount on the basket. Freight is
    /// not part of it, and it does not matter how it was paid.
    pub fn total_minor(&self) -> Minor {
        total(self.lines.iter().map(|line| line.amount_minor)).saturating_sub(self.discount_minor)
    }

    /// Returns what there is to pay in minor units: that total, and the freight.
    pub fn payable_minor(&self) -> Minor {
        self.total_minor().saturating_add(self.freight_minor)
    }

    /// Returns the lines, each with the money paid for it in minor units: its amount less its share of the discount, of
    /// the points and of the gift cards. Freight carries its share of points and gift cards, and earns nothing itself.
    pub fn paid_lines(&self) -> impl Iterator<Item = (&Line, Minor)> {
        let mut paid: Vec<Minor> = self.lines.iter().map(|line| line.amount_minor).collect();
        spread(&mut paid, self.discount_minor);
        paid.push(self.freight_minor);
        spread(&mut paid, self.unearning_minor());
        self.lines.iter().zip(paid)
    }

    /// Returns the money paid for the lines that `eligible` picks, in minor units: see [`Self::paid_lines`].
    pub fn eligible_minor(&self, eligible: impl Fn(&Line) -> bool) -> Minor {
        total(self.paid_lines().filter(|(line, _)| eligible(line)).map(|(_, paid)| paid))
    }

    /// Returns what was paid with anything but money.
    fn unearning_minor(&self) -> Minor {
        total(self.tenders.iter().filter(|tender| !tender.earns()).map(|tender| tender.amount_minor))
    }
}

impl Line {
    /// Returns whether the merchant marked the line with `tag`.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

impl Tender {
    /// Returns whether this part of the payment earns points. Points do not, or they would breed points. A gift card
    /// does when it is spent; so a rule leaves out the category of gift cards when they are bought.
    pub fn earns(&self) -> bool {
        match self.kind {
            TenderKind::Cash | TenderKind::GiftCard => true,
            TenderKind::Points => false,
        }
    }
}

/// Takes a reduction off the amounts, in proportion to them, down to nothing at most.
fn spread(amounts: &mut [Minor], reduction: Minor) {
    let reduction = reduction.min(total(amounts.iter().copied()));
    if reduction == 0 {
        return;
    }
    let shares = allocated(reduction, amounts).expect("amounts of which something can be taken are there");
    for (amount, share) in amounts.iter_mut().zip(shares) {
        *amount = amount.saturating_sub(share);
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
