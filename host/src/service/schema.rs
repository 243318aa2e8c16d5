//! Events and receipts as the API describes them. They come in and go out as text of the domain's own (`jifen-loyalty`), so nothing here is
//! ever made; a test holds what hosts answer against it, and the fuzz what they take.

#![expect(dead_code, reason = "only described")]

use serde_json::Value;
use utoipa::ToSchema;

use super::events::Refused;

/// A CloudEvents 1.0 JSON object.
#[derive(ToSchema)]
pub(super) struct CloudEvent {
    /// `1.0`.
    #[schema(example = "1.0")]
    specversion: String,
    /// The sender's name for it. With the source it is the event's name for ever.
    #[schema(example = "31198570044")]
    id: String,
    /// Who sends it.
    #[schema(example = "/merchants/store-330")]
    source: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "jifen.purchase.completed")]
    kind: EventType,
    /// When it happened.
    #[schema(example = "2017-01-01T11:53:26+08:00")]
    time: String,
    /// By its type.
    #[schema(example = json!({
        "order": "31198570044", "member": "m900", "merchant": "store-330", "currency": "CNY",
        "lines": [{"sku": "1095275", "category": "pastry", "quantity": 2, "amount": 5000, "tags": ["eco"]}],
    }))]
    data: EventData,
}

/// An event, or several.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Sent {
    One(Box<CloudEvent>),
    Many(Vec<CloudEvent>),
}

/// What can happen.
#[derive(ToSchema)]
enum EventType {
    #[serde(rename = "jifen.member.registered")]
    MemberRegistered,
    #[serde(rename = "jifen.purchase.completed")]
    PurchaseCompleted,
    #[serde(rename = "jifen.purchase.refunded")]
    PurchaseRefunded,
    #[serde(rename = "jifen.purchase.corrected")]
    PurchaseCorrected,
    #[serde(rename = "jifen.referral.rejected")]
    ReferralRejected,
    #[serde(rename = "jifen.redemption.requested")]
    RedemptionRequested,
    #[serde(rename = "jifen.redemption.captured")]
    RedemptionCaptured,
    #[serde(rename = "jifen.redemption.voided")]
    RedemptionVoided,
    #[serde(rename = "jifen.redemption.lapsed")]
    RedemptionLapsed,
    #[serde(rename = "jifen.redemption.cancelled")]
    RedemptionCancelled,
    #[serde(rename = "jifen.balance.opened")]
    BalanceOpened,
    #[serde(rename = "jifen.points.transferred")]
    PointsTransferred,
    #[serde(rename = "jifen.points.exchanged")]
    PointsExchanged,
    #[serde(rename = "jifen.expiry.notified")]
    ExpiryNotified,
    #[serde(rename = "jifen.action.done")]
    ActionDone,
    #[serde(rename = "jifen.day.closed")]
    DayClosed,
    #[serde(rename = "jifen.campaign.ran")]
    CampaignRan,
    #[serde(rename = "jifen.notice.delivered")]
    NoticeDelivered,
    #[serde(rename = "jifen.block.purchased")]
    BlockPurchased,
    #[serde(rename = "jifen.settlement.closed")]
    SettlementClosed,
}

/// What is said of what happened, by the event's type.
#[derive(ToSchema)]
#[serde(untagged)]
enum EventData {
    Registration(Registration),
    Purchase(Purchase),
    Order(OrderChanged),
    Correction(Correction),
    Request(RedemptionRequest),
    Step(RedemptionStep),
    Opening(Opening),
    Transfer(Transfer),
    Exchange(Exchange),
    Told(ExpiryTold),
    Action(ActionDone),
    Close(DayClosed),
    Run(CampaignRan),
    Delivery(NoticeDelivered),
    Block(BlockPurchased),
    Settlement(SettlementClosed),
}

/// Of `jifen.member.registered`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    member: String,
    region: Option<String>,
    /// Who brought the member.
    referrer: Option<String>,
    /// A name that the same person has wherever they register.
    person: Option<String>,
    #[schema(example = "1990-05-01")]
    birthday: Option<String>,
    consents: Option<Vec<String>>,
}

