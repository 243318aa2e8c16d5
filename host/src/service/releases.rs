//! Releases: components that come in, what is tried of them, and under which names programs can deploy them.

use std::path::Path;
use std::sync::Arc;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jifen_engine::limits::Limits;
use jifen_ledger::{Publication, Release};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::extract::{Named, Parameters, page};
use super::intake::Desk;
use super::problem::Problem;
use super::{BODY_BYTES_MAX, RELEASE_BYTES_MAX, Shared, is_name};
use crate::clock;
use crate::gates::{CASES_MAX, Finding, GateReport, Upload};

/// Publications of a page.
const PAGE: usize = 100;

/// A release, as it is sent with its cases.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only described: the parts are read one by one")]
pub(super) struct Parts {
    /// The component.
    #[schema(content_media_type = "application/wasm", value_type = String, format = Binary)]
    component: Vec<u8>,
    /// Its signature, as `jifen sign` writes it, where releases are signed: 64 bytes.
    #[schema(content_media_type = "application/octet-stream", value_type = Option<String>, format = Binary)]
    signature: Option<Vec<u8>>,
    /// Its cases, a file each: JSON as in a policy's `cases/`. At least one.
    #[schema(value_type = Vec<String>)]
    case: Vec<String>,
}

/// A release that was published.
#[derive(Serialize, ToSchema)]
pub(super) struct PublicationLine {
    /// The policy's name.
    #[schema(example = "market-day")]
    policy: String,
    /// Its version.
    #[schema(example = "0.1.0")]
    version: String,
    /// The SHA-256 of the component.
    digest: String,
    /// When it was published, by the clock of the host that took it.
    published: String,
}

impl From<&Publication> for PublicationLine {
    fn from(publication: &Publication) -> Self {
        Self {
            policy: publication.policy.clone(),
            version: publication.version.clone(),
            digest: hex::encode(publication.release),
            published: publication.made_at.to_string(),
        }
    }
}

/// Where a page begins.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Behind {
    /// Only what is behind this, such as `market-day@0.1.0`.
    #[param(pattern = r"^[^@\x00-\x1f\x7f-\x9f]*@[^\x00-\x1f\x7f-\x9f]*$")]
    after: Option<String>,
}

/// A page of what was published.
#[derive(Serialize, ToSchema)]
pub(super) struct Publications {
    /// By policy and version.
    releases: Vec<PublicationLine>,
    /// What `after` is of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Publish a release of a policy.
///
/// Its component, with its cases, is put through the gates: whether it keeps the contract and the bounds, says what it is, answers its
/// cases, keeps its promises and is fair. The answer is what was tried, with its evidence. A release that passes can be deployed by
/// name on every host of the ledger; a name that was given is never given to another component.
#[utoipa::path(
    put,
    path = "/v1/policies/{policy}/releases/{version}",
    tag = "policies",
    params(
        ("policy" = String, Path, description = "The policy's name", example = "market-day", pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 64),
        ("version" = String, Path, description = "Its semantic version", example = "0.1.0", pattern = r"^(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}(-[a-z][a-z0-9]{0,8}(\.[a-z][a-z0-9]{0,8})?)?$"),
    ),
    request_body(content = Parts, content_type = "multipart/form-data"),
    responses(
        (
            status = 201,
            description = "It is published: what was tried",
            body = GateReport,
            headers(("Location" = String, description = "Where it can be found")),
        ),
        (
            status = 200,
            description = "It was published before: what was tried then",
            body = GateReport,
            headers(("Location" = String, description = "Where it can be found")),
        ),
        (status = 400, description = "What was sent cannot be read", body = Problem),
        (status = 409, description = "Another component was published under that name", body = Problem),
        (status = 415, description = "The body is of another media type", body = Problem),
        (status = 422, description = "It does not pass: what was tried, in `report`", body = Problem),
    )
)]
pub(super) async fn put(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Named((policy, version)): Named<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let mut upload = Upload { policy, version, component: Vec::new(), cases: Vec::new(), signature: None };
    if let Some(wrong) = upload.misnamed() {
        return Err(Problem::malformed(wrong));
    }
    let parts = Multipart::from_request(request, &()).await.map_err(|_| {
        let how = "curl -X PUT -F component=@policy.wasm -F case=@cases/one.json";
        Problem::media_type(format!(
            "send multipart/form-data, a part `component` and a part `case` for each case: {how}"
        ))
    })?;
    read(parts, &mut upload).await?;
    caller.still(&service).await?;
    let place = format!("/v1/policies/{}/releases/{}", upload.policy, upload.version);
    let owner = caller.owner();
    let script = Limits::of(upload.component.len()).script;
    let room = if script { &service.scripts } else { &service.uploads };
    let (status, report) = service.one_of(room, move |desk| publish(desk, upload, owner)).await?;
    let headers = [(header::LOCATION, place.as_str()), (header::CONTENT_TYPE, "application/json")];
    Ok((status, headers, report).into_response())
}

