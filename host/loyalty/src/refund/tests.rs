use super::*;
use crate::event::{Cause, Revision, TenderKind};

/// A basket: `sku quantity amount` a line.
fn purchase(lines: &[(&str, u64, u64)]) -> Purchase {
    let line = |(sku, quantity, amount_minor): &(&str, u64, u64)| Line {
        sku: (*sku).to_owned(),
        category: "staples".to_owned(),
        quantity: *quantity,
        amount_minor: *amount_minor,
        tags: Vec::new(),
    };
    Purchase {
        order: "7".to_owned(),
        merchant: "shop".into(),
        currency: "CNY".to_owned(),
        lines: lines.iter().map(line).collect(),
        freight_minor: 0,
        discount_minor: 0,
        tenders: Vec::new(),
        payer: None,
    }
}

fn refund(lines: &[(&str, u64, u64)]) -> Refund {
    let line = |(sku, quantity, amount_minor): &(&str, u64, u64)| RefundLine {
        sku: (*sku).to_owned(),
        quantity: *quantity,
        amount_minor: *amount_minor,
    };
    Refund {
        order: "7".to_owned(),
        lines: Some(lines.iter().map(line).collect()),
        freight_minor: None,
        cause: Cause::Member,
        revision: Revision::Returned,
    }
}

fn all() -> Refund {
    Refund { lines: None, ..refund(&[]) }
}

/// Returns what remains, as `sku quantity amount`.
fn remaining(purchase: &Purchase, refunds: &[Refund]) -> Result<String, String> {
    let mut remainder = Remainder::of(purchase);
    for refund in refunds {
        remainder.take(refund).map_err(|refusal| refusal.to_string())?;
    }
    let lines = remainder.purchase().map(|purchase| purchase.lines).unwrap_or_default();
    let lines = lines.iter().map(|line| format!("{} {} {}", line.sku, line.quantity, line.amount_minor));
    Ok(lines.collect::<Vec<_>>().join(", "))
}

#[test]
fn lines_go_down_by_what_comes_back() {
    let basket = purchase(&[("a", 2, 500), ("b", 1, 300), ("a", 1, 240), ("free", 1, 0)]);
    let rows: &[(&[Refund], &str)] = &[
        (&[], "a 2 500, b 1 300, a 1 240, free 1 0"),
        (&[refund(&[("b", 1, 300)])], "a 2 500, a 1 240, free 1 0"),
        // The line that is exactly this.
        (&[refund(&[("a", 1, 240)])], "a 2 500, b 1 300, free 1 0"),
        // The first line that has as much.
        (&[refund(&[("a", 1, 250)])], "a 1 250, b 1 300, a 1 240, free 1 0"),
        // No line alone has as much.
        (&[refund(&[("a", 3, 740)])], "b 1 300, free 1 0"),
        (&[refund(&[("free", 1, 0)])], "a 2 500, b 1 300, a 1 240"),
        // Money back without goods: what remains costs less.
        (&[refund(&[("b", 0, 100)])], "a 2 500, b 1 200, a 1 240, free 1 0"),
        (&[refund(&[("a", 1, 250)]), refund(&[("a", 1, 250)])], "b 1 300, a 1 240, free 1 0"),
        (&[refund(&[("b", 1, 300)]), all()], ""),
    ];
    for (refunds, expected) in rows {
        assert_eq!(remaining(&basket, refunds).as_deref(), Ok(*expected), "{refunds:?}");
    }
}

#[test]
fn no_more_comes_back_than_remains() {
    let basket = purchase(&[("a", 2, 500)]);
    for (refunds, field) in [
        (vec![refund(&[("a", 3, 500)])], "data.lines[0].quantity: over_refund: returns 1 more"),
        (vec![refund(&[("a", 1, 501)])], "data.lines[0].amount: over_refund: returns 1 more"),
        (vec![refund(&[("c", 1, 1)])], "data.lines[0].quantity: over_refund"),
        (vec![refund(&[("a", 2, 500)]), refund(&[("a", 1, 1)])], "data.lines[0].quantity: over_refund"),
        (vec![Refund { freight_minor: Some(1), ..refund(&[]) }], "data.freight: over_refund: returns 1 more"),
    ] {
        let refused = remaining(&basket, &refunds).unwrap_err();
        assert!(refused.contains(field), "{refused}");
    }
}

