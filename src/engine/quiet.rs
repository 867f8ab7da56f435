//! Quiet hours: which calls they hold, and until when. Judged when an attempt would start, by what the definitions say then.

use jiff::Timestamp;

use super::call::Call;
use super::definition::Definitions;
use super::gate::{Gates, Quiet};

/// Until when a call is held; `None`: it may go.
///
/// What a rule or flow says of itself holds all that it sends. What config.yaml says for all holds messages to people: a request
/// to another program wakes nobody.
pub(super) fn held(definitions: &Definitions, call: &Call, now: Timestamp) -> Option<Timestamp> {
    if call.urgent {
        return None;
    }
    let own = gates(definitions, &call.by).and_then(|g| g.quiet.as_ref());
    let hours = match own {
        Some(Quiet::Never) => return None,
        Some(Quiet::Hours(hours)) => hours,
        None if call.request.action() == "http" => return None,
        None => definitions.quiet.as_ref()?,
    };
    hours.end(now, &definitions.zone.0)
}

/// The gates of what ordered a call: `rule:welcome`, `flow:nurture/E1`.
fn gates<'d>(definitions: &'d Definitions, by: &str) -> Option<&'d Gates> {
    if let Some(id) = by.strip_prefix("rule:") {
        return definitions.rules.iter().find(|r| r.id == id).map(|r| &r.gates);
    }
    let flow = by.strip_prefix("flow:")?;
    definitions.flow_gates.get(flow.rsplit_once('/').map_or(flow, |(flow, _)| flow))
}

/// The lane of what is held until then, by the lane it was in; that of what was held before is not told apart from its own.
pub(super) fn lane(lane: &str, until: Timestamp) -> String {
    let own = lane.rsplit_once('~').filter(|(_, end)| end.parse::<i64>().is_ok()).map_or(lane, |(own, _)| own);
    format!("{own}~{}", until.as_millisecond())
}
