//! What is right as it stands and will yet not work: marketing mail that leaves with links which mail programs do not follow.

use super::Loaded;
use crate::engine::definition::{Action, Definitions, Deliver, StepKind};

impl Loaded {
    /// The rule or flow whose marketing mail leaves although `public_url` is no `https` address: RFC 8058 wants one, or nobody shows
    /// a button to unsubscribe. `None`: there is none such.
    pub fn insecure(&self) -> Option<String> {
        let secure =
            self.settings.public_url.as_ref().is_some_and(|url| url.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://")));
        if secure { None } else { sender(&self.definitions) }
    }
}

/// The first rule or flow that sends marketing mail over a connection that is live.
fn sender(definitions: &Definitions) -> Option<String> {
    let live = |deliver: Deliver, action: &Action| deliver == Deliver::Live && sends(definitions, action);
    let rule =
        definitions.rules.iter().filter(|r| r.enabled).find(|r| r.then.iter().chain(&r.otherwise).any(|a| live(r.deliver, a)));
    let does = |kind: &StepKind, deliver| if let StepKind::Do(action) = kind { live(deliver, action) } else { false };
    let flow = || definitions.flows.values().filter(|f| f.enabled).find(|f| f.steps.iter().any(|s| does(&s.kind, f.deliver)));
    rule.map(|r| r.id.clone()).or_else(|| flow().map(|f| f.id.clone()))
}

fn sends(definitions: &Definitions, action: &Action) -> bool {
    match action {
        Action::Email(mail) => {
            mail.marketing && definitions.connections.get(&mail.connection).is_some_and(|c| c.deliver == Deliver::Live)
        }
        Action::Run(run) => run.actions.iter().any(|one| sends(definitions, one)),
        _ => false,
    }
}
