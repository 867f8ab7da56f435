//! Actions: what a rule or step does. Inside, at once and exactly once; what leaves becomes a call in the outbox.

use std::collections::BTreeMap;

use super::assignment;
use super::call::{CallId, Email, Format, Http, HttpBody, Mentions, Request, Retry, RobotMessage};
use super::decide::{Arrived, By, Deciding};
use super::definition::{
    Action, Assign, AssignTo, ConnectionKind, Create, EmailAction, Emit, HttpAction, HttpActionBody, Mail, MailContent,
    NotifyAction, RobotAction, Term, Who,
};
use super::entity;
use super::event::{Body, RecordRef};
use super::flow::{self, Local};
use super::log::Outcome;
use super::outbox::{self, Order};
use super::record::Record;
use super::release;
use super::scope::{Scope, Stop};
use super::state::{Entry, Key};
use super::template::Template;
use super::value::{MAX_DEPTH, Map, Value};
use super::view::View;

/// For whom and over what an action is done.
pub(super) struct Doing<'a> {
    pub(super) by: &'a By,
    pub(super) record: Option<&'a RecordRef>,
    pub(super) data: &'a Value,
    pub(super) old: Option<&'a Map>,
    pub(super) local: Option<&'a Local<'a>>,
    /// Waits between attempts, where a step says so.
    pub(super) retry: Option<&'a [Retry]>,
    /// The calendar that the rule or flow names.
    pub(super) calendar: Option<&'a str>,
    /// The event with the names that its rule gives to values.
    pub(super) letting: Option<&'a Arrived<'a>>,
}

impl<'a> Doing<'a> {
    /// The names it sees: the record as it is by now.
    fn view(&self, draft: &'a Deciding<'a>) -> Result<View<'a>, Stop> {
        let record = match self.record {
            Some(at) => draft.record(at)?.map(|r| (at.clone(), r)),
            None => None,
        };
        let Self { data, old, local, calendar, letting, .. } = *self;
        Ok(View { deciding: draft, record, data, old, local, calendar, arrival: false, letting })
    }

    pub(super) fn on<'d, T>(&self, draft: &'d Deciding<'d>, f: impl FnOnce(&View<'_>) -> Result<T, Stop>) -> Result<T, Stop>
    where
        'a: 'd,
    {
        f(&self.view(draft)?)
    }
}

/// Does one action; the calls it made, for a run to wait for.
pub(super) fn perform(draft: &mut Deciding<'_>, action: &Action, doing: &Doing<'_>) -> Result<Vec<CallId>, Stop> {
    match action {
        Action::Set(fields) => set(draft, fields, doing)?,
        Action::Tag(tags) => tag(draft, "tag", tags, doing)?,
        Action::Untag(tags) => tag(draft, "untag", tags, doing)?,
        Action::Assign(to) => assign(draft, to, doing)?,
        Action::Release(what) => release::release(draft, what, doing)?,
        Action::Emit(what) => emit(draft, what, doing)?,
        Action::Create(what) => create(draft, what, doing)?,
        Action::Log(text) => {
            let text = doing.on(draft, |v| text.render(v))?;
            draft.say_of(doing.by, doing.record.cloned(), "log", Outcome::Done, Value::from([("text", text.into())]));
        }
        Action::Start(flow) => drop(flow::start(draft, flow, doing.record, doing.data, doing.by)?), // the log says how it went
        Action::Email(what) => return email(draft, what, doing),
        Action::Http(what) => return http(draft, what, doing),
        Action::Dingtalk(what) => return robot(draft, what, Request::Dingtalk, doing),
        Action::Wecom(what) => return robot(draft, what, Request::Wecom, doing),
        Action::Notify(what) => return notify(draft, what, doing),
        Action::Run(run) => {
            let by = doing.by.within(&run.name);
            let doing = Doing { by: &by, ..*doing };
            let mut calls = Vec::new();
            for one in &run.actions {
                calls.extend(perform(draft, one, &doing)?);
            }
            return Ok(calls);
        }
    }
    Ok(Vec::new())
}

/// The value of a term, which must be able to travel: inside an event, a call, a run.
pub(super) fn term(source: &Term, view: &dyn Scope) -> Result<Value, Stop> {
    let value = made(source, view)?;
    if value.depth() > MAX_DEPTH { Err(unevaluable(format!("nested deeper than {MAX_DEPTH}"))) } else { Ok(value) }
}

