//! Certificates: what a member earned and used of a unit in some days, with what the member's receipts say and the proof that it is
//! in the log (scenario A18).
//!
//! Whoever has one can check it without the ledger: every extract is under the head, and they come to what is stated. That nothing
//! is left out, the ledger says.

use chrono::NaiveDate;
use jifen_ledger::{Ledger, Logged, Page};
use jifen_loyalty::event::Occasion;
use jifen_loyalty::posting::Kind;
use jifen_loyalty::program::is_award;
use jifen_loyalty::{Event, MemberId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::HostError;
use crate::extract::{Extract, Own};
use crate::head::{Head, Tree};

/// What the form is called.
const FORM: &str = "jifen.certificate/1";

/// What a member earned and used.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    certificate: String,
    member: String,
    unit: String,
    from: NaiveDate,
    through: NaiveDate,
    earned: i64,
    used: i64,
    pub(crate) head: Head,
    pub(crate) entries: Vec<Entry>,
}

/// Of what it is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Of {
    pub(crate) member: String,
    pub(crate) unit: String,
    /// The first business day.
    pub(crate) from: NaiveDate,
    /// The last.
    pub(crate) through: NaiveDate,
}

/// What a member's own events came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sums {
    /// What was awarded, less what was taken back.
    pub(crate) earned: i64,
    /// What was used, less what came back.
    pub(crate) used: i64,
}

/// An entry of the log. The event and the extract stand there as text, for their digests are those of their bytes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    seq: u64,
    /// What was bought, returned or used; not there where it tells more of the member, or of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    extract: String,
    proof: String,
}

/// Issues a certificate, under the head that the ledger has now.
///
/// # Errors
///
/// If the ledger fails or holds what cannot be read.
pub(crate) fn issue(ledger: &dyn Ledger, of: Of) -> Result<Certificate, HostError> {
    let tree = Tree::read(ledger, ledger.length()?)?;
    let head = tree.head();
    let (mut sums, mut entries) = (Sums::default(), Vec::new());
    for (Logged { seq, event, .. }, extract, moved) in own_entries(ledger, &of)? {
        if seq > head.entries {
            continue;
        }
        sums = sums.plus(moved);
        let event = is_evidence(&event).then(|| String::from_utf8_lossy(&event).into_owned());
        entries.push(Entry { seq, event, extract, proof: tree.proof(seq) });
    }
    let (Of { member, unit, from, through }, Sums { earned, used }) = (of, sums);
    let certificate = FORM.to_owned();
    Ok(Certificate { certificate, member, unit, from, through, earned, used, head, entries })
}

/// Returns the entries by which the member earned or used something in those days, in the order of the log: each with what its receipt
/// says of the member, and what it came to.
fn own_entries(ledger: &dyn Ledger, of: &Of) -> Result<Vec<(Logged, String, Sums)>, HostError> {
    let member = MemberId::from(&*of.member);
    let mut lines = ledger.statement(&member, Page::default())?;
    lines.retain(|line| {
        let mut units = line.lots.iter().map(|lot| &lot.unit).chain(line.moves.iter().map(|it| &it.unit));
        line.member == member && units.any(|unit| unit.as_str() == of.unit)
    });
    lines.sort_unstable_by_key(|line| line.seq);
    let mut own = Vec::new();
    for line in lines {
        let Some(logged) = ledger.log(line.seq.saturating_sub(1), 1)?.pop() else { continue };
        let text = Extract::of(&logged.receipt)?;
        let extract = read(&text)?;
        let moved = sums_of(&extract, &of.unit);
        if (of.from..=of.through).contains(&extract.day) && moved != Sums::default() {
            own.push((logged, text, moved));
        }
    }
    Ok(own)
}

fn read(extract: &str) -> Result<Extract, HostError> {
    serde_json::from_str(extract).map_err(HostError::Unreadable)
}

impl Certificate {
    /// Returns of what it is.
    pub(crate) fn of(&self) -> Of {
        let Self { member, unit, from, through, .. } = self;
        Of { member: member.clone(), unit: unit.clone(), from: *from, through: *through }
    }

    /// Returns how many of its entries do not show their event.
    pub(crate) fn unseen(&self) -> usize {
        self.entries.iter().filter(|entry| entry.event.is_none()).count()
    }

    /// Returns what it states.
    pub(crate) fn sums(&self) -> Sums {
        Sums { earned: self.earned, used: self.used }
    }

