//! The head of the log: one hash over all of its receipts, and the proof that one of them is under it.
//!
//! The leaves of a Merkle tree as RFC 6962 has it are the digests of what each receipt says of its member, in the order of the log.
//! Whoever kept a head notices when a receipt before it is changed; and what one says can be shown without showing another.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{InclusionProof, RootHash};
use jifen_ledger::{Digest, Ledger};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::HostError;
use crate::extract::Extract;

/// How many receipts are read at once.
const PAGE: usize = 5_000;
/// Logs are shorter than this, and the places of their tree can be told.
const ENTRIES_MAX: u64 = 1 << 48;

/// The head of a log of so many entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// How many.
    pub(crate) entries: u64,
    /// The root of their tree, in hexadecimal digits.
    tree: String,
    /// The hash over both.
    pub(crate) root: String,
}

/// The tree over the receipts of a log.
pub(crate) struct Tree(MemoryBackedTree<Sha256, Digest>);

impl Tree {
    /// Reads the first receipts of a ledger.
    ///
    /// # Errors
    ///
    /// If the ledger fails or holds what cannot be read. Of a log that is shorter, it is the tree of all there is.
    pub(crate) fn read(ledger: &dyn Ledger, entries: u64) -> Result<Self, HostError> {
        let mut tree = MemoryBackedTree::new();
        while tree.len() < entries {
            let left = usize::try_from(entries.saturating_sub(tree.len())).unwrap_or(usize::MAX);
            let receipts = ledger.receipts(tree.len(), left.min(PAGE))?;
            if receipts.is_empty() {
                break;
            }
            for receipt in receipts {
                tree.push(leaf(&Extract::of(&receipt)?));
            }
        }
        Ok(Self(tree))
    }

    pub(crate) fn head(&self) -> Head {
        let (entries, tree) = (self.0.len(), hex::encode(self.0.root().as_bytes()));
        Head { entries, root: root(entries, &tree), tree }
    }

    /// Returns the proof that the receipt in a place of the log, which is one of the tree's, is under its head.
    pub(crate) fn proof(&self, seq: u64) -> String {
        let place = usize::try_from(seq.saturating_sub(1)).expect("its digest is in memory");
        hex::encode(self.0.prove_inclusion(place).as_bytes())
    }
}

impl Head {
    /// Returns whether its root is that of its tree and its number of entries.
    pub(crate) fn is_one(&self) -> bool {
        self.entries < ENTRIES_MAX && self.root == root(self.entries, &self.tree)
    }

    /// Returns whether a proof shows that the receipt in a place of the log says that. The head must be one.
    pub(crate) fn has(&self, seq: u64, extract: &str, proof: &str) -> bool {
        let (Some(tree), Some(proof), Some(place)) = (bytes(&self.tree), bytes(proof), seq.checked_sub(1))
        else {
            return false;
        };
        let (Ok(tree), Ok(proof)) =
            (<Digest>::try_from(tree), InclusionProof::<Sha256>::try_from_bytes(proof))
        else {
            return false;
        };
        let tree = RootHash::<Sha256>::new(tree.into(), self.entries);
        place < self.entries && tree.verify_inclusion(&leaf(extract), place, &proof).is_ok()
    }
}

fn leaf(extract: &str) -> Digest {
    Sha256::digest(extract).into()
}

/// The root of a Merkle tree does not say how many leaves there are, and so the head's says it beside it.
fn root(entries: u64, tree: &str) -> String {
    hex::encode(Sha256::digest(format!("jifen.head/1 {entries} {tree}")))
}

/// Reads hexadecimal digits as they are written here: in small letters.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    hex::decode(digits).ok().filter(|bytes| hex::encode(bytes) == digits)
}
