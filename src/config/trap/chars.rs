//! What a run of characters looks like to YAML. Knows no line but the one it is given.

use super::super::catalogue as t;

/// Whether a ` #` cuts off text that was meant: it is set off like a word and not like a comment, or the value is left open.
pub(super) fn cuts(chars: &[char], from: usize, hash: usize, end: usize) -> bool {
    let near = hash >= 2 && !chars[hash - 2].is_whitespace();
    let glued = near && chars.get(hash + 1).is_some_and(|c| !c.is_whitespace() && *c != '#');
    let rest: String = chars[hash..end].iter().collect();
    glued || rest.contains("{{") || rest.contains("}}") || rest.contains("%}") || unbalanced(&chars[from..hash])
}

/// Where the text that a writer meant ends inside brackets: its own brackets and quotes balanced, at a comma or a closing bracket.
pub(super) fn token_end(chars: &[char], from: usize) -> usize {
    let mut depth = 0i32;
    let mut quote = None;
    for (i, c) in chars.iter().copied().enumerate().skip(from) {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{' | '（') => depth += 1,
            (None, ')' | ']' | '}' | '）') if depth > 0 => depth -= 1,
            (None, ']' | '}' | ',') if depth == 0 => return trimmed(&chars[..i]).max(from + 1),
            _ => {}
        }
    }
    trimmed(chars).max(from + 1)
}

/// The text that YAML takes a value's first character for something else.
pub(super) fn indicator(chars: &[char], from: usize) -> Option<&'static t::Text> {
    Some(match chars[from] {
        '!' => &t::TAG,
        '&' => &t::ANCHOR,
        '*' if chars.get(from + 1) == Some(&'/') || cron(&chars[from..]) => &t::CRON,
        '*' => &t::ALIAS,
        '|' | '>' => &t::BAR,
        '@' | '`' => &t::RESERVED,
        '%' => &t::RESERVED,
        _ => return None,
    })
}

/// `* * * * *`: five fields of a schedule.
fn cron(chars: &[char]) -> bool {
    let text: String = chars.iter().collect();
    text.split_whitespace().count() >= 5 && text.chars().all(|c| c.is_ascii_alphanumeric() || " */,-#".contains(c))
}

/// Whether this is the header of a block scalar: `|`, `>-`, `|2`.
pub(super) fn header(chars: &[char]) -> bool {
    let text: String = chars.iter().collect();
    let text = text.split(" #").next().unwrap_or("").trim();
    text.len() <= 3 && text[1..].chars().all(|c| "+-123456789".contains(c))
}

/// The column of the colon of the key that starts here, if a key does.
pub(super) fn key(chars: &[char], from: usize) -> Option<usize> {
    let first = *chars.get(from)?;
    let ends = |i: usize| chars.get(i) == Some(&':') && chars.get(i + 1).is_none_or(|c| c.is_whitespace());
    if matches!(first, '"' | '\'') {
        let colon = skip(chars, close(chars, from + 1, first)? + 1);
        return ends(colon).then_some(colon);
    }
    if matches!(first, '[' | '{' | '#' | '|' | '>') || indicator(chars, from).is_some() {
        return None;
    }
    (from..chars.len()).take_while(|i| !hash(chars, *i)).find(|i| ends(*i))
}

/// The column of the colon in `if:amount > 3`, where a word and a colon begin and neither a blank nor `//` follows.
pub(super) fn glued_colon(chars: &[char], from: usize, end: usize) -> Option<usize> {
    let word = chars.get(from..end)?.iter().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).count();
    let colon = from + word;
    let behind = *chars.get(colon + 1).filter(|_| colon + 1 < end)?;
    let glued = word > 0 && chars[from].is_alphabetic() && chars[colon] == ':' && !behind.is_whitespace();
    (glued && !matches!(behind, '/' | ':' | ',' | ']' | '}')).then_some(colon)
}

/// Whether a line that is indented by tabs goes on with the block of text above it.
pub(super) fn tab_within(chars: &[char], indent: usize) -> bool {
    chars[..indent].contains(&'\t') && chars[indent] != '-' && key(chars, indent).is_none()
}

/// Whether a comment begins here.
pub(super) fn hash(chars: &[char], at: usize) -> bool {
    chars[at] == '#' && at > 0 && chars[at - 1].is_whitespace()
}

/// Where the quote that was opened before `from` is closed.
pub(super) fn close(chars: &[char], from: usize, quote: char) -> Option<usize> {
    let mut i = from;
    while i < chars.len() {
        match chars[i] {
            '\\' if quote == '"' => i += 1,
            c if c == quote && quote == '\'' && chars.get(i + 1) == Some(&'\'') => i += 1,
            c if c == quote => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

/// Whether a parenthesis or a quote is open at the end.
pub(super) fn unbalanced(chars: &[char]) -> bool {
    let mut depth = 0i32;
    let mut quote = None;
    for (i, c) in chars.iter().copied().enumerate() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            // An apostrophe inside a word (`don't`) opens nothing.
            (None, '"' | '\'') if i == 0 || !chars[i - 1].is_alphanumeric() => quote = Some(c),
            (None, '(' | '（') => depth += 1,
            (None, ')' | '）') => depth -= 1,
            _ => {}
        }
    }
    depth > 0 || quote.is_some()
}

pub(super) fn unbalanced_brackets(chars: &[char]) -> i32 {
    chars.iter().map(|c| i32::from(matches!(c, '[' | '{')) - i32::from(matches!(c, ']' | '}'))).sum()
}

/// The column of the closing brackets at the end of the line, at most so many.
pub(super) fn last_bracket(chars: &[char], most: usize) -> Option<usize> {
    let end = trimmed(chars);
    let run = chars[..end].iter().rev().take_while(|c| matches!(c, ']' | '}' | ' ')).collect::<Vec<_>>();
    let brackets = run.iter().filter(|c| ***c != ' ').count().min(most);
    if brackets == 0 {
        return None;
    }
    let mut left = brackets;
    (0..end).rev().find(|i| {
        if matches!(chars[*i], ']' | '}') {
            left -= 1;
        }
        left == 0
    })
}

pub(super) fn skip(chars: &[char], from: usize) -> usize {
    from + chars.get(from..).map_or(0, |rest| rest.iter().take_while(|c| matches!(c, ' ' | '\t')).count())
}

pub(super) fn trimmed(chars: &[char]) -> usize {
    chars.iter().rposition(|c| !c.is_whitespace()).map_or(0, |i| i + 1)
}

pub(super) fn indent_of(chars: &[char]) -> usize {
    chars.iter().take_while(|c| c.is_whitespace()).count()
}

pub(super) fn starts(chars: &[char], from: usize, word: &str) -> bool {
    word.chars().enumerate().all(|(i, c)| chars.get(from + i) == Some(&c))
}

/// The value as YAML reads it whole.
pub(super) fn quoted(raw: &str) -> String {
    if raw.chars().count() > 200 {
        return "'…'".into();
    }
    if raw.contains('\'') && !raw.contains(['"', '\\']) { format!("\"{raw}\"") } else { format!("'{}'", raw.replace('\'', "''")) }
}

/// What `'it's fine'` has between its outer quotes: its second quote is an apostrophe, in the middle of a word.
pub(super) fn apostrophe(raw: &str) -> Option<&str> {
    let inner = raw.strip_prefix('\'')?.strip_suffix('\'')?;
    let (before, after) = inner.split_once('\'')?;
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    (word(before.chars().next_back()) && word(after.chars().next())).then_some(inner)
}
