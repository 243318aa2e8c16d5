//! What tests are made of: entries, stores, and all that can be seen of a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use jifen_loyalty::entry::{BudgetDraw, Moved, NewLot};
use jifen_loyalty::event::{Body, Event, Happening, Line, Occasion, Purchase, Registration};
use jifen_loyalty::lot::{Issuer, LotId};
use jifen_loyalty::member::Profile;
use jifen_loyalty::posting::{Kind, Postings, gain, loss};
use jifen_loyalty::{
    DeploymentId, Entry, Instant, Lot, Member, MemberId, Points, Posting, RedemptionId, Term,
};
use tempfile::TempDir;

use super::server::server;
use crate::{
    Balance, Digest, Ledger, Logged, MemberQuery, Memory, Needs, OrderQuery, Page, Publication, Query,
    Redemption, RedemptionQuery, Release, Snapshot, StatementLine, open,
};

/// Milliseconds of a day; the day `n` of tests begins at `n` times this.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// Names of uses of points, and the item of limited stock, in tests.
pub(crate) const USES: [&str; 3] = ["r0", "r/1", "r%2"];
pub(crate) const ITEM: &str = "gift";
pub(crate) const SOURCE: &str = "/merchants/test";
pub(crate) const EVERYTHING: Needs = Needs { purchases_by_day: true, granted_by_day: true, lots: true };

/// A store under test, and the directory that goes when it goes.
pub(crate) struct Store {
    pub(crate) name: &'static str,
    pub(crate) ledger: Arc<dyn Ledger>,
    _directory: Option<TempDir>,
}

/// Returns every store, empty.
pub(crate) fn stores() -> [Store; 3] {
    let memory = Store { name: "memory", ledger: Arc::new(Memory::default()), _directory: None };
    let [sqlite, postgres] = durable().map(|durable| {
        let ledger = durable.open();
        Store { name: durable.name, ledger, _directory: durable._directory }
    });
    [memory, sqlite, postgres]
}

/// A place for a ledger that several hosts may open, at once or one after the other.
pub(crate) struct Durable {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    _directory: Option<TempDir>,
}

impl Durable {
    pub(crate) fn open(&self) -> Arc<dyn Ledger> {
        open(&self.url).unwrap()
    }
}

/// Returns a place in every store that keeps what it has, with nothing there yet.
pub(crate) fn durable() -> [Durable; 2] {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger.jifen").display().to_string();
    [
        Durable { name: "sqlite", url: file, _directory: Some(directory) },
        Durable { name: "postgres", url: server().new_schema(), _directory: None },
    ]
}

/// An entry in the making.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) member: String,
    pub(crate) version: u64,
    pub(crate) day: i32,
    /// `None`: the start of the day.
    pub(crate) at_ms: Option<i64>,
    /// `None`: a registration.
    pub(crate) spend_minor: Option<u64>,
    pub(crate) profile: Profile,
    pub(crate) lots: Vec<NewLot>,
    pub(crate) draws: Vec<BudgetDraw>,
}

impl Draft {
    pub(crate) fn purchase(id: &str, member: &str, version: u64, day: i32, spend_minor: u64) -> Self {
        Self {
            id: id.to_owned(),
            member: member.to_owned(),
            version,
            day,
            at_ms: None,
            spend_minor: Some(spend_minor),
            profile: Profile::default(),
            lots: Vec::new(),
            draws: Vec::new(),
        }
    }

    /// Gives points of the unit `points`, available at once, for 30 days.
    pub(crate) fn lot(mut self, member: &str, deployment: &str, points: u64) -> Self {
        self.lots.push(NewLot { member: member.into(), lot: lot(deployment, self.day, points) });
        self
    }

    pub(crate) fn time(&self) -> Instant {
        Instant::from_millis(self.at_ms.unwrap_or(i64::from(self.day) * DAY_MS))
    }

