//! The life of calls: when an attempt may start, what its outcome means, when to try again, what a connection's budget allows.
//!
//! `queued → started → (done | retrying → queued | dead)`; a crash while started makes the outcome unknown, and the call is tried
//! again under the same key. That an attempt starts is committed before it is made.

use std::sync::Arc;

use super::action::Doing;
use super::approval::Marker;
use super::budget::{Budget, after};
use super::call::{Call, CallId, Class, Outcome as Ended, Request, Retry, Status};
use super::consent;
use super::decide::{By, Deciding};
use super::definition::{Connection, Deliver};
use super::event::{Body, Command};
use super::flow;
use super::log::Outcome;
use super::mail;
use super::merging;
use super::planted::Bug;
use super::quiet;
use super::scope::Stop;
use super::state::{Entry, Key, Need};
use super::value::{Map, Value};
use jiff::SignedDuration;

/// A call to be made.
pub(super) struct Order<'a> {
    connection: &'a str,
    lane: String,
    request: Request,
    pub(super) emit: Option<String>,
    pub(super) retry: Option<Vec<Retry>>,
    /// Quiet hours do not hold it.
    urgent: bool,
    /// See [`Call::markers`].
    pub(super) markers: Vec<Marker>,
    /// The run it is part of does not wait for it.
    pub(super) unwaited: bool,
}

impl<'a> Order<'a> {
    pub(super) fn new(connection: &'a str, lane: String, request: Request) -> Self {
        Self { connection, lane, request, emit: None, retry: None, urgent: false, markers: Vec::new(), unwaited: false }
    }

    pub(super) fn urgent(self, urgent: bool) -> Self {
        Self { urgent, ..self }
    }
}

/// Puts a call into the outbox, or shows it in the log where something is on preview.
pub(super) fn order(draft: &mut Deciding<'_>, order: Order<'_>, doing: &Doing<'_>) -> Result<Option<CallId>, Stop> {
    let Order { connection: name, lane, request, emit, retry, urgent, markers, unwaited } = order;
    let connection = draft.definitions.connections.get(name);
    let connection = connection.ok_or_else(|| Stop::Unevaluable(format!("there is no connection {name}")))?;
    let mut detail = shown(&request);
    detail.insert("connection".into(), name.into());
    let record = doing.record.cloned();
    if connection.deliver == Deliver::Preview || doing.by.preview {
        detail.insert("reason".into(), "preview".into());
        draft.say_of(doing.by, record, request.action(), Outcome::Suppressed, Value::Map(detail));
        return Ok(None);
    }
    if doing.by.silent {
        detail.insert("reason".into(), "import".into());
        draft.say_of(doing.by, record, request.action(), Outcome::Suppressed, Value::Map(detail));
        return Ok(None);
    }
    if let Some(former) = former(draft, name, &request, doing)? {
        return Ok(Some(former));
    }
    let id = CallId { seq: draft.event.seq, n: draft.number() };
    detail.insert("call".into(), id.to_string().into());
    draft.say_of(doing.by, record.clone(), request.action(), Outcome::Fired, Value::Map(detail));
    let call = Call {
        id,
        connection: name.to_owned(),
        lane,
        record,
        by: doing.by.text(),
        run: doing.by.run.clone().filter(|_| !unwaited),
        emit,
        request,
        generation: 0,
        depth: draft.depth(),
        tried: false,
        unknown: false,
        urgent,
        markers,
        own: None,
        carries: Vec::new(),
        status: Status::Queued,
        attempt: 0,
        due: draft.now,
        error: None,
        exact: doing.retry.is_some(),
        beside: false,
        cancelled: false,
        retry: doing.retry.map(<[Retry]>::to_vec).or(retry).unwrap_or_else(|| connection.retry.clone()),
    };
    draft.put(Key::Call(id), Entry::Call(call));
    Ok(Some(id))
}

