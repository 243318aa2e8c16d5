//! What a host tells whoever runs it: lines on standard error, and the spans of requests to a collector of OpenTelemetry.
//!
//! Nothing here says what was in a body or a key.

use std::io;

use anyhow::Context as _;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use clap::ValueEnum;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing::field::Empty;
use tracing::{Instrument as _, Level, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt};

use super::extract::{method_of, route_of};
use crate::webhook;

/// How lines on standard error are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

/// Which lines are written: these, and what weighs more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What the host could not do.
    Error,
    /// What a person should see to.
    Warn,
    /// What was changed, and that the host began and ended.
    Info,
    /// Every request.
    Debug,
}

/// Tells until it is dropped; then what was not sent yet is sent.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Begins to tell, and to send spans to a collector if its URL is named.
    ///
    /// # Errors
    ///
    /// If the URL is none, or this process tells already.
    pub(crate) fn start(format: LogFormat, level: LogLevel, collector: Option<&str>) -> anyhow::Result<Self> {
        let provider = collector.map(provider).transpose()?;
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(false).with_target(false);
        let lines = match format {
            LogFormat::Text => lines.compact().boxed(),
            LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        };
        let spans = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("jifen"))
                .with_filter(LevelFilter::INFO)
        });
        let lines = lines.with_filter(LevelFilter::from_level(level.into()));
        Registry::default().with(lines).with(spans).try_init().context("begin to log")?;
        Ok(Self(provider))
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0 {
            // A collector that is gone hears no more; nobody waits for it.
            provider.shutdown().ok();
        }
    }
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

fn provider(collector: &str) -> anyhow::Result<SdkTracerProvider> {
    let named = || format!("send traces to {collector}");
    let url = format!("{}/v1/traces", collector.trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let exporter = exporter.with_endpoint(url).with_http_client(webhook::blocking_client()?);
    let resource = Resource::builder().with_service_name("jifen").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter.build().with_context(named)?);
    Ok(provider.with_resource(resource).build())
}

/// The headers of a request, for whoever looks for the trace that it belongs to.
struct Headers<'r>(&'r HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

/// Answers a request within a span, as part of the trace that it says it belongs to (W3C Trace Context).
pub(super) async fn within_span(request: Request, next: Next) -> Response {
    let (method, route) = (method_of(&request), route_of(&request));
    let span = info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        trace_id = Empty,
    );
    let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
    let context = parent.span().span_context().clone();
    // Nobody is asked where nothing is sent.
    drop(span.set_parent(parent));
    let own = span.context().span().span_context().clone();
    for known in [&own, &context] {
        if known.is_valid() {
            span.record("trace_id", known.trace_id().to_string());
            break;
        }
    }
    let response = next.run(request).instrument(span.clone()).await;
    record(&span, &response);
    response
}

fn record(span: &Span, response: &Response) {
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
