//! Refunds: what remains of a purchase, and what its points come to then.
//!
//! A refund is not an event of its own for the rules. The purchase is evaluated once more, by the releases, parameters
//! and facts that it was evaluated by, on what remains of it; the difference to what it came to so far is posted. So
//! thresholds, caps and multipliers come out exactly, and partial refunds add up to the full one.

#[cfg(test)]
mod tests;

use rules_guest::allocate::allocated;

use crate::event::{InvalidEvent, Line, Purchase, Refund, RefundLine, Tender};
use crate::id::RedemptionId;
use crate::points::Points;
use crate::program::Covers;

/// What remains of a purchase after refunds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remainder<'p> {
    purchase: &'p Purchase,
    /// Of each line: how many are left, and what of its amount.
    lines: Vec<(u64, u64)>,
    freight_minor: u64,
    /// What each part of the payment paid for.
    covers: Vec<Covers>,
}

impl<'p> Remainder<'p> {
    /// Returns a purchase of which nothing was returned.
    pub fn of(purchase: &'p Purchase) -> Self {
        let lines = purchase.lines.iter().map(|line| (line.quantity, line.amount_minor)).collect();
        let covers = vec![Covers::Bill; purchase.tenders.len()];
        Self { purchase, lines, freight_minor: purchase.freight_minor, covers }
    }

    /// Says what uses of points paid for. What is not said paid for the whole bill.
    pub fn covered(&mut self, by: impl Fn(&RedemptionId) -> Option<Covers>) {
        for (tender, covers) in self.purchase.tenders.iter().zip(&mut self.covers) {
            if let Some(said) = tender.redemption.as_ref().and_then(&by) {
                *covers = said;
            }
        }
    }

    /// Returns how many of the points that paid for a part of the bill stay used: in proportion to what remains of that
    /// part, rounded down, but one while anything remains, which may be a whole coupon.
    pub fn points_left(&self, points: Points, covers: &Covers) -> Points {
        let nothing = self.freight_minor == 0 && self.lines.iter().all(|left| *left == (0, 0));
        let (left, before) = self.part(covers);
        let least = if left > 0 { points.min(Points::ONE) } else { Points::ZERO };
        let left = if nothing { 0 } else { share(points.get(), left, before) };
        Points::new(left).unwrap_or(points).max(least)
    }

    /// Returns what remains of a part of the bill, and what it was, in minor units after every discount.
    fn part(&self, covers: &Covers) -> (u64, u64) {
        let (mut left, mut before) =
            if covers.freight() { (self.freight_minor, self.purchase.freight_minor) } else { (0, 0) };
        for ((line, discount), (quantity, amount_minor)) in self.discounted().zip(&self.lines) {
            if covers.line(line) {
                before = before.saturating_add(line.amount_minor.saturating_sub(discount));
                let discount = share(discount, *amount_minor, line.amount_minor);
                let remains = (*quantity, *amount_minor) != (0, 0);
                left = left.saturating_add(if remains { amount_minor.saturating_sub(discount) } else { 0 });
            }
        }
        (left, before)
    }

    /// Returns the lines, each with its share of the discount on the basket.
    fn discounted(&self) -> impl Iterator<Item = (&Line, u64)> {
        let amounts: Vec<u64> = self.purchase.lines.iter().map(|line| line.amount_minor).collect();
        let discounts = allocated(self.purchase.discount_minor, &amounts).unwrap_or_default();
        self.purchase.lines.iter().zip(discounts)
    }

    /// Takes a refund off.
    ///
    /// # Errors
    ///
    /// `over_refund`, if more comes back than remains. What remains is then undefined.
    pub fn take(&mut self, refund: &Refund) -> Result<(), InvalidEvent> {
        match &refund.lines {
            None => self.lines.iter_mut().for_each(|left| *left = (0, 0)),
            Some(lines) => {
                for (index, line) in lines.iter().enumerate() {
                    self.take_line(index, line)?;
                }
            }
        }
        let all = if refund.lines.is_none() { self.freight_minor } else { 0 };
        let freight = refund.freight_minor.unwrap_or(all);
        let over = freight.saturating_sub(self.freight_minor);
        if over > 0 {
            return Err(over_refund("data.freight", over));
        }
        self.freight_minor = self.freight_minor.saturating_sub(freight);
        Ok(())
    }

