//! What a mail carries beside what its author wrote: the way to unsubscribe, links that are told, a pixel, headers for lists.
//!
//! All of it is made when the mail is sent, and the same in every attempt: no token is ever kept. Never sends anything.

use std::fmt;

use crate::engine::call::{CallId, Email};
use crate::engine::contact;
use crate::engine::link::{Key, Mail, Token};
use crate::engine::mail::UNSUBSCRIBE;

use super::track::{append, escaped, rewrite};

/// How links that people receive are made.
#[derive(Clone)]
pub struct Links {
    pub(super) key: Key,
    base: String,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Links {
    /// Signed with this key; `base` stands before them (`https://mail.example.com`).
    pub fn new(key: Key, base: &str) -> Self {
        Self { key, base: base.trim_end_matches('/').to_owned() }
    }

    /// What stands before them.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn to(&self, page: char, token: &Token) -> Option<String> {
        Some(format!("{}/{page}/{}", self.base, token.sign(&self.key)?))
    }
}

/// A mail's parts as they leave, and the headers that it needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) text: String,
    pub(super) html: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// What is sent of a mail; a mail that needs links and gets none is not sent.
pub(super) fn letter(email: &Email, call: CallId, links: Option<&Links>) -> Result<Letter, String> {
    let mut letter = Letter { text: email.text.clone(), html: email.html.clone(), headers: Vec::new() };
    if !email.is_followed() {
        return Ok(letter);
    }
    let links = links.ok_or("there is no key to sign its links with")?;
    let address = contact::address(&email.to).ok_or_else(|| format!("to: `{}` is no mail address", email.to))?;
    let mail = Mail::new(call, &address);
    let long = || "a link is too long".to_owned();
    let leave = links.to('u', &Token::Unsubscribe { mail }).ok_or_else(long)?;
    if email.track {
        letter.html = letter.html.map(|html| followed(&html, mail, links));
    }
    subscription(&mut letter, &leave, email.marketing);
    if email.track
        && let Some(html) = &mut letter.html
    {
        let pixel = links.to('o', &Token::Open { mail }).ok_or_else(long)?;
        *html = append(html, &format!("<img src=\"{}\" width=\"1\" height=\"1\" alt=\"\">", escaped(&pixel)));
    }
    if email.marketing {
        letter.headers.push(("List-Unsubscribe", format!("<{leave}>")));
        letter.headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()));
        letter.headers.push(("Precedence", "bulk".into()));
    }
    letter.headers.push(("X-Ifthen-Mail", Token::Mail { mail }.sign(&links.key).ok_or_else(long)?));
    Ok(letter)
}

/// Links of the web lead over us. One that is too long for that stays.
fn followed(html: &str, mail: Mail, links: &Links) -> String {
    rewrite(html, |url| {
        let ours = url.strip_prefix(&links.base).is_some_and(|rest| rest.starts_with("/u/"));
        if ours { None } else { links.to('c', &Token::Click { mail, url: url.to_owned() }) }
    })
}

