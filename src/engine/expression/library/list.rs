//! Lists and objects as a whole. What compares items with items does it by a written form of each, never each with each.

use std::collections::BTreeSet;

use super::call::{Call, Gathered, made, nothing};
use super::{Function, Run, rows};
use crate::engine::expression::node::Evaluated;
use crate::engine::value::{MAX_DEPTH, Value};

pub(super) const ROWS: &[Function] = rows! {
    Plain(Run(first)) "first" 1..=1 "first(list)" "the first item; missing of an empty list" "第一项;空列表则缺失" "first(tags) == 'VIP'" [List -> Any];
    Plain(Run(last)) "last" 1..=1 "last(list)" "the last item; missing of an empty list" "最后一项;空列表则缺失" "last(tags) == '官网'" [List -> Any];
    Plain(Run(slice)) "slice" 2..=3 "slice(list, from[, count])"
        "the items from this one on, the first is 0; from the end where it is negative" "从第几项开始取(首项为 0,负数从末尾数),可限项数"
        "slice(tags, 1) == ['官网']" [List, Number -> List];
    Plain(Run(reverse)) "reverse" 1..=1 "reverse(list)" "from the last to the first" "倒序" "first(reverse(tags)) == '官网'" [List -> List];
    Plain(Run(unique)) "unique" 1..=1 "unique(list)" "each item once" "去重" "len(unique(['A', 'B', 'A'])) == 2" [List -> List];
    Plain(Run(has_any)) "has_any" 2..=2 "has_any(list, others)"
        "one of the others at least is in the list" "列表中至少有其中一项" "has_any(tags, ['VIP', '重点'])" [List, List -> Bool];
    Plain(Run(has_all)) "has_all" 2..=2 "has_all(list, others)"
        "all of the others are in the list" "列表中包含其中每一项" "has_all(tags, ['VIP', '官网'])" [List, List -> Bool];
    Plain(Run(keys)) "keys" 1..=1 "keys(object)" "the names of its members" "各成员的名称" "'city' in keys(address)" [Object -> List];
    Plain(Run(values)) "values" 1..=1 "values(object)" "the values of its members" "各成员的值" "'上海' in values(address)" [Object -> List];
    Plain(Run(get)) "get" 2..=3 "get(x, 'path'[, default])"
        "the member at a path such as `lines.0.price`, else the default" "按路径(如 `lines.0.price`)取成员,没有则取默认值" "get(address, 'zip', '无') == '无'"
        [Any, Text, Any -> Any];
};

fn first<'a>(call: &Call<'a>) -> Evaluated<'a> {
    call.list(0)?.and_then(|l| l.first().cloned()).map_or_else(nothing, made)
}

fn last<'a>(call: &Call<'a>) -> Evaluated<'a> {
    call.list(0)?.and_then(|l| l.last().cloned()).map_or_else(nothing, made)
}

fn gathered<'a>(items: impl Iterator<Item = Value>) -> Evaluated<'a> {
    let mut all = Gathered::default();
    for item in items {
        all.push(item)?;
    }
    made(all.done())
}

fn slice<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(items), Some(from)) = (call.list(0)?, call.whole(1)?) else { return nothing() };
    let count = match call.whole(2)? {
        Some(count) => usize::try_from(count).unwrap_or(0),
        None if call.has(2) => return nothing(),
        None => usize::MAX,
    };
    let from = match usize::try_from(from) {
        Ok(from) => from,
        Err(_) => items.len().saturating_sub(usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    gathered(items.iter().skip(from).take(count).cloned())
}

fn reverse<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(items) = call.list(0)? else { return nothing() };
    gathered(items.iter().rev().cloned())
}

fn unique<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(items) = call.list(0)? else { return nothing() };
    let mut seen = BTreeSet::new();
    gathered(items.iter().filter(|i| seen.insert(written(i))).cloned())
}

/// One text for equal values, another for others.
fn written(value: &Value) -> String {
    match value {
        Value::Number(n) => format!("n{}", n.normalize()),
        Value::Text(t) => format!("t{t}"),
        other => format!("{}{other}", other.kind()),
    }
}

fn has_any<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(items), Some(others)) = (call.list(0)?, call.list(1)?) else { return made(false) };
    let there: BTreeSet<String> = items.iter().filter(|i| **i != Value::Null).map(written).collect();
    made(others.iter().any(|o| there.contains(&written(o))))
}

fn has_all<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(items), Some(others)) = (call.list(0)?, call.list(1)?) else { return made(false) };
    let there: BTreeSet<String> = items.iter().filter(|i| **i != Value::Null).map(written).collect();
    made(others.iter().all(|o| there.contains(&written(o))))
}

fn keys<'a>(call: &Call<'a>) -> Evaluated<'a> {
    match call.value(0)?.as_ref() {
        Value::Map(members) => gathered(members.keys().map(|k| k.as_str().into())),
        Value::Null => nothing(),
        other => Err(call.unfit(0, other, "an object")),
    }
}

fn values<'a>(call: &Call<'a>) -> Evaluated<'a> {
    match call.value(0)?.as_ref() {
        Value::Map(members) => gathered(members.values().cloned()),
        Value::Null => nothing(),
        other => Err(call.unfit(0, other, "an object")),
    }
}

fn get<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (whole, Some(path)) = (call.value(0)?, call.text(1)?) else { return call.value(2) };
    let parts: Vec<&str> = path.split('.').take(MAX_DEPTH + 1).collect();
    match whole.at(&parts) {
        Some(found) if *found != Value::Null => made(found.clone()),
        _ => call.value(2),
    }
}
