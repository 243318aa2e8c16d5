//! Webhooks: messages to one endpoint, signed as [Standard Webhooks] say.
//!
//! Each message has a name that stays the same however often it is sent, so that whoever gets it twice can tell.
//!
//! [Standard Webhooks]: https://www.standardwebhooks.com

use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt as _;
use futures_util::stream;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook, WebhookError,
};
use tokio::runtime::Runtime;

use crate::clock;

/// How long an endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Messages that are on their way at once.
const SIDE_BY_SIDE: usize = 16;
/// What a secret may be long, in characters of base64: 24 to 64 bytes.
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 32..=88;

/// Where messages go.
pub(crate) struct Endpoint {
    runtime: Runtime,
    client: Client,
    url: Url,
    keys: Vec<Webhook>,
}

/// A message.
pub(crate) struct Message {
    /// Its name, for ever: visible ASCII without a full stop.
    pub(crate) id: String,
    /// Its JSON.
    pub(crate) body: Vec<u8>,
}

impl Endpoint {
    /// Prepares to send to a URL, signed with each of some secrets, one a line.
    ///
    /// # Errors
    ///
    /// If the URL or a secret is none, or the machine's certificates cannot be read.
    pub(crate) fn new(url: &str, secrets: &str) -> anyhow::Result<Self> {
        let url = Url::parse(url).with_context(|| format!("read the endpoint {url:?}"))?;
        anyhow::ensure!(
            matches!(url.scheme(), "http" | "https"),
            "the endpoint {url} is not one of HTTP; name one"
        );
        let lines = (1..).zip(secrets.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
        let keys =
            lines.map(|(number, line)| key(line).with_context(|| format!("line {number} of the secrets")));
        let keys = keys.collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(
            !keys.is_empty(),
            "there is no secret; write one a line, such as whsec_ and 32 bytes in base64"
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { runtime: runtime.context("begin to send")?, client: client()?, url, keys })
    }

    /// Sends messages, some at once, and returns what became of each in their order: nothing, or what went wrong.
    pub(crate) fn send(&self, messages: &[Message]) -> Vec<Result<(), String>> {
        let all = stream::iter(messages).map(|message| self.send_one(message));
        self.runtime.block_on(all.buffered(SIDE_BY_SIDE).collect())
    }

    async fn send_one(&self, message: &Message) -> Result<(), String> {
        // A receiver holds it against its own clock.
        let seconds = clock::now().millis().div_euclid(1_000);
        let signature = self.signature(message, seconds).map_err(|error| error.to_string())?;
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header(HEADER_WEBHOOK_ID, &message.id)
            .header(HEADER_WEBHOOK_TIMESTAMP, seconds)
            .header(HEADER_WEBHOOK_SIGNATURE, signature)
            .body(message.body.clone());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(refusal(answer.status())),
            Err(error) => Err(chain(&error.without_url())),
        }
    }

    /// Returns the signatures of a message by every key, so that a key can be changed while both are in use.
    fn signature(&self, message: &Message, seconds: i64) -> Result<String, WebhookError> {
        let sign = |key: &Webhook| key.sign(&message.id, seconds, &message.body);
        self.keys.iter().map(sign).collect::<Result<Vec<_>, _>>().map(|all| all.join(" "))
    }
}

/// Returns what sends to others beside webhooks, and waits for their answers.
///
/// # Errors
///
/// If the machine's certificates cannot be read.
pub(crate) fn blocking_client() -> anyhow::Result<reqwest::blocking::Client> {
    encrypt();
    let client = reqwest::blocking::Client::builder().timeout(PATIENCE).redirect(Policy::none());
    client.user_agent("jifen").build().context("prepare to send")
}

/// Says whose cryptography this process uses, unless whoever was first has said it.
fn encrypt() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

fn client() -> anyhow::Result<Client> {
    encrypt();
    let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).user_agent("jifen");
    client.build().context("prepare to send")
}

/// Reads a secret: `whsec_` and base64, or base64 alone.
fn key(secret: &str) -> anyhow::Result<Webhook> {
    let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
    let mend = "write whsec_ and 24 to 64 bytes in base64";
    anyhow::ensure!(SECRET_LENGTHS.contains(&encoded.len()), "has {} characters; {mend}", encoded.len());
    Webhook::new(secret).map_err(|error| anyhow::anyhow!("{error}; {mend}"))
}

fn refusal(status: StatusCode) -> String {
    format!("the endpoint answered {status}")
}

/// Returns an error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
