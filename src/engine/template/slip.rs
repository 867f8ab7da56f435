//! Braces of templates that are written so that nobody would see them as such: full-width ones, or two with a blank between.
//! Never guesses beyond braces: what stands between them is checked when they are right.

use std::ops::Range;

use crate::engine::expression::{Fault, FaultKind};

/// Each slip with what is meant.
pub(super) fn slips(source: &str) -> Vec<Fault> {
    if !source.contains(['{', '｛']) {
        return Vec::new();
    }
    let chars: Vec<char> = source.chars().collect();
    let mut faults = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        match pair(&chars, at, opens).and_then(|opened| whole(&chars, at, opened)) {
            Some((range, write)) => {
                at = range.end;
                let found: String = chars[range.clone()].iter().collect();
                if found != write {
                    faults.push(Fault { at: range, kind: FaultKind::Instead { found, write } });
                }
            }
            None => at += 1,
        }
    }
    faults
}

fn opens(c: char) -> bool {
    matches!(c, '{' | '｛')
}

fn closes(c: char) -> bool {
    matches!(c, '}' | '｝')
}

/// Where two braces end that begin here, with blanks between them perhaps.
fn pair(chars: &[char], at: usize, brace: fn(char) -> bool) -> Option<usize> {
    chars.get(at).filter(|c| brace(**c))?;
    let second = at + 1 + chars[at + 1..].iter().take_while(|c| **c == ' ').count();
    chars.get(second).filter(|c| brace(**c))?;
    Some(second + 1)
}

/// The whole insertion as it stands and as it is meant, if there is one.
fn whole(chars: &[char], from: usize, opened: usize) -> Option<(Range<usize>, String)> {
    let inner = chars[opened..].iter().take_while(|c| !opens(**c) && !closes(**c) && **c != '\n').count();
    // `{{ name }`: with two braces in front of it nothing else can be meant.
    let after = opened + inner;
    let single = || (opened == from + 2 && chars.get(after).is_some_and(|c| closes(*c))).then_some(after + 1);
    let inner: String = chars[opened..after].iter().collect();
    let end = pair(chars, after, closes).or_else(|| single().filter(|_| !inner.contains(['\'', '"'])))?;
    let is_name = inner.trim().starts_with(|c: char| c.is_alphabetic() || c == '_') && !inner.contains(':');
    if !is_name {
        return None;
    }
    // As it stands, if its braces are right.
    let right = chars[from..].starts_with(&['{', '{']) && chars[..end].ends_with(&['}', '}']);
    let write = if right { chars[from..end].iter().collect() } else { format!("{{{{ {} }}}}", inner.trim()) };
    Some((from..end, write))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: &[(Range<usize>, &str)]) {
        let found: Vec<_> = slips(source)
            .into_iter()
            .map(|f| match f.kind {
                FaultKind::Instead { write, .. } => (f.at, write),
                other => panic!("{other:?}"),
            })
            .collect();
        let expect: Vec<_> = expect.iter().map(|(at, write)| (at.clone(), (*write).to_owned())).collect();
        assert_eq!(found, expect, "{source}");
    }

    #[test]
    fn braces_that_were_meant() {
        check("抖音 ｛｛ name ｝｝", &[(3..13, "{{ name }}")]);
        check("｛{name|upper}｝ {{ a }} { { b.c } }", &[(0..14, "{{ name|upper }}"), (23..34, "{{ b.c }}")]);
        check("{{ name ｝｝", &[(0..10, "{{ name }}")]);
        check("{{name} x", &[(0..7, "{{ name }}")]);
    }

    #[test]
    fn what_stands_as_it_is() {
        for source in [
            "{{ name }}",
            "｛重要｝ {{ name }}",
            "{ \"a\": { \"b\": 1 } }",
            "{ { a: 1 } }",
            "{{name}}{{b}}",
            "{{ a ~ '}' }} {{ b }}",
            "{{ {'a': 1} }}",
        ] {
            check(source, &[]);
        }
    }
}
