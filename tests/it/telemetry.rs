//! What a host tells whoever runs it: lines on standard error, and spans for a collector.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use crate::service::{Answer, Host};
use crate::town::{Town, purchase, text};

const NOON: &str = "2025-07-25T12:00:00+08:00";
/// As the standard shows one.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Starts a host on the program at work.
fn start(town: &Town, more: &[&str]) -> Host {
    town.program(&[("spend", "spend", "base", "")]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    Host::start(&mut town.jifen(&[&["serve", "--ledger", "l.db", "--listen", "127.0.0.1:0"], more].concat()))
}

/// Sends an event as part of a trace.
fn buy(host: &Host) {
    let event = purchase("1", "ann", NOON, 100).to_string();
    let request = host.request("/v1/events").header("content-type", "application/json");
    let request = request.header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"));
    assert_eq!(Answer::to(request.body(event)).status, 200);
}

#[test]
fn lines_are_json_if_wanted() {
    let town = Town::new();
    let host = start(&town, &["--log", "json", "--log-level", "debug"]);
    buy(&host);
    host.post("/v1/keys?secret=no", "{}");
    let made = host.post("/v1/keys", json!({"role": "operator", "name": "赵敏"}).to_string()).json();
    let key = text(&made["secret"]);
    assert_eq!(Answer::to(host.with(key, "get", "/v1/keys")).status, 200);
    host.tell_to_stop();
    let (code, told) = host.end();
    assert_eq!(code, Some(0), "{told}");
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let line = |message: &str, field: &str, value: Value| {
        let found = lines.iter().find(|line| line["message"] == message && line[field] == value);
        found.unwrap_or_else(|| panic!("{message} {field}: {value} in {told}"))
    };
    let answered = line("answered", "path", json!("/v1/events"));
    assert_eq!(
        (&answered["level"], &answered["method"], &answered["status"]),
        (&json!("DEBUG"), &json!("POST"), &json!("200"))
    );
    assert!(answered["timestamp"].is_string() && answered["microseconds"].is_u64(), "{answered}");
    assert_eq!(answered["span"]["trace_id"], TRACE);
    let asked = line("asked to change or to try something", "route", json!("/v1/keys"));
    assert!(!told.contains("secret=no"), "what stands behind a path is for the trail: {told}");
    let secret = key.rsplit('_').next().expect("it has parts");
    assert!(!told.contains(secret), "a key is nobody's to read: {told}");
    assert_eq!(
        (&asked["level"], &asked["status"], &asked["who"]),
        (&json!("INFO"), &json!(400), &json!("anybody"))
    );
}

#[test]
fn lines_are_for_people_and_as_few_as_wanted() {
    let town = Town::new();
    let host = start(&town, &[]);
    // A supervisor's reload, which has nothing to read again here.
    host.tell("-HUP");
    buy(&host);
    host.tell_to_stop();
    let (code, told) = host.end();
    assert_eq!(code, Some(0));
    let lines: Vec<_> = told.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("INFO listens on http://127.0.0.1:"), "{told}");
    assert!(lines[1].contains("INFO was told to stop"), "{told}");
}

/// Answers a request, and returns its body; nothing where only a connection comes.
fn collector(listener: &TcpListener) -> Vec<u8> {
    let (stream, _) = listener.accept().expect("somebody sends");
    let mut reader = BufReader::new(&stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length is a number");
        }
        assert!(!header.starts_with("post") || header.starts_with("post /v1/traces "), "{header}");
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("it is sent whole");
    // Whoever sent nothing does not hear it.
    write!(&stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
    body
}

#[test]
fn requests_are_spans_of_their_traces() {
    let town = Town::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it listens");
    let collecting = thread::spawn(move || collector(&listener));
    let host = start(&town, &["--otlp", &format!("http://{address}/")]);
    buy(&host);
    // What is not sent yet is sent in the end.
    host.tell_to_stop();
    assert_eq!(host.wait(), Some(0));
    // Where nothing was sent, it is not waited for.
    drop(TcpStream::connect(address));
    let sent = collecting.join().expect("it is sent");
    let trace = hex::decode(TRACE).expect("it is hexadecimal");
    for (what, bytes) in [("the trace", &*trace), ("the name", b"POST /v1/events"), ("the service", b"jifen")]
    {
        assert!(sent.windows(bytes.len()).any(|window| window == bytes), "{what} is not in {sent:?}");
    }
}

/// A collector that is gone keeps nobody waiting.
#[test]
fn a_host_goes_on_without_its_collector() {
    let town = Town::new();
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = free.local_addr().expect("it listens");
    drop(free);
    assert!(TcpStream::connect(address).is_err());
    let host = start(&town, &["--otlp", &format!("http://{address}")]);
    buy(&host);
    host.tell_to_stop();
    assert_eq!(host.wait(), Some(0));
}
