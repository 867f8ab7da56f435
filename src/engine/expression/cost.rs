//! What a condition costs, printed and never asserted: `cargo test --lib expression::cost -- --nocapture`.
#![allow(clippy::print_stderr, reason = "what it measured is told")]

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::hint::black_box;
    use std::time::Instant;

    use super::super::*;

    struct Order(Vec<(&'static str, Value)>);

    impl Scope for Order {
        fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
            let found = self.0.iter().find(|(name, _)| *name == path[0]);
            Ok(found.map_or(Cow::Owned(Value::Null), |(_, value)| Cow::Borrowed(value)))
        }
        fn now(&self) -> jiff::Zoned {
            jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC)
        }
        fn changed(&self, _: &str) -> bool {
            false
        }
    }

    #[test]
    fn what_a_condition_costs() {
        let order = Order(vec![("amount", 5000i64.into()), ("level", "VIP".into()), ("region", "华东".into())]);
        for source in [
            r#"amount > 1000 && level == "VIP" && region == "华东""#,
            "amount < 1000 and level == 'VIP'",
            "level in ('A', 'VIP') and contains(region, '东')",
        ] {
            let expr = Expr::parse(source).unwrap();
            let rounds = 200_000u32;
            let mut best = f64::MAX;
            for _ in 0..5 {
                let begun = Instant::now();
                for _ in 0..rounds {
                    black_box(expr.test(black_box(&order))).unwrap();
                }
                best = best.min(begun.elapsed().as_nanos() as f64 / f64::from(rounds));
            }
            eprintln!("{best:>8.0} ns  {source}");
        }
    }
}