fn made(term: &Term, view: &dyn Scope) -> Result<Value, Stop> {
    Ok(match term {
        Term::Value(v) => v.clone(),
        Term::Expr(e) => e.eval(view)?,
        Term::Template(t) => t.render(view)?.into(),
        Term::List(l) => Value::List(l.iter().map(|t| made(t, view)).collect::<Result<_, _>>()?),
        Term::Map(m) => Value::Map(m.iter().map(|(k, t)| Ok((k.clone(), made(t, view)?))).collect::<Result<_, Stop>>()?),
    })
}

fn terms(members: &BTreeMap<String, Term>, view: &dyn Scope) -> Result<Map, Stop> {
    members.iter().map(|(k, t)| Ok((k.clone(), term(t, view)?))).collect()
}

fn unevaluable(why: impl Into<String>) -> Stop {
    Stop::Unevaluable(why.into())
}

/// The record an action changes; an action that needs one and has none cannot be done.
pub(super) fn target(draft: &Deciding<'_>, doing: &Doing<'_>) -> Result<(RecordRef, Record), Stop> {
    let at = doing.record.ok_or_else(|| unevaluable("this event is about no record"))?;
    let record = draft.record(at)?.ok_or_else(|| unevaluable(format!("there is no record {at}")))?;
    Ok((at.clone(), (*record).clone()))
}

fn normalised(draft: &Deciding<'_>, entity: &str, field: &str, value: Value) -> Result<Value, Stop> {
    let kind = draft.definitions.entities.get(entity).and_then(|e| e.fields.get(field)).map(|f| &f.kind);
    let Some(kind) = kind else { return Err(unevaluable(format!("{entity} has no field {field}"))) };
    entity::normalise(kind, value, &draft.definitions.zone.0).map_err(|e| unevaluable(format!("field {field}: {e}")))
}

fn set(draft: &mut Deciding<'_>, fields: &BTreeMap<String, Term>, doing: &Doing<'_>) -> Result<(), Stop> {
    let (at, mut record) = target(draft, doing)?;
    let mut changed = Map::new();
    for (field, source) in fields {
        let value = doing.on(draft, |v| term(source, v))?;
        let value = normalised(draft, &at.entity, field, value)?;
        if record.value(field) != &value {
            changed.insert(field.clone(), value.clone());
        }
        record.fields.insert(field.clone(), value);
    }
    draft.put_record(&at, record, &doing.by.text())?;
    draft.say_of(doing.by, Some(at), "set", Outcome::Done, Value::Map(changed));
    Ok(())
}

fn tag(draft: &mut Deciding<'_>, name: &str, tags: &[Template], doing: &Doing<'_>) -> Result<(), Stop> {
    let (at, mut record) = target(draft, doing)?;
    let mut named = Vec::new();
    for tag in tags {
        let tag = doing.on(draft, |v| tag.render(v))?.trim().to_owned();
        if tag.is_empty() || tag.chars().count() > 100 {
            return Err(unevaluable("a tag has 1 to 100 characters"));
        }
        if name == "tag" {
            record.tags.insert(tag.clone())
        } else {
            record.tags.remove(&tag)
        };
        named.push(tag);
    }
    draft.put_record(&at, record, &doing.by.text())?;
    draft.say_of(doing.by, Some(at), name, Outcome::Done, Value::from([("tags", named.into())]));
    Ok(())
}

