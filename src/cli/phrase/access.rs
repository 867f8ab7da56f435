//! Lines about who asked for something, and about access tokens.

use super::super::output::clip;
use super::{Saying, TEXT};

impl Saying<'_> {
    /// `小王 (admin, cli) 127.0.0.1: retry c12-1; status: dead → queued`.
    pub(super) fn audited(&mut self) {
        let who = self.take("who").unwrap_or_default();
        let person = self.take("person").map(|person| format!("→ {person}"));
        let as_what: Vec<String> = [self.take("role"), self.take("way"), person].into_iter().flatten().collect();
        let address = self.take("address").unwrap_or_default();
        let asked = self.take("asked").unwrap_or_default();
        self.say(format!("{} ({}) {address}: {}", clip(&who, TEXT), as_what.join(", "), clip(&asked, TEXT)));
        self.changed();
    }

    /// `monitoring viewer until 02-20 10:00`.
    pub(super) fn token(&mut self) {
        for name in ["token", "role", "person"] {
            if let Some(text) = self.take(name) {
                self.say(clip(&text, TEXT));
            }
        }
    }
}