    /// Returns what is wrong with it by itself; nothing, if its extracts are under its head and come to what it states.
    pub(crate) fn faults(&self) -> Vec<String> {
        if self.certificate != FORM {
            return vec![format!("it is {:?}, and this program knows {FORM:?}", self.certificate)];
        }
        if !self.head.is_one() {
            return vec![
                "its head is none: the root is not that of the tree and the number of entries".to_owned(),
            ];
        }
        let (mut faults, mut sums, mut last) = (Vec::new(), Sums::default(), 0);
        for entry in &self.entries {
            match self.told(entry, last) {
                Ok(moved) => sums = sums.plus(moved),
                Err(fault) => faults.push(format!("entry {}: {fault}", entry.seq)),
            }
            last = entry.seq;
        }
        let Self { earned, used, .. } = self;
        if faults.is_empty() && sums != self.sums() {
            faults.push(format!(
                "it states that {earned} were earned and {used} used, and its entries come to {} and {}",
                sums.earned, sums.used
            ));
        }
        faults
    }

    /// Returns what an entry came to, or what is wrong with it.
    fn told(&self, entry: &Entry, last: u64) -> Result<Sums, String> {
        let Entry { seq, event, extract, proof } = entry;
        if !self.head.has(*seq, extract, proof) {
            return Err("the log of that head does not say so".to_owned());
        }
        let extract = read(extract).map_err(|error| error.to_string())?;
        if event.as_ref().is_some_and(|event| extract.event != hex::encode(Sha256::digest(event))) {
            return Err("its event is another one than the log's".to_owned());
        }
        if extract.member != self.member || !(self.from..=self.through).contains(&extract.day) {
            return Err(format!("it is of {} on {}", extract.member, extract.day));
        }
        if *seq <= last {
            return Err("it stands there twice, or out of order".to_owned());
        }
        Ok(sums_of(&extract, &self.unit))
    }

    /// Returns what is wrong with it by the ledger: its log is another one, or there is more than is certified.
    ///
    /// # Errors
    ///
    /// If the ledger fails or holds what cannot be read.
    pub(crate) fn faults_by(&self, ledger: &dyn Ledger) -> Result<Vec<String>, HostError> {
        let head = Tree::read(ledger, self.head.entries)?.head();
        if head != self.head {
            return Ok(vec![format!(
                "the root of the ledger's first {} entries is {}",
                head.entries, head.root
            )]);
        }
        let own = own_entries(ledger, &self.of())?.into_iter().map(|(logged, ..)| logged.seq);
        let missing = own.filter(|seq| !self.entries.iter().any(|entry| entry.seq == *seq));
        let told = |seq| {
            let is_later = seq > self.head.entries;
            format!(
                "entry {seq}: {}",
                if is_later { "it came later; ask for a new one" } else { "it is left out" }
            )
        };
        Ok(missing.map(told).collect())
    }
}

/// Returns whether an event is evidence that others may see. A registration tells who the member is and who brought the member, and
/// an account may be another member's, too; a correction tells who works for the program.
fn is_evidence(event: &[u8]) -> bool {
    Event::parse(event).is_ok_and(|event| {
        event.correction().is_none()
            && event.happening().is_none_or(|happening| match &happening.occasion {
                Occasion::Registration(_) => false,
                occasion @ (Occasion::Purchase(_) | Occasion::Run(_)) => occasion.payer().is_none(),
            })
    })
}

/// Returns what an entry came to for its member. What was brought along from elsewhere was not earned.
fn sums_of(extract: &Extract, unit: &str) -> Sums {
    let awards = extract.awards.iter().filter(|award| award.unit == unit);
    let awards = awards.filter(|award| is_award(&award.deployment.as_str().into()));
    let earned = awards.fold(0, |sum: i64, award| sum.saturating_add(award.granted));
    let own = extract.postings.iter().filter(|posting| posting.unit == unit);
    own.fold(Sums { earned, used: 0 }, |sums, Own { kind, points, .. }| {
        let moved = match Kind::parse(kind) {
            Some(Kind::Clawback) => Sums { earned: *points, used: 0 },
            Some(Kind::Redemption | Kind::Return) => Sums { earned: 0, used: points.saturating_neg() },
            Some(
                Kind::Award
                | Kind::Repayment
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

impl Sums {
    fn plus(self, other: Self) -> Self {
        Self { earned: self.earned.saturating_add(other.earned), used: self.used.saturating_add(other.used) }
    }
}
