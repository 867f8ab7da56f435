//! The page on which a person says whether marketing mail is wanted: one file without script, in Chinese and English, and what is
//! posted to it by its buttons or by a mail program.
//!
//! Never shows a whole address: whoever a mail is forwarded to has the same link.

use std::sync::LazyLock;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Its whole looks; allowed by its hash.
const STYLE: &str = "body{font:16px/1.6 system-ui,-apple-system,'PingFang SC','Microsoft YaHei',sans-serif;margin:0;background:#f5f6f8;color:#1d2129}\
main{max-width:26rem;margin:12vh auto 0;padding:2rem 1.5rem;background:#fff;border-radius:12px}\
h1{font-size:1.25rem;margin:0 0 .75rem}p{margin:.5rem 0}\
button{width:100%;margin-top:1rem;padding:.8rem;font:inherit;border:0;border-radius:8px;background:#1d2129;color:#fff;cursor:pointer}\
.second{background:#e5e6eb;color:#1d2129}\
@media(max-width:30rem){main{margin-top:0;min-height:100vh;border-radius:0;box-sizing:border-box}}";

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
});

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lang {
    Zh,
    En,
}

impl Lang {
    /// The first that is wanted (`Accept-Language`) and that there is; otherwise the usual one.
    pub(super) fn of(wanted: &str, usual: &str) -> Self {
        let one = |text: &str| match text.trim().split(['-', ';', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        };
        wanted.split(',').find_map(one).or_else(|| one(usual)).unwrap_or(Self::Zh)
    }

    fn pick(self, zh: &'static str, en: &'static str) -> &'static str {
        if self == Self::Zh { zh } else { en }
    }
}

/// What a page shows.
pub(super) enum Shown<'a> {
    /// That the link leads nowhere.
    Nothing,
    /// Whether an address gets marketing mail, and a button to change that.
    Choice {
        /// Whose.
        address: &'a str,
        /// Whether it does.
        subscribed: bool,
        /// It was just changed.
        done: bool,
    },
}

/// What was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// By a mail program: `List-Unsubscribe=One-Click`.
    OneClick,
    /// By the page's button.
    Unsubscribe,
    /// By the other one.
    Subscribe,
}

/// What a body asks for: a form in either encoding. Anything else asks for nothing.
pub(super) fn asked(headers: &HeaderMap, body: &[u8]) -> Option<Asked> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let pairs = match kind.to_ascii_lowercase().starts_with("multipart/form-data") {
        true => multipart(kind, &String::from_utf8_lossy(body)),
        false => url::form_urlencoded::parse(body).into_owned().collect(),
    };
    pairs.iter().find_map(|(name, value)| match (name.as_str(), value.trim()) {
        ("List-Unsubscribe", "One-Click") => Some(Asked::OneClick),
        ("wanted", "no") => Some(Asked::Unsubscribe),
        ("wanted", "yes") => Some(Asked::Subscribe),
        _ => None,
    })
}

/// The fields of a form in parts (RFC 7578); files and nested parts are of no interest.
fn multipart(kind: &str, body: &str) -> Vec<(String, String)> {
    let at = kind.to_ascii_lowercase().find("boundary=").map(|at| at + "boundary=".len());
    let Some(boundary) =
        at.and_then(|at| kind.get(at..)).map(|b| b.split(';').next().unwrap_or_default().trim().trim_matches('"'))
    else {
        return Vec::new();
    };
    if boundary.is_empty() {
        return Vec::new();
    }
    let delimiter = format!("--{boundary}");
    let parts = body.split(&delimiter).skip(1).take_while(|part| !part.starts_with("--"));
    parts.take(20).filter_map(|part| field(&part.replace("\r\n", "\n"))).collect()
}

fn field(part: &str) -> Option<(String, String)> {
    let (head, value) = part.trim_start_matches('\n').split_once("\n\n")?;
    let line = head.lines().find(|l| l.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let name = line.split(';').find_map(|p| p.trim().strip_prefix("name="))?.trim_matches('"');
    Some((name.to_owned(), value.trim_end_matches('\n').to_owned()))
}

/// The page.
pub(super) fn page(status: StatusCode, shown: &Shown<'_>, lang: Lang) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_LANGUAGE, lang.pick("zh-CN", "en")),
    ];
    let robots = [("x-robots-tag", "noindex")];
    (status, headers, robots, html(shown, lang)).into_response()
}

