//! Who may ask for what.
//!
//! ```text
//! request ──► identify: whose key is it? ──► record: changes go to the trail ──► allow: may its role? ──► handler: is it its own?
//! ```
//!
//! A ledger without keys asks nobody who they are. The first key closes it, for good: keys are revoked, and never taken away.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jifen_ledger::{ApiKey, Publication, TrailStep};
use jifen_loyalty::{Event, InvalidEvent, MerchantId};
use moka::sync::Cache;
use ratelimit::Ratelimiter;
use subtle::ConstantTimeEq as _;
use tracing::{Instrument as _, Span, info, warn};

use super::body::Held;
use super::extract::route_of;
use super::problem::Problem;
use super::{Service, Shared};
use crate::keys::{Role, parse, random, without_secrets};
use crate::{clock, keys, reach};

/// How long a host goes by what it knows of a key: a revoked one is of no use after that.
const KNOWN: Duration = Duration::from_secs(1);

/// Keys that a host knows something of at the same time.
const KEYS_MAX: u64 = 100_000;

/// How long a host remembers how often a key was used.
const COUNTED: Duration = Duration::from_secs(60);

/// In how long so many quotes may hold as a key may have.
const HELD: Duration = Duration::from_secs(3_600);

/// Bytes of a path with its parameters that the trail keeps.
const ASKED_BYTES_MAX: usize = 2_000;

/// Who asks.
#[derive(Debug)]
pub(super) struct Caller {
    /// The id of the key; nothing where none is asked for.
    key: Option<String>,
    /// Who holds it.
    name: String,
    role: Role,
}

/// What a host knows of keys.
pub(super) struct Keys {
    known: Cache<String, Option<Arc<ApiKey>>>,
    rates: Cache<String, Arc<Ratelimiter>>,
    /// How many quotes of a key hold, of those that were given within an hour.
    holds: Cache<String, Arc<AtomicU32>>,
    /// Whether there is none yet, as of lately.
    open: Cache<(), ()>,
    closed: AtomicBool,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            known: Cache::builder().max_capacity(KEYS_MAX).time_to_live(KNOWN).build(),
            rates: Cache::builder().max_capacity(KEYS_MAX).time_to_idle(COUNTED).build(),
            holds: Cache::builder().max_capacity(KEYS_MAX).time_to_live(HELD).build(),
            open: Cache::builder().time_to_live(KNOWN).build(),
            closed: AtomicBool::new(false),
        }
    }
}

impl Keys {
    /// Forgets a key that was revoked here.
    pub(super) fn forget(&self, id: &str) {
        self.known.invalidate(id);
    }

    /// Counts a quote that is to hold: each is a write of the ledger.
    pub(super) fn may_hold(&self, caller: &Caller) -> Result<(), Problem> {
        let many = match caller.role {
            Role::Member(_) => 60,
            Role::Merchant(_) => 10_000,
            Role::Auditor => {
                return Err(Problem::forbidden("an auditor's key changes nothing; ask without `hold`"));
            }
            Role::Operator => return Ok(()),
        };
        let Some(key) = &caller.key else { return Ok(()) };
        let held = self.holds.get_with(key.clone(), Arc::default).fetch_add(1, Ordering::Relaxed);
        if held < many { Ok(()) } else { Err(Problem::held_too_often(many)) }
    }

    /// Takes note that a key was made here.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl Caller {
    fn anybody() -> Self {
        Self { key: None, name: "anybody".to_owned(), role: Role::Operator }
    }

    /// Returns who made a change, for people: what was said, and whose key it was.
    pub(super) fn who(&self, said: Option<String>) -> Result<String, Problem> {
        match (said, &self.key) {
            (Some(said), _) if said.trim().is_empty() => Err(Problem::malformed(
                "who says nothing; say who makes the change, or leave it away where a key does",
            )),
            (Some(said), Some(_)) => Ok(format!("{said} ({})", self.name)),
            (Some(said), None) => Ok(said),
            (None, Some(_)) => Ok(self.name.clone()),
            (None, None) => Err(Problem::malformed("who: say who makes the change, where no key does")),
        }
    }

    /// Checks that the key is still of use, after what was sent with it came in.
    pub(super) async fn still(&self, service: &Shared) -> Result<(), Problem> {
        let still = match &self.key {
            None => service.is_open().await?,
            Some(id) => service.key(id).await?.is_some_and(|key| key.revoked_at.is_none()),
        };
        if still { Ok(()) } else { Err(Problem::unauthorized("that key was revoked meanwhile")) }
    }

    /// Returns the id of the key that is made by a request of the sender's own name.
    pub(super) fn name_for(&self, once: &HeaderValue) -> String {
        let own = self.key.as_deref().unwrap_or_default();
        keys::id_for([own.as_bytes(), b" ", once.as_bytes()].concat())
    }

    /// Returns whether another program than the one at work may be asked.
    pub(super) fn may_see_programs(&self) -> bool {
        matches!(self.role, Role::Operator | Role::Auditor)
    }

