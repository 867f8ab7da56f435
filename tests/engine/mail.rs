//! Marketing mail and what is told about it: who does not get it any more, how often who gets it, which clicks a machine made.

use std::sync::Arc;

use ifthen::engine::call::{CallId, Class, Outcome as Ended};
use ifthen::engine::contact::Contact;
use ifthen::engine::entity::{Field, FieldKind, From};
use ifthen::engine::event::{Body, Command, RecordRef};
use ifthen::engine::gate::{Limit, Per, Unit};
use ifthen::engine::link::Mail;
use ifthen::engine::mail::{About, Ask, MOST_TOLD, Told, What};
use ifthen::engine::state::{Entry, Key};
use ifthen::engine::value::Value;

use super::world::World;

const RULES: &str = "
rules:
  news: { when: send, then: [ { email: { to: '{{ event.to }}', subject: 新品, text: 您好, marketing: true, track: true } } ] }
  receipt: { when: pay, then: [ { email: { to: '{{ event.to }}', subject: 收据, text: 您好 } } ] }
  told: { when: 'email.*', then: [ { log: '{{ event.mail }} {{ event.kind }}{{ event.how }} {{ event.machine }} {{ event.reason }} {{ event.first }}' } ] }
flows:
  nurture:
    when: enrol
    steps:
      - { id: E1, email: { to: '{{ event.to }}', subject: 一, text: 您好, marketing: true } }
      - { id: then, log: '{{ steps.E1.suppressed }}' }
";

const TO: &str = "刘洋 <LiuYang@Example.com>";
const ADDRESS: &str = "liuyang@example.com";

fn send(world: &mut World, event: &str) -> CallId {
    world.log.clear();
    world.event(event, Value::from([("to", TO.into())]));
    super::outbox::first_call(world)
}

/// An attempt that a server takes, if it is made.
fn deliver(world: &mut World, id: CallId) -> bool {
    world.own(Body::Start(vec![id]));
    let Some(call) = world.call(id) else { return false };
    let answer = Value::from([("message_id", format!("<ab.{id}@example.com>").into())]);
    world.own(Body::Ended { call: id, attempt: call.attempt, outcome: Ended::Done(answer) });
    true
}

/// One that goes out.
fn sent(world: &mut World) -> CallId {
    let id = send(world, "send");
    assert!(deliver(world, id));
    world.said();
    id
}

fn tell(world: &mut World, about: About, what: What) -> Vec<String> {
    world.said();
    world.own(Body::Mail(Box::new(Told { about, what })));
    world.said().into_iter().filter_map(|l| l.strip_prefix("told log done text=").map(str::to_owned)).collect()
}

fn of(id: CallId) -> About {
    About::Mail(Mail::new(id, ADDRESS))
}

fn click(url: &str) -> What {
    What::Clicked { url: url.into(), machine: None }
}

fn contact(world: &World) -> Contact {
    let entry = world.state.get(&Key::Contact(ADDRESS.into())).ok().flatten();
    ifthen::engine::mail::known(entry.map(AsRef::as_ref))
}

/// What the log says of the mail that is sent now.
fn attempted(world: &mut World, event: &str) -> String {
    let id = send(world, event);
    world.said();
    deliver(world, id);
    world.said().into_iter().find(|l| l.contains(" email ")).unwrap()
}

#[test]
fn who_unsubscribed_while_a_mail_waits_does_not_get_it_and_transactional_mail_goes_on() {
    let mut world = World::new(RULES);
    let first = sent(&mut world);
    let waiting = send(&mut world, "send");
    assert_eq!(tell(&mut world, of(first), What::Unsubscribed("one-click".into())), [format!("{first} one-click")]);
    assert_eq!(tell(&mut world, of(first), What::Unsubscribed("page".into())), [""; 0], "once is enough");
    assert!(!deliver(&mut world, waiting));
    assert_eq!(world.said(), ["news email suppressed reason=unsubscribed"]);
    assert_eq!(attempted(&mut world, "pay"), "receipt email done");
    assert_eq!(contact(&world).unsubscribed.unwrap().how, "one-click");
    assert_eq!(tell(&mut world, of(first), What::Resubscribed("page".into())).len(), 1);
    assert_eq!(attempted(&mut world, "send"), "news email done");
}

#[test]
fn what_is_tried_again_is_asked_about_again() {
    let mut world = World::new(RULES);
    let id = send(&mut world, "send");
    world.own(Body::Start(vec![id]));
    world.own(Body::Ended { call: id, attempt: 1, outcome: Ended::Failed { class: Class::Transient, detail: "451".into() } });
    world.own(Body::Command(Command::Contact(Ask { address: ADDRESS.into(), subscribe: false, by: "ops".into() })));
    world.said();
    world.pass("10m");
    assert!(!deliver(&mut world, id));
    assert_eq!(world.said(), ["news email suppressed reason=unsubscribed"]);
    assert_eq!(contact(&world).unsubscribed.unwrap().how, "command: ops");
}

