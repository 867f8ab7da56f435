//! Links in the HTML of a mail: finds those that lead to the web and puts others in their place. Reads tags and attributes as mail
//! programs do; never touches text, comments, scripts or styles, nor any address that is not `http` or `https`.

use std::borrow::Cow;

/// The HTML with every web address of an `<a>` or `<area>` replaced by what `other` makes of it; what it makes nothing of stays.
pub(super) fn rewrite(html: &str, mut other: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(html.len() * 2);
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = if let Some(raw) = raw(rest) { raw } else { tag(rest) };
        let (piece, after) = rest.split_at(length);
        match named(piece) {
            Some("a" | "area") if piece.ends_with('>') => out.push_str(&link(piece, &mut other)),
            _ => out.push_str(piece),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The HTML with something put at the end of what is shown.
pub(super) fn append(html: &str, what: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let end = lower.rfind("</body").or_else(|| lower.rfind("</html")).unwrap_or(html.len());
    format!("{}{what}{}", &html[..end], &html[end..])
}

/// A text as it stands in an attribute or between tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Bytes of what is no markup although it begins with `<`: a comment, a script, a style.
fn raw(text: &str) -> Option<usize> {
    if text.starts_with("<!--") {
        return Some(text.find("-->").map_or(text.len(), |at| at + 3));
    }
    let name = named(text)?.to_ascii_lowercase();
    if !matches!(name.as_str(), "script" | "style" | "title" | "textarea") {
        return None;
    }
    let begin = tag(text);
    let lower = text.to_ascii_lowercase();
    let end = lower.get(begin..)?.find(&format!("</{name}"));
    Some(end.map_or(text.len(), |end| begin + end))
}

/// The name of the element that a tag begins, as written; `a` for `<A HREF=…>` is told in lower case.
fn named(tag: &str) -> Option<&str> {
    let inner = tag.strip_prefix('<')?;
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inner.len());
    match &inner[..end] {
        "" => None,
        "A" => Some("a"),
        "AREA" | "Area" => Some("area"),
        name => Some(name),
    }
}

/// Bytes of a tag, up to its `>`; quotes may hold others.
fn tag(text: &str) -> usize {
    if !text[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) {
        return 1; // `1 < 2`
    }
    let mut quote = None;
    let mut value = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '>') => return at + 1,
            // Only behind `=` a quote opens anything.
            (None, '"' | '\'') if value => quote = Some(c),
            _ => {}
        }
        value = c == '=' || value && c.is_ascii_whitespace();
    }
    text.len()
}

/// A tag with its `href` replaced.
fn link(tag: &str, other: &mut impl FnMut(&str) -> Option<String>) -> String {
    let Some((from, to)) = href(tag) else { return tag.to_owned() };
    let address = unescaped(&tag[from..to]);
    let address = address.trim();
    let web = ["http://", "https://"].iter().any(|s| address.get(..s.len()).is_some_and(|a| a.eq_ignore_ascii_case(s)));
    let clean = !address.chars().any(|c| c.is_control() || c.is_whitespace());
    let Some(new) = Some(address).filter(|_| web && clean).and_then(other) else { return tag.to_owned() };
    let quoted = tag[..from].ends_with(['"', '\'']);
    let new = escaped(&new).replace('\'', "&#39;");
    let new = if quoted { new } else { format!("\"{new}\"") };
    format!("{}{new}{}", &tag[..from], &tag[to..])
}

/// Where the value of the first `href` stands; later ones are ignored by everybody.
fn href(tag: &str) -> Option<(usize, usize)> {
    let bytes = tag.as_bytes();
    let is = |at: usize, what: fn(&u8) -> bool| bytes.get(at).is_some_and(what);
    let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'=' | b'>' | b'/');
    let mut at = 1 + bytes.iter().skip(1).take_while(|b| b.is_ascii_alphanumeric()).count();
    loop {
        while is(at, |b| b.is_ascii_whitespace() || *b == b'/') {
            at += 1;
        }
        let begin = at;
        while bytes.get(at).is_some_and(|b| !ends(b)) {
            at += 1;
        }
        let name = tag.get(begin..at)?;
        if name.is_empty() && !is(at, |b| *b == b'=') {
            return None;
        }
        while is(at, u8::is_ascii_whitespace) {
            at += 1;
        }
        if !is(at, |b| *b == b'=') {
            continue;
        }
        at += 1;
        while is(at, u8::is_ascii_whitespace) {
            at += 1;
        }
        let (from, to, next) = value(bytes, at);
        if name.eq_ignore_ascii_case("href") {
            return Some((from, to));
        }
        at = next;
    }
}