fn assign(draft: &mut Deciding<'_>, assign: &Assign, doing: &Doing<'_>) -> Result<(), Stop> {
    let (at, mut record) = target(draft, doing)?;
    let mut detail = Map::new();
    let owner = match &assign.to {
        AssignTo::Team(id) => {
            let team = draft.definitions.teams.get(id).ok_or_else(|| unevaluable(format!("there is no team {id}")))?;
            let key = Key::Pointer(id.clone());
            let pointer = draft.get(&key)?;
            let pointer = pointer.as_deref().and_then(|e| if let Entry::Pointer(p) = e { Some(p) } else { None });
            let next = assignment::next(team, &draft.definitions.people, pointer);
            let next = next.ok_or_else(|| unevaluable(format!("nobody in team {id} is active")))?;
            let owner = next.last.clone();
            draft.put(key, Entry::Pointer(next));
            detail.insert("team".into(), id.as_str().into());
            owner
        }
        AssignTo::Person(who) => {
            let people = doing.on(draft, |v| v.who(std::slice::from_ref(who)))?;
            people.into_iter().next().ok_or_else(|| unevaluable("nobody to assign to"))?
        }
    };
    let from = record.value(&assign.field).clone();
    let name = draft.definitions.people.get(&owner).map(|p| p.name.clone());
    let stamp = format!("{}_at", assign.field);
    if draft.definitions.entities.get(&at.entity).is_some_and(|e| e.fields.contains_key(&stamp)) {
        record.fields.insert(stamp, draft.event.at.into());
    }
    record.fields.insert(assign.field.clone(), owner.as_str().into());
    detail.extend([("to".to_owned(), owner.into()), ("name".to_owned(), name.into()), ("from".to_owned(), from)]);
    draft.put_record(&at, record, &doing.by.text())?;
    draft.say_of(doing.by, Some(at), "assign", Outcome::Done, Value::Map(detail));
    Ok(())
}

fn emit(draft: &mut Deciding<'_>, what: &Emit, doing: &Doing<'_>) -> Result<(), Stop> {
    let data = doing.on(draft, |v| terms(&what.data, v))?;
    draft.say_of(doing.by, doing.record.cloned(), "emit", Outcome::Done, Value::from([("event", what.event.as_str().into())]));
    let body = Body::Happened { data: Value::Map(data), upsert: None };
    draft.emit(what.event.clone(), doing.record.cloned(), doing.by.text(), body);
    Ok(())
}

fn create(draft: &mut Deciding<'_>, what: &Create, doing: &Doing<'_>) -> Result<(), Stop> {
    let entity = draft.definitions.entities.get(&what.entity);
    let entity = entity.ok_or_else(|| unevaluable(format!("there is no entity {}", what.entity)))?;
    let mut fields = Map::new();
    for (field, value) in doing.on(draft, |v| terms(&what.fields, v))? {
        let value = normalised(draft, &what.entity, &field, value)?;
        fields.insert(field, value);
    }
    let id = fields.get(&entity.key).map(ToString::to_string).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| unevaluable(format!("the key field {} is empty", entity.key)))?;
    let at = RecordRef { entity: what.entity.clone(), id };
    if let (at, Some(_)) = draft.found(&at)? {
        draft.say_of(doing.by, Some(at), "create", Outcome::Suppressed, Value::from([("reason", "exists".into())]));
        return Ok(());
    }
    let detail = Value::Map(fields.clone());
    draft.put_record(&at, Record { fields, ..Record::default() }, &doing.by.text())?;
    draft.say_of(doing.by, Some(at), "create", Outcome::Done, detail);
    Ok(())
}

fn email(draft: &mut Deciding<'_>, what: &EmailAction, doing: &Doing<'_>) -> Result<Vec<CallId>, Stop> {
    let (to, subject, text, html) = {
        let view = doing.view(draft)?;
        let to = what.to.render(&view)?;
        let mail = content(draft, &what.content, &view)?;
        let html = mail.html.as_ref().map(|h| h.render(&view)).transpose()?;
        (to, one_line(&mail.subject.render(&view)?), mail.text.render(&view)?, html)
    };
    let addresses: Vec<&str> = to.split([',', ';', '，', '；']).map(str::trim).filter(|a| !a.is_empty()).collect();
    if addresses.is_empty() {
        // Someone without an address is an everyday case, not a mistake.
        draft.say_of(
            doing.by,
            doing.record.cloned(),
            "email",
            Outcome::Suppressed,
            Value::from([("reason", "no address".into())]),
        );
        return Ok(Vec::new());
    }
    let mut calls = Vec::new();
    for address in addresses {
        let mail = Email {
            to: address.into(),
            subject: subject.clone(),
            text: text.clone(),
            html: html.clone(),
            marketing: what.marketing,
            track: what.track,
        };
        let lane = doing.record.map_or_else(|| address.to_owned(), ToString::to_string);
        calls.extend(outbox::order(draft, Order::new(&what.connection, lane, Request::Email(mail)), doing)?);
    }
    Ok(calls)
}