    /// Returns whether it may hear how an event differs that others sent.
    pub(super) fn may_see_conflicts(&self) -> bool {
        !matches!(self.role, Role::Member(_))
    }

    /// Returns what the key is for.
    pub(super) fn role(&self) -> &Role {
        &self.role
    }

    /// Returns the merchant whose key it is.
    pub(super) fn merchant(&self) -> Option<&MerchantId> {
        match &self.role {
            Role::Merchant(merchant) => Some(merchant),
            Role::Operator | Role::Auditor | Role::Member(_) => None,
        }
    }

    /// Returns who sends what is sent with the key; nothing where that is nobody's in particular.
    pub(super) fn source(&self) -> Option<String> {
        self.merchant().map(reach::source_of)
    }

    /// Checks what an event says of itself, which is to be decided.
    pub(super) fn may_send(&self, event: &Event) -> Result<(), InvalidEvent> {
        self.may_ask(event)?;
        if self.merchant().is_some() && clock::is_ahead(event.time) {
            let reason = "lies more than a day ahead; see to the clock that it is from".to_owned();
            return Err(InvalidEvent { field: "time".to_owned(), reason });
        }
        self.approves(event)
    }

    /// Checks what an event says of itself of which it is only asked what it would come to.
    pub(super) fn may_ask(&self, event: &Event) -> Result<(), InvalidEvent> {
        match &self.role {
            Role::Operator | Role::Auditor => Ok(()),
            Role::Merchant(merchant) => reach::admit(merchant, event),
            Role::Member(member) if event.member() == Some(member) => Ok(()),
            Role::Member(member) => {
                let reason = format!("this key is {member}'s, and that is somebody else's");
                Err(InvalidEvent { field: "data.member".to_owned(), reason })
            }
        }
    }

    /// Checks that what is to be decided anew is sent by who approves it, where it is known who sends it.
    fn approves(&self, event: &Event) -> Result<(), InvalidEvent> {
        let approver = event.correction().map(|correction| &correction.approved_by);
        match approver.filter(|approver| self.key.is_some() && **approver != self.name) {
            None => Ok(()),
            Some(approver) => {
                let reason =
                    format!("is {approver}, and this key is {}'s; whoever approves it sends it", self.name);
                Err(InvalidEvent { field: "data.approved_by".to_owned(), reason })
            }
        }
    }

    /// Checks whether events of a source may be seen.
    pub(super) fn may_see_events_of(&self, source: &str) -> Result<(), Problem> {
        match &self.role {
            Role::Operator | Role::Auditor => Ok(()),
            Role::Merchant(merchant) if reach::source_of(merchant) == source => Ok(()),
            Role::Merchant(merchant) => Err(Problem::forbidden(format!(
                "this key is {merchant}'s, and sees events of {} alone",
                reach::source_of(merchant)
            ))),
            Role::Member(_) => Err(Problem::forbidden("a member's key sees a statement, and no events")),
        }
    }

    /// Returns whose policies are published with the key; nothing where they are the platform's.
    pub(super) fn owner(&self) -> Option<String> {
        self.merchant().map(ToString::to_string)
    }

    /// Returns whether a release may be seen.
    pub(super) fn owns(&self, publication: &Publication) -> bool {
        self.merchant().is_none() || publication.owner == self.owner()
    }

    /// Checks whether a merchant's statement may be seen.
    pub(super) fn may_see_merchant(&self, id: &str) -> Result<(), Problem> {
        match &self.role {
            Role::Merchant(merchant) if merchant.as_str() != id => Err(Problem::forbidden(format!(
                "this key is {merchant}'s, and sees no other merchant's statement"
            ))),
            Role::Operator | Role::Auditor | Role::Merchant(_) | Role::Member(_) => Ok(()),
        }
    }

    /// Checks whether a member's account may be seen.
    pub(super) fn may_see_member(&self, id: &str) -> Result<(), Problem> {
        match &self.role {
            Role::Member(member) if member.as_str() != id => {
                Err(Problem::forbidden(format!("this key is {member}'s, and sees nobody else's account")))
            }
            Role::Operator | Role::Auditor | Role::Merchant(_) | Role::Member(_) => Ok(()),
        }
    }
}

/// Whoever asked for what is recorded.
#[derive(Clone)]
pub(super) struct Asker(Weak<()>);

