//! The head of the log: one hash over all of its receipts, and the proof that one of them is under it.
//!
//! Receipts are the leaves of a Merkle tree as RFC 6962 has it, each by its digest, in the order of the log. Whoever kept a head
//! notices when anything before it is changed; and that a receipt is in the log can be shown without showing another.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{InclusionProof, RootHash};
use jifen_ledger::{Digest, Ledger};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::HostError;

/// How many digests are read at once.
const PAGE: usize = 50_000;
/// Logs are shorter than this, and the places of their tree can be told.
const ENTRIES_MAX: u64 = 1 << 48;

/// The head of a log of so many entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// How many.
    pub(crate) entries: u64,
    /// The hash, in hexadecimal digits.
    pub(crate) root: String,
}

/// The tree over the receipts of a log.
pub(crate) struct Tree(MemoryBackedTree<Sha256, Digest>);

impl Tree {
    /// Reads the digests of the first entries of a ledger.
    ///
    /// # Errors
    ///
    /// If the ledger fails. Of a log that is shorter, it is the tree of all there is.
    pub(crate) fn read(ledger: &dyn Ledger, entries: u64) -> Result<Self, HostError> {
        let mut tree = MemoryBackedTree::new();
        while tree.len() < entries {
            let digests = ledger.receipt_digests(tree.len(), PAGE)?;
            if digests.is_empty() {
                break;
            }
            let left = usize::try_from(entries.saturating_sub(tree.len())).unwrap_or(usize::MAX);
            digests.into_iter().take(left).for_each(|digest| tree.push(digest));
        }
        Ok(Self(tree))
    }

    pub(crate) fn head(&self) -> Head {
        Head { entries: self.0.len(), root: hex::encode(self.0.root().as_bytes()) }
    }

    /// Returns the proof that the receipt in a place of the log, which is one of the tree's, is under its head.
    pub(crate) fn proof(&self, seq: u64) -> String {
        let place = usize::try_from(seq.saturating_sub(1)).expect("its digest is in memory");
        hex::encode(self.0.prove_inclusion(place).as_bytes())
    }
}

impl Head {
    /// Returns whether a proof shows that the receipt in a place of the log has a digest.
    pub(crate) fn has(&self, seq: u64, digest: &Digest, proof: &str) -> bool {
        let (Ok(root), Ok(proof)) = (hex::decode(&self.root), hex::decode(proof)) else { return false };
        let (Ok(root), Some(place)) = (<Digest>::try_from(root), seq.checked_sub(1)) else { return false };
        let Ok(proof) = InclusionProof::<Sha256>::try_from_bytes(proof) else { return false };
        place < self.entries
            && self.entries < ENTRIES_MAX
            && RootHash::<Sha256>::new(root.into(), self.entries)
                .verify_inclusion(digest, place, &proof)
                .is_ok()
    }
}
