//! A task as it is told to programs: what stands in the store, without what proves who decides. A promise to those who read it.

use serde_json::{Value as Json, json};

use super::{Decision, End, Seat, Seated, Task};

impl Task {
    /// Whether it is this person's to decide.
    pub fn is_open_to(&self, person: &str) -> bool {
        self.ended.is_none() && self.seats.iter().any(|s| s.person == person && s.state == Seated::Open)
    }

    /// Whether this person has to do with it: as long as it is open, that it is theirs; later, that they were asked at all.
    pub fn concerns(&self, person: &str) -> bool {
        if self.ended.is_none() { self.is_open_to(person) } else { self.seats.iter().any(|s| s.person == person) }
    }

    /// `open`, `approved`, `rejected`, `cancelled`; a form that was answered is `approved`.
    pub fn status(&self) -> &'static str {
        match self.ended.as_ref().map(|e| &e.how) {
            None => "open",
            Some(End::Approved) => "approved",
            Some(End::Rejected { .. }) => "rejected",
            Some(End::Cancelled(_)) => "cancelled",
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Json {
        let links: Vec<Json> = self.links.iter().map(|(name, link)| json!({ "name": name, "link": link })).collect();
        json!({
            "id": self.id, "status": self.status(), "flow": self.flow, "step": self.step, "run": self.run, "round": self.round,
            "record": self.record.as_ref().map(ToString::to_string), "initiator": self.initiator, "form": self.form,
            "subject": self.subject, "text": self.text, "links": links, "mode": self.mode, "returns": self.returns,
            "opened": self.opened, "due": self.due, "ended": self.ended.as_ref().map(|e| e.at),
            "seats": self.seats.iter().map(seat).collect::<Vec<_>>(),
        })
    }
}

fn seat(seat: &Seat) -> Json {
    let Seat { person, state, why, of, since, told, decision, .. } = seat;
    json!({
        "person": person, "state": state, "why": why, "of": of, "since": since, "told": told,
        "decision": decision.as_ref().map(decided),
    })
}

fn decided(decision: &Decision) -> Json {
    let Decision { approved, comment, links, to, here, at, way, address, .. } = decision;
    let answers: serde_json::Map<String, Json> =
        decision.answers.iter().map(|(name, value)| (name.clone(), json!(value.plain()))).collect();
    json!({
        "approved": approved, "comment": comment, "links": links, "answers": answers, "to": to, "here": here, "at": at, "way": way,
        "address": address,
    })
}