    pub(crate) fn entry(self) -> Entry {
        let id = MemberId::from(self.member.as_str());
        let happening = Happening { member: id.clone(), time: self.time(), occasion: occasion(&self) };
        let profile = self.profile.after(&happening.occasion, self.day);
        let event = Event {
            source: SOURCE.to_owned(),
            id: self.id.clone(),
            time: self.time(),
            body: Body::Happening(happening),
            canonical: format!("{self:?}").into_bytes(),
            digest: digest(&self.id),
        };
        let mut lots = self.lots;
        let version = self.version + 1;
        for (award, new) in (0..).zip(&mut lots) {
            new.lot.id = LotId { member: id.clone(), version, award };
            new.lot.earned_at = event.time;
        }
        Entry {
            event: event.into(),
            day: self.day,
            member: Some(Moved { id, version: self.version, profile }),
            others: Vec::new(),
            order: None,
            postings: postings(&lots),
            lots,
            moved: Vec::new(),
            redemptions: Vec::new(),
            stock: Vec::new(),
            restocked: Vec::new(),
            debts: Vec::new(),
            budgets: self.draws,
            returned: Vec::new(),
            notices: Vec::new(),
            receipt: format!("receipt of {}", self.id).into_bytes(),
            receipt_digest: digest(&format!("receipt of {}", self.id)),
        }
    }
}

fn occasion(draft: &Draft) -> Occasion {
    let Some(spend_minor) = draft.spend_minor else {
        return Occasion::Registration(Registration {
            region: None,
            referrer: None,
            person: None,
            birthday: None,
        });
    };
    Occasion::Purchase(Purchase {
        order: draft.id.clone(),
        merchant: "test".into(),
        currency: "CNY".to_owned(),
        lines: vec![Line {
            sku: "1".to_owned(),
            category: "all".to_owned(),
            quantity: 1,
            amount_minor: spend_minor,
            tags: Vec::new(),
        }],
        freight_minor: 0,
        discount_minor: 0,
        tenders: Vec::new(),
        payer: None,
    })
}

/// Returns a lot; those of `eco` are of a unit of their own.
pub(crate) fn lot(deployment: &str, day: i32, points: u64) -> Lot {
    let points = Points::new(points).unwrap();
    Lot {
        id: LotId { member: "nobody".into(), version: 0, award: 0 },
        unit: if deployment == "eco" { "green".into() } else { "points".into() },
        issuer: Issuer::Platform,
        deployment: deployment.into(),
        day,
        earned_at: Instant::from_millis(0),
        points,
        remaining: points,
        reversed: Points::ZERO,
        expired: Points::ZERO,
        term: Term::new(
            Instant::from_millis(i64::from(day) * DAY_MS),
            Instant::from_millis(i64::from(day + 30) * DAY_MS),
        ),
    }
}

/// Returns lots without what an entry gives them: a name, and the instant they were earned at.
pub(crate) fn plain(lots: Vec<Lot>) -> Vec<Lot> {
    let strip = |lot: Lot| Lot { id: self::lot("", 0, 0).id, earned_at: Instant::from_millis(0), ..lot };
    lots.into_iter().map(strip).collect()
}

/// Both sides of every lot.
fn postings(lots: &[NewLot]) -> Vec<Posting> {
    let mut postings = Postings::default();
    for NewLot { member, lot } in lots {
        postings.lot(Kind::Award, member, &lot.unit, &lot.id, gain(lot.points));
        postings.issuer(Kind::Award, &lot.issuer, &lot.unit, loss(lot.points));
        let gone = lot.points.less(lot.remaining);
        postings.lot(Kind::Clawback, member, &lot.unit, &lot.id, loss(gone));
        postings.issuer(Kind::Clawback, &lot.issuer, &lot.unit, gain(gone));
    }
    postings.into_vec()
}

/// Returns 32 bytes that differ where texts differ, as far as tests go.
pub(crate) fn digest(text: &str) -> Digest {
    let mut digest = [0; 32];
    for (n, byte) in text.bytes().enumerate() {
        digest[n % 32] = byte.wrapping_add(digest[n % 32]);
    }
    digest
}

