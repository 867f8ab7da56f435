//! Steps at which people decide or answer: whom, how several decide, what holds where there is nobody.
//!
//! All of it is a stored format, as the graph it stands in ([`super::Flow`]). New fields need `#[serde(default)]`.

use serde::{Deserialize, Serialize};

use super::{At, Who};
use crate::engine::template::Template;

/// People decide: `approve: owner.manager`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approve {
    /// Whom.
    pub who: Vec<Who>,
    /// How several decide.
    #[serde(default)]
    pub mode: Signing,
    /// What it is about, in a line; made from the flow and the record unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Template>,
    /// What else they should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Template>,
    /// Fields of the record that are shown; all unless said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub show: Vec<String>,
    /// Documents: name and address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(Template, Template)>,
    /// When there is nobody.
    #[serde(default)]
    pub nobody: Nobody,
    /// When it is the initiator.
    #[serde(default)]
    pub own: Own,
    /// Who has approved before in this round approves again without being asked.
    #[serde(default)]
    pub repeated: Repeated,
    /// Where a rejection leads; none: the run ends as `rejected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<At>,
    /// Steps to which whoever rejects may send it back instead, by their own choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<At>,
}

/// How several people decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// 会签: all, or so many, or such a share; ends as soon as it is decided.
    All {
        /// How many of them; all unless said.
        need: Option<Share>,
        /// One rejection rejects.
        veto: bool,
    },
    /// 或签: the first decision counts.
    Any,
    /// 顺签: one after another, each must approve.
    Sequence,
}

impl Default for Signing {
    fn default() -> Self {
        Self::All { need: None, veto: false }
    }
}

/// How many of those who are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// So many.
    Count(u32),
    /// At least this share, in percent.
    Percent(u32),
}

/// When nobody can be found who decides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nobody {
    /// The step fails: the run waits for a person's help, or goes where `on_error` says.
    #[default]
    Fail,
    /// It counts as approved.
    Approve,
    /// It counts as rejected.
    Reject,
    /// These are asked.
    Ask(Vec<Who>),
}

/// When the one to decide is the initiator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own {
    /// Is asked like anybody.
    #[default]
    Ask,
    /// Has approved by asking.
    Approve,
    /// The manager is asked instead.
    Manager,
}

/// When the one to decide has approved an earlier step of this round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeated {
    /// Is asked again.
    #[default]
    Ask,
    /// Approves without being asked.
    Approve,
}

/// `ask: { who: owner, form: quote-revision }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Whom; the first answer counts.
    pub who: Vec<Who>,
    /// The form's id; forms are not pinned.
    pub form: String,
    /// What it is about, in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Template>,
    /// What else they should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Template>,
    /// The answers are written into the record's fields of the same names.
    #[serde(default)]
    pub set: bool,
    /// Documents: name and address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(Template, Template)>,
}
