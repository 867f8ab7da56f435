//! How events get into windows, what is read from them, and how something ages out without an event: one timer per subject, at
//! the next time at which something does.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::kept::{Head, Item, MAX_ITEMS, Written};
use super::{AGED, Function, MAX_TEXT, Window, fill};
use crate::engine::decide::{Arrived, By, Deciding};
use crate::engine::definition::Definitions;
use crate::engine::event::{Body, RecordRef};
use crate::engine::expression::Expr;
use crate::engine::log::Outcome;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, TimerId, Wake};
use crate::engine::value::Value;
use crate::engine::view::View;

/// Puts the event into the windows that it feeds, before anything is woken by it. What cannot be counted is logged.
pub(in crate::engine) fn feed(draft: &mut Deciding<'_>, arrived: &Arrived<'_>) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    let mut said = BTreeSet::new();
    for window in definitions.windows.fed_by(&draft.event.name) {
        let taken = taken(draft, window, arrived, draft.about.as_ref());
        let kept = taken.and_then(|taken| match taken {
            Some((subject, value)) => {
                let item = Item { at: draft.event.at, seq: draft.event.seq, value };
                keep(draft, window, subject, item, true)
            }
            None => Ok(()),
        });
        match kept {
            Ok(()) => {}
            Err(Stop::Need(need)) => return Err(need),
            Err(Stop::Unevaluable(why)) => {
                // Windows of a kind fail alike: once is enough.
                if said.insert(why.clone()) {
                    let detail = [("reason", "not counted".into()), ("error", why.into()), ("window", window.to_string().into())];
                    draft.say(&By::default(), "window", Outcome::Failed, Value::from(detail));
                }
            }
        }
    }
    Ok(())
}

/// For whom an event counts and with which value; `None`: it does not, or is about nobody.
pub(super) fn taken(
    draft: &Deciding<'_>,
    window: &Window,
    arrived: &Arrived<'_>,
    record: Option<&RecordRef>,
) -> Result<Option<(String, Value)>, Stop> {
    let view = View::on_arrival(draft, arrived);
    if let Some(filter) = &window.filter
        && !filter.test(&view)?
    {
        return Ok(None);
    }
    let subject = match (&window.by, record) {
        (Some(by), _) => subject(by, &view)?,
        (None, Some(record)) => record.to_string(),
        (None, None) => return Ok(None),
    };
    let value = match &window.of {
        Some(of) => of.eval(&view)?,
        None => Value::Null,
    };
    Ok(Some((subject, value)))
}

/// The subject that `by` says.
fn subject(by: &Expr, view: &View<'_>) -> Result<String, Stop> {
    let value = by.eval(view)?;
    let fault = match &value {
        Value::Null => "is missing".to_owned(),
        Value::List(_) | Value::Map(_) => format!("is {}, a text or a number expected", value.kind()),
        Value::Number(n) => return Ok(n.normalize().to_string()),
        other => match other.to_string() {
            text if text.len() > MAX_TEXT => format!("is longer than {MAX_TEXT} bytes"),
            text => return Ok(text),
        },
    };
    Err(Stop::Unevaluable(format!("{} {fault}", by.source())))
}

