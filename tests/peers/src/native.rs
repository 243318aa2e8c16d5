//! The floor: the policy as an ordinary Rust function.

use std::hint::black_box;

use rule::Parameters;

use crate::peer::Peer;
use crate::transactions::Sample;

pub(crate) fn peer(samples: &[Sample]) -> Peer<'_> {
    let parameters = Parameters::of_the_comparison();
    Peer::shared("native Rust function", move |index| {
        Ok(rule::evaluate(black_box(&parameters), &samples[index].transaction))
    })
}
