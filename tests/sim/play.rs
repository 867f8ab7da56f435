//! A plan, played: everything that may go wrong goes wrong; then nothing does any more, and everything must come right.

use ifthen::engine::approval::{self, Seated};
use ifthen::engine::call::{Class, Outcome};
use ifthen::engine::event::{Body, Command, Draft, Event};
use ifthen::engine::flow::{self, Act};
use ifthen::engine::state::{Entry, Key, prefix};
use ifthen::engine::value::Value;
use ifthen::store::Read as _;
use jiff::SignedDuration;

use super::definitions::VERSIONS;
use super::dice::Dice;
use super::disk::Fault;
use super::mistake::Mistake;
use super::outside;
use super::plan::{Action, Kind};
use super::process::Message;
use super::runs::runs;
use super::world::{Counts, Delivery, World};

/// Leads that things happen to.
const LEADS: [&str; 4] = ["L1", "L2", "L3", "L4"];
/// Rounds of six hours, at most, after which all must be in order: the longest wait of a flow is three days.
const HEALING: usize = 60;

/// What came of a plan.
pub(super) struct Played {
    pub(super) wrong: Option<String>,
    pub(super) counts: Counts,
    pub(super) story: Vec<String>,
}

/// Plays it from the beginning to the end.
pub(super) fn play(plan: &[Action], mistake: Option<Mistake>, telling: bool) -> Played {
    let mut world = World::new(mistake, telling);
    let wrong = plan.iter().try_for_each(|action| act(&mut world, *action)).and_then(|()| heal(&mut world)).err();
    for (what, n) in std::mem::take(&mut world.disk.lock().happened) {
        *world.counts.entry(what.to_owned()).or_default() += n;
    }
    for (what, n) in &world.book.counts {
        *world.counts.entry((*what).to_owned()).or_default() += n;
    }
    Played { wrong, counts: world.counts, story: world.story }
}

fn act(world: &mut World, action: Action) -> Result<(), String> {
    let dice = &mut Dice::seeded(action.seed);
    let done = match action.kind {
        Kind::Post => post(world, dice),
        Kind::PostAgain => again(world, dice),
        Kind::Rows => {
            for _ in 0..1 + dice.below(6) {
                world.rows.push((dice.pick(&LEADS).to_owned(), 1 + i64::try_from(dice.below(9)).unwrap()));
            }
            true
        }
        Kind::Poll => world.poll(1 + dice.below(5)) > 0,
        Kind::Turn => {
            world.turn(dice.pick(&[1, 2, 512, 512]))?;
            true
        }
        Kind::Pass => {
            let seconds = dice.pick(&[1, 30, 70, 400, 3_700, 7_300, 90_000]);
            pass(world, SignedDuration::from_secs(seconds));
            true
        }
        Kind::Reach => reach(world, dice)?,
        Kind::Answer => answer(world, dice)?,
        Kind::AnswerAgain => answer_again(world, dice),
        Kind::Decide => decide(world, dice),
        Kind::Ask => ask(world, dice),
        Kind::AskRun => ask_run(world, dice),
        Kind::Stop => stop(world, dice)?,
        Kind::Reload => {
            world.files = dice.below(VERSIONS);
            world.shifted |= world.files == 2;
            let files = world.files;
            world.tell(|| format!("the files are version {files}"));
            world.process.as_mut().map(|p| p.mailbox.push_back(Message::Load(files))).is_some()
        }
        Kind::SetClock => {
            let by = SignedDuration::from_hours(24 * dice.pick(&[1, -1]));
            world.now.wall += by;
            world.shifted = true;
            world.tell(|| format!("the clock is set by {by}"));
            world.process.is_some()
        }
        Kind::ConfirmClock => confirm(world),
        Kind::Kill => {
            let ran = world.process.is_some();
            world.die("killed")?;
            ran
        }
        Kind::KillPerforming => {
            world.kill_performing = true;
            false // counted where it happens
        }
        Kind::PowerCut => {
            let ran = world.process.is_some();
            world.power_cut(dice.below(9))?;
            ran
        }
        Kind::Fault => {
            let (reads, more) = (dice.below(12), dice.below(60));
            let faults = [
                Fault::KilledBefore,
                Fault::KilledAfter,
                Fault::BrokenBefore,
                Fault::BrokenAfter,
                Fault::KilledReading(reads),
                Fault::KilledReading(more),
                Fault::BrokenReading(reads),
                Fault::BrokenTidying,
            ];
            world.disk.arm(Some(dice.pick(&faults)));
            false // counted where it happens
        }
        Kind::Full => {
            world.disk.lock().full = true;
            world.tell(|| "the disk is full".into());
            true
        }
        Kind::Room => std::mem::take(&mut world.disk.lock().full),
        Kind::Lose => {
            world.lose = true;
            false // counted where it happens
        }
    };
    if done {
        world.count(&format!("action.{:?}", action.kind));
    }
    world.on_their_way()
}