/// Reads the parts of a release.
async fn read(mut parts: Multipart, upload: &mut Upload) -> Result<(), Problem> {
    let unread = |error: MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::body_too_large(RELEASE_BYTES_MAX),
        status => Problem::unread(status, &error, error.body_text()),
    };
    let mut case_bytes = 0_usize;
    while let Some(part) = parts.next_field().await.map_err(unread)? {
        let (name, case) = (part.name().unwrap_or_default().to_owned(), case_name(&part));
        let bytes = part.bytes().await.map_err(unread)?;
        match &*name {
            "component" if upload.component.is_empty() => upload.component = bytes.into(),
            "signature" if upload.signature.is_none() => upload.signature = Some(bytes.into()),
            "signature" => {
                return Err(Problem::malformed("a release has one signature, and two parts are named so"));
            }
            "component" => {
                return Err(Problem::malformed("a release has one component, and two parts are named so"));
            }
            "case" if upload.cases.len() >= CASES_MAX => {
                return Err(Problem::too_large(format!("a release has at most {CASES_MAX} cases")));
            }
            "case" => {
                case_bytes = case_bytes.saturating_add(bytes.len());
                if case_bytes > BODY_BYTES_MAX {
                    return Err(Problem::too_large(format!(
                        "cases have at most {BODY_BYTES_MAX} bytes together"
                    )));
                }
                let case = case.unwrap_or_else(|| format!("#{}", upload.cases.len().saturating_add(1)));
                let text = String::from_utf8(bytes.into());
                let text = text.map_err(|_| Problem::malformed(format!("case {case} is not UTF-8")))?;
                upload.cases.push((case, text));
            }
            _ => {
                let detail =
                    format!("there is a part {name:?}; the parts are `component`, `signature` and `case`");
                return Err(Problem::malformed(detail));
            }
        }
    }
    Ok(())
}

/// Returns the name of a case: that of its file, without the end.
fn case_name(part: &Field<'_>) -> Option<String> {
    Some(Path::new(part.file_name()?).file_stem()?.to_str()?.to_owned())
}

fn publish(desk: &Desk, upload: Upload, owner: Option<String>) -> Result<(StatusCode, Vec<u8>), Problem> {
    let others = || {
        Problem::forbidden(format!(
            "the policy {} is somebody else's; publish yours under a name that nobody has",
            upload.policy
        ))
    };
    let first = desk.ledger.publications(None, (&upload.policy, ""), 1)?;
    let is_ours = |it: &Publication| it.owner == owner;
    let first = first.iter().find(|first| first.policy == upload.policy);
    if first.map_or_else(|| owner.is_some() && desk.active().runs(&upload.policy), |first| !is_ours(first)) {
        return Err(others());
    }
    let digest = Sha256::digest(&upload.component).into();
    if let Some(found) = desk.ledger.publication(&upload.policy, &upload.version)? {
        return same(found, digest, StatusCode::OK);
    }
    let signed = || -> Result<_, Problem> {
        let signers = desk.ledger.signers_of(owner.as_deref())?;
        Ok(upload.signed(&digest, owner.as_deref(), &signers, desk.must_sign))
    };
    let mut report = desk.tried(&upload, signed()?)?;
    // Whoever signed it may have been revoked while it was tried.
    if report.accepted
        && let Some(finding) = signed()?.filter(|finding| !finding.passed)
    {
        report.refuse(finding);
    }
    if !report.accepted {
        return Err(Problem::release(report));
    }
    let Upload { policy, version, component, .. } = &upload;
    desk.ledger.put_release(&Release {
        digest,
        name: policy.clone(),
        version: version.clone(),
        component: component.clone(),
    })?;
    let report = serde_json::to_vec(&report).map_err(|_| Problem::broken())?;
    let publication = Publication {
        policy: policy.clone(),
        version: version.clone(),
        release: digest,
        made_at: clock::now(),
        report,
        owner: owner.clone(),
    };
    desk.ledger.publish(&publication)?;
    // Another host may have taken the name meanwhile, or the policy.
    let found = desk.ledger.publication(&publication.policy, &publication.version)?;
    same(found.filter(is_ours).ok_or_else(others)?, digest, StatusCode::CREATED)
}

