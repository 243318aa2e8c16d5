use proptest::prelude::*;

use super::*;
use crate::event;
use crate::points::Points;
use crate::posting::{Postings, gain, loss};
use crate::receipt::Key;

const PROGRAM: &str = r#"
[program]
name = "通兑"
timezone = "Asia/Shanghai"

[[unit]]
id = "points"

[[merchant]]
id = "m1"

[[merchant]]
id = "m2"

[[merchant]]
id = "m3"

[[contract]]
issuer = "m1"
unit = "points"
currency = "CNY"
until = "2026-07-01T00:00:00+08:00"
accrual = "0.8"
redemption = "0.7"
breakage = "0.4"
acceptors = { m3 = "0.65" }

[[contract]]
issuer = "m1"
unit = "points"
currency = "CNY"
from = "2026-07-01T00:00:00+08:00"
accrual = "1"
redemption = "0.9"
"#;

/// `issue 1000`, `use 600 m2`, `back 100 m2`, `lapse 400`, `claw 50`: points of m1, in January or, behind `later`, in July.
fn cleared(rows: &[&str]) -> Clearing {
    let program = Program::parse(PROGRAM).unwrap();
    let m1 = Issuer::Merchant("m1".into());
    let mut clearing = Clearing::default();
    for row in rows {
        let (row, time) = match row.strip_prefix("later ") {
            Some(row) => (row, "2026-07-01T00:00:00+08:00"),
            None => (*row, "2026-01-01T00:00:00+08:00"),
        };
        let words: Vec<_> = row.split(' ').collect();
        let points = Points::new(words[1].parse().unwrap()).unwrap();
        let unit = UnitId::from("points");
        let mut postings = Postings::default();
        match words[0] {
            "issue" => postings.issuer(Kind::Award, &m1, &unit, loss(points)),
            "claw" => postings.issuer(Kind::Clawback, &m1, &unit, gain(points)),
            "lapse" => postings.issuer(Kind::Expiry, &m1, &unit, gain(points)),
            "use" => postings.claim(Kind::Redemption, &m1, &words[2].into(), &unit, gain(points)),
            "back" => postings.claim(Kind::Return, &m1, &words[2].into(), &unit, loss(points)),
            other => panic!("no such row: {other}"),
        }
        let time = Instant::parse(time).unwrap();
        postings.into_vec().iter().for_each(|posting| clearing.add(posting, &program, time));
    }
    clearing
}

#[test]
fn what_is_owed_follows_the_contracts() {
    for (scenario, rows, expected) in [
        ("A19 issued", vec!["issue 1000"], "pool 800, merchant/m1 -800"),
        ("A19 used", vec!["issue 1000", "use 600 m2"], "pool 380, merchant/m1 -800, merchant/m2 420"),
        (
            "A19 given back",
            vec!["issue 1000", "use 600 m2", "back 100 m2"],
            "pool 450, merchant/m1 -800, merchant/m2 350",
        ),
        (
            "G2 the rest lapses",
            vec!["issue 1000", "use 600 m2", "lapse 400"],
            "pool 220, merchant/m1 -640, merchant/m2 420",
        ),
        ("taken back", vec!["issue 1000", "claw 1000"], ""),
        ("used at home", vec!["issue 1000", "use 1000 m1"], "pool 100, merchant/m1 -100"),
        ("another rate for an acceptor", vec!["use 100 m3"], "pool -65, merchant/m3 65"),
        ("a half is rounded up, once", vec!["use 5 m3", "use 5 m3"], "pool -7, merchant/m3 7"),
        (
            "a later contract",
            vec!["issue 10", "later issue 10", "later use 10 m2"],
            "pool 9, merchant/m1 -18, merchant/m2 9",
        ),
    ] {
        let net = net(&cleared(&rows).lines());
        assert_eq!(net.iter().map(|net| net.amount_minor).sum::<i64>(), 0, "{scenario}");
        let told: Vec<_> = net.iter().map(|net| format!("{} {}", net.party, net.amount_minor)).collect();
        let told: Vec<_> = told.into_iter().filter(|told| !told.ends_with(" 0")).collect();
        assert_eq!(told.join(", "), expected, "{scenario}");
    }
}