/// The call that said this before, where its step is done again: it goes again under its key, now; one that is not dead goes on.
fn former(draft: &mut Deciding<'_>, connection: &str, request: &Request, doing: &Doing<'_>) -> Result<Option<CallId>, Need> {
    for (n, id) in draft.former.clone().into_iter().enumerate() {
        let Some(call) = load(draft, id)? else { continue };
        let said = call.own.as_deref().unwrap_or(&call.request);
        if call.run == doing.by.run && call.connection == connection && said == request {
            draft.former.remove(n);
            if call.status == Status::Dead {
                say(draft, &call, Outcome::Retrying, vec![("reason", "asked for".into())])?;
                at_once(draft, call)?;
            }
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// What the log shows of a request: enough to recognise it, not its whole.
fn shown(request: &Request) -> Map {
    let clip = |t: &str| -> Value {
        let mut short: String = t.chars().take(200).collect();
        if short.len() < t.len() {
            short.push('…');
        }
        short.into()
    };
    let members: Vec<(&str, Value)> = match request {
        Request::Email(m) => vec![("to", m.to.as_str().into()), ("subject", clip(&m.subject)), ("text", clip(&m.text))],
        // Whatever follows `?` may be a credential.
        Request::Http(h) => {
            vec![("method", h.method.as_str().into()), ("url", clip(h.url.split('?').next().unwrap_or_default()))]
        }
        Request::Dingtalk(m) | Request::Wecom(m) => {
            let mut at: Vec<String> = m.at.users.iter().chain(&m.at.mobiles).cloned().collect();
            if m.at.all {
                at.push("all".into());
            }
            let mut members = vec![("text", clip(&m.text))];
            if !at.is_empty() {
                members.push(("at", at.into()));
            }
            members
        }
    };
    members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

fn load(draft: &Deciding<'_>, id: CallId) -> Result<Option<Call>, Need> {
    Ok(draft.get(&Key::Call(id))?.and_then(|e| if let Entry::Call(c) = e.as_ref() { Some(c.clone()) } else { None }))
}

fn budget(draft: &Deciding<'_>, connection: &str) -> Result<Budget, Need> {
    let entry: Option<Arc<Entry>> = draft.get(&Key::Budget(connection.to_owned()))?;
    Ok(entry.and_then(|e| if let Entry::Budget(b) = e.as_ref() { Some(b.clone()) } else { None }).unwrap_or_default())
}

fn by_of(call: &Call) -> By {
    By { run: call.run.clone(), ..by_text(&call.by) }
}

/// Who is meant by [`By::text`].
pub(super) fn by_text(text: &str) -> By {
    let mut by = By::default();
    if let Some(rule) = text.strip_prefix("rule:") {
        by.rule = Some(rule.to_owned());
    } else if let Some(flow) = text.strip_prefix("flow:") {
        let (flow, step) = flow.rsplit_once('/').unwrap_or((flow, ""));
        by.flow = Some(flow.to_owned());
        by.step = Some(step.to_owned());
    }
    by
}

fn say(draft: &mut Deciding<'_>, call: &Call, outcome: Outcome, members: Vec<(&str, Value)>) -> Result<(), Need> {
    let mut detail: Map = members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    detail.insert("call".into(), call.id.to_string().into());
    detail.insert("attempt".into(), u64::from(call.attempt).into());
    // The log knows it by the record that it is about by now.
    let record = match &call.record {
        Some(at) => Some(draft.resolve(at)?),
        None => None,
    };
    draft.say_of(&by_of(call), record, call.request.action(), outcome, Value::Map(detail));
    Ok(())
}

/// The shell is ready to attempt the first of these; the others wait behind it and may be merged into it.
pub(super) fn start(draft: &mut Deciding<'_>, ids: &[CallId]) -> Result<(), Need> {
    let now = draft.now;
    let Some((first, waiting)) = ids.split_first() else { return Ok(()) };
    let Some(mut call) = load(draft, *first)?.filter(|c| c.status == Status::Queued) else { return Ok(()) };
    let key = Key::Budget(call.connection.clone());
    let mut budget = budget(draft, &call.connection)?;
    let connection: Option<&Connection> = draft.definitions.connections.get(&call.connection);
    let rate = connection.and_then(|c| c.rate);
    if connection.is_some_and(|c| c.deliver == Deliver::Preview) {
        return withdraw(draft, &call, vec![("reason", "preview".into())], After::Goes(Value::Null));
    }
    if call.due > now {
        return Ok(()); // told too early; it is told again
    }
    if let Some(until) = quiet::held(draft.definitions, &call, now) {
        // Out of its lane, so that it holds up nobody: what goes at the same time keeps its order.
        call.lane = quiet::lane(&call.lane, until);
        call.due = until;
        say(draft, &call, Outcome::Suppressed, vec![("reason", "quiet".into()), ("until", until.into())])?;
        draft.put(Key::Call(*first), Entry::Call(call));
        return Ok(());
    }
    if let Some(opens) = budget.opens(rate, now) {
        call.due = opens;
        draft.put(Key::Call(*first), Entry::Call(call));
        return Ok(());
    }
    flow::before_send(draft, &call)?;
    if load(draft, *first)?.is_none() {
        return Ok(()); // its run has just ended
    }
    if let Some(refusal) = consent::refused(draft, &call)? {
        // The run goes on: what to do about it is for its flow to say.
        let reason = refusal.first().map(|(_, reason)| reason.clone()).unwrap_or_default();
        return withdraw(draft, &call, refusal, After::Goes(Value::from([("suppressed", reason)])));
    }
    // One that was tried before may have arrived: its content, like its key, stays as it was.
    if !call.tried && call.markers.is_empty() && budget.room(rate, now) <= waiting.len() {
        carry(draft, &mut call, waiting)?;
    }
    budget.spend(rate, now);
    if rate.is_some() {
        draft.put(key, Entry::Budget(budget));
    }
    call.status = Status::Started;
    call.attempt += 1;
    consent::leaves(draft, &call)?;
    draft.put(Key::Call(*first), Entry::Call(call));
    Ok(())
}

/// Merges those waiting into the first, in order, as far as they fit. What may have arrived already stays out of it.
fn carry(draft: &mut Deciding<'_>, call: &mut Call, waiting: &[CallId]) -> Result<(), Need> {
    for id in waiting {
        let Some(mut next) = load(draft, *id)? else { continue };
        let later = next.due > draft.now || quiet::held(draft.definitions, &next, draft.now).is_some();
        let own = !next.carries.is_empty() || !next.markers.is_empty(); // what becomes of markers is longer than they are
        let alone = next.tried || next.run.is_some() || own || later;
        if next.status != Status::Queued || alone || next.connection != call.connection {
            break;
        }
        let Some(merged) = merging::merge(&call.request, &next.request) else { break };
        let before = std::mem::replace(&mut call.request, merged);
        call.own.get_or_insert_with(|| Box::new(before));
        call.carries.push(*id);
        next.status = Status::Merged(call.id);
        draft.put(Key::Call(*id), Entry::Call(next));
    }
    Ok(())
}

/// Takes a carrier apart again: each goes its own way, and none travels with others any more.
fn split(draft: &mut Deciding<'_>, mut call: Call, error: &str) -> Result<(), Need> {
    say(draft, &call, Outcome::Retrying, vec![("reason", "apart".into()), ("error", error.into())])?;
    drop_carried(draft, &mut call)?;
    call.status = Status::Queued;
    call.attempt = 0;
    draft.put(Key::Call(call.id), Entry::Call(call));
    Ok(())
}

/// What is left of a call that nobody waits for any more.
pub(super) enum Left {
    /// Nothing: it has not been sent, and is not.
    Nothing,
    /// It may have happened.
    Unknown,
    /// An attempt is under way, the last one.
    OnItsWay,
}

/// A call is needed no more: it is not sent, or not again.
pub(super) fn cancel(draft: &mut Deciding<'_>, id: CallId, why: &str) -> Result<Left, Need> {
    let Some(mut call) = load(draft, id)? else { return Ok(Left::Nothing) };
    if call.status == Status::Started {
        call.retry.clear();
        call.cancelled = true;
        draft.put(Key::Call(id), Entry::Call(call));
        return Ok(Left::OnItsWay);
    }
    say(draft, &call, Outcome::Suppressed, vec![("reason", "cancelled".into()), ("why", why.into())])?;
    drop_carried(draft, &mut call)?;
    draft.remove(Key::Call(id));
    Ok(if call.unknown { Left::Unknown } else { Left::Nothing })
}

/// What was merged into a call that is not sent any more is still to be sent, each on its own.
fn drop_carried(draft: &mut Deciding<'_>, call: &mut Call) -> Result<(), Need> {
    for id in std::mem::take(&mut call.carries) {
        if let Some(mut carried) = load(draft, id)? {
            carried.status = Status::Queued;
            carried.tried = true; // it may have arrived with the others: it takes in nobody, and is taken in by nobody
            draft.put(Key::Call(id), Entry::Call(carried));
        }
    }
    if let Some(own) = call.own.take() {
        call.request = *own;
        call.generation += 1; // other content, another key
    }
    Ok(())
}

/// Whether a call is dead.
pub(super) fn is_dead(draft: &Deciding<'_>, id: CallId) -> Result<bool, Need> {
    Ok(load(draft, id)?.is_some_and(|call| call.status == Status::Dead))
}

/// Nobody waits for a call that a run has ordered.
pub(super) fn beside(draft: &mut Deciding<'_>, id: CallId) -> Result<(), Need> {
    if let Some(mut call) = load(draft, id)? {
        call.beside = true;
        draft.put(Key::Call(id), Entry::Call(call));
    }
    Ok(())
}

/// What becomes of a run whose call is not sent.
enum After {
    /// It goes on with this as the answer.
    Goes(Value),
    /// It ends.
    Ends,
}

/// Takes a call, and what it carries, out of the outbox without sending it; why, `reason` among it.
fn withdraw(draft: &mut Deciding<'_>, call: &Call, why: Vec<(&str, Value)>, after: After) -> Result<(), Need> {
    for id in &call.carries {
        if let Some(carried) = load(draft, *id)? {
            let merged = [("merged", call.id.to_string().into())];
            say(draft, &carried, Outcome::Suppressed, why.iter().cloned().chain(merged).collect())?;
        }
        draft.remove(Key::Call(*id));
    }
    say(draft, call, Outcome::Suppressed, why)?;
    draft.remove(Key::Call(call.id));
    match (&call.run, after) {
        (Some(run), After::Goes(answer)) => flow::answered(draft, run, call.id, Ok(&answer)),
        (Some(run), After::Ends) => flow::abandon(draft, run, call.id),
        (None, _) => Ok(()),
    }
}

/// What the outcome of an attempt means.
pub(super) fn ended(draft: &mut Deciding<'_>, id: CallId, attempt: u32, outcome: &Ended) -> Result<(), Need> {
    let Some(mut call) = load(draft, id)? else { return Ok(()) };
    if call.status != Status::Started || call.attempt != attempt {
        say(draft, &call, Outcome::Suppressed, vec![("reason", "late answer".into())])?;
        return Ok(());
    }
    // Only what was throttled has surely not arrived; what may have arrived stays as it is, under its key.
    if !matches!(outcome, Ended::Failed { class: Class::Throttled { .. }, .. }) {
        call.tried = true;
    }
    match outcome {
        Ended::Done(answer) => done(draft, call, answer),
        Ended::Failed { detail, .. } if call.cancelled => {
            drop_carried(draft, &mut call)?;
            dead(draft, call, detail)
        }
        Ended::Unknown { detail } => {
            call.unknown = true;
            call.generation += u32::from(draft.definitions.planted(Bug::NewKey));
            say(draft, &call, Outcome::Unknown, vec![("error", detail.as_str().into())])?;
            if call.cancelled {
                drop_carried(draft, &mut call)?;
            }
            again(draft, call, detail)
        }
        Ended::Failed { class: Class::Transient, detail } => again(draft, call, detail),
        Ended::Failed { class: Class::Throttled { seconds }, detail } => {
            call.attempt -= 1;
            hold(draft, call, seconds.map(|s| SignedDuration::from_secs(i64::from(s))), detail)
        }
        Ended::Failed { class: Class::Permanent, detail } if call.own.is_some() => split(draft, call, detail),
        Ended::Failed { class: Class::Permanent, detail } => dead(draft, call, detail),
        Ended::Failed { class: Class::Configuration, detail } => {
            if call.retry.len() < call.attempt as usize {
                return dead(draft, call, detail);
            }
            hold(draft, call, None, detail)
        }
    }
}

fn done(draft: &mut Deciding<'_>, call: Call, answer: &Value) -> Result<(), Need> {
    let mut state = budget(draft, &call.connection)?;
    if state.holds > 0 {
        // A hold in force stays: this attempt began before it.
        state.holds = 0;
        draft.put(Key::Budget(call.connection.clone()), Entry::Budget(state));
    }
    let status = answer.at(&["status"]).cloned();
    say(draft, &call, Outcome::Done, status.map(|s| ("status", s)).into_iter().collect())?;
    consent::delivered(draft, &call, answer)?;
    for id in &call.carries {
        if let Some(carried) = load(draft, *id)? {
            say(draft, &carried, Outcome::Done, vec![("merged", call.id.to_string().into())])?;
        }
        draft.remove(Key::Call(*id));
    }
    draft.remove(Key::Call(call.id));
    if let Some(name) = &call.emit {
        let body = Body::Happened { data: answer.clone(), upsert: None };
        draft.emit_from(call.depth, name.clone(), call.record.clone(), call.by.clone(), body);
    }
    match &call.run {
        Some(run) => flow::answered(draft, run, call.id, Ok(answer)),
        None => Ok(()),
    }
}

/// Another attempt by the schedule, or none is left.
fn again(draft: &mut Deciding<'_>, mut call: Call, error: &str) -> Result<(), Need> {
    let Some(Retry(wait)) = call.retry.get(call.attempt.saturating_sub(1) as usize).copied() else {
        return dead(draft, call, error);
    };
    let wait = if call.exact { wait } else { jittered(wait, call.id, call.attempt) };
    call.due = after(draft.now, wait);
    call.status = Status::Queued;
    call.error = Some(error.to_owned());
    if draft.definitions.planted(Bug::LostLane) {
        call.lane.push('!');
    }
    say(draft, &call, Outcome::Retrying, vec![("error", error.into()), ("next", call.due.into())])?;
    draft.put(Key::Call(call.id), Entry::Call(call));
    Ok(())
}

/// Up to a tenth more, by the call's id: calls that failed together do not come back together, and the same call always the same.
fn jittered(wait: SignedDuration, id: CallId, attempt: u32) -> SignedDuration {
    let mut x = id.seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(id.n) << 32) ^ u64::from(attempt);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9); // splitmix64's finisher
    x ^= x >> 31;
    let share = i64::try_from(x % 1_000).unwrap_or(0);
    wait + SignedDuration::from_millis(i64::try_from(wait.as_millis()).unwrap_or(0) / 10 * share / 1_000)
}

/// The whole connection pauses, and the call with it.
fn hold(draft: &mut Deciding<'_>, mut call: Call, said: Option<SignedDuration>, error: &str) -> Result<(), Need> {
    let mut state = budget(draft, &call.connection)?;
    let until = state.hold(said, draft.now);
    draft.put(Key::Budget(call.connection.clone()), Entry::Budget(state));
    call.due = draft.now; // the budget holds it: whoever lifts the hold lets all of them go
    call.status = Status::Queued;
    call.error = Some(error.to_owned());
    say(
        draft,
        &call,
        Outcome::Retrying,
        vec![("error", error.into()), ("next", until.into()), ("held", call.connection.as_str().into())],
    )?;
    draft.put(Key::Call(call.id), Entry::Call(call));
    Ok(())
}

fn dead(draft: &mut Deciding<'_>, mut call: Call, error: &str) -> Result<(), Need> {
    call.status = Status::Dead;
    call.error = Some(error.to_owned());
    say(draft, &call, Outcome::Dead, vec![("error", error.into())])?;
    for id in &call.carries {
        if let Some(carried) = load(draft, *id)? {
            say(draft, &carried, Outcome::Dead, vec![("merged", call.id.to_string().into()), ("error", error.into())])?;
        }
    }
    let data = Value::from([
        ("call", call.id.to_string().into()),
        ("connection", call.connection.as_str().into()),
        ("action", call.request.action().into()),
        ("error", error.into()),
    ]);
    let body = Body::Happened { data, upsert: None };
    draft.emit_from(call.depth, "ifthen.call.dead".into(), call.record.clone(), call.by.clone(), body);
    mail::refused(draft, &call, error)?;
    let (run, id, unknown) = (call.run.clone(), call.id, call.unknown);
    // Kept first: its run may have no more use for it, or find out what it is by now.
    draft.put(Key::Call(id), Entry::Call(call));
    if let Some(run) = run {
        flow::answered(draft, &run, id, Err((error, unknown)))?;
    }
    Ok(())
}

/// What a person asks about a call.
pub(super) fn command(draft: &mut Deciding<'_>, command: &Command) -> Result<(), Need> {
    let (Command::Retry(id) | Command::Edit(id, _) | Command::Discard(id)) = command else { return Ok(()) };
    let Some(mut call) = load(draft, *id)? else {
        let detail = Value::from([("reason", "no such call".into()), ("call", id.to_string().into())]);
        draft.say(&By::default(), "calls", Outcome::Failed, detail);
        return Ok(());
    };
    if !matches!(call.status, Status::Queued | Status::Dead) {
        say(draft, &call, Outcome::Failed, vec![("reason", "on its way".into())])?;
        return Ok(());
    }
    // What was undone, or went on without it, must not happen after all.
    if let (Some(run), false, Command::Retry(_) | Command::Edit(..)) = (&call.run, call.beside, command)
        && !flow::waits_for(draft, run, *id)?
    {
        let run = run.clone();
        say(draft, &call, Outcome::Failed, vec![("reason", "its run waits for it no more".into()), ("run", run.into())])?;
        return Ok(());
    }
    match command {
        Command::Retry(_) => say(draft, &call, Outcome::Retrying, vec![("reason", "asked for".into())])?,
        Command::Edit(_, request) => {
            if request.action() != call.request.action() {
                say(draft, &call, Outcome::Failed, vec![("reason", "another kind".into()), ("error", request.action().into())])?;
                return Ok(());
            }
            call.request = (**request).clone();
            call.generation += 1;
            // What was edited stands for all that it carries, and takes in nobody else.
            call.own = None;
            call.tried = !call.carries.is_empty();
            say(draft, &call, Outcome::Retrying, vec![("reason", "edited".into())])?;
        }
        Command::Discard(_) => {
            return withdraw(draft, &call, vec![("reason", "discarded".into())], After::Ends);
        }
        Command::Silence(_) | Command::EndSilence(_) | Command::ConfirmClock => {} // not about calls
        Command::Task(_) | Command::Run(_) | Command::Contact(_) | Command::Merge(_) | Command::Unmerge(_) => {}
        Command::Token(_) => {}
    }
    at_once(draft, call)
}

/// A person asks for another attempt: it waits for nothing that can be passed over.
fn at_once(draft: &mut Deciding<'_>, mut call: Call) -> Result<(), Need> {
    // Whoever asks has seen to the connection: it is not held any longer.
    let mut state = budget(draft, &call.connection)?;
    if state.held_until.take().is_some() {
        state.holds = 0;
        draft.put(Key::Budget(call.connection.clone()), Entry::Budget(state));
    }
    call.attempt = 0;
    call.status = Status::Queued;
    call.urgent = true; // and means now
    call.due = draft.now;
    draft.put(Key::Call(call.id), Entry::Call(call));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_small_and_repeatable() {
        let wait = SignedDuration::from_secs(100);
        for seq in 0..1_000 {
            let id = CallId { seq, n: 1 };
            let first = jittered(wait, id, 1);
            assert_eq!(first, jittered(wait, id, 1));
            assert!(first >= wait && first <= wait + SignedDuration::from_secs(10));
        }
    }
}