#[test]
fn a_run_goes_on_and_knows_why_its_mail_was_not_sent() {
    let mut world = World::new(RULES);
    let first = sent(&mut world);
    tell(&mut world, of(first), What::Complained);
    let id = send(&mut world, "enrol");
    world.said();
    assert!(!deliver(&mut world, id));
    let expect = ["nurture email suppressed reason=complained", "nurture log done text=complained", "nurture end done"];
    assert_eq!(world.said(), expect);
}

#[test]
fn an_address_gets_no_more_than_it_may_and_what_is_beyond_is_never_sent() {
    let mut world = World::new(RULES);
    Arc::make_mut(&mut world.definitions).marketing = Some(Limit { count: 2, per: Per::Unit(Unit::Week), by: None });
    assert_eq!(attempted(&mut world, "send"), "news email done");
    // An attempt that is repeated counts once.
    let id = send(&mut world, "send");
    world.own(Body::Start(vec![id]));
    world.own(Body::Ended { call: id, attempt: 1, outcome: Ended::Failed { class: Class::Transient, detail: "451".into() } });
    world.pass("10m");
    assert!(deliver(&mut world, id));
    let third = send(&mut world, "send");
    world.said();
    assert!(!deliver(&mut world, third));
    assert_eq!(world.said(), ["news email suppressed reason=limit"]);
    assert_eq!(attempted(&mut world, "pay"), "receipt email done");
    world.pass("7d");
    assert!(world.call(third).is_none(), "what was suppressed stays so");
    assert_eq!(attempted(&mut world, "send"), "news email done");
    assert_eq!(contact(&world).sent.len(), 3);
}

#[test]
fn consent_is_asked_for_at_the_moment_of_sending() {
    let rules = "rules:\n  news: { when: lead.created, then: [ { email: { to: '{{ email }}', subject: 一, text: 二, marketing: true } } ] }\n";
    let mut world = World::new(rules);
    let lead = Arc::make_mut(&mut world.definitions).entities.get_mut("lead").unwrap();
    lead.fields.insert("wants".into(), Field { kind: FieldKind::Boolean, from: From::Anyone, opt_out: false });
    lead.consent = Some("wants".into());
    for (id, before, after, expect) in [
        ("L1", true, true, "news email done"),
        ("L2", true, false, "news email suppressed reason=consent"),
        ("L3", false, true, "news email done"),
        ("L4", false, false, "news email suppressed reason=consent"),
    ] {
        world.log.clear();
        world.lead(id, &[("email", TO.into()), ("wants", before.into())]);
        let call = super::outbox::first_call(&world);
        world.lead(id, &[("email", TO.into()), ("wants", after.into())]);
        world.said();
        deliver(&mut world, call);
        assert_eq!(world.said().first().unwrap(), expect, "{id}");
    }
    // Whoever unsubscribed does not get it, whatever a source says.
    world.own(Body::Command(Command::Contact(Ask { address: ADDRESS.into(), subscribe: false, by: String::new() })));
    world.log.clear();
    world.lead("L5", &[("email", TO.into()), ("wants", true.into())]);
    let call = super::outbox::first_call(&world);
    world.said();
    assert!(!deliver(&mut world, call));
    assert_eq!(world.said(), ["news email suppressed reason=unsubscribed"]);
}

#[test]
fn machines_are_told_from_people() {
    let mut world = World::new(RULES);
    let id = sent(&mut world);
    let line = |rest: &str| vec![format!("{id}  {rest}")];
    world.pass("2s");
    assert_eq!(tell(&mut world, of(id), click("https://a.cn")), line("true delivery false"), "a filter of the mail server");
    world.pass("10s");
    let head = What::Clicked { url: "https://a.cn".into(), machine: Some("head".into()) };
    assert_eq!(tell(&mut world, of(id), head), line("true head false"));
    world.pass("5s");
    assert_eq!(tell(&mut world, of(id), click("https://a.cn")), line("false  true"), "a person, for the first time");
    assert_eq!(tell(&mut world, of(id), click("https://a.cn")), line("false  false"), "the same link twice is no machine");
    world.pass("1s");
    assert_eq!(tell(&mut world, of(id), click("https://b.cn")), line("true links false"));
    world.pass("3s");
    assert_eq!(tell(&mut world, of(id), click("https://b.cn")), line("false  false"));
    assert_eq!(tell(&mut world, of(id), What::Opened { machine: None }), line("false  true"));
}

#[test]
fn one_mail_says_no_more_than_so_much() {
    let mut world = World::new(RULES);
    let id = sent(&mut world);
    world.pass("1m");
    let told = (0..MOST_TOLD + 20).map(|_| tell(&mut world, of(id), What::Opened { machine: None }).len()).sum::<usize>();
    assert_eq!(told, MOST_TOLD as usize);
    assert_eq!(tell(&mut world, of(id), What::Unsubscribed("page".into())).len(), 1, "that is never too much");
}