/// A settlement ends the claims: what was used, less what was given back.
#[test]
fn a_settlement_ends_the_claims() {
    let lines = cleared(&["use 600 m2", "back 100 m2", "later use 50 m2", "use 7 m3", "back 7 m3"]).lines();
    let mut postings = Postings::default();
    Settled::new(0, lines, Vec::new()).post(&mut postings);
    let told =
        postings.into_vec().into_iter().map(|posting| format!("{} {}", posting.account, posting.points));
    assert_eq!(told.collect::<Vec<_>>(), ["claim/merchant/m1/m2 -550", "merchant/m1 550"]);
}

fn blocks(points: &[u64]) -> Vec<Block> {
    let block = |(n, points): (usize, &u64)| {
        let bought = event::Block {
            merchant: "m1".into(),
            unit: "points".into(),
            points: Points::new(*points).unwrap(),
            currency: "CNY".to_owned(),
            amount_minor: 7,
        };
        Block::new(Key { source: "/pool".to_owned(), id: n.to_string() }, Instant::from_millis(0), bought)
    };
    points.iter().enumerate().map(block).collect()
}

/// Returns lines of what was awarded at 0.8 and at 1; negative for what was taken back.
fn awarded(points: (i64, i64)) -> Vec<Line> {
    let line = |(rate, points): (&str, i64)| {
        let (issuer, unit) = (Issuer::Merchant("m1".into()), "points".into());
        let (currency, rate) = ("CNY".to_owned(), rate.parse().unwrap());
        Line::new(Position { reason: Reason::Accrual, issuer, acceptor: None, unit, currency, rate }, points)
    };
    [("0.8", points.0), ("1", points.1)].into_iter().filter(|(_, points)| *points != 0).map(line).collect()
}

/// What costs nothing is not paid for with a block.
#[test]
fn blocks_are_kept_for_what_is_billed() {
    let mut lines = awarded((1_000, 500));
    lines[0].position.rate = Rate::ZERO;
    let mut blocks = blocks(&[600]);
    cover(&mut lines, &mut blocks);
    assert_eq!(lines.iter().map(|line| line.prepaid).collect::<Vec<_>>(), [0, 500]);
    assert_eq!(blocks[0].left.get(), 100);
}

proptest! {
    /// Whatever was awarded and taken back before, blocks give what there is of what is billed, get back what they gave, and
    /// what they give is what lines are spared.
    #[test]
    fn blocks_give_what_lines_are_spared(
        points in prop::collection::vec(1_u64..50, 0..4),
        settlements in prop::collection::vec((-60_i64..60, -60_i64..60), 1..6),
    ) {
        let mut blocks = blocks(&points);
        for awarded_points in settlements {
            let left: u64 = blocks.iter().map(|block| block.left.get()).sum();
            let given = points.iter().sum::<u64>() - left;
            let mut lines = awarded(awarded_points);
            blocks.iter_mut().for_each(|block| block.taken = 0);
            cover(&mut lines, &mut blocks);

            let net = awarded_points.0 + awarded_points.1;
            let covered = net.clamp(-given.cast_signed(), left.cast_signed());
            prop_assert_eq!(blocks.iter().map(|block| block.taken).sum::<i64>(), covered);
            prop_assert_eq!(lines.iter().map(|line| line.prepaid).sum::<i64>(), covered);
            let now: u64 = blocks.iter().map(|block| block.left.get()).sum();
            prop_assert_eq!(now.cast_signed(), left.cast_signed() - covered);
            // The oldest block is empty before a newer one is touched.
            let touched = blocks.iter().position(|block| !block.left.is_zero()).unwrap_or(blocks.len());
            prop_assert!(blocks.iter().skip(touched + 1).all(|block| block.left == block.bought.points));
            for line in &lines {
                let (least, most) = (line.points.min(0), line.points.max(0));
                prop_assert!((least..=most).contains(&line.prepaid));
                let billed = Line::new(line.position.clone(), line.points - line.prepaid);
                prop_assert_eq!(line.amount_minor, billed.amount_minor);
            }
        }
    }
}
