//! Texts: parts of them, their width, their case. Counted in characters, never in bytes.

use super::call::{Call, Gathered, fits, made, nothing, out_of_range, size, stop, text};
use super::{Function, Run, rows};
use crate::engine::expression::node::Evaluated;
use crate::engine::value::Value;

/// Blanks that no `trim` of other languages takes: what Excel and web pages leave behind.
const INVISIBLE: [char; 4] = ['\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}'];

pub(super) const ROWS: &[Function] = rows! {
    Plain(Run(trim)) "trim" 1..=1 "trim(text)"
        "without blanks at both ends, full-width and invisible ones too" "去掉首尾空白,包括全角空格和不可见字符"
        "trim('  官网 ') == '官网'" [Text -> Text];
    Plain(Run(substring)) "substring" 2..=3 "substring(text, from[, length])"
        "the characters from this one on, the first is 0; from the end where it is negative" "从第几个字开始取(首字为 0,负数从末尾数),可限字数"
        "substring(name, 1, 1) == '三'" [Text, Number -> Text];
    Plain(Run(left)) "left" 2..=2 "left(text, count)"
        "the first characters" "前几个字" "left(name, 1) == '张'" [Text, Number -> Text];
    Plain(Run(right)) "right" 2..=2 "right(text, count)"
        "the last characters" "后几个字" "right(mobile, 4) == '8000'" [Text, Number -> Text];
    Plain(Run(before)) "before" 2..=2 "before(text, part)"
        "what stands before the part, all of it where the part is not there" "该部分之前的文本;没有该部分时为全文" "before(email, '@') == 'zhang'"
        [Text, Text -> Text];
    Plain(Run(after)) "after" 2..=2 "after(text, part)"
        "what stands after the part, nothing where the part is not there" "该部分之后的文本;没有该部分时为缺失" "after(code, '-') == '0042'"
        [Text, Text -> Text];
    Plain(Run(split)) "split" 2..=2 "split(text, separator)"
        "a list of the parts between the separators, trimmed" "按分隔符拆成列表,各项去掉首尾空白" "'华东' in split(regions, ',')" [Text, Text -> List];
    Plain(Run(join)) "join" 1..=2 "join(list[, separator])"
        "the items as one text, with `, ` between them unless said otherwise" "把各项连成文本,默认用 `, ` 分隔" "join(tags, '/') == 'VIP/官网'"
        [List, Text -> Text];
    Plain(Run(replace)) "replace" 3..=3 "replace(text, part, other)"
        "with every such part replaced" "替换文本中的每一处" "replace(code, '-', '') == 'C0042'" [Text, Text, Text -> Text];
    Plain(Run(pad_left)) "pad_left" 2..=3 "pad_left(text, width[, fill])"
        "filled up at the front to so many characters" "在前面补足到指定字数" "pad_left(text(42), 6, '0') == '000042'" [Text, Number, Text -> Text];
    Plain(Run(pad_right)) "pad_right" 2..=3 "pad_right(text, width[, fill])"
        "filled up at the end to so many characters" "在后面补足到指定字数" "pad_right(level, 3, '-') == 'A--'" [Text, Number, Text -> Text];
    Plain(Run(to_half)) "to_half" 1..=1 "to_half(text)"
        "full-width letters, digits and signs as half-width ones" "全角字母、数字和符号转为半角" "to_half('ＡＢ１２') == 'AB12'" [Text -> Text];
    Plain(Run(to_full)) "to_full" 1..=1 "to_full(text)"
        "half-width letters, digits and signs as full-width ones" "半角字母、数字和符号转为全角" "to_full('AB12') == 'ＡＢ１２'" [Text -> Text];
    Plain(Run(as_text)) "text" 1..=1 "text(x)"
        "the value as text, as templates write it" "转为文本,写法与模板相同" "text(amount) == '12000.50'" [Any -> Text];
};

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || INVISIBLE.contains(&c))
}

fn trim<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(whole) = call.text(0)? else { return nothing() };
    text(trimmed(&whole))
}

