//! Sharing out a whole total in proportion, by largest remainder.
//!
//! Everyone gets the floor of the exact share; what is left goes, one by one, to the largest remainders, and among
//! equals to the lowest index. So the shares always add up to the total, and depend on nothing but the numbers: 100
//! over three equal weights is 34, 33, 33.

use std::cmp::Reverse;
use std::fmt;

/// Writes each weight's share of the total into `shares`, without allocation.
///
/// A weight of zero gets nothing, unless all are zero: then they count as equal.
///
/// # Errors
///
/// There is a total and nobody to have it, or there are not as many shares as weights.
pub fn allocate(total: u64, weights: &[u64], shares: &mut [u64]) -> Result<(), AllocationError> {
    if weights.len() != shares.len() {
        return Err(AllocationError::Lengths { weights: weights.len(), shares: shares.len() });
    }
    if weights.is_empty() {
        return if total == 0 { Ok(()) } else { Err(AllocationError::Nobody { total }) };
    }
    let exact = Exact::new(total, weights);
    let last = exact.last_to_gain(shares);
    for (index, share) in shares.iter_mut().enumerate() {
        let (whole, rank) = exact.share(index);
        *share = whole.saturating_add(u64::from(last.is_some_and(|last| rank <= last)));
    }
    Ok(())
}

/// Returns each weight's share of the total; [`allocate`] with a vector of its own.
///
/// # Errors
///
/// There is a total and nobody to have it.
pub fn allocated(total: u64, weights: &[u64]) -> Result<Vec<u64>, AllocationError> {
    let mut shares = vec![0; weights.len()];
    allocate(total, weights, &mut shares)?;
    Ok(shares)
}

/// The order in which what is left is given out: by remainder, largest first, then by index.
type Rank = (Reverse<u128>, usize);

struct Exact<'a> {
    total: u64,
    weights: &'a [u64],
    /// The sum of the weights, or their count if all are zero. Not zero.
    sum: u128,
    all_zero: bool,
}

impl<'a> Exact<'a> {
    fn new(total: u64, weights: &'a [u64]) -> Self {
        let sum = weights.iter().fold(0_u128, |sum, &weight| sum.saturating_add(u128::from(weight)));
        let count = weights.iter().fold(0_u128, |count, _| count.saturating_add(1));
        let all_zero = sum == 0;
        Self { total, weights, sum: if all_zero { count } else { sum }, all_zero }
    }

    /// Returns the floor of the share, and where its remainder stands.
    fn share(&self, index: usize) -> (u64, Rank) {
        let weight = if self.all_zero { 1 } else { self.weights.get(index).copied().unwrap_or(0) };
        let (whole, remainder) = divide(u128::from(self.total).saturating_mul(u128::from(weight)), self.sum);
        (whole, (Reverse(remainder), index))
    }

    /// Returns the rank of the last one to get one more, `None` if the floors add up. Uses `shares` to sort in.
    fn last_to_gain(&self, shares: &mut [u64]) -> Option<Rank> {
        let mut given = 0_u64;
        for (index, place) in shares.iter_mut().enumerate() {
            given = given.saturating_add(self.share(index).0);
            *place = u64::try_from(index).expect("an index fits");
        }
        let left =
            usize::try_from(self.total.saturating_sub(given)).expect("less is left than there are shares");
        let last = left.checked_sub(1)?;
        let (_, &mut last, _) = shares.select_nth_unstable_by_key(last, |&place| self.rank(place));
        Some(self.rank(last))
    }

    fn rank(&self, place: u64) -> Rank {
        self.share(usize::try_from(place).expect("it was an index")).1
    }
}

/// Divides by what is not zero, where the quotient is at most the total. In 64 bits if it can be: a guest has an
/// instruction for that.
fn divide(dividend: u128, divisor: u128) -> (u64, u128) {
    if let (Ok(dividend), Ok(divisor)) = (u64::try_from(dividend), u64::try_from(divisor)) {
        let (whole, remainder) = (dividend.checked_div(divisor), dividend.checked_rem(divisor));
        return (whole.unwrap_or(0), u128::from(remainder.unwrap_or(0)));
    }
    let (whole, remainder) =
        (dividend.checked_div(divisor).unwrap_or(0), dividend.checked_rem(divisor).unwrap_or(0));
    (u64::try_from(whole).expect("a share is at most the total"), remainder)
}

/// Why a total cannot be shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocationError {
    /// There is something to share, and no weights.
    Nobody {
        /// What was to be shared.
        total: u64,
    },
    /// The caller's shares do not match the weights.
    Lengths {
        /// How many weights there are.
        weights: usize,
        /// How many shares there are.
        shares: usize,
    },
}

impl fmt::Display for AllocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody { total } => write!(f, "there is nobody to share {total} among"),
            Self::Lengths { weights, shares } => write!(f, "there are {weights} weights and {shares} shares"),
        }
    }
}

impl std::error::Error for AllocationError {}
