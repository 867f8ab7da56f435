//! A name that leads to nothing: where an answer is empty because of a slip, it says so, and what there is.

use super::output::clean;
use super::place::Place;
use super::words::Words as _;
use super::{Exit, eprintln};
use crate::engine::expression::nearest;

/// Names of a list that are told.
const MOST: usize = 12;

/// Says that there is nothing of that name, what was meant perhaps, or else what there is; `what` in English and Chinese.
pub(super) fn tell<'n>(
    place: &Place,
    what: (&str, &str),
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> anyhow::Result<Exit> {
    let lang = place.lang();
    let known: Vec<&str> = known.into_iter().collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(other) => lang.pick(format!("; did you mean {other}?"), format!(";是不是 {other}?")),
        None if known.is_empty() => String::new(),
        None => {
            let more = if known.len() > MOST { " …" } else { "" };
            let some = known.iter().take(MOST).copied().collect::<Vec<_>>().join(lang.pick(", ", "、"));
            lang.pick(format!("; there are: {some}{more}"), format!(";现有:{some}{more}"))
        }
    };
    let name = clean(name);
    let (en, zh) = what;
    eprintln(&lang.pick(format!("ifthen: there is no {en} {name}{hint}"), format!("ifthen: 没有{zh} {name}{hint}")));
    Ok(Exit::Failed)
}
