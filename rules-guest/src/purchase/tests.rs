use super::*;

type Tenders = &'static [(TenderKind, Minor)];

/// Returns a purchase of lines with these amounts.
fn basket(amounts: &[Minor], freight_minor: Minor, discount_minor: Minor, tenders: Tenders) -> Purchase {
    let line = |amount: &Minor| Line {
        sku: "1".to_owned(),
        category: format!("of {amount}"),
        quantity: 1,
        amount_minor: *amount,
        tags: vec!["eco".to_owned()],
    };
    let tender = |&(kind, amount_minor): &(TenderKind, Minor)| Tender { kind, amount_minor };
    Purchase {
        merchant_category: "supermarket".to_owned(),
        currency: "CNY".to_owned(),
        lines: amounts.iter().map(line).collect(),
        freight_minor,
        discount_minor,
        tenders: tenders.iter().map(tender).collect(),
    }
}

#[test]
fn discounts_and_points_lie_on_the_lines_in_proportion() {
    use TenderKind::{Cash, GiftCard, Points};
    let check = |lines: &[Minor], freight, discount, tenders: Tenders, expected: &[Minor]| {
        let basket = basket(lines, freight, discount, tenders);
        let paid: Vec<Minor> = basket.paid_lines().map(|(_, paid)| paid).collect();
        assert_eq!(paid, expected, "{basket:?}");
    };
    check(&[100], 0, 0, &[], &[100]);
    // E6: 20 in points over 60 and 40.
    check(&[60, 40], 0, 0, &[(Points, 20), (Cash, 80)], &[48, 32]);
    // C6: a discount on the basket lies on both lines; a wallet is money.
    check(&[100, 50], 0, 15, &[], &[90, 45]);
    check(&[100], 0, 0, &[(Cash, 10), (Cash, 90)], &[100]);
    check(&[100], 0, 0, &[(GiftCard, 50), (Cash, 50)], &[100]);
    // Freight carries its share of points, and none of the discount.
    check(&[90], 10, 0, &[(Points, 50), (Cash, 50)], &[45]);
    check(&[90], 10, 9, &[], &[81]);
    // Points lie on what the discount left; a gift card earns like money.
    check(&[100, 50], 0, 15, &[(Points, 20), (Points, 7), (GiftCard, 9)], &[72, 36]);
    // The largest remainder takes the last unit, the first of equals first.
    check(&[1, 1, 1], 0, 1, &[], &[0, 1, 1]);
    // More than there is leaves nothing.
    check(&[50, 50], 0, 101, &[(Points, 7)], &[0, 0]);
    check(&[0], 0, 0, &[(Points, 7)], &[0]);
}

#[test]
fn the_total_is_lines_less_discount() {
    let table =
        [(&[100, 50][..], 30, 120), (&[100], 100, 0), (&[100], 101, 0), (&[u64::MAX, 1], 0, u64::MAX)];
    for (lines, discount, total) in table {
        assert_eq!(basket(lines, 7, discount, &[(TenderKind::Points, 1)]).total_minor(), total);
    }
}

#[test]
fn eligible_lines_are_picked_after_shares_are_taken() {
    let basket = basket(&[100, 50], 0, 15, &[]);
    assert_eq!(basket.eligible_minor(|line| line.category == "of 100"), 90);
    assert_eq!(basket.eligible_minor(|line| line.has_tag("eco")), 135);
    assert_eq!(basket.eligible_minor(|line| line.has_tag("ec")), 0);
}