/// Keeps an item, drops what has aged out, and sets the timer where somebody waits. `live`: it happens now, so that what ages
/// out of it is told even if that is past already.
pub(super) fn keep(draft: &mut Deciding<'_>, window: &Window, subject: String, item: Item, live: bool) -> Result<(), Stop> {
    let key = Key::Window { window: window.id.clone(), subject: subject.clone() };
    let mut head = match of_this_life(draft, window, &key)? {
        Ok(head) => head,
        Err(life) => Head::new(life),
    };
    let of = window.of.as_ref();
    if let Some(fault) = of.and_then(|of| Some(format!("{} {}", of.source(), window.keeps.unfit(&item.value, head.sample())?))) {
        return Err(Stop::Unevaluable(fault));
    }
    let definitions: &Definitions = draft.definitions;
    let reach = window.reach(definitions);
    let (at, end) = (draft.event.at, reach.end(item.at));
    let mut written = head.put(item, &|n| read(draft, window, &subject, n))?;
    if window.awaited && (live || end > draft.now) && head.timer.is_none_or(|t| due_ms(end) < t.due) {
        wait(draft, window, &subject, &mut head, end);
    }
    let (gone, crowded) = head.drop_aged(at, &reach);
    written.extend(gone);
    write(draft, window, &subject, written);
    save(draft, window, key, head)?;
    if crowded {
        let reason = format!("more than {MAX_ITEMS} items would have to be kept");
        let detail = [("reason", reason.into()), ("for", subject.into()), ("window", window.to_string().into())];
        draft.say(&By::default(), "window", Outcome::Failed, Value::from(detail));
    }
    Ok(())
}

pub(super) fn write(draft: &mut Deciding<'_>, window: &Window, subject: &str, written: Vec<Written>) {
    for (n, items) in written {
        let key = Key::Items { window: window.id.clone(), n, subject: subject.to_owned() };
        match items {
            Some(items) => draft.put(key, Entry::Items(Arc::new(items))),
            None => draft.remove(key),
        }
    }
}

/// What is kept for a subject; otherwise the life that a new one belongs to.
pub(super) fn of_this_life(draft: &Deciding<'_>, window: &Window, key: &Key) -> Result<Result<Head, u64>, Need> {
    let life = fill::life(draft, &window.id)?;
    Ok(match draft.get(key)?.as_deref() {
        Some(Entry::Window(head)) if head.life == life && head.indexed => {
            let chunks = draft.get(&index(window, key))?;
            let chunks =
                chunks.as_deref().and_then(|e| if let Entry::Chunks(chunks) = e { Some(chunks.as_slice()) } else { None });
            Ok((**head).clone().with(chunks.unwrap_or_default()))
        }
        Some(Entry::Window(head)) if head.life == life => Ok((**head).clone()),
        _ => Err(life),
    })
}

/// Where it is kept what is known of the chunks of a head: beside them, under the number that none of them has.
fn index(window: &Window, head: &Key) -> Key {
    let subject = if let Key::Window { subject, .. } = head { subject.clone() } else { String::new() };
    Key::Items { window: window.id.clone(), n: 0, subject }
}

/// Writes a head, and what is known of its chunks where that has changed.
pub(super) fn save(draft: &mut Deciding<'_>, window: &Window, key: Key, head: Head) -> Result<(), Need> {
    let (head, chunks) = head.apart();
    let index = index(window, &key);
    let was = matches!(draft.get(&key)?.as_deref(), Some(Entry::Window(before)) if before.indexed);
    if chunks.is_empty() && was {
        draft.remove(index);
    } else if !chunks.is_empty() {
        // What is under it may be of a life before: it is never read unless the head says so.
        let before = draft.get(&index)?;
        if !matches!(before.as_deref(), Some(Entry::Chunks(known)) if **known == chunks) {
            draft.put(index, Entry::Chunks(Arc::new(chunks)));
        }
    }
    draft.put(key, Entry::Window(Arc::new(head)));
    Ok(())
}

pub(super) fn read(draft: &Deciding<'_>, window: &Window, subject: &str, n: u32) -> Result<Option<Arc<Vec<Item>>>, Need> {
    let key = Key::Items { window: window.id.clone(), n, subject: subject.to_owned() };
    Ok(draft.get(&key)?.and_then(|e| if let Entry::Items(items) = e.as_ref() { Some(Arc::clone(items)) } else { None }))
}

/// The value of a window for whoever the event is about, as of the event's time.
pub(in crate::engine) fn value(
    draft: &Deciding<'_>,
    arrived: &Arrived<'_>,
    window: &Window,
    by: Function,
) -> Result<Value, Stop> {
    let subject = whom(draft, arrived, window)?;
    let key = Key::Window { window: window.id.clone(), subject: subject.clone() };
    let head = of_this_life(draft, window, &key)?.unwrap_or_default().knowing_from(fill::known_from(draft, &window.id)?);
    let reach = window.reach(draft.definitions);
    head.value(by, draft.event.at, &reach, &|n| read(draft, window, &subject, n))
}

