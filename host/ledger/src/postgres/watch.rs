//! Changes of the program, told by the server (`NOTIFY`) to whoever listens.

use std::future::poll_fn;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client, Connection, Socket};

use super::encryption::Stream;
use super::server::{Server, runtime};
use crate::ProgramWatch;

/// Tells all who listen that the program was changed, once that is committed. Ledgers in other schemas of the database hear it too,
/// and look in vain.
pub(super) const TELL: &str = "NOTIFY jifen_program";
/// How long it may take until it listens.
const START_WAIT: Duration = Duration::from_secs(2);
const LISTEN: &str = "LISTEN jifen_program";

/// A watch with a connection of its own, made anew when it is lost.
pub(super) struct Watch {
    server: Server,
    listener: Option<Listener>,
}

struct Listener {
    runtime: Runtime,
    connection: Connection<Socket, Stream>,
    /// The connection ends with it.
    _client: Client,
}

impl Watch {
    pub(super) fn new(server: Server) -> Self {
        Self { server, listener: None }
    }
}

impl ProgramWatch for Watch {
    fn wait(&mut self, at_most: Duration) -> bool {
        let listener = self.listener.take().or_else(|| Listener::start(&self.server));
        let heard = listener.and_then(|mut listener| {
            let told = listener.listen(at_most)?;
            self.listener = Some(listener);
            Some(told)
        });
        heard.unwrap_or_else(|| {
            // Whoever looks then hears why.
            thread::sleep(at_most);
            false
        })
    }
}

impl Listener {
    /// Begins to listen; nothing if that does not come about before long.
    fn start(server: &Server) -> Option<Self> {
        let runtime = runtime().ok()?;
        let started = async {
            let (client, mut connection) = server.connection().await.ok()?;
            ask(&client, &mut connection).await?;
            Some((client, connection))
        };
        let (client, connection) = runtime.block_on(async { timeout(START_WAIT, started).await }).ok()??;
        Some(Self { runtime, connection, _client: client })
    }

    /// Waits at most so long, and returns whether something was told; nothing if the connection is lost.
    fn listen(&mut self, at_most: Duration) -> Option<bool> {
        let Self { runtime, connection, .. } = self;
        let told = async {
            while let Some(message) = next(connection).await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    return Some(true);
                }
            }
            None
        };
        runtime.block_on(async { timeout(at_most, told).await }).unwrap_or(Some(false))
    }
}

/// Asks to be told; nothing if the connection is lost: nobody would drive it any longer.
async fn ask(client: &Client, connection: &mut Connection<Socket, Stream>) -> Option<()> {
    let listens = pin!(client.batch_execute(LISTEN));
    let driven = pin!(async { while next(connection).await.is_some() {} });
    match select(listens, driven).await {
        Either::Left((listens, _)) => listens.ok(),
        Either::Right(_) => None,
    }
}

/// Returns the next thing that the server says; nothing if the connection is lost.
async fn next(connection: &mut Connection<Socket, Stream>) -> Option<AsyncMessage> {
    poll_fn(|cx| connection.poll_message(cx)).await?.ok()
}
