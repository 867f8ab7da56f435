//! The heart: `decide``(definitions, state, event, now)`, pure and synchronous.
//!
//! Nothing here knows a clock, randomness, tokio, a file or a socket: time comes in as an argument, ids derive from events,
//! and what must be read is asked for ([`state::Need`]). A test reads this folder and enforces it.
//!
//! Reading order: [`value`], [`event`], [`state`], [`definition`], then [`cascade`] (a root event and all it causes),
//! [`flow`], [`outbox`].

pub mod access;
mod action;
pub mod approval;
pub mod assignment;
mod audit;
pub mod binding;
pub mod budget;
pub mod calendar;
pub mod call;
pub mod cascade;
pub mod clock;
mod consent;
pub mod contact;
pub mod decide;
pub mod definition;
pub mod dispatch;
pub mod duration;
pub mod entity;
pub mod event;
pub mod explain;
pub mod expression;
pub mod flow;
pub mod gate;
pub mod link;
pub mod log;
pub mod lookup;
pub mod mail;
pub mod merge;
mod merging;
mod narrow;
pub mod outbox;
pub mod planted;
pub mod quarantine;
mod quiet;
pub mod record;
mod release;
mod rule;
pub mod schedule;
pub mod scope;
pub mod silence;
pub mod span;
pub mod state;
pub mod sweep;
pub mod template;
pub mod trigger;
pub mod value;
mod view;
pub mod window;

/// Serde by `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty, $expected:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(|()| serde::de::Error::custom(format_args!("{} expected, not {text}", $expected)))
            }
        }
    };
}

/// Serde by the source text of what is compiled from it.
macro_rules! serde_as_source {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.source())
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(d)?;
                Self::parse(&text).map_err(|faults| serde::de::Error::custom(format_args!("{text}: {faults:?}")))
            }
        }
    };
}

use {serde_as_source, serde_as_text};
