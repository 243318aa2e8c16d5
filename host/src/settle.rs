//! Settlements: what parties owe each other in money, from the postings alone.
//!
//! A settlement is an event like any other and says up to which place in the log it settles; it begins where the last one
//! ended. So each posting is settled once, whenever it arrived and whatever its business time, and two settlements at once
//! cannot both have it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jifen_ledger::{Ledger, Logged, Order};
use jifen_loyalty::clearing::{Block, Clearing, Settled};
use jifen_loyalty::event::{Body, Settlement};
use jifen_loyalty::receipt::{Covered, Inputs, Key};
use jifen_loyalty::time::day_number;
use jifen_loyalty::{Entry, Event, Instant, InvalidEvent, Program, Receipt};

use crate::active::program_named;
use crate::error::{HostError, Undecided};

/// Entries that are read at once.
const CHUNK: usize = 1_000;
/// Who sends settlements.
const SOURCE: &str = "/jifen/settle";

/// What was to be settled.
pub(crate) struct Run {
    /// The place in the log up to which it settles.
    pub(crate) through: u64,
    pub(crate) settled: Settled,
    entry: Entry,
}

/// Works out what is to be settled; `None` if there is nothing behind the last settlement.
pub(crate) fn prepare(ledger: &dyn Ledger) -> Result<Option<Run>, HostError> {
    let entries = ledger.order(Event::SETTLEMENTS)?;
    let after = settled_through(&entries);
    let through = ledger.length()?;
    let settled = settle(ledger, after, through, &entries)?;
    let Some(time) = ledger.latest_time()?.filter(|_| !settled.lines.is_empty()) else { return Ok(None) };
    let event = Arc::new(event(through, time));
    let (digest, program) = last_program(ledger, through)?;
    let receipt = receipt(digest, &program, time, settled.clone());
    let order = Order { entries, ..Order::default() };
    let entry = crate::pipeline::unclaimed(program.zone, &event, &receipt, Some(&order));
    Ok(Some(Run { through, settled, entry }))
}

impl Run {
    /// Writes the settlement. Returns whether it still held: no other settlement came between.
    pub(crate) fn commit(&self, ledger: &dyn Ledger) -> Result<bool, HostError> {
        Ok(ledger.commit(vec![self.entry.clone()])?.conflict.is_none())
    }
}

/// Derives the receipt of a settlement again.
pub(crate) fn derive(
    ledger: &dyn Ledger,
    logged: &Logged,
    event: &Event,
    settlement: &Settlement,
) -> Result<Receipt, Undecided> {
    let through = settlement.through;
    if through >= logged.seq {
        let reason = format!("is {through}, and the settlement is receipt {}", logged.seq);
        return Err(InvalidEvent { field: "data.through".to_owned(), reason }.into());
    }
    let mut entries = ledger.order(Event::SETTLEMENTS)?;
    entries.retain(|earlier| earlier.seq < logged.seq);
    let settled = settle(ledger, settled_through(&entries), through, &entries)?;
    let (digest, program) = last_program(ledger, through)?;
    Ok(receipt(digest, &program, event.time, settled))
}

/// Sums the postings of a part of the log, and lets the blocks that earlier settlements left pay for them.
fn settle(ledger: &dyn Ledger, after: u64, through: u64, earlier: &[Logged]) -> Result<Settled, HostError> {
    let mut clearing = Clearing::default();
    walk(ledger, after, through, |Walked { logged, event, program, .. }| {
        logged.postings.iter().for_each(|posting| clearing.add(posting, program, event.time));
    })?;
    let mut blocks = blocks(ledger, through)?;
    if !blocks.is_empty() {
        take(&mut blocks, &covered(earlier)?);
    }
    Ok(Settled::new(after, clearing.lines(), blocks))
}

