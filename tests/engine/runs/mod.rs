//! What runs of flows do, each in a small flow on the virtual clock. No channel is ever called: tests say how calls end.

mod asked;
mod events;
mod limits;
mod recalled;
mod starts;
mod told;
mod undoing;
mod ways;

use ifthen::engine::call::{Call, Class, Outcome as Ended, Status};
use ifthen::engine::event::{Body, Command, Draft, RecordRef};
use ifthen::engine::flow::{Act, Ask, Run};
use ifthen::engine::state::{Entry, prefix};
use ifthen::engine::value::Value;

use super::world::World;

/// A flow `f` on new leads.
fn flow(body: &str) -> World {
    World::new(&format!("flows:\n  f:\n    when: lead.created\n    record: lead\n{body}"))
}

/// Of steps alone, begun by a lead.
fn begun(steps: &str) -> World {
    let mut world = flow(&format!("    steps:\n{steps}"));
    world.lead("L1", &[("email", "a@example.com".into()), ("name", "刘洋".into()), ("score", 3i64.into())]);
    world
}

/// What was logged by steps, and how runs ended, went back, stopped or stood still, since the last look.
fn trail(world: &mut World) -> Vec<String> {
    let word = |l: &ifthen::engine::log::Line, m: &str| l.detail.at(&[m]).map(ToString::to_string).unwrap_or_default();
    let told = |l: ifthen::engine::log::Line| match l.action.as_str() {
        "log" => Some(word(&l, "text")),
        "end" => Some(format!("end {}", word(&l, "as"))),
        "back" => Some(format!("back {} {}", word(&l, "to"), word(&l, "round"))),
        "stop" => Some(format!("stop {} {}", word(&l, "as"), l.outcome.word())),
        "undo" => Some(format!("undone {}", word(&l, "step"))),
        "start" if l.outcome.word() != "fired" => Some(format!("no start: {}", word(&l, "reason"))),
        "run" => Some(format!("run {}{} {}", word(&l, "act"), word(&l, "reason"), word(&l, "error")).trim().to_owned()),
        _ => None,
    };
    world.log.drain(..).filter_map(told).collect()
}

/// Every run there is.
fn runs(world: &World) -> Vec<Run> {
    let keys = world.state.scan(prefix::RUN, None, 99);
    let run = |entry: Option<&std::sync::Arc<Entry>>| match entry.map(AsRef::as_ref) {
        Some(Entry::Run(run)) => Some(run.clone()),
        _ => None,
    };
    keys.iter().filter_map(|key| run(world.state.get(key).unwrap())).collect()
}

/// Calls in the outbox.
fn calls(world: &World) -> Vec<Call> {
    let keys = world.state.scan(prefix::CALL, None, 99);
    let call = |entry: Option<&std::sync::Arc<Entry>>| match entry.map(AsRef::as_ref) {
        Some(Entry::Call(call)) => Some(call.clone()),
        _ => None,
    };
    keys.iter().filter_map(|key| call(world.state.get(key).unwrap())).collect()
}

/// What they are, but for those that are dead.
fn outbox(world: &World) -> Vec<String> {
    let address = |c: &&Call| {
        let request = serde_json::to_value(&c.request).unwrap();
        let path = request.pointer("/http/url").or(request.pointer("/email/to"));
        path.map_or_else(|| request.to_string(), |p| p.to_string().trim_matches('"').replace("http://127.0.0.1:1", ""))
    };
    calls(world).iter().filter(|c| c.status != Status::Dead).map(|c| address(&c)).collect()
}

fn find(world: &World, path: &str) -> Call {
    let all = calls(world);
    // The newest, where a former one is dead.
    let found = all.iter().rev().find(|c| serde_json::to_string(&c.request).unwrap().contains(path));
    found.unwrap_or_else(|| panic!("no call of {path} in {:?}", outbox(world))).clone()
}

fn set_out(world: &mut World, path: &str) -> Call {
    let call = find(world, path);
    world.own(Body::Start(vec![call.id]));
    find(world, path)
}

/// A call ends well, with this answer.
fn done(world: &mut World, path: &str, answer: Value) {
    let mut call = find(world, path);
    if call.status != Status::Started {
        call = set_out(world, path);
    }
    world.own(Body::Ended { call: call.id, attempt: call.attempt, outcome: Ended::Done(answer) });
}

fn ok(world: &mut World, path: &str) {
    done(world, path, Value::Null);
}

/// A call is refused for good.
fn refused(world: &mut World, path: &str) {
    let mut call = find(world, path);
    if call.status != Status::Started {
        call = set_out(world, path);
    }
    let outcome = Ended::Failed { class: Class::Permanent, detail: "400 不行".into() };
    world.own(Body::Ended { call: call.id, attempt: call.attempt, outcome });
}

/// Nobody knows what became of a call, however often it is tried.
fn lost(world: &mut World, path: &str) {
    for _ in 0..5 {
        world.pass("10m");
        let call = set_out(world, path);
        let id = call.id;
        world.own(Body::Ended { call: id, attempt: call.attempt, outcome: Ended::Unknown { detail: "断线".into() } });
        if world.call(id).is_none_or(|c| c.status == Status::Dead) {
            return;
        }
    }
    panic!("{path} is tried without end");
}

/// A person asks something of the only run.
fn ask(world: &mut World, act: Act) {
    let run = runs(world)[0].id.clone();
    world.own(Body::Command(Command::Run(Box::new(Ask { run, act, by: "张三".into(), comment: String::new() }))));
}

/// Something happens to a lead.
fn event(world: &mut World, name: &str, id: &str, data: Value) {
    let record = Some(RecordRef { entity: "lead".into(), id: id.into() });
    let now = world.now;
    world.decide(Draft { origin: "crm".into(), record, ..Draft::own(name, now, Body::Happened { data, upsert: None }) });
}

/// The ids of the steps where the only run stands.
fn stands(world: &World) -> Vec<String> {
    let run = &runs(world)[0];
    let key = ifthen::engine::state::Key::Graph(run.graph.clone());
    let Some(Entry::Graph(flow)) = world.state.get(&key).unwrap().map(AsRef::as_ref) else { panic!() };
    run.stands(flow).into_iter().map(|(id, _)| id).collect()
}