/// The mail in the language of the record (its field `language`), of the definitions, or the first there is.
fn content<'d>(draft: &'d Deciding<'_>, content: &'d MailContent, view: &View<'_>) -> Result<&'d Mail, Stop> {
    match content {
        MailContent::Inline(mail) => Ok(mail),
        MailContent::Template(id) => {
            let template =
                draft.definitions.templates.get(id).ok_or_else(|| unevaluable(format!("there is no template {id}")))?;
            let wanted = view.record.as_ref().map(|(_, r)| r.value("language").to_string()).unwrap_or_default();
            let languages = &template.languages;
            let mail =
                languages.get(&wanted).or_else(|| languages.get(&draft.definitions.lang)).or_else(|| languages.values().next());
            mail.ok_or_else(|| unevaluable(format!("template {id} has no language")))
        }
    }
}

/// Line breaks in what must be one line become blanks: a subject from a record's field must not add headers.
pub(super) fn one_line(text: &str) -> String {
    text.split(['\r', '\n']).map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ")
}

fn http(draft: &mut Deciding<'_>, what: &HttpAction, doing: &Doing<'_>) -> Result<Vec<CallId>, Stop> {
    let request = doing.on(draft, |view| {
        let pairs = |m: &BTreeMap<String, Template>| {
            m.iter().map(|(k, t)| Ok((k.clone(), t.render(view)?))).collect::<Result<Vec<_>, Stop>>()
        };
        let body = match &what.body {
            HttpActionBody::Empty => HttpBody::Empty,
            HttpActionBody::Json(t) => HttpBody::Json(term(t, view)?),
            HttpActionBody::Form(f) => HttpBody::Form(pairs(f)?),
            HttpActionBody::Text(t) => HttpBody::Text(t.render(view)?),
        };
        Ok(Http { method: what.method.clone(), url: what.url.render(view)?, headers: pairs(&what.headers)?, body })
    })?;
    // Without a record there is nothing to keep in order: a lane of its own.
    let lane = doing.record.map_or_else(|| format!("e{}-{}", draft.event.seq, draft.number()), ToString::to_string);
    let mut order = Order::new(&what.connection, lane, Request::Http(request));
    order.emit.clone_from(&what.emit);
    order.retry.clone_from(&what.retry);
    Ok(outbox::order(draft, order, doing)?.into_iter().collect())
}

fn robot(
    draft: &mut Deciding<'_>,
    what: &RobotAction,
    request: fn(RobotMessage) -> Request,
    doing: &Doing<'_>,
) -> Result<Vec<CallId>, Stop> {
    let message = doing.on(draft, |view| {
        let title = what.title.as_ref().map(|t| t.render(view)).transpose()?.unwrap_or_default();
        let mut at = Mentions { all: what.at_all, ..Mentions::default() };
        for id in view.who(&what.at)? {
            mention(draft, &id, &what.connection, &mut at);
        }
        Ok(RobotMessage { format: what.format, title: one_line(&title), text: what.text.render(view)?, at })
    })?;
    // One group behind one robot: the connection itself is the lane.
    let order = Order::new(&what.connection, String::new(), request(message));
    Ok(outbox::order(draft, order, doing)?.into_iter().collect())
}

/// Adds a person to a robot's mentions, if the robot's platform knows them; whether it does.
fn mention(draft: &Deciding<'_>, id: &str, connection: &str, at: &mut Mentions) -> bool {
    let Some(person) = draft.definitions.people.get(id) else { return false };
    let user = match draft.definitions.connections.get(connection).map(|c| c.kind) {
        Some(ConnectionKind::Dingtalk) => person.dingtalk.as_ref(),
        Some(ConnectionKind::Wecom) => person.wecom.as_ref(),
        _ => return false,
    };
    match (user, &person.mobile) {
        (Some(user), _) => at.users.push(user.clone()),
        (None, Some(mobile)) => at.mobiles.push(mobile.strip_prefix("+86").unwrap_or(mobile).to_owned()),
        (None, None) => return false,
    }
    true
}

/// Tells people by the first of their channels that reaches them (all when urgent); those in the same group get one message.
fn notify(draft: &mut Deciding<'_>, what: &NotifyAction, doing: &Doing<'_>) -> Result<Vec<CallId>, Stop> {
    let (people, text, title) = doing.on(draft, |view| {
        let title = what.title.as_ref().map(|t| t.render(view)).transpose()?;
        Ok((view.who(&what.who)?, what.text.render(view)?, title))
    })?;
    if people.is_empty() {
        return Err(unevaluable(format!("nobody to notify ({})", describe(&what.who))));
    }
    tell(draft, &Message { people: &people, text: &text, title: title.as_deref(), urgent: what.urgent, unwaited: false }, doing)
}