/// E6: what was paid in points for a line comes back with it, and what was paid for the others stays.
#[test]
fn discount_and_payment_go_down_with_what_they_were_for() {
    let tender = |kind, amount_minor| Tender { kind, redemption: None, amount_minor };
    let basket = Purchase {
        tenders: vec![tender(TenderKind::Points, 2_000), tender(TenderKind::Cash, 8_000)],
        ..purchase(&[("a", 1, 6_000), ("b", 1, 4_000)])
    };
    let mut remainder = Remainder::of(&basket);
    remainder.take(&refund(&[("b", 1, 4_000)])).unwrap();
    let rest = remainder.purchase().unwrap();
    assert_eq!(rest.tenders, [tender(TenderKind::Points, 1_200), tender(TenderKind::Cash, 4_800)]);

    let basket = Purchase { discount_minor: 1_000, freight_minor: 600, ..basket };
    let mut remainder = Remainder::of(&basket);
    assert_eq!(remainder.purchase().as_ref(), Some(&basket), "all of it remains");
    remainder.take(&refund(&[("a", 1, 3_000)])).unwrap();
    let rest = remainder.purchase().unwrap();
    assert_eq!((rest.discount_minor, rest.freight_minor), (700, 600));
    remainder.take(&all()).unwrap();
    assert_eq!(remainder.purchase(), None);
}

#[test]
fn points_go_down_in_proportion_to_the_goods() {
    let basket = purchase(&[("a", 1, 5_000), ("b", 1, 5_000)]);
    let points = |points| Points::new(points).unwrap();
    let mut remainder = Remainder::of(&basket);
    assert_eq!(remainder.share_of(points(31)), points(31));
    remainder.take(&refund(&[("a", 1, 5_000)])).unwrap();
    assert_eq!(remainder.share_of(points(31)), points(15));
    remainder.take(&all()).unwrap();
    assert_eq!(remainder.share_of(points(31)), Points::ZERO);
}

/// In proportion, rounded down, but one while anything remains that it paid for: it may be a whole coupon.
#[test]
fn points_stay_used_with_what_they_paid_for() {
    let basket =
        Purchase { freight_minor: 600, ..purchase(&[("a", 1, 4_000), ("b", 1, 6_000), ("free", 1, 0)]) };
    type Back<'a> = (&'a [(&'a str, u64, u64)], Option<u64>);
    let rows: [(u64, Covers, Back<'_>, u64); 9] = [
        (100, Covers::Goods, (&[], None), 100),
        (100, Covers::Goods, (&[("a", 1, 4_000)], None), 60),
        (1, Covers::Goods, (&[("a", 1, 4_000)], None), 1),
        (0, Covers::Goods, (&[("a", 1, 4_000)], None), 0),
        (100, Covers::Goods, (&[("a", 1, 4_000), ("b", 0, 5_999)], None), 1),
        (1, Covers::Goods, (&[("a", 1, 4_000), ("b", 1, 6_000)], None), 0),
        (1, Covers::Freight, (&[("a", 1, 4_000), ("b", 1, 6_000)], None), 1),
        (1, Covers::Freight, (&[], Some(600)), 0),
        (1, Covers::Bill, (&[("a", 1, 4_000), ("b", 1, 6_000)], Some(600)), 0),
    ];
    for (used, covers, (lines, freight_minor), expected) in rows {
        let mut remainder = Remainder::of(&basket);
        remainder.take(&Refund { freight_minor, ..refund(lines) }).unwrap();
        let left = remainder.points_left(Points::new(used).unwrap(), &covers);
        assert_eq!(left.get(), expected, "{used} for {covers:?}, {lines:?} and {freight_minor:?} back");
    }
}
