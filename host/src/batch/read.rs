//! What events are decided on, as the ledger has it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::iter;

use jifen_ledger::{Known, MemberQuery, Needs, Order, OrderQuery, Query, Redemption, RedemptionQuery};
use jifen_loyalty::event::{Body, Occasion, Purpose, Step};
use jifen_loyalty::member::Profile;
use jifen_loyalty::{DeploymentId, Event, Member, MemberId, Points, RedemptionId};

use super::turns::{Flight, together};
use super::{Processor, Waiting};
use crate::error::HostError;
use crate::facts::{first_day_needed, month_of};
use crate::pipeline::{Stock, is_comparable, reviewed_payer};
use crate::{close, refund};

impl Processor<'_> {
    /// Returns what of members' history events need: a day of a campaign may need more than what happens.
    pub(super) fn needs(&self, waiting: &[Waiting]) -> Needs {
        let campaigns = waiting.iter().filter_map(|waiting| waiting.event.campaign());
        let asked = || iter::once(&self.active).chain(self.beside);
        let needs = |id: &'_ DeploymentId| {
            let campaigns = asked().flat_map(|active| active.campaigns());
            let needs = campaigns.filter(|it| it.deployment.id == *id).map(|it| it.needs());
            needs.reduce(Needs::and)
        };
        let beside = self.beside.iter().map(|active| active.needs);
        campaigns.filter_map(needs).chain(beside).fold(self.active.needs, Needs::and)
    }

    /// Returns which of the events the ledger knows, and reads what it knows of everything else that they are decided on. What is known
    /// of members already is further than the ledger, and stays.
    pub(super) fn read(&self, waiting: &[Waiting], read: &mut Read) -> Result<Vec<Option<Known>>, HostError> {
        let needs = self.needs(waiting);
        let members = self.members(waiting, needs);
        let mut orders = Vec::with_capacity(waiting.len());
        let gifts = self.gifts(waiting);
        let (mut redemptions, mut stock) = (Vec::new(), Vec::new());
        redemptions.extend(gifts.iter().map(|(key, name)| RedemptionQuery { name, key: *key }));
        for (key, Waiting { event, day, .. }) in waiting.iter().enumerate() {
            let whole = matches!(event.body, Body::Refund(_) | Body::TermChange(_));
            orders.extend(event.order().map(|number| OrderQuery { number, whole, key: Some(key) }));
            redemptions.extend(named(event).map(|name| RedemptionQuery { name, key }));
            stock.extend(self.limited(event).map(|(deployment, item)| (deployment, item, day.number())));
        }
        let keys: Vec<_> = waiting.iter().map(|Waiting { event, .. }| (&*event.source, &*event.id)).collect();
        let query = Query {
            keys: &keys,
            members: &members,
            needs,
            budgets: &self.active.budgets,
            orders: &orders,
            redemptions: &redemptions,
            stock: &stock,
        };
        let snapshot = self.ledger.read(&query)?;
        let names = members.iter().map(|asked| asked.id.clone());
        let numbers = orders.iter().map(|order| order.number.to_owned());
        let mut uses = HashMap::<RedemptionId, Redemption>::new();
        for (asked, found) in redemptions.iter().zip(snapshot.redemptions) {
            // Where a known event names it, too, nothing was read for that one.
            let known = uses.entry(asked.name.clone()).or_default();
            if found.steps > known.steps {
                *known = found;
            }
        }
        let items =
            stock.iter().map(|(deployment, item, day)| ((*deployment).clone(), (*item).to_owned(), *day));
        for (name, member) in names.zip(snapshot.members) {
            read.members.entry(name).or_insert(member);
        }
        read.orders = numbers.zip(snapshot.orders).collect();
        read.shared = Shared {
            referrers: self.referrers(waiting, &read.members)?,
            redemptions: uses,
            stock: items.zip(snapshot.stock).collect(),
            budgets_used: snapshot.budgets_used,
        };
        Ok(snapshot.known)
    }

    /// Reads whoever referred a member of the events, where that makes a difference: who they are, and what they were granted,
    /// where a cap counts that. Entries say which version of them they depend on.
    fn referrers(
        &self,
        waiting: &[Waiting],
        members: &HashMap<MemberId, Member>,
    ) -> Result<HashMap<MemberId, Member>, HostError> {
        let capped = self.caps_referrers();
        let mut first_days = BTreeMap::new();
        for Waiting { event, day, .. } in waiting {
            let Some(happening) = event.happening() else { continue };
            let referrer = match &happening.occasion {
                Occasion::Registration(it) => it.referrer.as_ref().filter(|_| capped || it.person.is_some()),
                Occasion::Purchase(_) | Occasion::Run(_) => members
                    .get(&happening.member)
                    .and_then(|it| self.referrer_to_read(&it.profile, &happening.occasion)),
            };
            let Some(referrer) = referrer else { continue };
            let needed = *month_of(day).start();
            let first_day = first_days.entry(referrer).or_insert(needed);
            *first_day = needed.min(*first_day);
        }
        self.read_referrers(first_days)
    }

    /// Returns who referred a member to whom something happens, where that makes a difference.
    pub(crate) fn referrer_to_read<'m>(
        &self,
        profile: &'m Profile,
        occasion: &Occasion,
    ) -> Option<&'m MemberId> {
        let reviewed = reviewed_payer(&self.active.program, occasion).is_some();
        let read = self.caps_referrers() || is_comparable(profile) || reviewed;
        profile.referral.as_ref().filter(|_| read).map(|referral| &referral.by)
    }

    fn caps_referrers(&self) -> bool {
        self.active.caps_referrers || self.beside.iter().any(|active| active.caps_referrers)
    }

    /// Reads referrers, each with what was granted from a day on, where a cap counts that.
    pub(crate) fn read_referrers(
        &self,
        first_days: BTreeMap<&MemberId, i32>,
    ) -> Result<HashMap<MemberId, Member>, HostError> {
        if first_days.is_empty() {
            return Ok(HashMap::new());
        }
        let asked: Vec<_> =
            first_days.iter().map(|(id, day)| MemberQuery { id, first_day: *day, lots: false }).collect();
        let needs = Needs { granted_by_day: self.caps_referrers(), ..Needs::default() };
        let found = self.ledger.read(&Query { members: &asked, needs, ..Query::default() })?.members;
        Ok(first_days.into_keys().cloned().zip(found).collect())
    }

    /// Returns the names of what closes may give, each with the place of its close.
    fn gifts(&self, waiting: &[Waiting]) -> Vec<(usize, RedemptionId)> {
        let closes = waiting.iter().enumerate().filter_map(|(key, waiting)| match &waiting.event.body {
            Body::Close(close) => Some((key, close)),
            Body::Happening(_)
            | Body::Refund(_)
            | Body::Redemption(_)
            | Body::Settlement(_)
            | Body::Opening(_)
            | Body::Conversion(_)
            | Body::TermChange(_)
            | Body::Block(_) => None,
        });
        let names =
            |(key, close)| close::gift_names(self.active, close).into_iter().map(move |name| (key, name));
        closes.flat_map(names).collect()
    }

    /// Returns the members whose events they say they are, each once.
    fn members<'e>(&self, waiting: &'e [Waiting], needs: Needs) -> Vec<MemberQuery<'e>> {
        let mut members = BTreeMap::<&MemberId, (i32, bool)>::new();
        for Waiting { day, event, .. } in waiting {
            let Some(member) = event.member() else { continue };
            let needed = first_day_needed(needs, day);
            let (first_day, lots) = members.entry(member).or_insert((needed, false));
            *first_day = needed.min(*first_day);
            *lots |= event.happening().is_none() || needs.lots && event.campaign().is_some();
        }
        let query = |(id, (first_day, lots))| MemberQuery { id, first_day, lots };
        members.into_iter().map(query).collect()
    }

    /// Returns the deployments that have a limited stock of what an event asks for.
    pub(super) fn limited<'e>(
        &'e self,
        event: &'e Event,
    ) -> impl Iterator<Item = (&'e DeploymentId, &'e str)> {
        let item = match event.redemption().map(|redemption| &redemption.step) {
            Some(Step::Requested(request)) => match &request.purpose {
                Purpose::Item { item, .. } => Some(item),
                Purpose::Bill(_) => None,
            },
            Some(Step::Captured(_) | Step::Voided(_) | Step::Lapsed | Step::Cancelled(..)) | None => None,
        };
        let closes = matches!(event.body, Body::Close(_));
        let deployments = self.active.program.redemptions.iter();
        deployments.filter_map(move |deployment| {
            let given = deployment.at_close.as_ref().map(|gift| &gift.item).filter(|_| closes);
            let item = item.or(given);
            Some((&deployment.id, deployment.stock.get_key_value(item?)?.0.as_str()))
        })
    }
}

