//! What must never be shown: takes a connection's secrets out of everything that is said about it.
//!
//! The other side may echo a token in its error text, or a header in its answer; both go into the log, so both pass here.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use crate::engine::call::Outcome;
use crate::engine::value::Value;

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// Shorter ones are not looked for: hiding every `ab` would make the text unreadable and tell the secret.
const SHORTEST: usize = 4;

/// The secrets of one connection, in every form in which they may come back.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Adds a secret; of `Bearer abc` the part behind the blank as well.
    pub(super) fn add(&mut self, secret: &SecretString) {
        let text = secret.expose_secret();
        let bare = text.rsplit(' ').next().unwrap_or(text);
        for form in [text, bare] {
            self.add_text(form);
            self.add_text(&utf8_percent_encode(form, NON_ALPHANUMERIC).to_string());
        }
    }

    fn add_text(&mut self, text: &str) {
        if text.len() >= SHORTEST && !self.0.iter().any(|s| s == text) {
            self.0.push(text.to_owned());
            // A secret that contains another goes first, or its rest would stay.
            self.0.sort_by_key(|s| std::cmp::Reverse(s.len()));
        }
    }

    /// The text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), HIDDEN) } else { text }
        })
    }

    /// The outcome without secrets.
    pub(super) fn clean_outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Done(value) => Outcome::Done(self.clean_value(value)),
            Outcome::Failed { class, detail } => Outcome::Failed { class, detail: self.clean(&detail) },
            Outcome::Unknown { detail } => Outcome::Unknown { detail: self.clean(&detail) },
        }
    }

    fn clean_value(&self, value: Value) -> Value {
        match value {
            Value::Text(t) => Value::Text(self.clean(&t)),
            Value::List(l) => Value::List(l.into_iter().map(|v| self.clean_value(v)).collect()),
            Value::Map(m) => Value::Map(m.into_iter().map(|(k, v)| (self.clean(&k), self.clean_value(v))).collect()),
            other => other,
        }
    }
}

/// The first `limit` characters, on one line: what another program said, fit for the log.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let line: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = line.join(" ");
    match line.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secret: &str, said: &str, expect: &str) {
        let mut secrets = Secrets::default();
        secrets.add(&SecretString::from(secret));
        assert_eq!(secrets.clean(said), expect);
    }

    #[test]
    fn secrets_are_hidden_in_every_form() {
        check("SECabc", "sign SECabc not match", "sign *** not match");
        check("Bearer tok-1234", "bad token tok-1234", "bad token ***");
        check("Bearer tok-1234", "you sent `Bearer tok-1234`", "you sent `***`");
        check("a+b/c==", "?sign=a%2Bb%2Fc%3D%3D&x", "?sign=***&x");
        check("密码很长", "密码很长 wrong", "*** wrong");
        check("abc", "abc stays", "abc stays");
    }

    #[test]
    fn an_echoed_secret_does_not_reach_the_history() {
        let mut secrets = Secrets::default();
        secrets.add(&SecretString::from("canary-7"));
        let echoed = Value::from([("headers", Value::from([("canary-7", Value::from("x canary-7"))]))]);
        let expect = Value::from([("headers", Value::from([("***", Value::from("x ***"))]))]);
        assert_eq!(secrets.clean_outcome(Outcome::Done(echoed)), Outcome::Done(expect));
    }

    #[test]
    fn texts_are_shortened_by_characters() {
        assert_eq!(shorten("客户\r\n不存在 了", 5), "客户 不存…");
        assert_eq!(shorten(" a\t b ", 5), "a b");
    }
}