/// The way to unsubscribe, where the template has a place for it; of marketing mail, in any case.
fn subscription(letter: &mut Letter, leave: &str, marketing: bool) {
    let there = |text: &str| text.contains(UNSUBSCRIBE);
    if marketing && !there(&letter.text) {
        letter.text = format!("{}\n\n-- \n退订 / Unsubscribe: {leave}\n", letter.text.trim_end());
    } else {
        letter.text = letter.text.replace(UNSUBSCRIBE, leave);
    }
    letter.html = letter.html.take().map(|html| {
        let leave = escaped(leave);
        if marketing && !there(&html) {
            append(&html, &format!("<p style=\"font-size:12px;color:#767676\"><a href=\"{leave}\">退订 / Unsubscribe</a></p>"))
        } else {
            html.replace(UNSUBSCRIBE, &leave)
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::link::{KEY, Kind};

    const ID: CallId = CallId { seq: 12, n: 1 };

    fn links() -> Links {
        Links::new(Key::new([7; KEY]), "https://m.example.com/")
    }

    fn email(marketing: bool, track: bool, text: &str, html: Option<&str>) -> Email {
        let html = html.map(str::to_owned);
        Email { to: "刘洋 <LiuYang@example.com>".into(), subject: "一".into(), text: text.into(), html, marketing, track }
    }

    fn mail() -> Mail {
        Mail::new(ID, "liuyang@example.com")
    }

    fn url(page: char, token: &Token) -> String {
        format!("https://m.example.com/{page}/{}", token.sign(&Key::new([7; KEY])).unwrap())
    }

    #[test]
    fn a_mail_that_is_neither_goes_as_it_is() {
        let plain = email(false, false, "您好 https://a.cn", Some("<a href=\"https://a.cn\">x</a>"));
        let letter = letter(&plain, ID, None).unwrap();
        assert_eq!((letter.text, letter.html, letter.headers), (plain.text, plain.html, vec![]));
    }

    #[test]
    fn marketing_says_how_to_unsubscribe_and_follows_nobody() {
        let leave = url('u', &Token::Unsubscribe { mail: mail() });
        let html = "<html><body><a href=\"https://a.cn\">看</a></body></html>";
        let got = letter(&email(true, false, "您好\n", Some(html)), ID, Some(&links())).unwrap();
        assert_eq!(got.text, format!("您好\n\n-- \n退订 / Unsubscribe: {leave}\n"));
        let line = format!("<p style=\"font-size:12px;color:#767676\"><a href=\"{leave}\">退订 / Unsubscribe</a></p>");
        assert_eq!(got.html.unwrap(), format!("<html><body><a href=\"https://a.cn\">看</a>{line}</body></html>"));
        let own = Token::Mail { mail: mail() }.sign(&Key::new([7; KEY])).unwrap();
        let expect = [
            ("List-Unsubscribe", format!("<{leave}>")),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()),
            ("Precedence", "bulk".into()),
            ("X-Ifthen-Mail", own),
        ];
        assert_eq!(got.headers, expect);
    }

    #[test]
    fn a_template_with_a_place_for_it_gets_no_other() {
        let leave = url('u', &Token::Unsubscribe { mail: mail() });
        let html = "<p>x <a href=\"ifthen:unsubscribe\">退订</a></p>";
        for marketing in [true, false] {
            let got = letter(&email(marketing, true, "退订:ifthen:unsubscribe", Some(html)), ID, Some(&links())).unwrap();
            assert_eq!(got.text, format!("退订:{leave}"));
            let html = got.html.unwrap();
            assert!(html.starts_with(&format!("<p>x <a href=\"{leave}\">退订</a></p><img src=")), "{html}");
            assert!(!html.contains("/c/"), "leaving must not be counted as a click: {html}");
        }
    }

    #[test]
    fn tracked_links_lead_where_they_led_and_the_pixel_is_last() {
        let got = letter(
            &email(
                false,
                true,
                "https://a.cn/x",
                Some("<a href=\"https://a.cn/x?a=1&amp;b=二\">x</a> <a href='mailto:a@a.cn'>y</a>"),
            ),
            ID,
            Some(&links()),
        )
        .unwrap();
        assert_eq!(got.text, "https://a.cn/x", "a text's links stay");
        let html = got.html.unwrap();
        let token = html.split("/c/").nth(1).unwrap().split('"').next().unwrap();
        let clicked = Token::verify(token, Kind::Click, &Key::new([7; KEY]));
        assert_eq!(clicked, Some(Token::Click { mail: mail(), url: "https://a.cn/x?a=1&b=二".into() }));
        assert!(html.contains("<a href='mailto:a@a.cn'>y</a>"), "{html}");
        let pixel = url('o', &Token::Open { mail: mail() });
        assert!(html.ends_with(&format!("<img src=\"{pixel}\" width=\"1\" height=\"1\" alt=\"\">")), "{html}");
        assert_eq!(got.headers.iter().map(|(n, _)| *n).collect::<Vec<_>>(), ["X-Ifthen-Mail"]);
    }

    #[test]
    fn a_link_that_is_too_long_stays_and_nothing_is_signed_without_a_key() {
        let long = format!("<a href=\"https://a.cn/{}\">x</a>", "x".repeat(4_000));
        let got = letter(&email(false, true, "", Some(&long)), ID, Some(&links())).unwrap();
        assert!(got.html.unwrap().starts_with(&long));
        assert!(letter(&email(true, false, "", None), ID, None).is_err());
        assert_eq!(format!("{:?}", links()), "Links { base: \"https://m.example.com\", .. }");
    }
}