/// Of `jifen.purchase.completed`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Purchase {
    order: String,
    member: String,
    merchant: String,
    currency: String,
    lines: Vec<Line>,
    /// In minor units.
    #[serde(default)]
    freight: u64,
    /// On the whole basket, in minor units.
    #[serde(default)]
    discount: u64,
    #[serde(default)]
    tenders: Vec<Tender>,
    /// A key that is equal for one account from which it was paid.
    payer: Option<String>,
}

/// An article of a bill.
#[derive(ToSchema)]
#[schema(as = BillLine)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    sku: String,
    category: String,
    quantity: u64,
    /// Its total after its own discounts, in minor units.
    amount: u64,
    #[serde(default)]
    tags: Vec<String>,
}

/// How a part of a bill was paid.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Tender {
    kind: TenderKind,
    /// The use of points that paid it.
    redemption: Option<String>,
    /// In minor units.
    amount: u64,
}

#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
enum TenderKind {
    Cash,
    Card,
    Wallet,
    Points,
    GiftCard,
}

/// Of `jifen.purchase.refunded`, and, with the order alone, of `jifen.referral.rejected`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderChanged {
    order: String,
    /// What comes back; absent: all that remains.
    lines: Option<Vec<ReturnedLine>>,
    /// In minor units.
    freight: Option<u64>,
    cause: Option<WhoseDoing>,
}

/// What comes back of an article.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ReturnedLine {
    sku: String,
    quantity: u64,
    /// In minor units.
    amount: u64,
}

/// Whose doing it is.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WhoseDoing {
    Member,
    Merchant,
    Carrier,
}

/// Of `jifen.purchase.corrected`; `jifen corrections` makes them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Correction {
    order: String,
    /// Who sent its purchase.
    source: String,
    /// The id of its purchase.
    id: String,
    /// The SHA-256 of the program that is to have decided it.
    program: String,
    why: String,
    proposed_by: String,
    approved_by: String,
}

/// Of `jifen.redemption.requested`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct RedemptionRequest {
    /// The name of the use, for ever.
    redemption: String,
    member: String,
    merchant: String,
    /// An item of a catalogue; otherwise a bill is paid, in part.
    item: Option<String>,
    /// How many of it.
    quantity: Option<u64>,
    lines: Option<Vec<Line>>,
    /// In minor units.
    #[serde(default)]
    freight: u64,
    currency: Option<String>,
    /// How many points are to be used at most.
    points: Option<u64>,
}

/// Of `jifen.redemption.captured`, `.voided`, `.lapsed` (without points) and `.cancelled` (with its cause).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct RedemptionStep {
    redemption: String,
    /// So many points; absent: all.
    points: Option<u64>,
    cause: Option<WhoseDoing>,
}

/// Of `jifen.balance.opened`; `jifen import` makes them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Opening {
    member: String,
    unit: String,
    points: u64,
    /// `platform`, or a merchant's.
    issuer: String,
    /// The last day.
    expires: Option<String>,
}

/// Of `jifen.points.transferred`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Transfer {
    member: String,
    /// Who gets them.
    to: String,
    unit: String,
    points: u64,
}

/// Of `jifen.points.exchanged`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Exchange {
    member: String,
    unit: String,
    /// The other unit.
    into: String,
    points: u64,
}

/// Of `jifen.expiry.notified`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ExpiryTold {
    member: String,
    unit: Option<String>,
    /// The last day of which the member was told.
    through: String,
}

/// Of `jifen.action.done`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ActionDone {
    member: String,
    /// What points wait for.
    action: String,
    order: Option<String>,
}

/// Of `jifen.day.closed`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct DayClosed {
    #[schema(example = "2026-11-24")]
    day: String,
    member: Option<String>,
    /// Only catch up.
    #[serde(default)]
    late: bool,
}

/// Of `jifen.campaign.ran`; closing a day makes them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct CampaignRan {
    campaign: String,
    member: String,
}

/// Of `jifen.notice.delivered`; `jifen notify` makes them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct NoticeDelivered {
    member: String,
    /// The campaign's event.
    run: String,
    /// Which of its notices.
    notice: u32,
    /// What it told of points that end.
    expiring: Option<ExpiringTold>,
}

/// What a notice told of points that end.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ExpiringTold {
    unit: String,
    through: String,
    as_of: String,
}