impl Asker {
    /// Returns whether they still wait for the answer.
    pub(super) fn waits(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// Lets in whose key is known.
pub(super) async fn identify(State(service): State<Shared>, mut request: Request, next: Next) -> Response {
    match service.caller(request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(Arc::new(caller));
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Lets through whoever has one of these roles.
pub(super) async fn allow(
    State(roles): State<&'static [&'static str]>,
    Extension(caller): Extension<Arc<Caller>>,
    request: Request,
    next: Next,
) -> Response {
    let role = caller.role.name();
    if roles.contains(&role) {
        return next.run(request).await;
    }
    let detail = format!("this takes a key of the role {}, and this is a {role}'s", roles.join(" or "));
    Problem::forbidden(detail).into_response()
}

/// Writes into the trail what a host is asked to change or to try, before it does, and then how it was answered.
pub(super) async fn record(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return next.run(request).await;
    }
    // Dropped with this answer, which nobody waits for once the client has left.
    let asker = Arc::new(());
    request.extensions_mut().insert(Asker(Arc::downgrade(&asker)));
    // On its own, so that it is written to its end though the client leaves.
    let span = Span::current();
    let recorded = async move {
        let id = hex::encode(random::<16>());
        // Lines say no more than which path it was: what stands behind it is for whoever may read the trail.
        let route = route_of(&request).to_owned();
        let method = request.method().clone();
        let path = request.uri().path_and_query().map_or("", |it| it.as_str());
        let mut asked = without_secrets(format!("{} {path}", request.method()));
        asked.truncate(asked.floor_char_boundary(ASKED_BYTES_MAX));
        // What is read of its body counts until it is answered.
        let _held = request.extensions().get::<Held>().cloned();
        let (who, key) = (caller.name.clone(), caller.key.clone());
        let step =
            TrailStep { id: id.clone(), made_at: clock::now(), key, who: who.clone(), asked, status: None };
        if let Err(problem) =
            service.one_of(&service.trails, move |desk| Ok(desk.ledger.put_step(&step)?)).await
        {
            return problem.into_response();
        }
        let mut response = next.run(request).await;
        if let Ok(name) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", name);
        }
        let status = response.status().as_u16();
        info!(id, who, %method, route, status, "asked to change or to try something");
        let answered =
            service.one_of(&service.trails, move |desk| Ok(desk.ledger.answer_step(&id, status)?));
        if answered.await.is_err() {
            warn!("the trail could not be told how a request was answered");
        }
        response
    };
    let recorded = tokio::spawn(recorded.instrument(span)).await;
    drop(asker);
    recorded.unwrap_or_else(|_| Problem::broken().into_response())
}

impl Service {
    /// Returns whose key a request shows, and counts it.
    async fn caller(self: &Arc<Self>, headers: &HeaderMap) -> Result<Caller, Problem> {
        let Some(shown) = headers.get(header::AUTHORIZATION) else {
            return match self.is_open().await? {
                true => Ok(Caller::anybody()),
                false => Err(Problem::unauthorized("show a key, as in `Authorization: Bearer jifen_…`")),
            };
        };
        let text = shown.to_str().ok().and_then(|text| text.split_once(' '));
        let bearer = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((id, secret)) = bearer.and_then(|(_, key)| parse(key.trim())) else {
            return Err(Problem::unauthorized(
                "that is no key; one is shown as `Authorization: Bearer jifen_…`",
            ));
        };
        let key = self.key(id).await?.filter(|key| bool::from(key.secret[..].ct_eq(&secret[..])));
        let key = key.ok_or_else(|| Problem::unauthorized("nobody has that key"))?;
        if key.revoked_at.is_some() {
            return Err(Problem::unauthorized("that key was revoked; ask an operator for another"));
        }
        let rate = self.keys.rates.get_with(key.id.clone(), || rate(key.rate));
        rate.try_wait().map_err(|_| Problem::too_often(key.rate))?;
        let role = Role::new(&key.role, key.scope.as_deref());
        let role = role.map_err(|error| Problem::failed(&error.into()))?;
        Ok(Caller { key: Some(key.id.clone()), name: key.name.clone(), role })
    }

    /// Returns whether nobody is asked for a key.
    async fn is_open(self: &Arc<Self>) -> Result<bool, Problem> {
        if self.keys.closed.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if self.keys.open.get(&()).is_some() {
            return Ok(true);
        }
        let open = self.one_of(&self.lookups, |desk| Ok(desk.ledger.keys("", 1)?.is_empty())).await?;
        if open {
            self.keys.open.insert((), ());
        } else {
            self.keys.close();
        }
        Ok(open)
    }

    async fn key(self: &Arc<Self>, id: &str) -> Result<Option<Arc<ApiKey>>, Problem> {
        if let Some(known) = self.keys.known.get(id) {
            return Ok(known);
        }
        let asked = id.to_owned();
        let found = self.one_of(&self.lookups, move |desk| Ok(desk.ledger.key(&asked)?)).await?.map(Arc::new);
        self.keys.known.insert(id.to_owned(), found.clone());
        Ok(found)
    }
}

/// Returns what counts the requests of a key: as many at once as in a second.
fn rate(requests: u32) -> Arc<Ratelimiter> {
    let limiter = Ratelimiter::builder(requests.into()).max_tokens(requests.max(1).into());
    let limiter = limiter.initial_available(requests.into()).build();
    Arc::new(limiter.expect("a bucket of at least one token"))
}
