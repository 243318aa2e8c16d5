//! How far a merchant's key reaches: to what happens at the merchant's own counters, and no further.

use std::collections::HashMap;

use jifen_ledger::{Logged, Order, Redemption};
use jifen_loyalty::event::{Body, Occasion, Revision, Step};
use jifen_loyalty::{Event, InvalidEvent, MerchantId, RedemptionId};

use crate::batch::named;
use crate::{redemption, refund};

/// Checks what an event says of itself.
///
/// # Errors
///
/// If it is not the merchant's to send.
pub(crate) fn admit(merchant: &MerchantId, event: &Event) -> Result<(), InvalidEvent> {
    let source = source_of(merchant);
    if event.source != source {
        let reason = format!("this key is {merchant}'s, whose events have the source {source}");
        return Err(InvalidEvent { field: "source".to_owned(), reason });
    }
    let at = match &event.body {
        Body::Happening(happening) => match &happening.occasion {
            Occasion::Registration(_) => return Ok(()),
            Occasion::Purchase(purchase) => &purchase.merchant,
            Occasion::Run(_) => return Err(operators()),
        },
        Body::Redemption(redemption) => match &redemption.step {
            Step::Requested(request) => &request.merchant,
            Step::Captured(_) | Step::Voided(_) | Step::Cancelled(..) => return Ok(()),
            Step::Lapsed => return Err(operators()),
        },
        Body::Refund(refund) => match refund.revision {
            Revision::Returned => return Ok(()),
            Revision::ReferralRejected | Revision::Corrected(_) => return Err(operators()),
        },
        Body::Close(_)
        | Body::Settlement(_)
        | Body::Opening(_)
        | Body::Conversion(_)
        | Body::TermChange(_)
        | Body::Block(_) => return Err(operators()),
    };
    if at == merchant { Ok(()) } else { Err(others("data.merchant", merchant)) }
}

/// Checks what an event is about: the order that it returns, or the uses of points that it moves on or was paid with.
///
/// # Errors
///
/// If that is not the merchant's, or nothing is known of it.
pub(crate) fn concerns(
    merchant: &MerchantId,
    event: &Event,
    order: Option<&Order>,
    redemptions: &HashMap<RedemptionId, Redemption>,
) -> Result<(), InvalidEvent> {
    match &event.body {
        Body::Refund(_) => {
            let purchase = order.and_then(|order| refund::purchase(order, event));
            // What it was paid with goes back, too.
            let paid = order.into_iter().flat_map(|order| order.redemptions.values());
            if !paid.filter(|known| known.steps > 0).all(|known| is_of(merchant, known)) {
                return Err(others("data.order", merchant));
            }
            match purchase.and_then(at) {
                Some(found) if found == *merchant => Ok(()),
                Some(_) => Err(others("data.order", merchant)),
                None => {
                    let reason = "no such order is known; with a merchant's key, send its purchase first";
                    Err(InvalidEvent { field: "data.order".to_owned(), reason: reason.to_owned() })
                }
            }
        }
        Body::Redemption(_) | Body::Happening(_) => {
            // One that nobody requested is nobody's.
            let known = named(event).filter_map(|name| redemptions.get(name)).filter(|known| known.steps > 0);
            match known.into_iter().all(|known| is_of(merchant, known)) {
                true => Ok(()),
                false => Err(others("data.redemption", merchant)),
            }
        }
        Body::Close(_)
        | Body::Settlement(_)
        | Body::Opening(_)
        | Body::Conversion(_)
        | Body::TermChange(_)
        | Body::Block(_) => Ok(()),
    }
}

/// Returns the source of a merchant's events.
pub(crate) fn source_of(merchant: &MerchantId) -> String {
    format!("/merchants/{merchant}")
}

/// Returns whether a use of points is one at a merchant: requested there, or given there as a day was closed.
pub(crate) fn is_of(merchant: &MerchantId, known: &Redemption) -> bool {
    let accepted = redemption::requested(known).ok().and_then(|step| step.acceptance);
    accepted.is_some_and(|by| by.merchant == *merchant)
}

/// Returns where something was bought.
fn at(purchase: &Logged) -> Option<MerchantId> {
    Event::parse(&purchase.event).ok()?.purchase().map(|purchase| purchase.merchant.clone())
}

fn others(field: &str, merchant: &MerchantId) -> InvalidEvent {
    let reason = format!("this key is {merchant}'s, and that is another merchant's");
    InvalidEvent { field: field.to_owned(), reason }
}

fn operators() -> InvalidEvent {
    let reason = "events of this type are sent with an operator's key".to_owned();
    InvalidEvent { field: "type".to_owned(), reason }
}
