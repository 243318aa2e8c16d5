//! What a store has beside its log: the sums that it keeps so that nobody need work them out. An audit holds them against the
//! log.

use jifen_loyalty::clawback::Debt;
use jifen_loyalty::lot::LotId;
use jifen_loyalty::member::Profile;
use jifen_loyalty::{DeploymentId, Lot, MemberId, NoticeId, Points, RedemptionId};

use crate::Undelivered;
use crate::column::{self, Lots, Row, account_columns};

/// A row that a store keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A member, as of a version.
    Member {
        /// Who.
        id: MemberId,
        /// How many entries touched the member.
        version: u64,
        /// The figures.
        profile: Profile,
    },
    /// A lot, as it is now.
    Lot {
        /// Whose.
        member: MemberId,
        /// The lot.
        lot: Lot,
    },
    /// Points that are set aside.
    Hold {
        /// Whose.
        member: MemberId,
        /// What for.
        name: RedemptionId,
        /// Of which lot.
        lot: LotId,
        /// How many.
        points: Points,
    },
    /// What a member owes.
    Debt {
        /// Who.
        member: MemberId,
        /// What, and whom.
        debt: Debt,
    },
    /// What was granted from a budget.
    Budget {
        /// Whose.
        deployment: DeploymentId,
        /// How much.
        granted: Points,
    },
    /// A notice that is not delivered yet.
    Undelivered(NoticeId),
}

/// A table of which a store hands out rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Table {
    Members,
    Lots,
    Holds,
    Debts,
    Budgets,
    Outbox,
}

impl Table {
    pub(crate) const ALL: [Self; 6] =
        [Self::Members, Self::Lots, Self::Holds, Self::Debts, Self::Budgets, Self::Outbox];

    /// What asks for all members, in every store.
    pub(crate) const MEMBERS: &str = concat!("SELECT member, ", account_columns!(), " FROM members");

    /// What asks for all budgets, in every store.
    pub(crate) const BUDGETS: &str = "SELECT deployment, granted FROM budgets";

    /// What asks for all of the outbox, in every store.
    pub(crate) const OUTBOX: &str = "SELECT seq, n, attempts, due_ms, problem FROM outbox";

    /// Reads a row of it: of a member and of a debt whose it is and the columns of [`column::account`] and
    /// [`column::debt`]; of a lot whose it is and [`lot_columns`]; of points that are set aside whose they are, for what, the
    /// lot's name and how many; of a budget whose it is and what was granted; of the outbox what [`Undelivered::read`] reads.
    ///
    /// [`lot_columns`]: crate::column::lot_columns
    pub(crate) fn read<R: Row>(self, row: &R, lots: &mut Lots) -> Result<Stored, R::Error> {
        Ok(match self {
            Self::Members => {
                let account = column::account(row, 1)?;
                Stored::Member {
                    id: column::name(row, 0)?,
                    version: account.version,
                    profile: account.profile,
                }
            }
            Self::Lots => Stored::Lot { member: column::name(row, 0)?, lot: lots.read(row, 1)? },
            Self::Holds => Stored::Hold {
                member: column::name(row, 0)?,
                name: column::name(row, 1)?,
                lot: column::lot_id(row, 2)?,
                points: column::points(row, 5)?,
            },
            Self::Debts => Stored::Debt { member: column::name(row, 0)?, debt: column::debt(row, 1)? },
            Self::Budgets => {
                Stored::Budget { deployment: column::name(row, 0)?, granted: column::points(row, 1)? }
            }
            Self::Outbox => Stored::Undelivered(Undelivered::read(row)?.id),
        })
    }
}
