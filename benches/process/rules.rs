//! What an event costs as the rules on it grow.

use super::Scale;
use super::daemon::{self, Daemon};
use super::load;
use super::table;

/// Processor time an event with 10 to 10,000 rules on the same event, and how long the load of these takes.
pub fn run(scale: Scale) {
    table::head(&["rules", "ready", "accepted /s", "CPU ms/event", "of that at 10"]);
    let mut first = None;
    for count in [10, 100, 1_000, 10_000] {
        let ours = Daemon::start(daemon::CONFIG, &daemon::rules(count));
        let cpu = daemon::cpu(ours.pid());
        let full = load::put(ours.address, "/in/crm", 64, scale.time, None, daemon::body);
        let used = (daemon::cpu(ours.pid()) - cpu).as_secs_f64() * 1e3 / full.count() as f64;
        let first = *first.get_or_insert(used);
        table::row(&[
            table::count(count as f64),
            format!("{:.0?}", ours.ready),
            table::count(full.rate),
            format!("{used:.3}"),
            format!("{:.2}", used / first),
        ]);
    }
}