#[test]
fn bounces_find_their_mail_and_only_hard_ones_end_it() {
    let mut world = World::new(RULES);
    let id = sent(&mut world);
    let bounce = |hard| What::Bounced { hard, status: "5.1.1".into(), detail: "no".into() };
    let message = |text: &str| About::Message(text.into());
    assert_eq!(tell(&mut world, message(&format!("<forged.{id}@example.com>")), bounce(true)), [""; 0]);
    assert_eq!(tell(&mut world, About::Mail(Mail::new(id, "other@example.com")), bounce(true)), [""; 0], "another's mail");
    assert_eq!(tell(&mut world, message(&format!("<ab.{id}@example.com>")), bounce(false)), [format!("{id} soft")]);
    assert_eq!(contact(&world).soft, 1);
    assert_eq!(attempted(&mut world, "send"), "news email done");
    world.pass("1m");
    tell(&mut world, of(id), What::Opened { machine: None });
    assert_eq!(contact(&world).soft, 0, "somebody read it");
    assert_eq!(tell(&mut world, About::Address(TO.into()), bounce(true)), [" hard"]);
    assert_eq!(attempted(&mut world, "send"), "news email suppressed reason=bounced");
    assert_eq!(attempted(&mut world, "pay"), "receipt email done", "what is no marketing is tried");
}

#[test]
fn a_mail_is_forgotten_and_an_address_is_not() {
    let mut world = World::new(RULES);
    let id = sent(&mut world);
    let there = |world: &World| matches!(world.state.get(&Key::Sent(id)).unwrap().map(AsRef::as_ref), Some(Entry::Sent(_)));
    tell(&mut world, of(id), What::Unsubscribed("page".into()));
    world.pass("179d");
    assert!(there(&world));
    world.pass("2d");
    assert!(!there(&world));
    assert_eq!(tell(&mut world, of(id), click("https://a.cn")), [""; 0]);
    assert!(contact(&world).unsubscribed.is_some());
}

#[test]
fn what_is_told_is_about_the_mails_record_and_is_booked_though_rules_go_round() {
    let rules = "
rules:
  news: { when: lead.created, then: [ { email: { to: '{{ email }}', subject: 一, text: 二, track: true } } ] }
  loop: { when: email.unsubscribed, then: [ { emit: again } ] }
  round: { when: again, then: [ { emit: again } ] }
  score: { when: email.clicked, then: [ { set: { score: '= 10' } } ] }
";
    let mut world = World::new(rules);
    world.lead("L1", &[("email", TO.into())]);
    let id = super::outbox::first_call(&world);
    assert!(deliver(&mut world, id));
    world.pass("1m");
    world.own(Body::Mail(Box::new(Told { about: of(id), what: click("https://a.cn/?token=CANARY") })));
    assert_eq!(world.field("L1", "score"), "10");
    let line = world.log.iter().find(|l| l.action == "email.clicked").unwrap();
    assert_eq!(line.record, Some(RecordRef { entity: "lead".into(), id: "L1".into() }));
    assert!(!line.detail.to_string().contains("CANARY"), "{}", line.detail);
    world.own(Body::Mail(Box::new(Told { about: of(id), what: What::Unsubscribed("one-click".into()) })));
    assert!(contact(&world).unsubscribed.is_some(), "a loop of rules must not undo it");
    assert!(world.log.iter().any(|l| l.action == "cascade"));
}

#[test]
fn an_address_that_the_server_does_not_know_bounced_at_once() {
    let mut world = World::new(RULES);
    for (error, bounced) in [("550 5.7.1 spam (at RCPT TO)", false), ("550 5.1.1 no such user (at RCPT TO)", true)] {
        let id = send(&mut world, "send");
        world.own(Body::Start(vec![id]));
        world.said();
        world.own(Body::Ended { call: id, attempt: 1, outcome: Ended::Failed { class: Class::Permanent, detail: error.into() } });
        assert_eq!(contact(&world).bounced.is_some(), bounced, "{error}");
        assert_eq!(world.said().contains(&format!("told log done text={id} hard")), bounced);
    }
    assert_eq!(attempted(&mut world, "send"), "news email suppressed reason=bounced");
}

#[test]
fn mails_about_mails_that_come_back_come_to_an_end() {
    let rules = "
rules:
  first: { when: send, then: [ { email: { to: '{{ event.to }}', subject: 一, text: 二, track: true } } ] }
  again: { when: email.bounced, then: [ { email: { to: '{{ event.address }}', subject: 一, text: 二, track: true } } ] }
";
    let mut world = World::new(rules);
    let mut id = send(&mut world, "send");
    for round in 0..100 {
        world.own(Body::Start(vec![id]));
        world.log.clear();
        let outcome = Ended::Failed { class: Class::Permanent, detail: "550 5.1.1 no".into() };
        world.own(Body::Ended { call: id, attempt: 1, outcome });
        if world.log.iter().any(|l| l.action == "cascade") {
            assert!(round >= 10, "{round}");
            return;
        }
        let next = world
            .log
            .iter()
            .filter(|l| l.action == "email")
            .find_map(|l| l.detail.at(&["call"]).filter(|_| l.outcome.word() == "fired"));
        id = next.unwrap().to_string().parse().unwrap();
    }
    panic!("it goes on for ever");
}