/// Where an attribute's value begins and ends, and where the next attribute may begin.
fn value(bytes: &[u8], at: usize) -> (usize, usize, usize) {
    let until = |from: usize, end: &dyn Fn(u8) -> bool| {
        from + bytes.get(from..).unwrap_or_default().iter().take_while(|b| !end(**b)).count()
    };
    match bytes.get(at) {
        Some(quote @ (b'"' | b'\'')) => {
            let to = until(at + 1, &|b| b == *quote);
            (at + 1, to, (to + 1).min(bytes.len()))
        }
        _ => {
            let to = until(at, &|b| b.is_ascii_whitespace() || b == b'>');
            (at, to, to)
        }
    }
}

/// What an attribute's text stands for: the references that templates and editors write.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        match rest.find(';').filter(|end| *end <= 10).and_then(|end| Some((reference(&rest[1..end])?, end))) {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn reference(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expect: &str) {
        assert_eq!(rewrite(html, |url| Some(format!("T({url})&"))), expect, "{html}");
    }

    #[test]
    fn web_addresses_of_links_are_replaced() {
        check("<a href=\"https://a.cn/x\">看</a>", "<a href=\"T(https://a.cn/x)&amp;\">看</a>");
        check("<A HREF='HTTP://a.cn'>x</A>", "<A HREF='T(HTTP://a.cn)&amp;'>x</A>");
        check("<a class=b href=https://a.cn/?q=1 id=x>y</a>", "<a class=b href=\"T(https://a.cn/?q=1)&amp;\" id=x>y</a>");
        check("<a\n  title=\"a > b\" href = \"https://a.cn\" >", "<a\n  title=\"a > b\" href = \"T(https://a.cn)&amp;\" >");
        check("<a href=\"https://a.cn/?a=1&amp;b=2\">", "<a href=\"T(https://a.cn/?a=1&amp;b=2)&amp;\">");
        check("<a href=\"https:&#x2f;&#47;a.cn&#x2f;产品\">", "<a href=\"T(https://a.cn/产品)&amp;\">");
        check("<area href='https://a.cn'/>", "<area href='T(https://a.cn)&amp;'/>");
        check("<p>1 < 2 <a href=\"https://a.cn\">x</a>", "<p>1 < 2 <a href=\"T(https://a.cn)&amp;\">x</a>");
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for html in [
            "",
            "没有链接 https://a.cn",
            "<a href=\"mailto:a@example.com\">写信</a>",
            "<a href=\"tel:+8613800138000\">",
            "<a href=\"ifthen:unsubscribe\">",
            "<a href=\"/x\">",
            "<a href=\"javascript:alert(1)\">",
            "<a href=\" https://a.cn/a b\">",
            "<a href>",
            "<a",
            "<a href",
            "<a href=",
            "<a href=\"https://a.cn",
            "<a data-href=\"https://a.cn\">",
            "<img src=\"https://a.cn/logo.png\">",
            "<link href=\"https://a.cn/x.css\">",
            "<abbr href=\"https://a.cn\">",
            "<!-- <a href=\"https://a.cn\"> -->",
            "<style>a[href=\"https://a.cn\"] {} <a href='https://a.cn'></style>",
            "<script>'<a href=\"https://a.cn\">'</script>",
        ] {
            assert_eq!(rewrite(html, |url| Some(url.repeat(2))), html);
        }
        assert_eq!(rewrite("<a href=\"https://a.cn\">", |_| None), "<a href=\"https://a.cn\">");
    }

    #[test]
    fn what_is_appended_is_shown() {
        assert_eq!(append("<p>x</p>", "+"), "<p>x</p>+");
        assert_eq!(append("<html><BODY>x</BODY></html>", "+"), "<html><BODY>x+</BODY></html>");
        assert_eq!(append("<html>x</html>", "+"), "<html>x+</html>");
    }

    #[test]
    fn an_address_cannot_leave_its_attribute() {
        let out = rewrite("<a href='https://a.cn/&quot;&gt;&#39;'>", |url| Some(url.to_owned()));
        assert_eq!(out, "<a href='https://a.cn/&quot;&gt;&#39;'>");
    }
}
