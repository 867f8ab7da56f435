//! `/metrics`: Prometheus text. Counters are kept where things happen; gauges are read here.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::problem;
use crate::daemon::handle::Handle;

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Seconds: from a commit on a good disk to a request that waited for a poor one.
const SECONDS: &[f64] = &[0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Events of a batch.
const EVENTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Installs the recorder, once a process.
pub fn install() {
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
            .and_then(|b| b.set_buckets_for_metric(Matcher::Full("ifthen_batch_events".into()), EVENTS));
        let handle = builder.and_then(|b| b.install_recorder());
        if let Err(error) = &handle {
            tracing::warn!(%error, "there will be no metrics");
        }
        describe();
        handle.ok()
    });
}

/// How often what was measured is summed up: until then every single value is kept.
const EVERY: std::time::Duration = std::time::Duration::from_secs(5);

/// Sums up what was measured, every few seconds, for as long as the process lives: nobody may ever ask for it.
pub async fn tend() {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        sum_up();
    }
}

/// Sums up what was measured since the last time.
pub fn sum_up() {
    if let Some(Some(handle)) = RECORDER.get() {
        handle.run_upkeep();
    }
}

fn describe() {
    metrics::describe_counter!("ifthen_events_total", "Events committed, those that decisions emitted among them");
    metrics::describe_counter!("ifthen_log_lines_total", "Lines of the action log, by action and outcome: what was decided");
    metrics::describe_counter!("ifthen_turns_total", "Turns committed");
    metrics::describe_counter!("ifthen_commit_failures_total", "Turns that could not be committed");
    metrics::describe_counter!("ifthen_attempts_total", "Attempts of calls, by channel and outcome");
    metrics::describe_counter!("ifthen_requests_total", "Webhook requests, by result");
    metrics::describe_histogram!("ifthen_commit_seconds", "From the batch's decision to its fsync");
    metrics::describe_histogram!("ifthen_batch_events", "Events of a batch");
    metrics::describe_histogram!("ifthen_request_seconds", "Webhook requests, from their head to the answer");
    metrics::describe_gauge!("ifthen_calls_waiting", "Calls that are neither done nor dead");
    metrics::describe_gauge!("ifthen_calls_performing", "Calls on their way");
    metrics::describe_gauge!("ifthen_quarantine_items", "Items in quarantine, by source");
    metrics::describe_gauge!("ifthen_queue_room", "Free places in the queue of submissions");
}

/// The text.
pub(super) async fn render(State(handle): State<Handle>) -> Response {
    let Some(Some(recorder)) = RECORDER.get() else {
        return problem(StatusCode::NOT_FOUND, "no-metrics", "no recorder is installed");
    };
    let status = handle.status();
    metrics::gauge!("ifthen_calls_waiting").set(status.calls.load(Ordering::Relaxed) as f64);
    metrics::gauge!("ifthen_calls_performing").set(status.performing.load(Ordering::Relaxed) as f64);
    metrics::gauge!("ifthen_queue_room").set(handle.room() as f64);
    let held = status.quarantine.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    for (source, count) in held {
        metrics::gauge!("ifthen_quarantine_items", "source" => source).set(count as f64);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.render()).into_response()
}