/// Returns the blocks that were bought up to a place in the log, the oldest first, as they were bought.
pub(crate) fn blocks(ledger: &dyn Ledger, through: u64) -> Result<Vec<Block>, HostError> {
    let mut blocks = Vec::new();
    for logged in ledger.order(Event::BLOCKS)?.iter().filter(|logged| logged.seq <= through) {
        let Event { source, id, time, body, .. } = Event::parse(&logged.event).map_err(HostError::Event)?;
        if let Body::Block(bought) = body {
            blocks.push(Block::new(Key { source, id }, time, bought));
        }
    }
    Ok(blocks)
}

/// Returns what blocks had to do with settlements.
pub(crate) fn covered(settlements: &[Logged]) -> Result<Vec<Covered>, HostError> {
    let covered = settlements.iter().map(|logged| Receipt::covered(&logged.receipt));
    covered.collect::<Result<_, _>>().map_err(HostError::Receipt)
}

/// Leaves of blocks what settlements left.
pub(crate) fn take(blocks: &mut [Block], covered: &[Covered]) {
    let mut taken = BTreeMap::<&Key, i64>::new();
    for (key, points) in covered.iter().flat_map(|covered| &covered.blocks) {
        let sum = taken.entry(key).or_default();
        *sum = sum.saturating_add(*points);
    }
    for block in blocks {
        let taken = taken.get(&block.key).copied().unwrap_or(0);
        block.left = block.left.moved(taken.saturating_neg());
    }
}

/// An entry of the log, read.
pub(crate) struct Walked<'a> {
    pub(crate) logged: &'a Logged,
    pub(crate) inputs: Inputs,
    pub(crate) event: Event,
    /// The program that decided it.
    pub(crate) program: &'a Program,
}

/// Calls `each` with the entries of a part of the log that post anything.
pub(crate) fn walk(
    ledger: &dyn Ledger,
    after: u64,
    through: u64,
    mut each: impl FnMut(Walked<'_>),
) -> Result<(), HostError> {
    let mut programs = HashMap::<String, Program>::new();
    let mut place = after;
    while place < through {
        let chunk = ledger.log(place, CHUNK)?;
        let Some(last) = chunk.last() else { return Ok(()) };
        place = last.seq;
        for logged in chunk.iter().filter(|logged| logged.seq <= through && !logged.postings.is_empty()) {
            let inputs = Receipt::inputs(&logged.receipt).map_err(HostError::Receipt)?;
            if !programs.contains_key(&inputs.program) {
                programs.insert(inputs.program.clone(), program_named(ledger, &inputs.program)?.0);
            }
            let event = Event::parse(&logged.event).map_err(HostError::Event)?;
            let program = programs.get(&inputs.program).expect("it was put there");
            each(Walked { logged, inputs, event, program });
        }
    }
    Ok(())
}

/// Returns the place up to which settlements have settled.
fn settled_through(entries: &[Logged]) -> u64 {
    let through = entries.iter().filter_map(|logged| {
        let Body::Settlement(settlement) = Event::parse(&logged.event).ok()?.body else { return None };
        Some(settlement.through)
    });
    through.max().unwrap_or(0)
}

fn event(through: u64, time: Instant) -> Event {
    let json = serde_json::json!({"specversion": "1.0", "id": format!("through-{through}"), "source": SOURCE,
        "type": "jifen.settlement.closed", "time": time.to_string(), "data": {"through": through}});
    Event::parse(json.to_string().as_bytes()).expect("it has all that an event needs")
}

/// Returns the program of the last entry that is settled: its zone is the settlement's.
fn last_program(ledger: &dyn Ledger, through: u64) -> Result<(String, Program), HostError> {
    let last = ledger.log(through.saturating_sub(1), 1)?.pop();
    let digest =
        last.map(|logged| Receipt::inputs(&logged.receipt)).transpose().map_err(HostError::Receipt)?;
    let digest = digest.map(|inputs| inputs.program).unwrap_or_default();
    let (program, _) = program_named(ledger, &digest)?;
    Ok((digest, program))
}

fn receipt(program: String, zone: &Program, time: Instant, settled: Settled) -> Receipt {
    let day = day_number(zone.zone.local(time).date);
    Receipt { settlement: Some(settled), ..Receipt::new(program, (None, 0), day) }
}
