//! Bodies of requests: how large they may be, how much of them a host has at the same time, and how long they may take to come.
//!
//! Room is taken for what has come, and not for what is announced: whoever sends slowly, or nothing, keeps nobody else out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use jifen_engine::limits::SCRIPT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use super::problem::Problem;

/// Bytes of a request.
pub(super) const BODY_BYTES_MAX: usize = 4 << 20;
/// Bytes of a release with its cases: a component of the larger class, and as much beside it as any request has.
pub(super) const RELEASE_BYTES_MAX: usize = SCRIPT.component_bytes + BODY_BYTES_MAX;

/// Bytes of requests that are read or not answered yet.
const BODIES_BYTES_MAX: usize = 64 << 20;
/// The same of releases: of those as large as any request, and of larger ones. Neither takes the room of the other, or of events.
const RELEASES_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;
const LARGE_BYTES_MAX: usize = 2 * RELEASE_BYTES_MAX;

/// How long a body may take to come, and that of a release.
const BODY_WAIT: Duration = Duration::from_secs(30);
const RELEASE_WAIT: Duration = Duration::from_secs(300);

/// What bodies of a kind may be.
#[derive(Clone)]
pub(super) struct Bodies {
    bytes_max: usize,
    wait: Duration,
    /// KiB of those up to [`BODY_BYTES_MAX`].
    kib: Arc<Semaphore>,
    /// KiB of larger ones.
    large_kib: Arc<Semaphore>,
}

impl Bodies {
    /// Those of all requests but releases.
    pub(super) fn of_requests() -> Self {
        Self::new(BODY_BYTES_MAX, BODY_WAIT, BODIES_BYTES_MAX, 0)
    }

    /// Those of releases.
    pub(super) fn of_releases() -> Self {
        Self::new(RELEASE_BYTES_MAX, RELEASE_WAIT, RELEASES_BYTES_MAX, LARGE_BYTES_MAX)
    }

    fn new(bytes_max: usize, wait: Duration, all_bytes_max: usize, large_bytes_max: usize) -> Self {
        let [kib, large_kib] =
            [all_bytes_max, large_bytes_max].map(|bytes| Arc::new(Semaphore::new(bytes >> 10)));
        Self { bytes_max, wait, kib, large_kib }
    }
}

/// The room that a request takes, given back when nobody holds it.
pub(super) type Held = Arc<Room>;

/// Room for what has come of a body.
pub(super) struct Room {
    of: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    bytes: usize,
    kib: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Takes room for more bytes, and returns whether there was some.
    fn take(&self, bytes: usize) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.bytes = taken.bytes.saturating_add(bytes);
        let had = taken.kib.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = u32::try_from(taken.bytes.div_ceil(1 << 10).saturating_sub(had)).unwrap_or(u32::MAX);
        if wanted == 0 {
            return true;
        }
        let Ok(more) = Arc::clone(&self.of).try_acquire_many_owned(wanted) else { return false };
        match &mut taken.kib {
            Some(kib) => kib.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    /// It takes too long.
    #[error("the body did not come in time")]
    Late,
    /// There is no room for more of it.
    #[error("there is no room for the body")]
    NoRoom,
}

/// A body on its way.
struct Coming {
    body: Body,
    room: Held,
    late: Pin<Box<Sleep>>,
}

impl HttpBody for Coming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, room, late } = self.get_mut();
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if !room.take(frame.data_ref().map_or(0, Bytes::len)) => {
                Poll::Ready(Some(Err(Cut::NoRoom.into())))
            }
            Poll::Ready(come) => Poll::Ready(come.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => late.as_mut().poll(cx).map(|()| Some(Err(Cut::Late.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Turns away what announces too much, and what there is no room for now, before it is read, and bounds what is read.
pub(super) async fn limit(State(bodies): State<Bodies>, mut request: Request, next: Next) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let unannounced = request.headers().contains_key(header::TRANSFER_ENCODING).then_some(bodies.bytes_max);
    let bytes = announced.and_then(|value| value.parse::<usize>().ok()).or(unannounced).unwrap_or(0);
    if bytes > bodies.bytes_max {
        return Problem::body_too_large(bodies.bytes_max).into_response();
    }
    if bytes == 0 {
        return next.run(request).await;
    }
    let of = if bytes > BODY_BYTES_MAX { bodies.large_kib } else { bodies.kib };
    if of.available_permits() < bytes.div_ceil(1 << 10) {
        return Problem::busy().into_response();
    }
    let room = Arc::new(Room { of, taken: Mutex::default() });
    request.extensions_mut().insert(Arc::clone(&room));
    let late = Box::pin(sleep(bodies.wait));
    let coming = |body| Body::new(Coming { body, room: Arc::clone(&room), late });
    // Held until it is answered: what a handler waits for has the body with it.
    let response = next.run(request.map(coming)).await;
    drop(room);
    response
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt as _;
    use tokio::runtime::Builder;

    use super::*;

    fn room(kib: usize) -> Held {
        Arc::new(Room { of: Arc::new(Semaphore::new(kib)), taken: Mutex::default() })
    }

    #[test]
    fn room_is_taken_for_what_has_come_and_given_back() {
        let room = room(4);
        // Each with what is taken then, in KiB.
        for (bytes, taken) in [(1_000, 1), (24, 1), (1, 2), (2_047, 3), (1_024, 4)] {
            assert!(room.take(bytes), "{bytes}");
            assert_eq!(room.of.available_permits(), 4 - taken, "{bytes}");
        }
        assert!(!room.take(1));
        let of = Arc::clone(&room.of);
        drop(room);
        assert_eq!(of.available_permits(), 4);
    }

    #[test]
    fn a_body_ends_where_there_is_no_room_for_it_and_when_it_is_late() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let read = |body: Body, kib: usize| {
            runtime.block_on(async {
                let late = Box::pin(sleep(Duration::ZERO));
                Coming { body, room: room(kib), late }.collect().await.map(|all| all.to_bytes())
            })
        };
        assert_eq!(read(Body::from(vec![7; 2_048]), 2).unwrap().len(), 2_048);
        let cut = read(Body::from(vec![7; 2_049]), 2).unwrap_err();
        assert!(matches!(cut.downcast_ref(), Some(Cut::NoRoom)), "{cut}");
        let nothing = stream::pending::<Result<Bytes, BoxError>>();
        let cut = read(Body::from_stream(nothing), 2).unwrap_err();
        assert!(matches!(cut.downcast_ref(), Some(Cut::Late)), "{cut}");
    }
}