/// Of `jifen.block.purchased`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct BlockPurchased {
    merchant: String,
    unit: String,
    points: u64,
    currency: String,
    /// What the merchant pays for all of them, in minor units.
    amount: u64,
}

/// Of `jifen.settlement.closed`; `jifen settle` makes them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct SettlementClosed {
    /// The last place of the log.
    through: u64,
}

/// What is decided on an event, and why. Lists that would be empty, and what has nothing to say, are absent unless they are required. With
/// the key of a merchant or a member, so is what is not theirs to see.
#[derive(ToSchema)]
pub(super) struct Decided {
    /// Who sent the event.
    #[schema(example = "/merchants/store-330")]
    source: String,
    /// The sender's name for it.
    #[schema(example = "31198570044")]
    id: String,
    /// To whom it happened; empty where it is nobody's, as a closed day.
    #[schema(example = "m900")]
    member: String,
    /// The member's version after it.
    version: Option<u64>,
    /// When, in the program's zone.
    #[schema(example = "2017-01-01T11:53:26+08:00")]
    time: String,
    /// The business day.
    #[schema(example = "2017-01-01")]
    day: String,
    /// The SHA-256 of the event.
    event: String,
    /// The SHA-256 of the program that decides.
    program: String,
    /// Who had brought the member.
    referrer: Option<String>,
    /// Whether that is the same person.
    same_person: Option<bool>,
    /// The day on which that one had paid from the account of the purchase.
    same_payer: Option<String>,
    /// What was granted, and what limited it.
    awards: Vec<Award>,
    /// Deployments that said no.
    declined: Option<Vec<Declined>>,
    /// What a campaign tells the member.
    notices: Option<Vec<CampaignNotice>>,
    /// Deployments that failed to answer.
    faults: Vec<RuleFault>,
    /// Deployments that were asked.
    evaluations: Vec<Evaluation>,
    /// What a refund or a correction came to.
    #[schema(value_type = Option<Object>)]
    refund: Option<Value>,
    /// Steps of uses of points.
    redemptions: Option<Vec<UseStep>>,
    /// What lapsed, by lot.
    #[schema(value_type = Option<Vec<Object>>)]
    expired: Option<Value>,
    /// What lots paid of what the member owed.
    #[schema(value_type = Option<Vec<Object>>)]
    repayments: Option<Value>,
    /// Lots that can be spent at another time from now on.
    #[schema(value_type = Option<Vec<Object>>)]
    terms: Option<Value>,
    /// Points that became another member's or of another unit.
    #[schema(value_type = Option<Object>)]
    conversion: Option<Value>,
    /// What parties owed each other.
    #[schema(value_type = Option<Object>)]
    settlement: Option<Value>,
    /// Points that a merchant bought in advance.
    #[schema(value_type = Option<Object>)]
    block: Option<Value>,
    /// Both sides of every movement.
    postings: Vec<Posted>,
}

/// An award.
#[derive(ToSchema)]
struct Award {
    /// The deployment that asked for it.
    deployment: String,
    /// Who gets it; empty where that would be whoever brought the member, and nobody did.
    to: String,
    unit: String,
    /// Who owes for it.
    issuer: String,
    asked: u64,
    granted: u64,
    /// The policy's code, or what limited the award.
    reason: String,
    /// The policy's code where the reason is what limited it.
    code: Option<String>,
    /// From when on it can be spent, if that is not at once.
    available: Option<String>,
    /// The action that it waits for.
    awaits: Option<String>,
    /// How its end is counted once that is done.
    #[schema(value_type = Option<Value>)]
    counts: Option<Value>,
    /// When it ends; absent: never.
    expires: Option<String>,
    /// Whether the member must be told of its end.
    notice: Option<String>,
    /// So many days before.
    notice_days: Option<u32>,
    /// The line of the purchase.
    line: Option<u32>,
}

/// A deployment that said no.
#[derive(ToSchema)]
struct Declined {
    deployment: String,
    reason: String,
}

/// What a campaign tells the member.
#[derive(ToSchema)]
struct CampaignNotice {
    deployment: String,
    /// Its code.
    notice: String,
    /// Whether nothing is sent.
    shadow: Option<bool>,
    /// Of points that end: the unit, the last day (`through`), and how many.
    #[schema(value_type = Option<Object>)]
    expiring: Option<Value>,
}

