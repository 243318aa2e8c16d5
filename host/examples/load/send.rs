//! A client that sends events over several connections, each as soon as the last was answered.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use axum::body::Bytes;
use axum::http::{Request, StatusCode, header};
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Builder;

/// What is sent, and how far that is.
struct Work {
    address: SocketAddr,
    bodies: Vec<Bytes>,
    next: AtomicUsize,
}

pub(crate) fn run(
    address: SocketAddr,
    connections: usize,
    batch: usize,
    files: &[&str],
) -> anyhow::Result<()> {
    let events = files.iter().map(|file| lines(file)).collect::<anyhow::Result<Vec<_>>>()?.concat();
    let bodies = events.chunks(batch).map(|events| match events {
        [event] => Bytes::from(event.clone()),
        events => Bytes::from(format!("[{}]", events.join(","))),
    });
    let work = Arc::new(Work { address, bodies: bodies.collect(), next: AtomicUsize::new(0) });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let began = Instant::now();
    let mut taken = runtime.block_on(async {
        let clients: Vec<_> = (0..connections).map(|_| tokio::spawn(client(Arc::clone(&work)))).collect();
        let mut taken = Vec::with_capacity(work.bodies.len());
        for client in clients {
            taken.extend(client.await??);
        }
        Ok::<_, anyhow::Error>(taken)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    taken.sort_unstable();
    let at = |percent: usize| taken.get(taken.len().saturating_mul(percent).div_euclid(100));
    let ms = |taken: Option<&Duration>| taken.copied().unwrap_or_default().as_secs_f64() * 1_000.0;
    println!(
        "{{\"events\":{},\"seconds\":{seconds},\"p50_ms\":{},\"p99_ms\":{},\"worst_ms\":{}}}",
        events.len(),
        ms(at(50)),
        ms(at(99)),
        ms(taken.last())
    );
    Ok(())
}

fn lines(file: &str) -> anyhow::Result<Vec<String>> {
    let mut reader = BufReader::new(File::open(file).with_context(|| format!("open {file}"))?);
    let gzipped = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> =
        if gzipped { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
    Ok(BufReader::new(reader).lines().collect::<std::io::Result<_>>()?)
}

/// Sends what is next over one connection, until nothing is left.
async fn client(work: Arc<Work>) -> anyhow::Result<Vec<Duration>> {
    let stream = TcpStream::connect(work.address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut taken = Vec::new();
    while let Some(body) = work.bodies.get(work.next.fetch_add(1, Ordering::Relaxed)) {
        let request = Request::post("/v1/events").header(header::HOST, "jifen");
        let request =
            request.header(header::CONTENT_TYPE, "application/json").body(Full::new(body.clone()))?;
        let began = Instant::now();
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&answer));
        taken.push(began.elapsed());
    }
    Ok(taken)
}
