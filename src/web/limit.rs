//! How much somebody may ask for: one token bucket for each, in memory, never more than so many of them.
//!
//! Never reads a clock. A restart fills the buckets: this protects us from a flood, it is no promise to anyone else.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Buckets at a time, about a megabyte; whoever has none shares one.
const MOST: usize = 10_000;
/// Between two looks for buckets that are full again.
const SWEEP: Duration = Duration::from_secs(1);

/// The buckets of all of a kind.
#[derive(Debug)]
pub(super) struct Limit<K> {
    buckets: HashMap<K, Bucket>,
    shared: Option<Bucket>,
    swept: Option<Instant>,
    most: usize,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// As it is by now: never more than two seconds' worth.
    fn filled(self, rate: f64, now: Instant) -> Self {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        Self { tokens: (self.tokens + passed * rate).min(burst(rate)), at: now }
    }
}

fn burst(rate: f64) -> f64 {
    2.0 * rate
}

impl<K: Eq + Hash> Default for Limit<K> {
    fn default() -> Self {
        Self { buckets: HashMap::new(), shared: None, swept: None, most: MOST }
    }
}

impl<K: Eq + Hash> Limit<K> {
    /// Takes `cost` from somebody's bucket, which fills at `rate` a second and holds twice that; or says in how many seconds there
    /// will be enough, and takes nothing.
    pub(super) fn admit(&mut self, key: K, cost: u32, rate: u32, now: Instant) -> Result<(), u32> {
        let rate = f64::from(rate.max(1));
        let cost = f64::from(cost).min(burst(rate));
        if !self.buckets.contains_key(&key) && self.buckets.len() >= self.most {
            self.sweep(rate, now);
        }
        let full = Bucket { tokens: burst(rate), at: now };
        let bucket = if self.buckets.contains_key(&key) || self.buckets.len() < self.most {
            self.buckets.entry(key).or_insert(full)
        } else {
            self.shared.get_or_insert(full)
        };
        *bucket = bucket.filled(rate, now);
        if bucket.tokens >= cost {
            bucket.tokens -= cost;
            return Ok(());
        }
        let seconds = ((cost - bucket.tokens) / rate).ceil();
        Err(if seconds >= 3_600.0 { 3_600 } else { (1..3_600).find(|n| f64::from(*n) >= seconds).unwrap_or(3_600) })
    }

    /// Lets go who has not asked for long enough to have it all again.
    fn sweep(&mut self, rate: f64, now: Instant) {
        if self.swept.is_some_and(|at| now.saturating_duration_since(at) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.buckets.retain(|_, bucket| bucket.filled(rate, now).tokens < burst(rate));
    }
}

/// By what an address is told from others: whoever has an IPv6 address has 2⁶⁴ of them.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mut parts = v6.segments();
            parts[4..].fill(0);
            IpAddr::V6(parts.into())
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_two_seconds_and_fills_by_its_rate() {
        let (mut limit, start) = (Limit::default(), Instant::now());
        let mut check = |key: &'static str, cost, millis, count: usize, expect: usize| {
            let now = start + Duration::from_millis(millis);
            assert_eq!((0..count).filter(|_| limit.admit(key, cost, 10, now).is_ok()).count(), expect, "{key} at {millis} ms");
        };
        check("a", 1, 0, 1_000, 20);
        check("b", 10, 0, 1_000, 2); // a wrong proof costs more
        check("a", 1, 500, 1_000, 5);
        check("a", 1, 400, 1_000, 0); // never backwards
        check("a", 1, 60_000, 1_000, 20); // no more than two seconds' worth, however long it was quiet
        assert_eq!(limit.admit("a", 15, 10, start + Duration::from_secs(60)), Err(2));
    }

    #[test]
    fn however_many_ask_there_are_so_many_buckets() {
        let (mut limit, start) = (Limit { most: 100, ..Limit::default() }, Instant::now());
        let admitted = (0..100_000_u32).filter(|n| limit.admit(*n, 1, 10, start).is_ok()).count();
        assert_eq!(admitted, 100 + 20, "all beyond share one");
        assert_eq!(limit.buckets.len(), 100);
        assert!(limit.admit(7, 1, 10, start).is_ok(), "who was there before is not pushed out");
        let later = start + Duration::from_secs(5);
        assert!(limit.admit(500_000, 1, 10, later).is_ok());
        assert_eq!(limit.buckets.len(), 1, "those that are full again are let go");
    }

    #[test]
    fn an_ipv6_network_is_one_stranger() {
        let check = |a: &str, b: &str, same: bool| {
            assert_eq!(network(a.parse().unwrap()) == network(b.parse().unwrap()), same, "{a} {b}");
        };
        check("2001:db8::1", "2001:db8::ffff:1", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
        check("::ffff:203.0.113.5", "203.0.113.5", true);
        check("203.0.113.5", "203.0.113.6", false);
    }
}