/// A deployment that failed to answer.
#[derive(ToSchema)]
struct RuleFault {
    deployment: String,
    /// How, such as `out-of-fuel`.
    fault: String,
    message: String,
}

/// A deployment that was asked.
#[derive(ToSchema)]
struct Evaluation {
    deployment: String,
    /// What deployments before it had granted.
    points_so_far: Option<u64>,
    /// What it took, the same on every machine.
    fuel: Option<u64>,
    /// Facts that it asked, each with the answer.
    facts: Option<Vec<Vec<Value>>>,
    /// Facts that it could have asked.
    known: Option<Vec<Vec<Value>>>,
    /// What caps and the budget had counted.
    #[schema(value_type = Option<Object>)]
    usage: Option<Value>,
}

/// A step of a use of points.
#[derive(ToSchema)]
struct UseStep {
    /// The name of the use.
    redemption: String,
    /// Which step it is.
    steps: Option<u64>,
    unit: String,
    /// The deployment that made the offer.
    deployment: Option<String>,
    merchant: Option<String>,
    /// The SHA-256 of the program that decides to the end.
    terms: Option<String>,
    offer: Option<Offer>,
    /// Until when the points are held.
    until: Option<String>,
    held: Option<Vec<UsedPart>>,
    captured: Option<Vec<UsedPart>>,
    released: Option<Vec<UsedPart>>,
    cancelled: Option<Vec<UsedPart>>,
    /// Where what came back went.
    returned: Option<Vec<UsedPart>>,
    /// Of what was held for the use before: what is used, and what of that was cancelled.
    #[schema(value_type = Option<Object>)]
    paid: Option<Value>,
}

/// The terms on which points can be used.
#[derive(ToSchema)]
struct Offer {
    /// Points that are taken.
    points: u64,
    /// What is paid beside them, in minor units.
    cash: u64,
    /// What they are worth, in minor units.
    worth: u64,
    /// What they buy.
    benefit: String,
    restrictions: Option<Vec<String>>,
}

/// Points of a lot; of other lots than one's own, how many alone.
#[derive(ToSchema)]
struct UsedPart {
    lot: Option<String>,
    issuer: Option<String>,
    earned: Option<String>,
    expires: Option<String>,
    notice: Option<String>,
    notice_days: Option<u32>,
    had: Option<u64>,
    points: u64,
    lapsed: Option<bool>,
    /// Of a lot of its own: when it ends.
    new: Option<String>,
}

/// One side of a movement.
#[derive(ToSchema)]
struct Posted {
    /// What it is, such as `award`.
    kind: String,
    /// Whose account, such as `member/m900` or `platform`.
    account: String,
    unit: String,
    points: i64,
    lot: Option<String>,
}

/// A receipt: what was decided on an event.
#[derive(ToSchema)]
pub(super) struct Receipt {
    #[serde(flatten)]
    decided: Decided,
    /// `applied`, now or before.
    #[schema(example = "applied", pattern = "^applied$")]
    outcome: String,
    /// The receipt's place in the log.
    seq: u64,
    /// The receipt's SHA-256; absent with a merchant's or a member's key, which does not show all of it.
    digest: Option<String>,
    /// `true` where the quote ended before the event came, and another program decided it.
    requoted: Option<bool>,
}

/// What would be decided on an event.
#[derive(ToSchema)]
pub(super) struct Quote {
    #[serde(flatten)]
    decided: Decided,
    /// `quoted`.
    #[schema(example = "quoted", pattern = "^quoted$")]
    outcome: String,
    /// Of a quote that holds: with what the event is sent, in the header `Jifen-Quote`.
    #[schema(example = "jq_0f1e2d3c4b5a69788796a5b4c3d2e1f0")]
    token: Option<String>,
    /// Until when it holds.
    #[schema(example = "2017-01-01T04:03:26Z")]
    until: Option<String>,
}

/// What an event comes to.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum QuotedOrApplied {
    /// It would.
    Quoted(Quote),
    /// It was applied before.
    Applied(Receipt),
}

/// What became of what was sent.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Answered {
    /// Of an event.
    One(Box<Receipt>),
    /// Of a batch, each in the place of its event.
    Many(Vec<Each>),
}

/// What became of an event of a batch.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Each {
    Applied(Box<Receipt>),
    Refused(Refused),
}