fn substring<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(whole), Some(from)) = (call.text(0)?, call.whole(1)?) else { return nothing() };
    let length = match call.whole(2)? {
        Some(length) => usize::try_from(length).unwrap_or(0),
        None if call.has(2) => return nothing(),
        None => usize::MAX,
    };
    let from = match usize::try_from(from) {
        Ok(from) => from,
        Err(_) => whole.chars().count().saturating_sub(usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    part(&whole, from, length)
}

fn part<'a>(whole: &str, from: usize, length: usize) -> Evaluated<'a> {
    text(whole.chars().skip(from).take(length).collect::<String>())
}

fn left<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(whole), Some(count)) = (call.text(0)?, call.whole(1)?) else { return nothing() };
    part(&whole, 0, usize::try_from(count).unwrap_or(0))
}

fn right<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(whole), Some(count)) = (call.text(0)?, call.whole(1)?) else { return nothing() };
    let count = usize::try_from(count).unwrap_or(0);
    part(&whole, whole.chars().count().saturating_sub(count), usize::MAX)
}

fn before<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(whole), Some(part)) = (call.text(0)?, call.text(1)?) else { return nothing() };
    text(whole.split_once(part.as_ref()).map_or(whole.as_ref(), |(before, _)| before))
}

fn after<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(whole), Some(part)) = (call.text(0)?, call.text(1)?) else { return nothing() };
    whole.split_once(part.as_ref()).map_or_else(nothing, |(_, after)| text(after))
}

fn split<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(whole), Some(separator)) = (call.text(0)?, call.text(1)?) else { return nothing() };
    let mut parts = Gathered::default();
    if separator.is_empty() {
        for c in whole.chars() {
            parts.push(c.to_string().into())?;
        }
    } else {
        for part in whole.split(separator.as_ref()) {
            parts.push(trimmed(part).into())?;
        }
    }
    made(parts.done())
}

fn join<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(items) = call.list(0)? else { return nothing() };
    let separator = match call.text(1)? {
        Some(separator) => separator,
        None if call.has(1) => return nothing(),
        None => ", ".into(),
    };
    let mut joined = String::new();
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            joined.push_str(&separator);
        }
        joined.push_str(&written(item, call)?);
        fits(joined.len())?;
    }
    text(joined)
}

fn replace<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(whole), Some(part), Some(other)) = (call.text(0)?, call.text(1)?, call.text(2)?) else { return nothing() };
    if part.is_empty() {
        return text(whole);
    }
    let times = whole.matches(part.as_ref()).count();
    fits((whole.len() - times * part.len()).saturating_add(times.saturating_mul(other.len())))?;
    text(whole.replace(part.as_ref(), &other))
}

fn pad_left<'a>(call: &Call<'a>) -> Evaluated<'a> {
    padded(call, true)
}

fn pad_right<'a>(call: &Call<'a>) -> Evaluated<'a> {
    padded(call, false)
}

fn padded<'a>(call: &Call<'a>, front: bool) -> Evaluated<'a> {
    let (Some(whole), Some(width)) = (call.text(0)?, call.whole(1)?) else { return nothing() };
    let fill = match call.text(2)? {
        Some(fill) => fill,
        None if call.has(2) => return nothing(),
        None => " ".into(),
    };
    let lacking = usize::try_from(width).unwrap_or(0).saturating_sub(whole.chars().count());
    fits(lacking)?;
    if fill.is_empty() {
        return text(whole);
    }
    let filling: String = fill.chars().cycle().take(lacking).collect();
    text(if front { filling + &whole } else { whole.into_owned() + &filling })
}

fn to_half<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(whole) = call.text(0)? else { return nothing() };
    let half = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        other => other,
    };
    text(whole.chars().map(half).collect::<String>())
}

fn to_full<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(whole) = call.text(0)? else { return nothing() };
    let full = |c: char| match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c),
        ' ' => '\u{3000}',
        other => other,
    };
    text(whole.chars().map(full).collect::<String>())
}

fn as_text<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let value = call.value(0)?;
    if *value == Value::Null { nothing() } else { text(written(&value, call)?) }
}

/// As templates write it: times in the zone of the decision.
fn written(value: &Value, call: &Call<'_>) -> Result<String, crate::engine::scope::Stop> {
    match value {
        Value::Time(t) => {
            let zoned = t.to_zoned(call.scope.now().time_zone().clone());
            jiff::fmt::strtime::format("%Y-%m-%d %H:%M", &zoned).map_err(|_| out_of_range())
        }
        Value::List(_) | Value::Map(_) if size(value, super::call::MAX_TEXT) > super::call::MAX_TEXT => {
            Err(stop(format!("the text would be longer than {} KiB", super::call::MAX_TEXT / 1024)))
        }
        other => Ok(other.to_string()),
    }
}
