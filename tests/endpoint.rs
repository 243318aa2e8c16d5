//! An endpoint for webhooks, as whoever gets notices has one: it checks signatures with the reference library and answers as a
//! test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use serde_json::Value;
use standardwebhooks::{HEADER_WEBHOOK_ID, Webhook};

/// The secret with which it checks signatures.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    /// The message's name.
    pub(crate) id: String,
    /// What it says.
    pub(crate) body: Value,
}

type Answer = dyn Fn(&Got) -> u16 + Send + Sync;

/// A server on loopback, which is gone with the test.
pub(crate) struct Endpoint {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Returns one that answers with a status.
    pub(crate) fn answering(answer: impl Fn(&Got) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it listens");
        let (got, ends) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (theirs, over, answer) = (Arc::clone(&got), Arc::clone(&ends), Arc::new(answer));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let (got, answer) = (Arc::clone(&theirs), Arc::clone(&answer));
                // Whoever sends may be killed meanwhile.
                thread::spawn(move || serve(stream, &got, &*answer).ok());
            }
        });
        Self { address, got, ends, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/notices", self.address)
    }

    /// Returns all that came, in the order of their names.
    pub(crate) fn got(&self) -> Vec<Got> {
        let mut got = self.got.lock().expect("no test panics while it writes down").clone();
        got.sort_by(|one, other| one.id.cmp(&other.id));
        got
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.thread.take().map(JoinHandle::join);
    }
}

/// Answers one request, and closes the connection.
fn serve(stream: TcpStream, got: &Mutex<Vec<Got>>, answer: &Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let (mut headers, mut length) = (HeaderMap::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().expect("a length is a number");
        }
        let name: HeaderName = name.parse().expect("a header has a name");
        headers.insert(name, HeaderValue::from_str(value).expect("a header has a value"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let key = Webhook::new(SECRET).expect("it is a secret");
    let status = if line.starts_with("POST /notices ") && key.verify(&body, &headers).is_ok() {
        let id = headers[HEADER_WEBHOOK_ID].to_str().expect("a name is ASCII").to_owned();
        let body = serde_json::from_slice(&body).expect("a message is JSON");
        let message = Got { id, body };
        got.lock().expect("no test panics while it writes down").push(message.clone());
        answer(&message)
    } else {
        400
    };
    write!(
        &stream,
        "HTTP/1.1 {status} so\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
}