/// What people are told, ready to leave.
pub(super) struct Message<'a> {
    /// Whom.
    pub(super) people: &'a [String],
    /// What.
    pub(super) text: &'a str,
    /// The subject of a mail; the text's first line unless said.
    pub(super) title: Option<&'a str>,
    /// By all of a person's channels.
    pub(super) urgent: bool,
    /// No run waits for it.
    pub(super) unwaited: bool,
}

/// Tells people, each by their own channels; who cannot be reached is in the log.
pub(super) fn tell(draft: &mut Deciding<'_>, what: &Message<'_>, doing: &Doing<'_>) -> Result<Vec<CallId>, Stop> {
    let (groups, mails) = reached(draft, what, doing);
    let mut calls = Vec::new();
    for (connection, at) in groups {
        let kind = draft.definitions.connections.get(&connection).map(|c| c.kind);
        let message = RobotMessage { format: Format::Text, title: String::new(), text: what.text.to_owned(), at };
        let request = if kind == Some(ConnectionKind::Wecom) { Request::Wecom(message) } else { Request::Dingtalk(message) };
        // An urgent one does not wait behind what is held.
        let lane = if what.urgent { "urgent" } else { "" };
        calls.extend(outbox::order(draft, leaving(&connection, lane.to_owned(), request, what), doing)?);
    }
    let subject = one_line(what.title.unwrap_or_else(|| what.text.lines().next().unwrap_or_default()));
    for (connection, to) in mails {
        let mail = Email {
            to: to.clone(),
            subject: subject.clone(),
            text: what.text.to_owned(),
            html: None,
            marketing: false,
            track: false,
        };
        let lane = if what.urgent { format!("{to}!") } else { to };
        calls.extend(outbox::order(draft, leaving(&connection, lane, Request::Email(mail), what), doing)?);
    }
    Ok(calls)
}

fn leaving<'a>(connection: &'a str, lane: String, request: Request, what: &Message<'_>) -> Order<'a> {
    let mut order = Order::new(connection, lane, request).urgent(what.urgent);
    order.unwaited = what.unwaited;
    order
}

/// The mentions by group, the addresses by connection.
type Reached = (BTreeMap<String, Mentions>, Vec<(String, String)>);

fn reached(draft: &mut Deciding<'_>, what: &Message<'_>, doing: &Doing<'_>) -> Reached {
    let mut groups: BTreeMap<String, Mentions> = BTreeMap::new();
    let mut mails: Vec<(String, String)> = Vec::new();
    for id in what.people {
        let channels = draft.definitions.people.get(id).map(|p| p.channels.as_slice()).unwrap_or_default();
        let email = draft.definitions.people.get(id).and_then(|p| p.email.as_ref());
        let mut reached = false;
        for name in channels {
            let reaches = match draft.definitions.connections.get(name).map(|c| c.kind) {
                Some(ConnectionKind::Smtp) => email.map(|e| mails.push((name.clone(), e.clone()))).is_some(),
                Some(ConnectionKind::Dingtalk | ConnectionKind::Wecom) => {
                    let mut at = groups.get(name).cloned().unwrap_or_default();
                    let reaches = mention(draft, id, name, &mut at);
                    if reaches {
                        groups.insert(name.clone(), at);
                    }
                    reaches
                }
                _ => false,
            };
            reached |= reaches;
            if reached && !what.urgent {
                break;
            }
        }
        if !reached {
            let detail = Value::from([("reason", "no channel".into()), ("to", id.as_str().into())]);
            draft.say_of(doing.by, doing.record.cloned(), "notify", Outcome::Failed, detail);
        }
    }
    (groups, mails)
}

/// Whom something is for, in words.
pub(super) fn describe(who: &[Who]) -> String {
    let one = |w: &Who| match w {
        Who::Field(path) => path.join("."),
        Who::Role(r) => format!("role:{r}"),
        Who::Team(t) => format!("team:{t}"),
        Who::User(u) => format!("user:{u}"),
    };
    who.iter().map(one).collect::<Vec<_>>().join(", ")
}
