//! The paths of the API, and what each answers: those of Toxiproxy 2.12, and a live view of connections.
//!
//! Refuses to know what a proxy is beyond its JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::admin::bounds::BODY_MAX;
use crate::admin::draft::{read_draft, read_drafts};
use crate::admin::error::AdminError;
use crate::admin::fleet::ProxyFleet;
use crate::admin::metrics;
use crate::admin::toxic::ToxicDraft;
use crate::grammar::read_json;

/// The proxies, shared by all requests: one at a time.
pub(crate) type SharedFleet = Arc<Mutex<ProxyFleet>>;
type ApiAnswer = Result<Response<Body>, AdminError>;

/// The API whose behavior this one has.
const TOXIPROXY: &str = "2.12.0";
const PATHS: &str = "the paths are /proxies, /proxies/NAME, /proxies/NAME/toxics, /proxies/NAME/toxics/NAME, \
                     /proxies/NAME/connections, /connections, /populate, /reset, /version and /metrics";

/// All paths.
pub(crate) fn router(fleet: SharedFleet) -> Router {
    Router::new()
        .route("/proxies", get(list).post(create))
        .route("/populate", axum::routing::post(populate))
        .route("/proxies/{proxy}", get(show).post(update).patch(update).delete(delete))
        .route("/proxies/{proxy}/toxics", get(list_toxics).post(add_toxic))
        .route(
            "/proxies/{proxy}/toxics/{toxic}",
            get(show_toxic).post(change_toxic).patch(change_toxic).delete(remove_toxic),
        )
        .route("/proxies/{proxy}/connections", get(list_connections))
        .route("/connections", get(list_all_connections))
        .route("/reset", axum::routing::post(reset))
        .route("/version", get(version))
        .route("/metrics", get(list_metrics))
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn(refuse_browsers))
        .with_state(fleet)
}

/// A page in a browser must not command proxies by a form or a script (as Toxiproxy has it).
async fn refuse_browsers(request: Request, next: Next) -> ApiAnswer {
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    if agent.is_some_and(|agent| agent.starts_with("Mozilla/")) || request.headers().contains_key(header::ORIGIN) {
        return Err(AdminError::Browser);
    }
    // An idle connection would keep others out, whose number is bounded.
    let close = HeaderValue::from_static("close");
    tracing::debug!(method = %request.method(), path = request.uri().path(), "asked");
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONNECTION, close);
    Ok(response)
}

async fn no_path(request: Request) -> ApiAnswer {
    Err(AdminError::Path(format!("{}; {PATHS}", request.uri().path())))
}

async fn no_method(request: Request) -> ApiAnswer {
    Err(AdminError::Method(format!("{} {}", request.method(), request.uri().path())))
}

/// An answer with a body.
fn answer(status: StatusCode, body: &impl Serialize) -> ApiAnswer {
    let body = serde_json::to_string(body).map_err(|error| AdminError::System(format!("write JSON: {error}")))?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The body of a request.
async fn body(request: Request) -> Result<Bytes, AdminError> {
    let too_long = |_| AdminError::Body(format!("it breaks off, or is longer than {BODY_MAX} bytes"));
    to_bytes(request.into_body(), BODY_MAX).await.map_err(too_long)
}

async fn toxic_draft(request: Request) -> Result<ToxicDraft, AdminError> {
    read_json(&body(request).await?).map_err(|bad| AdminError::Body(bad.to_string()))
}

async fn list(State(fleet): State<SharedFleet>) -> ApiAnswer {
    let fleet = fleet.lock().await;
    let proxies: BTreeMap<&str, _> = fleet.all().map(|proxy| (proxy.name(), proxy.json())).collect();
    answer(StatusCode::OK, &proxies)
}

async fn create(State(fleet): State<SharedFleet>, request: Request) -> ApiAnswer {
    let draft = read_draft(&body(request).await?)?;
    answer(StatusCode::CREATED, &fleet.lock().await.create(draft).await?)
}

async fn populate(State(fleet): State<SharedFleet>, request: Request) -> ApiAnswer {
    let drafts = read_drafts(&body(request).await?)?;
    let (proxies, error) = fleet.lock().await.populate(drafts).await;
    let Some(error) = error else { return answer(StatusCode::CREATED, &json!({ "proxies": proxies })) };
    let mut body = error.json();
    body["proxies"] = serde_json::to_value(proxies).unwrap_or(Value::Null);
    answer(error.status(), &body)
}

async fn show(State(fleet): State<SharedFleet>, Path(proxy): Path<String>) -> ApiAnswer {
    answer(StatusCode::OK, &fleet.lock().await.proxy(&proxy)?.json())
}

async fn update(State(fleet): State<SharedFleet>, Path(proxy): Path<String>, request: Request) -> ApiAnswer {
    let draft = read_draft(&body(request).await?)?;
    answer(StatusCode::OK, &fleet.lock().await.update(&proxy, draft).await?)
}

async fn delete(State(fleet): State<SharedFleet>, Path(proxy): Path<String>) -> ApiAnswer {
    fleet.lock().await.delete(&proxy).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_toxics(State(fleet): State<SharedFleet>, Path(proxy): Path<String>) -> ApiAnswer {
    let fleet = fleet.lock().await;
    answer(StatusCode::OK, &fleet.proxy(&proxy)?.toxics().collect::<Vec<_>>())
}

async fn add_toxic(State(fleet): State<SharedFleet>, Path(proxy): Path<String>, request: Request) -> ApiAnswer {
    let draft = toxic_draft(request).await?;
    answer(StatusCode::OK, fleet.lock().await.proxy_mut(&proxy)?.add(draft)?)
}

async fn show_toxic(State(fleet): State<SharedFleet>, Path((proxy, toxic)): Path<(String, String)>) -> ApiAnswer {
    answer(StatusCode::OK, fleet.lock().await.proxy(&proxy)?.toxic(&toxic)?)
}

async fn change_toxic(
    State(fleet): State<SharedFleet>,
    Path((proxy, toxic)): Path<(String, String)>,
    request: Request,
) -> ApiAnswer {
    let draft = toxic_draft(request).await?;
    answer(StatusCode::OK, fleet.lock().await.proxy_mut(&proxy)?.change(&toxic, draft)?)
}

async fn remove_toxic(State(fleet): State<SharedFleet>, Path((proxy, toxic)): Path<(String, String)>) -> ApiAnswer {
    fleet.lock().await.proxy_mut(&proxy)?.remove(&toxic)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_connections(State(fleet): State<SharedFleet>, Path(proxy): Path<String>) -> ApiAnswer {
    answer(StatusCode::OK, &fleet.lock().await.proxy(&proxy)?.ledger().connections())
}

async fn list_all_connections(State(fleet): State<SharedFleet>) -> ApiAnswer {
    let fleet = fleet.lock().await;
    let connections: BTreeMap<&str, _> =
        fleet.all().map(|proxy| (proxy.name(), proxy.ledger().connections())).collect();
    answer(StatusCode::OK, &connections)
}

async fn reset(State(fleet): State<SharedFleet>) -> ApiAnswer {
    fleet.lock().await.reset().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn version() -> ApiAnswer {
    answer(StatusCode::OK, &json!({ "version": TOXIPROXY, "pulseless": env!("CARGO_PKG_VERSION") }))
}

async fn list_metrics(State(fleet): State<SharedFleet>) -> ApiAnswer {
    let page = metrics::page(&*fleet.lock().await);
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response())
}
