//! How many requests a second a source may send: one token bucket each, in memory.
//!
//! Never reads a clock. A restart fills the buckets: this protects us from a flood, it is no promise to anyone else.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Refusal;

/// The buckets of all sources.
#[derive(Debug, Default)]
pub struct Buckets {
    by_source: HashMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Requests that may come at once now.
    tokens: f64,
    at: Timestamp,
}

impl Buckets {
    /// Counts a request of the source, or refuses it with 429; `rate` is the source's (requests a second; bursts of as many).
    pub fn admit(&mut self, id: &str, rate: Option<u32>, now: Timestamp) -> Result<(), Refusal> {
        let Some(rate) = rate.map(f64::from) else { return Ok(()) };
        if !self.by_source.contains_key(id) {
            self.by_source.insert(id.to_owned(), Bucket { tokens: rate, at: now });
        }
        let Some(bucket) = self.by_source.get_mut(id) else { return Ok(()) };
        // A clock that was set back gives nothing and takes nothing.
        let passed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + passed * rate).min(rate);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let detail =
            format!("this source may send {rate} requests a second (rate); the rest is to be sent later, none was taken");
        let mut refusal = Refusal::new(429, "rate", "Too many requests", detail);
        refusal.retry_after = Some(1); // at one or more a second, a second brings a token
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_source_leaves_the_others_alone() {
        let mut buckets = Buckets::default();
        let start: Timestamp = "2026-09-21T01:00:00Z".parse().unwrap();
        let mut check = |id: &str, rate, millis: i64, count: usize, expect: usize| {
            let now = Timestamp::from_millisecond(start.as_millisecond() + millis).unwrap();
            let let_through = (0..count).filter(|_| buckets.admit(id, rate, now).is_ok()).count();
            assert_eq!(let_through, expect, "{id} at {millis} ms");
        };
        check("crm", Some(10), 0, 1_000, 10);
        check("erp", Some(10), 0, 5, 5);
        check("crm", Some(10), 500, 1_000, 5);
        check("crm", Some(10), 400, 1_000, 0); // set back
        check("crm", Some(10), 1_400, 1_000, 10); // and nothing is owed for it
        check("crm", Some(10), 60_000, 1_000, 10); // no more than one burst, however long it was quiet
        check("free", None, 0, 1_000, 1_000);
        let refusal = buckets.admit("crm", Some(10), start).unwrap_err();
        assert_eq!((refusal.status, refusal.retry_after), (429, Some(1)));
    }
}
