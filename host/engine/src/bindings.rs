//! The contract in Rust: what wasmtime generates from `wit/`, and the conversions from and to the domain's types.
//!
//! An event goes to every deployment of the program, so its Rust side is built once and borrows what the event owns:
//! [`Occasion`], [`Purpose`] and what hangs on them are written out here, because generated types would copy each
//! string. Their shape is checked against the component's when it is configured, and when it is called.

use jifen_loyalty::day::BusinessDay;
use jifen_loyalty::{event, proposal};
use wasmtime::component::{ComponentType, Lower};

mod generated {
    // One world of all that the host runs, so that there is one type for each of the contract's and one linker.
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package jifen:host;
            world policies {
                include jifen:policy/earning-policy@0.1.0;
                include jifen:policy/redemption-policy@0.1.0;
                include jifen:policy/campaign-policy@0.1.0;
            }
        ",
        world: "jifen:host/policies",
        imports: { default: trappable },
    });
}

pub(crate) use generated::exports::jifen::policy::campaign::Action;
pub(crate) use generated::exports::jifen::policy::earning::Proposal;
pub(crate) use generated::exports::jifen::policy::redemption::{Answer, Offer};
pub(crate) use generated::jifen::policy::types::{Award, Day, LunarDate, Recipient, Tender, TenderKind};
pub(crate) use generated::jifen::policy::{
    awards, balance, birthday, expiring, membership, purchases, referral, tier,
};

/// The `occasion` of `earning.wit`.
#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum Occasion<'e> {
    #[component(name = "registration")]
    Registration,
    #[component(name = "purchase")]
    Purchase(Purchase<'e>),
}

/// The `purpose` of `redemption.wit`.
#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum Purpose<'e> {
    #[component(name = "item")]
    Item((&'e str, u64)),
    #[component(name = "bill")]
    Bill(Purchase<'e>),
}

/// The `purchase` of `types.wit`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Purchase<'e> {
    #[component(name = "merchant-category")]
    merchant_category: &'e str,
    currency: &'e str,
    lines: Vec<Line<'e>>,
    #[component(name = "freight-minor")]
    freight_minor: u64,
    #[component(name = "discount-minor")]
    discount_minor: u64,
    tenders: Vec<Tender>,
}

/// The `line` of `types.wit`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Line<'e> {
    sku: &'e str,
    category: &'e str,
    quantity: u64,
    #[component(name = "amount-minor")]
    amount_minor: u64,
    tags: &'e [String],
}

impl<'e> Occasion<'e> {
    /// Returns what an earning policy is asked about; nothing for a day of a campaign.
    pub(crate) fn new(occasion: &'e event::Occasion, merchant_category: &'e str) -> Option<Self> {
        match occasion {
            event::Occasion::Registration(_) => Some(Self::Registration),
            event::Occasion::Purchase(purchase) => {
                Some(Self::Purchase(Purchase::new(purchase, merchant_category)))
            }
            event::Occasion::Run(_) => None,
        }
    }
}

impl<'e> Purpose<'e> {
    pub(crate) fn new(purpose: &'e event::Purpose, merchant_category: &'e str) -> Self {
        match purpose {
            event::Purpose::Item { item, quantity } => Self::Item((item, *quantity)),
            event::Purpose::Bill(bill) => Self::Bill(Purchase::new(bill, merchant_category)),
        }
    }
}

impl<'e> Purchase<'e> {
    fn new(purchase: &'e event::Purchase, merchant_category: &'e str) -> Self {
        Self {
            merchant_category,
            currency: &purchase.currency,
            lines: purchase.lines.iter().map(Line::from).collect(),
            freight_minor: purchase.freight_minor,
            discount_minor: purchase.discount_minor,
            tenders: purchase.tenders.iter().map(Tender::from).collect(),
        }
    }
}

impl<'e> From<&'e event::Line> for Line<'e> {
    fn from(line: &'e event::Line) -> Self {
        Self {
            sku: &line.sku,
            category: &line.category,
            quantity: line.quantity,
            amount_minor: line.amount_minor,
            tags: &line.tags,
        }
    }
}

impl From<&event::Tender> for Tender {
    fn from(tender: &event::Tender) -> Self {
        let kind = match tender.kind {
            event::TenderKind::Cash => TenderKind::Cash,
            event::TenderKind::Points => TenderKind::Points,
            event::TenderKind::GiftCard => TenderKind::GiftCard,
        };
        Self { kind, amount_minor: tender.amount_minor }
    }
}

impl From<&BusinessDay> for Day {
    fn from(today: &BusinessDay) -> Self {
        let day = &today.day;
        let lunar = day.lunar();
        Self {
            number: day.number(),
            year: day.year(),
            month: day.month(),
            day_of_month: day.day_of_month(),
            weekday: day.weekday(),
            lunar: LunarDate {
                year: lunar.year,
                month: lunar.month,
                leap: lunar.leap,
                day: lunar.day,
                days_in_month: lunar.days_in_month,
            },
            solar_term: day.solar_term().unwrap_or(u8::MAX),
            sexagenary: day.sexagenary(),
            market_day: today.market_day,
            second_of_day: today.second_of_day,
        }
    }
}

impl From<Recipient> for proposal::Recipient {
    fn from(recipient: Recipient) -> Self {
        match recipient {
            Recipient::Member => Self::Member,
            Recipient::Referrer => Self::Referrer,
        }
    }
}