/// What is known: of the events' members, of their orders, and of what they share.
#[derive(Default)]
pub(crate) struct Read {
    pub(super) members: HashMap<MemberId, Member>,
    pub(super) orders: HashMap<String, Order>,
    pub(super) shared: Shared,
}

impl Read {
    /// Returns what days of a campaign are decided on.
    pub(crate) fn of_members(
        members: HashMap<MemberId, Member>,
        referrers: HashMap<MemberId, Member>,
        budgets_used: BTreeMap<DeploymentId, Points>,
    ) -> Self {
        let shared = Shared { referrers, redemptions: HashMap::new(), stock: Stock::new(), budgets_used };
        Self { members, orders: HashMap::new(), shared }
    }

    /// Returns the events up to the first that must wait for one before it, and those from there on.
    pub(super) fn ready(&mut self, mut fresh: Vec<Waiting>, flight: &Flight) -> (Vec<Waiting>, Vec<Waiting>) {
        let Self { members, orders, shared: Shared { redemptions, .. } } = self;
        let apart = fresh.split_off(together(&fresh, orders, redemptions, flight));
        for waiting in &fresh {
            bring_lots(&waiting.event, orders, redemptions, members);
        }
        (fresh, apart)
    }
}

/// What the ledger knew that no member has alone, and that stays as it was until it is read again.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) referrers: HashMap<MemberId, Member>,
    pub(super) redemptions: HashMap<RedemptionId, Redemption>,
    pub(super) stock: Stock,
    pub(super) budgets_used: BTreeMap<DeploymentId, Points>,
}

