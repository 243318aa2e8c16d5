//! A service for tests: a host of its own on loopback, and a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reqwest::Certificate;
use reqwest::blocking::{Client, ClientBuilder, RequestBuilder};
use reqwest::header::HeaderMap;
use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A host that serves. It is killed with the test, unless it was stopped.
pub(crate) struct Host {
    process: Child,
    /// Reads what it says on standard error to its end.
    told: Option<JoinHandle<String>>,
    scheme: String,
    address: SocketAddr,
    client: Client,
}

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Host {
    /// Starts `jifen serve`, told to listen on a free port.
    pub(crate) fn start(jifen: &mut Command) -> Self {
        let mut process = jifen.stderr(Stdio::piped()).spawn().expect("jifen starts");
        let mut told = BufReader::new(process.stderr.take().expect("it is piped"));
        let mut said = String::new();
        let (scheme, address) = loop {
            let before = said.len();
            assert!(told.read_line(&mut said).expect("it is text") > 0, "the host does not listen: {said}");
            let url = said[before..].split("listens on ").nth(1).and_then(|rest| rest.split(';').next());
            if let Some((scheme, address)) = url.and_then(|url| url.split_once("://")) {
                break (scheme.to_owned(), address.parse().expect("it is an address"));
            }
        };
        // It must not wait for somebody to read on.
        let told = thread::spawn(move || {
            told.read_to_string(&mut said).expect("it is text");
            said
        });
        Self {
            process,
            told: Some(told),
            scheme,
            address,
            client: client().build().expect("a client of its own"),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        Answer::to(self.client.get(self.url(path)))
    }

    /// Sends a body as JSON.
    pub(crate) fn post(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.client.post(self.url(path)).header("content-type", "application/json");
        Answer::to(request.body(body.into()))
    }

    /// Returns a request to be sent by [`Answer::to`].
    pub(crate) fn request(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path))
    }

    /// Returns a request that puts something there, to be sent by [`Answer::to`].
    pub(crate) fn put(&self, path: &str) -> RequestBuilder {
        self.client.put(self.url(path))
    }

    /// Returns a request of somebody who shows a key, to be sent by [`Answer::to`].
    pub(crate) fn with(&self, key: &str, method: &str, path: &str) -> RequestBuilder {
        let method = method.to_uppercase().parse().expect("it is a method");
        self.client.request(method, self.url(path)).bearer_auth(key)
    }

    /// Sends JSON of somebody who shows a key.
    pub(crate) fn post_with(&self, key: &str, path: &str, body: &Value) -> Answer {
        let request = self.with(key, "post", path).header("content-type", "application/json");
        Answer::to(request.body(body.to_string()))
    }

    /// Sends events of somebody who shows a key.
    pub(crate) fn events_with(&self, key: &str, events: &Value) -> Answer {
        self.post_with(key, "/v1/events", events)
    }

    /// Sends events, one or an array of them.
    pub(crate) fn events(&self, events: &Value) -> Answer {
        self.post("/v1/events", events.to_string())
    }

    /// Sends bytes, and returns what comes back until the host closes the connection.
    pub(crate) fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("the host listens");
        stream.write_all(bytes.as_bytes()).expect("the host reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it is text");
        answer
    }

    /// Announces a body, and sends none of it for as long as the connection is held. Returns once the host waits for it.
    pub(crate) fn stall(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("the host listens");
        write!(stream, "{head}Expect: 100-continue\r\n\r\n").expect("the host reads");
        let mut line = [0; 12];
        stream.read_exact(&mut line).expect("the host asks for it, or says why not");
        assert_eq!(line, *b"HTTP/1.1 100");
        stream
    }

    /// Tells the host to stop, as a supervisor does, without waiting for it.
    pub(crate) fn tell_to_stop(&self) {
        self.tell("-TERM");
    }

    /// Tells the host something by a signal.
    pub(crate) fn tell(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let told = kill.args([signal, &self.process.id().to_string()]).status().expect("kill is there");
        assert!(told.success());
    }

    /// Asks on from a new connection, and trusts no certificate but this one, in PEM.
    pub(crate) fn trust(&mut self, certificate: &str) {
        let certificate = Certificate::from_pem(certificate.as_bytes()).expect("it is a certificate");
        self.client = client().tls_certs_only([certificate]).build().expect("a client of its own");
    }

    /// Waits until the host has ended, and returns its exit code.
    pub(crate) fn wait(self) -> Option<i32> {
        self.end().0
    }

    /// Waits until the host has ended, and returns its exit code and all that it said on standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.process.wait().expect("jifen ends").code();
        let told = self.told.take().expect("nobody waited for it before");
        (code, told.join().expect("it is text"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Answer {
    /// Sends a request and reads the answer.
    pub(crate) fn to(request: RequestBuilder) -> Self {
        Self::try_to(request).expect("the host answers")
    }

    /// Sends a request and reads the answer, or says why there is none.
    pub(crate) fn try_to(request: RequestBuilder) -> Result<Self, String> {
        let response = request.send().map_err(|error| format!("{error:?}"))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().expect("it is text") })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the answer's header, empty if it has none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("it is text"))
    }
}

/// The client's TLS wants to know whose cryptography it uses, whether or not anything is encrypted.
fn client() -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    // What gives way to others takes its time where all tests run at once.
    Client::builder().timeout(PATIENCE)
}