fn html(shown: &Shown<'_>, lang: Lang) -> String {
    let (title, body) = match shown {
        Shown::Nothing => (
            lang.pick("链接无效", "This link does not work"),
            format!(
                "<p>{}</p>",
                lang.pick(
                    "链接不完整或已过期,请使用邮件中的完整链接。",
                    "It is incomplete or too old; use the whole link from the mail."
                )
            ),
        ),
        Shown::Choice { address, subscribed, done } => choice(address, *subscribed, *done, lang),
    };
    let tongue = lang.pick("zh-CN", "en");
    format!(
        "<!doctype html><html lang=\"{tongue}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )
}

fn choice(address: &str, subscribed: bool, done: bool, lang: Lang) -> (&'static str, String) {
    let title = match (subscribed, done) {
        (true, false) => lang.pick("邮件订阅", "Mail subscription"),
        (true, true) => lang.pick("已重新订阅", "You are subscribed again"),
        (false, false) => lang.pick("您已退订", "You are unsubscribed"),
        (false, true) => lang.pick("已退订", "You are unsubscribed"),
    };
    let said = match subscribed {
        true => lang.pick("此邮箱会收到我们的营销邮件:", "This address gets our marketing mail:"),
        false => lang.pick("此邮箱不会再收到我们的营销邮件:", "This address gets no marketing mail from us any more:"),
    };
    let (wanted, button, class) = match subscribed {
        true => ("no", lang.pick("退订全部营销邮件", "Unsubscribe from all marketing mail"), ""),
        false => ("yes", lang.pick("重新订阅", "Subscribe again"), " class=\"second\""),
    };
    let body = format!(
        "<p>{said}<br><b>{}</b></p><form method=\"post\"><input type=\"hidden\" name=\"wanted\" value=\"{wanted}\"><button{class}>{button}</button></form>",
        escaped(&masked(address))
    );
    (title, body)
}

/// `l***@example.com`
fn masked(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    format!("{}***@{domain}", local.chars().next().unwrap_or('*'))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &'static str, body: &str, expect: Option<Asked>) {
        let headers = [(header::CONTENT_TYPE, header::HeaderValue::from_static(kind))].into_iter().collect();
        assert_eq!(asked(&headers, body.as_bytes()), expect, "{kind}: {body}");
    }

    #[test]
    fn both_encodings_ask_for_the_same() {
        let form = "application/x-www-form-urlencoded";
        check(form, "List-Unsubscribe=One-Click", Some(Asked::OneClick));
        check("", "List-Unsubscribe=One-Click", Some(Asked::OneClick));
        check(form, "x=1&wanted=no", Some(Asked::Unsubscribe));
        check(form, "wanted=yes", Some(Asked::Subscribe));
        check(form, "", None);
        check(form, "List-Unsubscribe=Two-Clicks", None);
        let part = "--b1\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b1--\r\n";
        check("multipart/form-data; boundary=b1", part, Some(Asked::OneClick));
        check("multipart/form-data; boundary=\"b1\"; charset=utf-8", part, Some(Asked::OneClick));
        check("multipart/form-data; boundary=b2", part, None);
        check("multipart/form-data", part, None);
        check("multipart/form-data; boundary=", part, None);
        check("multipart/form-data; boundary=b1", &part.replace("One-Click", "x"), None);
    }

    #[test]
    fn the_first_language_that_there_is() {
        assert_eq!(Lang::of("fr-FR,zh-CN;q=0.8,en;q=0.5", "en"), Lang::Zh);
        assert_eq!(Lang::of("en-US,en;q=0.9,zh;q=0.8", "zh"), Lang::En);
        assert_eq!((Lang::of("", "en"), Lang::of("fr", "zh"), Lang::of("*", "")), (Lang::En, Lang::Zh, Lang::Zh));
    }

    #[test]
    fn what_a_page_shows_is_masked_and_escaped() {
        let shown = Shown::Choice { address: "<script>@x&y.cn", subscribed: true, done: false };
        let page = html(&shown, Lang::En);
        assert!(page.contains("&lt;***@x&amp;y.cn") && !page.contains("<script") && page.contains("value=\"no\""), "{page}");
        assert!(html(&Shown::Choice { address: "a@x.cn", subscribed: false, done: true }, Lang::Zh).contains("已退订"));
        assert!(POLICY.contains("default-src 'none'") && POLICY.contains("'sha256-"));
    }
}