/// Returns whose event it is that does not say so: whoever bought what is returned, or asked for what is moved on; `None`
/// where that is not there.
pub(super) fn owner<'k>(
    event: &Event,
    order: Option<&'k Order>,
    redemptions: &'k HashMap<RedemptionId, Redemption>,
) -> Option<(&'k MemberId, &'k Member)> {
    match &event.body {
        Body::Happening(_)
        | Body::Close(_)
        | Body::Settlement(_)
        | Body::Opening(_)
        | Body::Conversion(_)
        | Body::TermChange(_)
        | Body::Block(_) => None,
        Body::Refund(_) => refund::buyer(order?, event),
        Body::Redemption(step) => {
            let (id, member) = redemptions.get(&step.name)?.owner.as_ref()?;
            Some((id, member))
        }
    }
}

/// Returns the uses of points that an event moves on or pays with.
pub(crate) fn named(event: &Event) -> impl Iterator<Item = &RedemptionId> {
    let own = event.redemption().map(|redemption| &redemption.name);
    let tenders = event.purchase().into_iter().flat_map(|purchase| &purchase.tenders);
    own.into_iter().chain(tenders.filter_map(|tender| tender.redemption.as_ref()))
}

/// Adds to whoever takes something back all lots that there are, and to whoever paid with points those that they were.
fn bring_lots(
    event: &Event,
    orders: &HashMap<String, Order>,
    redemptions: &HashMap<RedemptionId, Redemption>,
    members: &mut HashMap<MemberId, Member>,
) {
    let order = event.order().and_then(|number| orders.get(number));
    if let Some((id, owner)) = owner(event, order, redemptions) {
        let member = members.entry(id.clone()).or_insert_with(|| owner.clone());
        member.lots.clone_from(&owner.lots);
    }
    let paid = order.into_iter().flat_map(|order| order.redemptions.values());
    for redemption in named(event).filter_map(|name| redemptions.get(name)).chain(paid) {
        let Some(member) = redemption.owner.as_ref().and_then(|(id, _)| members.get_mut(id)) else {
            continue;
        };
        let known: HashSet<_> = member.lots.iter().map(|lot| lot.id.clone()).collect();
        let missing = redemption.parts.iter().filter(|part| !known.contains(&part.lot.id));
        member.lots.extend(missing.map(|part| part.lot.clone()));
    }
}