fn pass(world: &mut World, by: SignedDuration) {
    world.now.wall += by;
    world.now.boot += by;
}

/// Something new; one item mostly, several sometimes, and one of them perhaps not to be understood.
fn post(world: &mut World, dice: &mut Dice) -> bool {
    let count = dice.pick(&[1, 1, 1, 2, 3]);
    let first = world.deliveries.len();
    for _ in 0..count {
        let (lead, n) = (dice.pick(&LEADS), i64::try_from(world.deliveries.len()).unwrap() + 1);
        let amount = i64::try_from(dice.below(100)).unwrap();
        let id = ("id", Value::from(lead));
        let (source, data) = match dice.below(21) {
            0..=8 => ("shop", Value::from([id, ("no", n.into()), ("amount", amount.into())])),
            9..=13 => {
                ("crm", Value::from([id, ("阶段", dice.pick(&["新建", "跟进", "跟进", "成交"]).into()), ("姓名", "刘洋".into())]))
            }
            14 | 15 => ("deals", Value::from([id])),
            16 | 17 => ("contracts", Value::from([id])),
            18 => ("loops", Value::from([id])),
            _ => ("shop", Value::from([("no", n.into()), ("amount", amount.into())])), // of nobody
        };
        let id = format!("d{n}");
        world.tell(|| format!("{source} {id} {data}"));
        let (acknowledged, rejected, posted, times) = (None, false, 0, 0);
        world.deliveries.push(Delivery { source, id, data, acknowledged, rejected, posted, times });
    }
    world.post((first..first + count).collect());
    true
}

fn again(world: &mut World, dice: &mut Dice) -> bool {
    if world.deliveries.is_empty() || world.process.is_none() {
        return false;
    }
    let at = dice.below(world.deliveries.len());
    let id = world.deliveries[at].id.clone();
    world.tell(|| format!("{id} again"));
    world.post(vec![at]);
    true
}

/// One of the attempts on their way, if there are any.
fn one(world: &World, dice: &mut Dice) -> Option<usize> {
    let flights = world.process.as_ref().map_or(0, |p| p.flights.len());
    (flights > 0).then(|| dice.below(flights))
}

fn reach(world: &mut World, dice: &mut Dice) -> Result<bool, String> {
    let (Some(at), Some(process)) = (one(world, dice), &mut world.process) else { return Ok(false) };
    world.outside.receive(&mut process.flights[at])?;
    let id = process.flights[at].call.id;
    world.tell(|| format!("{id} arrives"));
    Ok(true)
}

fn answer(world: &mut World, dice: &mut Dice) -> Result<bool, String> {
    let (Some(at), Some(process)) = (one(world, dice), &mut world.process) else { return Ok(false) };
    let mut flight = process.flights.remove(at);
    // Mostly it has arrived by then.
    if !flight.reached && dice.chance(60) {
        world.outside.receive(&mut flight)?;
    }
    let (word, outcome) = outside::outcome(&flight, dice);
    world.count(word);
    world.tell(|| format!("{} attempt {} ends: {word}", flight.call.id, flight.call.attempt));
    world.ends(&flight, outcome);
    Ok(true)
}

fn answer_again(world: &mut World, dice: &mut Dice) -> bool {
    // An attempt that was throttled counts for none: the next one has its number.
    let throttled = |outcome: &Outcome| matches!(outcome, Outcome::Failed { class: Class::Throttled { .. }, .. });
    let ended = world.process.as_ref().map(|p| p.ended.iter().filter(|(_, o)| !throttled(o)).cloned().collect::<Vec<_>>());
    let Some(ended) = ended.filter(|ended| !ended.is_empty()) else { return false };
    let (call, outcome) = dice.pick(&ended);
    world.tell(|| format!("{} attempt {} is told once more", call.id, call.attempt));
    let draft = ifthen::daemon::turn::ended(&call, outcome, world.now.wall);
    world.own(draft);
    true
}