/// Returns the report of what was published, if it is that component.
fn same(
    found: Publication,
    digest: jifen_ledger::Digest,
    status: StatusCode,
) -> Result<(StatusCode, Vec<u8>), Problem> {
    if found.release == digest {
        return Ok((status, found.report));
    }
    let Publication { policy, version, release, .. } = found;
    Err(Problem::taken(format!(
        "{policy} {version} is the component {}, for ever; publish this one under the next version",
        hex::encode(release)
    )))
}

impl Desk {
    /// Puts a release through the gates, on a cache that is thrown away.
    fn tried(&self, upload: &Upload, signed: Option<Finding>) -> Result<GateReport, Problem> {
        let cache = tempfile::tempdir().map_err(|error| Problem::failed(&error.into()))?;
        let report = upload.report(signed, || self.store.elsewhere(cache.path()), self.threads);
        report.map_err(|error| Problem::failed(&error.into()))
    }
}

/// Return what was tried of a release.
#[utoipa::path(
    get,
    path = "/v1/policies/{policy}/releases/{version}",
    tag = "policies",
    params(
        ("policy" = String, Path, description = "The policy's name", example = "market-day", pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 64),
        ("version" = String, Path, description = "Its semantic version", example = "0.1.0", pattern = r"^(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}(-[a-z][a-z0-9]{0,8}(\.[a-z][a-z0-9]{0,8})?)?$"),
    ),
    responses(
        (status = 200, description = "What was tried, and what came of it", body = GateReport),
        (status = 404, description = "There is no such release", body = Problem),
    )
)]
pub(super) async fn find(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Named((policy, version)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let found = service
        .ask(move |desk| {
            let named = is_name(&policy) && is_name(&version);
            let found = if named { desk.ledger.publication(&policy, &version)? } else { None };
            let found = found.filter(|found| caller.owns(found));
            found.ok_or_else(|| Problem::not_found(format!("there is no release {version:?} of {policy:?}")))
        })
        .await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], found.report).into_response())
}

/// Return what was published.
#[utoipa::path(
    get,
    path = "/v1/policies",
    tag = "policies",
    params(Behind),
    responses(
        (status = 200, description = "A page, by policy and version", body = Publications),
        (status = 400, description = "A parameter cannot be read", body = Problem),
    )
)]
pub(super) async fn all(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Parameters(Behind { after }): Parameters<Behind>,
) -> Result<Json<Publications>, Problem> {
    let after = after.unwrap_or_else(|| "@".to_owned());
    let Some((policy, version)) = after.split_once('@').filter(|_| is_name(&after)) else {
        return Err(Problem::malformed(format!(
            "after: {after:?} is no release; write the `next` of a page"
        )));
    };
    let (policy, version) = (policy.to_owned(), version.to_owned());
    let owner = caller.owner();
    let answer = service.ask(move |desk| {
        let (found, more) =
            page(PAGE, |limit| desk.ledger.publications(owner.as_deref(), (&policy, &version), limit))?;
        let next = found.last().filter(|_| more).map(|last| format!("{}@{}", last.policy, last.version));
        Ok(Publications { releases: found.iter().map(PublicationLine::from).collect(), next })
    });
    answer.await.map(Json)
}
