//! The domain of Jifen: what happened, what rules may know of it, what they proposed and what was decided.
//!
//! ```text
//! event ──► facts ──► policies ──► proposals ──► decision ──► postings ──► receipt
//! ```
//!
//! | word | is |
//! |---|---|
//! | [`Event`] | a fact from outside; `(source, id)` is its key for ever, its time is business time |
//! | [`Facts`] | what the ledger knew before the event, as far as rules may ask |
//! | [`Proposal`] | what a policy asked for; a [`Fault`] where it failed to answer |
//! | [`Decision`] | what was granted, and why not more |
//! | [`Posting`] | one side of a balanced double entry |
//! | [`Redeemed`] | what an event did to a use of points |
//! | [`Lot`] | the points of one award, with their issuer, first and last instant |
//! | [`Term`] | when points can be spent, and whether the member must be told of their end |
//! | [`Conversion`](conversion::Conversion) | points that became another member's, or of another unit |
//! | [`Member`] | what the ledger keeps of a member, as of a version |
//! | [`Clearing`](clearing::Clearing) | what points come to in money between issuers, acceptors and the program |
//! | [`Block`](clearing::Block) | points that a merchant bought in advance |
//! | [`Cohort`](cohort::Cohort) | the points that an issuer awarded in a period |
//! | [`Receipt`] | the record of one event, from which everything can be derived again |
//! | [`Program`] | what is deployed where |
//!
//! **Invariant:** this crate never reads a clock, a file, a random number or a database. It cannot fail that way.

pub mod clawback;
pub mod clearing;
pub mod cohort;
pub mod conversion;
pub mod day;
pub mod decision;
pub mod entry;
pub mod event;
pub mod facts;
pub mod id;
pub mod lot;
pub mod member;
pub mod points;
pub mod posting;
pub mod program;
pub mod proposal;
pub mod receipt;
pub mod redemption;
pub mod refund;
pub mod term;
pub mod time;

pub use day::BusinessDay;
pub use decision::Decision;
pub use entry::Entry;
pub use event::{Event, InvalidEvent};
pub use facts::{Answer, Fact, Facts};
pub use id::{DeploymentId, LaneId, MemberId, MerchantId, NoticeId, RedemptionId, UnitId};
pub use lot::Lot;
pub use member::Member;
pub use points::Points;
pub use posting::Posting;
pub use program::Program;
pub use proposal::{Award, Fault, Offer, Proposal, Quote, Recipient};
pub use receipt::Receipt;
pub use redemption::Redeemed;
pub use term::Term;
pub use time::Instant;
