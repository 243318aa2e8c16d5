//! A merchant's statement: what it owes for its points and is owed for those that it took, without any member's name.

use jifen_ledger::Ledger;
use jifen_loyalty::clearing::{self, Block, Clearing, Line, Net};
use jifen_loyalty::{Event, Instant, MerchantId};
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::error::HostError;
use crate::settle::{self, Walked};

/// From when, and until when.
pub(crate) type Period = (Option<Instant>, Option<Instant>);

/// What a merchant pays and is paid for.
#[derive(Serialize, ToSchema)]
pub(crate) struct MerchantStatement {
    /// The merchant.
    #[schema(example = "store-330")]
    pub(crate) merchant: String,
    /// Points by what became of them, whose they are and under which contract, with what they cost.
    #[schema(value_type = Vec<Object>)]
    pub(crate) lines: Vec<Line>,
    /// What each party pays or is paid in all, by currency.
    #[schema(value_type = Vec<Object>)]
    pub(crate) parties: Vec<Net>,
    /// Points that the merchant bought in advance, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "block_lines")]
    #[schema(value_type = Option<Vec<BlockLine>>)]
    pub(crate) blocks: Vec<Block>,
}

/// Points that the merchant bought in advance.
#[derive(Serialize, ToSchema)]
pub(crate) struct BlockLine {
    /// Who sent the event of the purchase.
    source: String,
    /// Its id.
    id: String,
    /// When they were bought.
    time: String,
    /// Which points.
    unit: String,
    /// How many.
    points: u64,
    /// The currency of the price.
    currency: String,
    /// The price, in its minor unit.
    amount: u64,
    /// How many are left.
    left: u64,
}

impl MerchantStatement {
    /// Works out a merchant's statement from the log.
    ///
    /// # Errors
    ///
    /// If the ledger fails.
    pub(crate) fn of(ledger: &dyn Ledger, merchant: &MerchantId, period: Period) -> Result<Self, HostError> {
        let mut clearing = Clearing::default();
        let through = ledger.length()?;
        settle::walk(ledger, 0, through, |Walked { logged, event, program, .. }| {
            let postings = logged.postings.iter().filter(|_| covers(period, event.time));
            postings.for_each(|posting| clearing.add(posting, program, event.time));
        })?;
        let blocks = blocks(ledger, through, merchant, period, &mut clearing)?;
        let mut lines = clearing.lines();
        lines.retain(|line| line.position.concerns(merchant));
        let paid =
            blocks.iter().filter(|block| covers(period, block.time)).map(|block| block.bought.payment());
        let parties = clearing::net_of(lines.iter().filter_map(Line::payment).chain(paid));
        Ok(Self { merchant: merchant.to_string(), lines, parties, blocks })
    }

    /// Returns whether there is nothing of the merchant: it may be misspelt.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.blocks.is_empty()
    }
}

/// Returns whether a statement is of a time.
fn covers((from, until): Period, time: Instant) -> bool {
    from.is_none_or(|from| from <= time) && until.is_none_or(|until| time < until)
}

/// Returns a merchant's blocks as they were at the end of the statement's period, the oldest first, and adds what they
/// covered within it. Blocks cover when a settlement says so: it is that one's time that counts.
fn blocks(
    ledger: &dyn Ledger,
    through: u64,
    merchant: &MerchantId,
    period: Period,
    clearing: &mut Clearing,
) -> Result<Vec<Block>, HostError> {
    let over = |time| period.1.is_some_and(|until| until <= time);
    let mut covered = Vec::new();
    for logged in ledger.order(Event::SETTLEMENTS)?.iter().filter(|logged| logged.seq <= through) {
        let time = Event::parse(&logged.event).map_err(HostError::Event)?.time;
        let of_settlement = settle::covered(std::slice::from_ref(logged))?;
        let lines = of_settlement.iter().flat_map(|covered| &covered.lines).filter(|_| covers(period, time));
        lines.for_each(|(position, points)| clearing.cover(position.clone(), *points));
        covered.extend(of_settlement.into_iter().filter(|_| !over(time)));
    }
    let mut blocks = settle::blocks(ledger, through)?;
    settle::take(&mut blocks, &covered);
    blocks.retain(|block| block.bought.merchant == *merchant && !over(block.time));
    Ok(blocks)
}

fn block_lines<S: Serializer>(blocks: &[Block], serializer: S) -> Result<S::Ok, S::Error> {
    let mut lines = serializer.serialize_seq(Some(blocks.len()))?;
    blocks.iter().try_for_each(|block| lines.serialize_element(&BlockLine::from(block)))?;
    lines.end()
}

impl From<&Block> for BlockLine {
    fn from(block: &Block) -> Self {
        let Block { key, time, bought, left, .. } = block;
        Self {
            source: key.source.clone(),
            id: key.id.clone(),
            time: time.to_string(),
            unit: bought.unit.as_str().to_owned(),
            points: bought.points.get(),
            currency: bought.currency.clone(),
            amount: bought.amount_minor,
            left: left.get(),
        }
    }
}