    /// Takes articles off their line: off the first that is exactly this, else off the first that has as much, else off
    /// all lines of the article in their order.
    fn take_line(&mut self, index: usize, back: &RefundLine) -> Result<(), InvalidEvent> {
        let of_article =
            |place: &usize| self.purchase.lines.get(*place).is_some_and(|line| line.sku == back.sku);
        let mut places: Vec<usize> = (0..self.lines.len()).filter(of_article).collect();
        let fits = |fits: fn((u64, u64), &RefundLine) -> bool| {
            let left = |place: &usize| self.lines.get(*place).is_some_and(|left| fits(*left, back));
            places.iter().position(left)
        };
        let exact = fits(|left, back| left == (back.quantity, back.amount_minor));
        let first =
            exact.or_else(|| fits(|left, back| left.0 >= back.quantity && left.1 >= back.amount_minor));
        if let Some(first) = first {
            places.swap(0, first);
        }
        let (mut quantity, mut amount_minor) = (back.quantity, back.amount_minor);
        for place in places {
            let left = self.lines.get_mut(place).expect("it is one of the lines");
            move_over(&mut left.0, &mut quantity);
            move_over(&mut left.1, &mut amount_minor);
        }
        match (quantity, amount_minor) {
            (0, 0) => Ok(()),
            (0, _) => Err(over_refund(&format!("data.lines[{index}].amount"), amount_minor)),
            (_, _) => Err(over_refund(&format!("data.lines[{index}].quantity"), quantity)),
        }
    }

    /// Returns the purchase of what remains, `None` if no line does. A line of which nothing is left is left out; the
    /// discount on the basket and the payment go down with what they were for, in whole minor units.
    pub fn purchase(&self) -> Option<Purchase> {
        let mut remaining = Purchase {
            lines: Vec::new(),
            freight_minor: self.freight_minor,
            discount_minor: 0,
            ..self.purchase.clone()
        };
        for ((line, discount), (quantity, amount_minor)) in self.discounted().zip(&self.lines) {
            if (*quantity, *amount_minor) != (0, 0) {
                let discount = share(discount, *amount_minor, line.amount_minor);
                remaining.discount_minor = remaining.discount_minor.saturating_add(discount);
                remaining.lines.push(Line {
                    quantity: *quantity,
                    amount_minor: *amount_minor,
                    ..line.clone()
                });
            }
        }
        remaining.tenders = self.tenders(remaining.payable_minor());
        (!remaining.lines.is_empty()).then_some(remaining)
    }

    /// Returns the part of points that goes with what remains of the goods, rounded down.
    pub fn share_of(&self, points: Points) -> Points {
        let total = |amounts: &mut dyn Iterator<Item = u64>| amounts.fold(0, u64::saturating_add);
        let remaining = total(&mut self.lines.iter().map(|(_, amount_minor)| *amount_minor));
        let before = total(&mut self.purchase.lines.iter().map(|line| line.amount_minor));
        Points::new(share(points.get(), remaining, before)).unwrap_or(points)
    }

    /// Returns the payment for what remains. What paid for a part of the bill goes down with that part; everything else pays
    /// for the rest, each in proportion, by largest remainder.
    fn tenders(&self, payable_minor: u64) -> Vec<Tender> {
        let (mut rest_left, mut rest_before) = (payable_minor, self.purchase.payable_minor());
        let mut parts = Vec::new();
        let mut paid = Vec::new();
        for (tender, covers) in self.purchase.tenders.iter().zip(&self.covers) {
            let part = (*covers != Covers::Bill).then(|| {
                let (left, before) = self.part(covers);
                share(tender.amount_minor, left, before)
            });
            rest_left = rest_left.saturating_sub(part.unwrap_or(0));
            rest_before = rest_before.saturating_sub(if part.is_some() { tender.amount_minor } else { 0 });
            parts.push(part);
            paid.push(if part.is_some() { 0 } else { tender.amount_minor });
        }
        let whole = share(paid.iter().copied().fold(0, u64::saturating_add), rest_left, rest_before);
        let shares = allocated(whole, &paid).unwrap_or_else(|_| vec![0; paid.len()]);
        let tenders = self.purchase.tenders.iter().zip(parts.into_iter().zip(shares));
        let left = tenders
            .map(|(tender, (part, share))| Tender { amount_minor: part.unwrap_or(share), ..tender.clone() });
        left.collect()
    }
}

/// Takes as much off both as there is on both.
fn move_over(left: &mut u64, wanted: &mut u64) {
    let moved = (*left).min(*wanted);
    *left = left.saturating_sub(moved);
    *wanted = wanted.saturating_sub(moved);
}

/// Returns `whole × part / of`, rounded down; all of it of what costs nothing.
fn share(whole: u64, part: u64, of: u64) -> u64 {
    let exact = u128::from(whole).saturating_mul(u128::from(part)).checked_div(u128::from(of));
    let exact = exact.unwrap_or(u128::from(whole));
    u64::try_from(exact).unwrap_or(whole)
}

fn over_refund(field: &str, over: u64) -> InvalidEvent {
    let reason = format!("over_refund: returns {over} more than remains of the order");
    InvalidEvent { field: field.to_owned(), reason }
}