fn decide(world: &mut World, dice: &mut Dice) -> bool {
    let tasks = world.disk.with(|store| store.scan(prefix::TASK, None, 100)).unwrap();
    let open = |entry: &Entry| match entry {
        Entry::Task(task) if task.ended.is_none() => Some(task.clone()),
        _ => None,
    };
    let tasks: Vec<_> = tasks.iter().filter_map(|(_, entry)| open(entry)).collect();
    if tasks.is_empty() || world.process.is_none() {
        return false;
    }
    let task = dice.pick(&tasks);
    let Some(seat) = task.seats.iter().find(|s| s.state == Seated::Open) else { return false };
    let act = if dice.chance(75) { approval::Act::Approve } else { approval::Act::Reject { to: None, here: false } };
    let (person, comment, links, way, address) = (seat.person.clone(), "意见".into(), Vec::new(), "cli".into(), String::new());
    let ask = approval::Ask { task: task.id, person, act, comment, links, way, address };
    for _ in 0..dice.pick(&[1, 1, 2]) {
        command(world, Command::Task(Box::new(ask.clone())));
    }
    true
}

fn command(world: &mut World, command: Command) {
    world.tell(|| format!("{command:?}"));
    world.own(Draft::own("ifthen.command", world.now.wall, Body::Command(command)));
}

/// A call is tried again by hand, or given up.
fn ask(world: &mut World, dice: &mut Dice) -> bool {
    let calls: Vec<_> = world.disk.with(|store| store.scan(prefix::CALL, None, 100)).unwrap();
    if calls.is_empty() || world.process.is_none() {
        return false;
    }
    let Entry::Call(call) = dice.pick(&calls).1.as_ref().clone() else { return false };
    let asked = if dice.chance(80) { Command::Retry(call.id) } else { Command::Discard(call.id) };
    command(world, asked);
    true
}

/// A run is ended, moved on or put onto the flow as it is now.
fn ask_run(world: &mut World, dice: &mut Dice) -> bool {
    let runs = runs(&world.book.state);
    if runs.is_empty() || world.process.is_none() {
        return false;
    }
    let run = dice.pick(&runs).id;
    let acts = [
        Act::Cancel { undo: false },
        Act::Cancel { undo: true },
        Act::Retry,
        Act::Skip,
        Act::Back { step: "审批".into() },
        Act::Signal { name: "contract.signed".into(), data: Value::Null },
        Act::Migrate,
        Act::Migrate,
    ];
    ask_of(world, run, dice.pick(&acts));
    true
}

fn ask_of(world: &mut World, run: String, act: Act) {
    command(world, Command::Run(Box::new(flow::Ask { run, act, by: "张三".into(), comment: String::new() })));
}

/// The process is asked to stop. It begins nothing, and waits a while for the calls on their way: some end, some do not.
fn stop(world: &mut World, dice: &mut Dice) -> Result<bool, String> {
    let ran = world.process.is_some();
    for _ in 0..4 {
        if world.process.as_ref().is_none_or(|p| p.cycle.is_idle()) {
            break;
        }
        answer(world, dice)?;
        world.round(512, true)?;
    }
    world.die("stopped")?;
    Ok(ran)
}

fn confirm(world: &mut World) -> bool {
    let paused = world.process.as_mut().is_some_and(|p| p.cycle.turn().is_paused());
    if paused {
        command(world, Command::ConfirmClock);
    }
    paused
}

