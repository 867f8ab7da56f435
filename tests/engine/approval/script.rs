//! How the approval matrix is written. Read by the tests of the task alone and by those of real flows.

use super::{Act, End, Seated, Share, Signing, Task};

/// `all`, `2`, `60%`, `veto2`, `any`, `seq`.
pub(super) fn mode(word: &str) -> Signing {
    let all = |need, veto| Signing::All { need, veto };
    match word {
        "one" | "all" => all(None, false),
        "any" => Signing::Any,
        "seq" => Signing::Sequence,
        word => match (word.strip_suffix('%'), word.strip_prefix("veto")) {
            (Some(percent), _) => all(Some(Share::Percent(percent.parse().unwrap())), false),
            (_, Some(count)) => all(Some(Share::Count(count.parse().unwrap())), true),
            _ => all(Some(Share::Count(word.parse().unwrap())), false),
        },
    }
}

pub(super) fn names(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

/// One act as the table writes it: by whom, what, in which words.
pub(super) fn asked(text: &str) -> (String, Act, &'static str) {
    let at = text.chars().next().unwrap().len_utf8();
    let (person, rest) = text.split_at(at);
    let at = rest.chars().next().unwrap().len_utf8();
    let (sign, rest) = rest.split_at(at);
    let group = |before| {
        let (mode, people) = rest.split_once(' ').map_or((None, rest), |(word, people)| (Some(self::mode(word)), people));
        Act::Add { people: names(people), before, mode }
    };
    let act = match sign {
        "+" => Act::Approve,
        "-" if rest == "_" => return (person.to_owned(), Act::Reject { to: None, here: false }, " "),
        "-" => {
            let (to, here) = rest.strip_suffix('!').map_or((rest, false), |to| (to, true));
            Act::Reject { to: (!to.is_empty()).then(|| to.to_owned()), here }
        }
        "→" => Act::Transfer(rest.to_owned()),
        "↔" => Act::Delegate(rest.to_owned()),
        "<" => group(true),
        ">" => group(false),
        "\\" => Act::Remove(rest.to_owned()),
        "^" => Act::Recall,
        other => panic!("{other} in {text}"),
    };
    (person.to_owned(), act, "价格太低")
}

/// What a task came to, or who is asked now.
pub(super) fn verdict(task: &Task) -> String {
    match task.ended.as_ref().map(|e| &e.how) {
        Some(End::Approved) => "approved".into(),
        Some(End::Rejected { to: None, .. }) => "rejected".into(),
        Some(End::Rejected { to: Some(to), here }) => format!("rejected to {to}{}", if *here { ", here" } else { "" }),
        Some(End::Cancelled(why)) => format!("cancelled: {why}"),
        None => {
            let mut seen = std::collections::BTreeSet::new();
            let open = task.seats.iter().filter(|s| s.state == Seated::Open);
            open.map(|s| s.person.clone()).filter(|p| seen.insert(p.clone())).collect()
        }
    }
}
