//! The approval matrix through real flows: at a step of its own, and as a branch beside another one.

use ifthen::engine::approval::{Ask, Task};
use ifthen::engine::event::{Body, Command};
use ifthen::engine::state::{Entry, prefix};

use super::script::{asked, names, verdict};
use crate::world::World;

const MATRIX: &str = include_str!("matrix.txt");

const PEOPLE: &str = "甲乙丙丁戊己庚王子丑寅周";

/// The flow of a row, with what is done when time is over, in the order of the row.
fn flow(word: &str, who: &str, acts: &[&str], beside: bool) -> String {
    let mode = match word {
        "one" | "all" => String::new(),
        "any" => ", mode: any".into(),
        "seq" => ", mode: sequence".into(),
        word => match word.strip_prefix("veto") {
            Some(count) => format!(", need: {count}, veto: true"),
            None => format!(", need: {word}"),
        },
    };
    let list = |people: &str| names(people).iter().map(|p| format!("user:{p}")).collect::<Vec<_>>().join(", ");
    let rung = |act: &&str| match act.strip_prefix("up") {
        Some(people) => Some(format!("{{ escalate: [{}] }}", list(people))),
        None => act.strip_prefix("time").map(|sign| format!("{{ decide: {} }}", if sign == "+" { "approve" } else { "reject" })),
    };
    let mut rungs: Vec<String> = acts.iter().filter_map(rung).collect();
    if rungs.is_empty() {
        rungs.push("{ remind: again }".into());
    }
    let (who, rungs) = (list(who), rungs.join(", "));
    let step = format!("{{ id: 审批, approve: {{ who: [{who}], returns: [改]{mode} }}, within: 1d, late: [ {rungs} ] }}");
    let next = "{ id: 之后, approve: 'user:丑', within: 90d, late: { fail: 太久 } }";
    let steps = if beside {
        let other = "{ id: 旁边, approve: 'user:寅', within: 90d, late: { fail: 太久 } }";
        format!("      - id: 会审\n        parallel: {{ 这边: [ {step} ], 那边: [ {other} ] }}\n      - {next}\n")
    } else {
        format!("      - {step}\n      - {next}\n")
    };
    let people: Vec<String> = names(PEOPLE).iter().map(|p| format!("{p}: {{}}")).collect();
    format!(
        "people: {{ {}, 李: {{ proxy: {{ who: 周 }} }}, 陈: {{ proxy: {{ who: 李 }} }}, 吴: {{}}, 郑: {{}} }}\n\
         flows:\n  审批流:\n    when: lead.created\n    record: lead\n    initiator: 'user:庚'\n    steps:\n{steps}    \
         asides:\n      改:\n        - {{ id: 改, wait: lead.changed, up_to: forever }}\n        - back_to: {}\n",
        people.join(", "),
        if beside { "会审" } else { "审批" }
    )
}

fn task(world: &World, step: &str) -> Option<Task> {
    let keys = world.state.scan(prefix::TASK, None, usize::MAX);
    let mut tasks = keys.iter().filter_map(|key| match world.state.get(key).unwrap().map(AsRef::as_ref) {
        Some(Entry::Task(task)) if task.step == step => Some(task.clone()),
        _ => None,
    });
    tasks.next_back()
}

fn done(world: &mut World, text: &str) -> String {
    let of = if text.starts_with('丑') { "之后" } else { "审批" };
    if text.starts_with("up") || text.starts_with("time") {
        world.pass("25h");
    } else if text != "?" {
        world.pass("1m");
        let (person, act, comment) = asked(text);
        let (way, address, comment) = ("link".to_owned(), "10.0.0.7".to_owned(), comment.to_owned());
        let before = task(world, of).unwrap();
        let ask = Ask { task: before.id, person, act, comment, links: Vec::new(), way, address };
        world.log.clear();
        world.own(Body::Command(Command::Task(Box::new(ask))));
        let refused = |l: &&ifthen::engine::log::Line| l.action == "decide" && l.outcome.word() == "suppressed";
        if let Some(line) = world.log.iter().find(refused) {
            assert_eq!(task(world, of), Some(before), "refused, and yet something changed");
            return format!("no {}", line.detail.at(&["reason"]).unwrap());
        }
    }
    verdict(&task(world, of).unwrap())
}

/// Where the run stands, and what else is asked there.
fn stands(world: &World) -> String {
    let run = world.state.scan(prefix::RUN, None, 9).first().and_then(|key| world.state.get(key).unwrap().cloned());
    let Some(Entry::Run(run)) = run.as_deref() else { return "nowhere".into() };
    let Some(Entry::Graph(flow)) =
        world.state.get(&ifthen::engine::state::Key::Graph(run.graph.clone())).unwrap().map(AsRef::as_ref)
    else {
        panic!("the run has no graph")
    };
    let ids: Vec<String> = run.stands(flow).into_iter().map(|(id, _)| id).collect();
    format!("{} round {}", ids.join(" "), run.round)
}

/// Where the run must stand then.
fn expected(verdict: &str, beside: bool) -> &'static str {
    match (verdict, beside) {
        ("approved", false) => "之后 round 1",
        ("approved", true) => "旁边 round 1",
        ("rejected", _) => "nowhere",
        (to, _) if to.starts_with("rejected to") => "改 round 2",
        (_, false) => "审批 round 1",
        (_, true) => "审批 旁边 round 1",
    }
}

fn matrix(beside: bool) {
    let mut wrong = Vec::new();
    for (n, line) in MATRIX.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
        let mut parts = line.trim_start_matches("* ").split(" | ");
        let (word, who) = parts.next().unwrap().split_once(' ').unwrap();
        let pairs: Vec<(&str, &str)> = parts.map(|p| p.split_once(": ").unwrap()).collect();
        let acts: Vec<&str> = pairs.iter().map(|(act, _)| *act).collect();
        // Definitions refuse proxies in a circle; and what comes next is not yet there while another branch is.
        if who.contains('吴') || beside && acts.iter().any(|a| a.starts_with('丑')) {
            continue;
        }
        let mut world = World::new(&flow(word, who, &acts, beside));
        world.lead("L1", &[]);
        for (text, expect) in pairs {
            let found = done(&mut world, text);
            if found != expect.trim() {
                wrong.push(format!("line {}: {line}\n  {text}: {found}, not {expect}", n + 1));
                break;
            }
            let (stands, expect) = (stands(&world), expected(&found, beside));
            if !found.starts_with("no ") && !text.starts_with('丑') && stands != expect {
                wrong.push(format!("line {}: {line}\n  {text}: the run stands at {stands}, not {expect}", n + 1));
                break;
            }
            if let (true, Some(other)) = (beside, task(&world, "旁边")) {
                let cancelled = found.starts_with("rejected");
                if !found.starts_with("no ") && other.ended.is_some() != cancelled {
                    wrong.push(format!("line {}: {line}\n  {text}: the other branch: {}", n + 1, verdict(&other)));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_matrix_holds_in_a_flow() {
    matrix(false);
}

#[test]
fn the_matrix_holds_in_a_branch_beside_another() {
    matrix(true);
}