/// Nothing goes wrong any more, and people do what they are asked: in the end everything is in order.
fn heal(world: &mut World) -> Result<(), String> {
    world.tell(|| "from here on nothing goes wrong".into());
    (world.kill_performing, world.lose) = (false, false);
    world.disk.arm(None);
    world.disk.lock().full = false;
    for round in 0..HEALING {
        calm(world)?;
        for run in runs(&world.book.state).into_iter().filter(|run| run.failed.is_some()) {
            ask_of(world, run.id, if round < HEALING / 2 { Act::Retry } else { Act::Cancel { undo: false } });
        }
        if is_settled(world) {
            break;
        }
        let wake = world.process.as_ref().and_then(|p| p.cycle.wakes(world.now));
        let most = SignedDuration::from_hours(6);
        let by = wake.map_or(most, |wake| wake.duration_since(world.now.wall)).clamp(SignedDuration::from_secs(1), most);
        pass(world, by);
    }
    let waits = world.deliveries.iter().find(|d| d.acknowledged.is_none() && !d.rejected);
    if let Some(delivery) = waits {
        return Err(format!("delivery {} is never acknowledged", delivery.id));
    }
    if !is_settled(world) {
        let runs: Vec<String> = runs(&world.book.state).iter().map(|r| format!("{} {:?}", r.id, r.strands)).collect();
        return Err(format!("{} calls and these runs never come to an end: {runs:?}", world.book.waiting()));
    }
    overdue(world)?;
    world.intact()?;
    world.book.settled(world.shifted)?;
    rows(world)?;
    calls(world)?;
    world.die("for the last time")?;
    let before = world.disk.lock().committed.len();
    world.turn(512)?;
    let news = |e: &&Event| e.name != "ifthen.loaded";
    match world.disk.lock().committed[before..].iter().flat_map(|(batch, _)| &batch.events).find(news) {
        Some(event) => Err(format!("a start has `{}` to tell although all is settled", event.name)),
        None => Ok(()),
    }
}

/// All that can be done now is done.
fn calm(world: &mut World) -> Result<(), String> {
    let mut quiet = 0;
    for _ in 0..200 {
        world.turn(512)?;
        world.on_their_way()?;
        confirm(world);
        let unsure: Vec<usize> = (0..world.deliveries.len())
            .filter(|at| {
                let d = &world.deliveries[*at];
                d.acknowledged.is_none() && !d.rejected && d.posted == 0
            })
            .collect();
        for at in &unsure {
            world.post(vec![*at]);
        }
        world.poll(100);
        let Some(process) = &mut world.process else { continue };
        let flights = std::mem::take(&mut process.flights);
        for mut flight in flights {
            world.outside.receive(&mut flight)?;
            world.ends(&flight, outside::done());
        }
        let Some(process) = &mut world.process else { continue };
        let due = process.cycle.wakes(world.now).is_some_and(|at| at <= world.now.wall);
        // Twice: whether the clock is right again is seen at the next look.
        quiet = if process.mailbox.is_empty() && process.cycle.is_idle() && !due { quiet + 1 } else { 0 };
        if quiet > 1 {
            return Ok(());
        }
        if process.cycle.is_paused(world.now) {
            pass(world, SignedDuration::from_millis(500));
        }
    }
    Err("it never comes to rest".into())
}

fn is_settled(world: &World) -> bool {
    let told = world.deliveries.iter().all(|d| d.acknowledged.is_some() || d.rejected);
    let goes_on = |run: &ifthen::engine::flow::Run| run.strands.values().any(|s| s.error.is_none());
    told && world.book.waiting() == 0 && !runs(&world.book.state).iter().any(goes_on)
}

/// What was due has rung.
fn overdue(world: &World) -> Result<(), String> {
    let timers = world.disk.with(|store| store.scan(prefix::TIMER, None, 1)).unwrap();
    match timers.first() {
        Some((Key::Timer(id), _)) if id.due <= world.now.wall.as_millisecond() => Err(format!("timer {id:?} never rings")),
        _ => Ok(()),
    }
}

/// Every row of the polled system once.
fn rows(world: &World) -> Result<(), String> {
    for at in 0..world.rows.len() {
        match world.book.rows.get(&i64::try_from(at).unwrap()) {
            Some(1) => {}
            other => return Err(format!("row {at} came {} times", other.copied().unwrap_or(0))),
        }
    }
    Ok(())
}

/// Every call was performed under one key, or is dead, or was withdrawn.
fn calls(world: &World) -> Result<(), String> {
    for (id, known) in &world.book.calls {
        let keys = world.outside.received.get(id).map_or(0, std::collections::BTreeMap::len);
        if known.done + known.dead + known.withdrawn == 0 {
            return Err(format!("nothing became of {id}"));
        }
        if known.done > 0 && !known.merged && !world.outside.has(*id) {
            return Err(format!("{id} is done and never arrived"));
        }
        if keys > 1 + known.apart {
            return Err(format!("{id} arrived under {keys} keys"));
        }
    }
    Ok(())
}