fn whom(draft: &Deciding<'_>, arrived: &Arrived<'_>, window: &Window) -> Result<String, Stop> {
    // What has waited at a gate is about its own record; the timer that ended the wait is about none.
    match (&window.by, arrived.record.as_ref().map(|(at, _)| at).or(draft.about.as_ref())) {
        (None, Some(record)) => Ok(record.to_string()),
        (None, None) => Err(Stop::Unevaluable("this event is about no record".into())),
        (Some(by), _) => {
            // Something aged out: the event says for whom, in a window that is kept by the same.
            // Behind a gate only its data is left, which names the window.
            let windows = &draft.definitions.windows;
            let waited = || match (&draft.event.body, arrived.data.at(&["window"])) {
                (Body::Due(_), Some(Value::Text(text))) => windows.all().find(|w| w.to_string() == *text),
                _ => None,
            };
            let aged = draft.event.name.strip_prefix(AGED).and_then(|id| windows.find(id)).or_else(waited);
            match (aged.filter(|w| w.by.as_ref() == Some(by)), arrived.data.at(&["by"])) {
                (Some(_), Some(Value::Text(subject))) => Ok(subject.clone()),
                _ => subject(by, &View::on_arrival(draft, arrived)),
            }
        }
    }
}

/// Due times are whole milliseconds: never before something really ages out.
fn due_ms(end: Timestamp) -> i64 {
    end.checked_add(SignedDuration::from_nanos(999_999)).unwrap_or(end).as_millisecond().max(0)
}

/// Sets the timer of a subject, in place of the one it has.
pub(super) fn wait(draft: &mut Deciding<'_>, window: &Window, subject: &str, head: &mut Head, end: Timestamp) {
    if let Some(former) = head.timer.take() {
        draft.remove(Key::Timer(former));
    }
    let timer = TimerId { due: due_ms(end), seq: draft.event.seq, n: draft.number() };
    draft.put(Key::Timer(timer), Entry::Timer(Wake::Aged { window: window.id.clone(), subject: subject.to_owned() }));
    head.timer = Some(timer);
}

/// Something aged out: says so, and waits for the next.
pub(in crate::engine) fn due(draft: &mut Deciding<'_>, id: &str, subject: &str, timer: TimerId) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    let Some(window) = definitions.windows.find(id).filter(|w| w.awaited) else { return Ok(()) };
    let key = Key::Window { window: id.to_owned(), subject: subject.to_owned() };
    let Ok(head) = of_this_life(draft, window, &key)? else { return Ok(()) };
    if head.timer != Some(timer) {
        return Ok(());
    }
    let mut head = head;
    head.timer = None;
    let told = head.told.map_or(draft.event.at, |told| told.max(draft.event.at));
    head.told = Some(told);
    let reach = window.reach(definitions);
    match head.next_end(told, &reach, &|n| read(draft, window, subject, n)) {
        Ok(Some(end)) => wait(draft, window, subject, &mut head, end),
        Ok(None) | Err(Stop::Unevaluable(_)) => {}
        Err(Stop::Need(need)) => return Err(need),
    }
    save(draft, window, key, head)?;
    let record = match &window.by {
        None => subject.split_once('/').map(|(entity, id)| RecordRef { entity: entity.into(), id: id.into() }),
        Some(_) => None,
    };
    let mut data = vec![("window".to_owned(), Value::from(window.to_string()))];
    if window.by.is_some() {
        data.push(("by".to_owned(), subject.into()));
    }
    let body = Body::Happened { data: Value::Map(data.into_iter().collect()), upsert: None };
    draft.emit(window.aged(), record, "ifthen".into(), body);
    Ok(())
}
