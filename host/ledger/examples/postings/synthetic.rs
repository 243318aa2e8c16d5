//! Purchases that are made up, the same ones each time.

use jifen_loyalty::entry::{Moved, NewLot, OrderClaim};
use jifen_loyalty::event::{Body, Event, Happening, Line, Occasion, Purchase};
use jifen_loyalty::lot::{Issuer, LotId};
use jifen_loyalty::member::{Member, Profile};
use jifen_loyalty::posting::{Kind, Postings, gain, loss};
use jifen_loyalty::{Entry, Instant, Lot, MemberId, Points, Posting, Term};

/// A member makes about as many purchases as in the baskets of `tests/data`: one in six days.
const DAYS_BETWEEN_PURCHASES: u64 = 6;
const MERCHANTS: u64 = 457;
const FIRST_DAY: i32 = 736_330;
const DAY_MS: i64 = 86_400_000;
const EVENT_BYTES: usize = 900;
const RECEIPT_BYTES: usize = 700;

/// An endless row of purchases, and what members have come to by them.
///
/// Members come and go, so however long it is, each has about as many purchases as at its beginning.
pub(crate) struct Purchases {
    caller: u64,
    count: u64,
    random: u64,
    came: u64,
    purchases_each: usize,
    members: Vec<Customer>,
}

struct Customer {
    id: MemberId,
    version: u64,
    leaves_at: u64,
    profile: Profile,
}

impl Purchases {
    /// Returns the purchases of so many members at a time, each of whom makes about so many. Another caller's are of other
    /// members and have other events.
    pub(crate) fn of(caller: u64, members: usize, purchases_each: usize) -> Self {
        let random = 88_172_645_463_325_252;
        let mut purchases = Self { caller, count: 0, random, came: 0, purchases_each, members: Vec::new() };
        for _ in 0..members {
            let customer = purchases.customer();
            purchases.members.push(customer);
        }
        purchases
    }

    /// Returns the members.
    pub(crate) fn members(&self) -> impl Iterator<Item = &MemberId> {
        self.members.iter().map(|member| &member.id)
    }

    /// Returns a new member, whose name lies anywhere among the others'.
    fn customer(&mut self) -> Customer {
        self.came = self.came.wrapping_add(1);
        // An odd factor: no name twice.
        let scattered = self.came.wrapping_mul(2_654_435_761) & 0xffff_ffff;
        let id = format!("m{}-{scattered:08x}", self.caller).into();
        let leaves_at = u64::try_from(self.random_below(self.purchases_each)).expect("few");
        let leaves_at = leaves_at.saturating_add(u64::try_from(self.purchases_each >> 1).expect("few"));
        Customer { id, version: 0, leaves_at, profile: Member::default().profile }
    }

    pub(crate) fn next_batch(&mut self, size: usize) -> Vec<Entry> {
        (0..size).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Entry {
        self.count = self.count.wrapping_add(1);
        let members = self.members.len();
        let days_each = self.count.saturating_mul(DAYS_BETWEEN_PURCHASES);
        let day = FIRST_DAY.saturating_add(small(days_each.checked_div(small(Some(members)))));
        let number = self.random_below(members);
        if self.members[number].version > self.members[number].leaves_at {
            self.members[number] = self.customer();
        }
        let event = self.event(number, day);
        let Customer { version, profile, .. } = &mut self.members[number];
        let version_before = std::mem::replace(version, version.wrapping_add(1));
        let happening = event.happening().expect("a purchase is one");
        *profile = profile.after(&happening.occasion, day);
        let member = happening.member.clone();
        let order = OrderClaim { number: event.id.clone(), entries: 0 };
        let awards = [("spend", 31), ("market-day", 15)];
        let lots = (0..).zip(awards).map(|(award, (deployment, points))| {
            let id = LotId { member: member.clone(), version: *version, award };
            NewLot { member: member.clone(), lot: lot(id, deployment, day, points) }
        });
        let lots: Vec<_> = lots.collect();
        Entry {
            day,
            postings: postings(&lots),
            lots,
            member: Some(Moved { id: member, version: version_before, profile: profile.clone() }),
            others: Vec::new(),
            order: Some(order),
            moved: Vec::new(),
            redemptions: Vec::new(),
            stock: Vec::new(),
            restocked: Vec::new(),
            debts: Vec::new(),
            budgets: Vec::new(),
            returned: Vec::new(),
            notices: Vec::new(),
            receipt: vec![b'r'; RECEIPT_BYTES],
            receipt_digest: self.digest(),
            event: event.into(),
        }
    }

    fn event(&mut self, member: usize, day: i32) -> Event {
        let merchant = self.count.checked_rem(MERCHANTS).unwrap_or(0);
        let id = format!("{}{:010}", self.caller, 1_198_570_044_u64.wrapping_add(self.count));
        let purchase = Purchase {
            order: id.clone(),
            merchant: format!("store-{merchant}").into(),
            currency: "CNY".to_owned(),
            lines: vec![line()],
            freight_minor: 0,
            discount_minor: 0,
            tenders: Vec::new(),
            payer: None,
        };
        let happening = Happening {
            member: self.members[member].id.clone(),
            time: start_of(day),
            occasion: Occasion::Purchase(purchase),
        };
        Event {
            source: format!("/merchants/store-{merchant}"),
            id,
            time: start_of(day),
            body: Body::Happening(happening),
            canonical: vec![b'e'; EVENT_BYTES],
            digest: self.digest(),
        }
    }

    fn digest(&mut self) -> [u8; 32] {
        let words = [0; 4].map(|_: u64| self.random().to_le_bytes());
        words.concat().try_into().expect("four words are 32 bytes")
    }

    /// Xorshift: random enough to scatter members and digests.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn random_below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("bounds are small");
        small(self.random().checked_rem(bound))
    }
}

fn small<N, T: TryFrom<N>>(number: Option<N>) -> T {
    number.and_then(|number| T::try_from(number).ok()).expect("the number is small")
}

fn start_of(day: i32) -> Instant {
    Instant::from_millis(i64::from(day).saturating_sub(719_163).saturating_mul(DAY_MS))
}

fn line() -> Line {
    let (sku, category) = ("1095275".to_owned(), "pastry".to_owned());
    Line { sku, category, quantity: 1, amount_minor: 3_150, tags: Vec::new() }
}

fn lot(id: LotId, deployment: &str, day: i32, points: u64) -> Lot {
    let points = Points::new(points).expect("few points");
    Lot {
        id,
        unit: "points".into(),
        issuer: Issuer::Platform,
        deployment: deployment.into(),
        day,
        earned_at: start_of(day),
        points,
        remaining: points,
        reversed: Points::ZERO,
        expired: Points::ZERO,
        term: Term::new(start_of(day), start_of(day.saturating_add(365))),
    }
}

/// One posting for each lot, and the issuer's side of both.
fn postings(lots: &[NewLot]) -> Vec<Posting> {
    let mut postings = Postings::default();
    for NewLot { member, lot } in lots {
        postings.lot(Kind::Award, member, &lot.unit, &lot.id, gain(lot.points));
        postings.issuer(Kind::Award, &lot.issuer, &lot.unit, loss(lot.points));
    }
    postings.into_vec()
}