/// Reads one member.
pub(crate) fn member(ledger: &dyn Ledger, member: &str, first_day: i32, needs: Needs) -> Member {
    let asked = MemberQuery { id: &member.into(), first_day, lots: false };
    let query = Query { members: &[asked], needs, ..Query::default() };
    ledger.read(&query).unwrap().members.remove(0)
}

/// Returns what was granted from a budget.
pub(crate) fn used(ledger: &dyn Ledger, deployment: &str) -> Points {
    let query = Query { budgets: &[deployment.into()], ..Query::default() };
    ledger.read(&query).unwrap().budgets_used[&DeploymentId::from(deployment)]
}

pub(crate) fn balances(ledger: &dyn Ledger, at: Option<Instant>, member: Option<&MemberId>) -> Vec<Balance> {
    let mut balances = Vec::new();
    ledger.balances(at, member, &mut |balance| balances.push(balance)).unwrap();
    balances
}

/// Returns the number of the order of an entry, if it was made by a [`Draft`].
fn order_of(ledger: &dyn Ledger, logged: &Logged) -> String {
    let canonical = String::from_utf8_lossy(&logged.event);
    let id = canonical.split('"').nth(1).unwrap_or_default().to_owned();
    ledger.order(&id).map(|_| id).unwrap()
}

fn budgets_of(deployments: &[&str]) -> Vec<DeploymentId> {
    deployments.iter().map(|deployment| (*deployment).into()).collect()
}

/// Returns what the store keeps beside its log, in some order that is the same for all.
fn stored(ledger: &dyn Ledger) -> Vec<String> {
    let mut stored = Vec::new();
    ledger.stored(&mut |row| stored.push(format!("{row:?}"))).unwrap();
    stored.sort();
    stored
}

/// Returns members for whom something is due, read one by one.
fn due(ledger: &dyn Ledger, at: Instant) -> Vec<MemberId> {
    let mut due = Vec::<MemberId>::new();
    while let Some(next) = ledger.due(at, due.last(), 1).unwrap().pop() {
        due.push(next);
    }
    due
}

/// Returns all members, read one by one.
fn all(ledger: &dyn Ledger) -> Vec<MemberId> {
    let mut members = Vec::<MemberId>::new();
    while let Some(next) = ledger.members(members.last(), 1).unwrap().pop() {
        members.push(next);
    }
    members
}

/// Reads one use of points.
pub(crate) fn redemption(ledger: &dyn Ledger, name: &str) -> Redemption {
    let asked = RedemptionQuery { name: &name.into(), key: 0 };
    ledger.read(&Query { redemptions: &[asked], ..Query::default() }).unwrap().redemptions.remove(0)
}

/// All that can be seen of a ledger: two that look alike here are alike.
#[derive(Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) log: Vec<Logged>,
    snapshot: Snapshot,
    balances: Vec<Vec<Balance>>,
    statements: Vec<Vec<StatementLine>>,
    pub(crate) members: Vec<MemberId>,
    due: Vec<Vec<MemberId>>,
    lapsed: Vec<Vec<(RedemptionId, Instant)>>,
    stored: Vec<String>,
    latest: Option<Instant>,
}

/// Returns what holds some of a stock for too long.
fn lapsed(ledger: &dyn Ledger, stocks: &[DeploymentId], at: Instant) -> Vec<(RedemptionId, Instant)> {
    stocks.iter().flat_map(|deployment| ledger.lapsed(deployment, ITEM, at).unwrap()).collect()
}

/// Returns a member's statement, which is the same page by page.
fn statement(ledger: &dyn Ledger, member: &MemberId) -> Vec<StatementLine> {
    let whole = ledger.statement(member, Page::default()).unwrap();
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let mut page = ledger.statement(member, Page { before, last: Some(3) }).unwrap();
        let Some(first) = page.first() else { break };
        before = Some(first.seq);
        page.append(&mut pages);
        pages = page;
    }
    assert_eq!(pages, whole, "statement of {member}");
    whole
}

