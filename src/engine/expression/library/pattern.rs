//! Regular expressions: what they capture and replace. A pattern is compiled once, at load; its engine takes linear time for each
//! place it is looked for from, so how often it is looked for is bounded too.

use std::borrow::Cow;

use regex::Regex;

use super::call::{Call, Gathered, fits, made, nothing, stop, text};
use super::{Function, rows};
use crate::engine::expression::node::Evaluated;
use crate::engine::scope::Stop;
use crate::engine::value::Value;

/// Most places at which a pattern is looked for again in one text.
const MAX_MATCHES: usize = 1_000;

/// What is done with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::expression) enum How {
    /// The text of a group, where it is found first.
    Capture,
    /// The same of every place.
    Captures,
    /// Every place replaced.
    Replace,
}

pub(super) const ROWS: &[Function] = rows! {
    Pattern(How::Capture) "capture" 2..=3 "capture(text, 'pattern'[, group])"
        "what the pattern's first group found (the whole without groups), or the group of that number or name; missing if it is not found"
        "正则第一个分组(没有分组时为整体)取到的文本,可指定分组的序号或名称;未找到则缺失"
        "capture(note, '预算(\\d+)万') == '50'" [Text, Text, Any -> Text];
    Pattern(How::Captures) "captures" 2..=3 "captures(text, 'pattern'[, group])"
        "a list of the same for every place where the pattern is found" "同上,取每一处,成为列表"
        "len(captures(note, '\\d+')) == 2" [Text, Text, Any -> List];
    Pattern(How::Replace) "replace_matches" 3..=3 "replace_matches(text, 'pattern', other)"
        "with every place replaced that the pattern finds; `$1` is its first group" "替换正则找到的每一处;`$1` 表示第一个分组"
        "replace_matches(mobile, '\\d{4}(\\d{4})$', '****$1') == '+86138****8000'" [Text, Text, Text -> Text];
};

/// A pattern with what it is looked for in.
#[derive(Debug, Clone)]
pub(in crate::engine::expression) struct Pattern {
    pub(in crate::engine::expression) how: How,
    pub(in crate::engine::expression) regex: Regex,
    /// The group that is asked for.
    pub(in crate::engine::expression) group: usize,
}

impl Pattern {
    /// The group that goes without saying.
    pub(in crate::engine::expression) fn usual_group(regex: &Regex) -> usize {
        usize::from(regex.captures_len() > 1)
    }

    /// Its value; of the arguments the text comes first, the replacement second.
    pub(in crate::engine::expression) fn eval<'a>(&self, call: &Call<'a>) -> Evaluated<'a> {
        let Some(whole) = call.text(0)? else { return nothing() };
        match self.how {
            How::Capture => {
                let found = self.regex.captures(&whole).and_then(|c| c.get(self.group).map(|m| m.as_str().to_owned()));
                found.map_or_else(nothing, text)
            }
            How::Captures => {
                let mut all = Gathered::default();
                for (n, found) in self.regex.captures_iter(&whole).enumerate() {
                    once_more(n)?;
                    all.push(found.get(self.group).map(|m| m.as_str()).into())?;
                }
                made(all.done())
            }
            How::Replace => {
                let Some(other) = call.text(1)? else { return nothing() };
                self.replaced(&whole, &other)
            }
        }
    }

    fn replaced<'a>(&self, whole: &str, other: &str) -> Evaluated<'a> {
        let (mut made, mut from) = (String::new(), 0);
        for (n, found) in self.regex.captures_iter(whole).enumerate() {
            once_more(n)?;
            let Some(place) = found.get(0) else { continue };
            made.push_str(whole.get(from..place.start()).unwrap_or_default());
            // `$1$1$1…` of a long text: what it comes to is known before it is made.
            let longest = (0..found.len()).filter_map(|g| found.get(g)).map(|m| m.len()).max().unwrap_or(0);
            fits(made.len().saturating_add(other.matches('$').count().saturating_mul(longest)).saturating_add(other.len()))?;
            found.expand(other, &mut made);
            from = place.end();
        }
        made.push_str(whole.get(from..).unwrap_or_default());
        text(made)
    }
}

fn once_more(n: usize) -> Result<(), Stop> {
    if n >= MAX_MATCHES { Err(stop(format!("the pattern is found more than {MAX_MATCHES} times"))) } else { Ok(()) }
}

/// The group of a number or name.
pub(in crate::engine::expression) fn group(regex: &Regex, asked: &Value) -> Option<usize> {
    match asked {
        Value::Number(n) => usize::try_from(n.normalize()).ok().filter(|n| *n < regex.captures_len()),
        Value::Text(name) => regex.capture_names().position(|n| n == Some(name.as_str())),
        _ => None,
    }
}

/// What a missing group is called in words.
pub(in crate::engine::expression) fn asked(value: Option<&Value>) -> String {
    value.map_or(Cow::Borrowed("…"), |v| Cow::Owned(v.to_string())).into_owned()
}
