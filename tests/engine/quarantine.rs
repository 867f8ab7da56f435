//! The quarantine by itself: kept whatever rules make of it, settled once, and not settled where what it meant is rolled back.

use ifthen::engine::event::{Body, Draft, RecordRef, Upsert};
use ifthen::engine::quarantine::{Retold, Unread};
use ifthen::engine::state::Key;
use ifthen::engine::value::Value;

use super::world::World;

fn unread(world: &mut World) -> u64 {
    let item = Unread {
        reason: "手机".into(),
        field: Some("mobile".into()),
        data: Value::from([("id", "L1".into())]),
        ..Unread::default()
    };
    let (seq, now) = (world.seq, world.now);
    world.decide(Draft { origin: "crm".into(), ..Draft::own("ifthen.unreadable", now, Body::Unread(Box::new(item))) });
    seq
}

fn is_held(world: &World, item: u64) -> bool {
    world.state.get(&Key::Quarantine(item)).is_ok_and(|held| held.is_some())
}

fn retold(world: &World, id: &str) -> Vec<Retold> {
    let record = RecordRef { entity: "lead".into(), id: id.into() };
    let upsert = Some(Upsert { record, fields: [("id".to_owned(), id.into())].into(), at: Some(world.now) });
    vec![Retold { name: "crm.lead".into(), at: world.now, delivery: None, data: Value::Null, upsert }]
}

#[test]
fn an_item_is_settled_once() {
    let mut world =
        World::new("rules: { tell: { when: ifthen.unreadable, then: [ { log: '{{ event.item.id }} {{ event.field }}' } ] } }");
    let item = unread(&mut world);
    assert_eq!(world.said(), ["- read failed reason=quarantined error=手机", "tell rule fired", "tell log done text=L1 mobile"]);
    let told = retold(&world, "L1");
    world.own(Body::Settled { item, told: told.clone() });
    assert_eq!(world.said(), ["- quarantine done reason=understood"]);
    assert_eq!(world.field("L1", "id"), "L1");
    assert!(!is_held(&world, item));
    // Two people at once: the second comes too late, and nothing is told twice.
    let seq = world.seq;
    world.own(Body::Settled { item, told });
    assert_eq!((world.said(), world.seq), (vec!["- quarantine failed reason=no such item".to_owned()], seq + 1));
    let item = unread(&mut world);
    world.own(Body::Settled { item, told: vec![] });
    assert!(!is_held(&world, item));
    assert_eq!(world.said().last().unwrap(), "- quarantine done reason=discarded");
}

#[test]
fn what_is_rolled_back_takes_no_item_along() {
    // Rules that wake each other, once by the item and once by what it meant.
    let mut world = World::new(
        "rules:\n  a: { when: [ifthen.unreadable, again], then: [ { emit: again } ] }\n  b: { when: [lead.created, more], then: [ { emit: more } ] }",
    );
    let item = unread(&mut world);
    assert_eq!(world.said(), ["- read failed reason=quarantined error=手机", "- cascade failed reason=loop"]);
    assert!(is_held(&world, item), "kept, though all that rules did is undone");
    let told = retold(&world, "L1");
    world.own(Body::Settled { item, told });
    assert_eq!(world.said(), ["- cascade failed reason=loop"]);
    assert!(is_held(&world, item), "not settled");
}