impl View {
    pub(crate) fn of(ledger: &dyn Ledger, members: &[&str], deployments: &[&str], days: &[i32]) -> Self {
        let log = ledger.log(0, usize::MAX).unwrap();
        let ids: Vec<MemberId> = members.iter().map(|member| (*member).into()).collect();
        let first_day = days.first().copied().unwrap_or(0);
        let asked: Vec<_> = ids.iter().map(|id| MemberQuery { id, first_day, lots: false }).collect();
        let uses: Vec<_> = USES.iter().map(|name| RedemptionId::from(*name)).collect();
        let uses: Vec<_> = uses.iter().map(|name| RedemptionQuery { name, key: 0 }).collect();
        let stocks: Vec<_> = budgets_of(deployments);
        let stock: Vec<_> =
            stocks.iter().flat_map(|id| days.iter().map(move |day| (id, ITEM, *day))).collect();
        let budgets = budgets_of(deployments);
        let orders: Vec<_> = log.iter().map(|logged| order_of(ledger, logged)).collect();
        let orders: Vec<_> =
            orders.iter().map(|number| OrderQuery { number, whole: true, key: None }).collect();
        let query = Query {
            keys: &[],
            members: &asked,
            needs: EVERYTHING,
            budgets: &budgets,
            orders: &orders,
            redemptions: &uses,
            stock: &stock,
        };
        let at = |day: &i32| Some(Instant::from_millis(i64::from(*day) * DAY_MS));
        let instants = days.iter().map(at).chain([None]);
        Self {
            snapshot: ledger.read(&query).unwrap(),
            balances: instants.map(|at| balances(ledger, at, None)).collect(),
            stored: stored(ledger),
            members: all(ledger),
            due: days.iter().map(|day| due(ledger, at(day).unwrap_or(Instant::NEVER))).collect(),
            lapsed: days
                .iter()
                .map(|day| lapsed(ledger, &stocks, at(day).unwrap_or(Instant::NEVER)))
                .collect(),
            statements: ids.iter().map(|id| statement(ledger, id)).collect(),
            latest: ledger.latest_time().unwrap(),
            log,
        }
    }

    /// Asserts what must be true of any ledger at any time.
    pub(crate) fn assert_sound(&self) {
        let places: Vec<_> = self.log.iter().map(|logged| logged.seq).collect();
        assert!(places.iter().copied().eq(1..=u64::try_from(places.len()).unwrap()), "no gaps: {places:?}");
        let mut sums = BTreeMap::<_, i128>::new();
        for posting in self.log.iter().flat_map(|logged| &logged.postings) {
            *sums.entry(&posting.unit).or_default() += i128::from(posting.points);
        }
        assert!(sums.values().all(|sum| *sum == 0), "postings sum to zero: {sums:?}");
        for member in &self.snapshot.members {
            assert_eq!(member.profile.indebted, !member.debts.is_empty(), "{member:?}");
            assert!(member.debts.iter().all(|debt| !debt.points.is_zero()), "{member:?}");
            assert_eq!(member.profile.holding, !member.holds.is_empty(), "{member:?}");
        }
        for lot in self.snapshot.members.iter().flat_map(|member| &member.lots) {
            assert!(lot.remaining.plus(lot.expired) <= lot.points, "{lot:?}");
        }
    }
}

/// Publishes a release of the platform's.
pub(crate) fn publish(ledger: &dyn Ledger) -> Publication {
    let (policy, version) = ("spend".to_owned(), "0.1.0".to_owned());
    let release = Release {
        digest: [7; 32],
        name: policy.clone(),
        version: version.clone(),
        component: b"a component".to_vec(),
    };
    ledger.put_release(&release).unwrap();
    let made_at = Instant::from_millis(1_764_000_000_123);
    let publication = Publication {
        policy,
        version,
        release: release.digest,
        made_at,
        report: b"{}".to_vec(),
        owner: None,
    };
    ledger.publish(&publication).unwrap();
    publication
}
