//! Certificates: what a member earned and used of a unit in some days, with the receipts that say so and the proof that they are
//! in the log (scenario A18).
//!
//! Whoever has one can check it without the ledger: every receipt is under the head, and they come to what is stated. That
//! nothing is left out, the ledger says.

use chrono::NaiveDate;
use jifen_ledger::{Ledger, Logged, Page};
use jifen_loyalty::MemberId;
use jifen_loyalty::posting::{Kind, parse_debt, parse_held};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::HostError;
use crate::head::{Head, Tree};

/// What the form is called.
const FORM: &str = "jifen.certificate/1";

/// What a member earned and used.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    certificate: String,
    #[serde(flatten)]
    pub(crate) of: Of,
    #[serde(flatten)]
    pub(crate) sums: Sums,
    pub(crate) head: Head,
    pub(crate) entries: Vec<Entry>,
}

/// Of what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Of {
    pub(crate) member: String,
    pub(crate) unit: String,
    /// The first business day.
    pub(crate) from: NaiveDate,
    /// The last.
    pub(crate) through: NaiveDate,
}

/// What a member's own events came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sums {
    /// What was awarded, less what was taken back.
    pub(crate) earned: i64,
    /// What was used, less what came back.
    pub(crate) used: i64,
}

/// An entry of the log. The event and the receipt stand there as text, for their digests are those of their bytes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    seq: u64,
    event: String,
    receipt: String,
    proof: String,
}

/// What a receipt says of its member.
#[derive(Deserialize)]
struct Told {
    member: String,
    day: NaiveDate,
    event: String,
    postings: Vec<PostingTold>,
}

#[derive(Deserialize)]
struct PostingTold {
    kind: String,
    account: String,
    unit: String,
    points: i64,
}

/// Issues a certificate, under the head that the ledger has now.
///
/// # Errors
///
/// If the ledger fails or holds what cannot be read.
pub(crate) fn issue(ledger: &dyn Ledger, of: Of) -> Result<Certificate, HostError> {
    let tree = Tree::read(ledger, ledger.length()?)?;
    certified(ledger, of, &tree)
}

fn certified(ledger: &dyn Ledger, of: Of, tree: &Tree) -> Result<Certificate, HostError> {
    let head = tree.head();
    let (mut sums, mut entries) = (Sums::default(), Vec::new());
    let member = MemberId::from(&*of.member);
    let mut lines = ledger.statement(&member, Page::default())?;
    lines.retain(|line| line.member == member && line.seq <= head.entries);
    lines.sort_unstable_by_key(|line| line.seq);
    for line in lines {
        let Some(logged) = ledger.log(line.seq.saturating_sub(1), 1)?.pop() else { continue };
        let Logged { event, receipt, .. } = logged;
        let [event, receipt] = [event, receipt].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let told: Told = serde_json::from_str(&receipt).map_err(HostError::Unreadable)?;
        let moved = told.sums(&of);
        if (of.from..=of.through).contains(&told.day) && moved != Sums::default() {
            sums = sums.plus(moved);
            entries.push(Entry { seq: line.seq, event, receipt, proof: tree.proof(line.seq) });
        }
    }
    Ok(Certificate { certificate: FORM.to_owned(), of, sums, head, entries })
}

impl Certificate {
    /// Returns what is wrong with it by itself; nothing, if its receipts are under its head and come to what it states.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.certificate != FORM {
            faults.push(format!("it is {:?}, and this program knows {FORM:?}", self.certificate));
        }
        let (mut sums, mut last) = (Sums::default(), 0);
        for entry in &self.entries {
            match self.told(entry, last) {
                Ok(moved) => sums = sums.plus(moved),
                Err(fault) => faults.push(format!("entry {}: {fault}", entry.seq)),
            }
            last = entry.seq;
        }
        if faults.is_empty() && sums != self.sums {
            let Sums { earned, used } = self.sums;
            faults.push(format!(
                "it states that {earned} were earned and {used} used, and its receipts come to {} and {}",
                sums.earned, sums.used
            ));
        }
        faults
    }

    /// Returns what an entry came to, or what is wrong with it.
    fn told(&self, entry: &Entry, last: u64) -> Result<Sums, String> {
        let Entry { seq, event, receipt, proof } = entry;
        let digest = Sha256::digest(receipt).into();
        if !self.head.has(*seq, &digest, proof) {
            return Err("its receipt is not in the log of that head".to_owned());
        }
        let told: Told = serde_json::from_str(receipt).map_err(|error| error.to_string())?;
        if told.event != hex::encode(Sha256::digest(event)) {
            return Err("its event is not that of its receipt".to_owned());
        }
        if told.member != self.of.member || !(self.of.from..=self.of.through).contains(&told.day) {
            return Err(format!("it is of {} on {}", told.member, told.day));
        }
        if *seq <= last {
            return Err("it stands there twice, or out of order".to_owned());
        }
        Ok(told.sums(&self.of))
    }

    /// Returns what is wrong with it by the ledger: its log is another one, or there is more than is certified.
    ///
    /// # Errors
    ///
    /// If the ledger fails or holds what cannot be read.
    pub(crate) fn faults_by(&self, ledger: &dyn Ledger) -> Result<Vec<String>, HostError> {
        let tree = Tree::read(ledger, self.head.entries)?;
        if tree.head() != self.head {
            let Head { entries, root } = tree.head();
            return Ok(vec![format!("the ledger's head is {root} of {entries} entries")]);
        }
        let own = certified(ledger, self.of.clone(), &tree)?;
        let missing = own.entries.iter().filter(|entry| !self.entries.contains(entry));
        Ok(missing.map(|entry| format!("entry {}: it is left out", entry.seq)).collect())
    }
}

impl Told {
    /// Returns what it came to for a member.
    fn sums(&self, of: &Of) -> Sums {
        let own = self.postings.iter().filter(|it| it.unit == of.unit && is_of(&it.account, &of.member));
        own.fold(Sums::default(), |sums, posting| {
            let moved = match Kind::parse(&posting.kind) {
                Some(Kind::Award | Kind::Clawback) => Sums { earned: posting.points, used: 0 },
                Some(Kind::Redemption | Kind::Return) => {
                    Sums { earned: 0, used: posting.points.saturating_neg() }
                }
                Some(
                    Kind::Repayment
                    | Kind::Hold
                    | Kind::Release
                    | Kind::Expiry
                    | Kind::Transfer
                    | Kind::Exchange
                    | Kind::Settlement,
                )
                | None => Sums::default(),
            };
            sums.plus(moved)
        })
    }
}

impl Sums {
    fn plus(self, other: Self) -> Self {
        Self { earned: self.earned.saturating_add(other.earned), used: self.used.saturating_add(other.used) }
    }
}

/// Returns whether an account has points of a member, or what the member owes.
fn is_of(account: &str, member: &str) -> bool {
    account.strip_prefix("member/") == Some(member)
        || parse_held(account).is_some_and(|(_, holder)| holder.as_str() == member)
        || parse_debt(account).is_some_and(|(_, debtor)| debtor.as_str() == member)
}
