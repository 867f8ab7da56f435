//! What rules and steps do, as the YAML says it: actions, and the terms and people in them.
//!
//! All of it is a stored format: runs are pinned to it. New fields need `#[serde(default)]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::call::{Format, Retry};
use crate::engine::expression::Expr;
use crate::engine::template::Template;
use crate::engine::value::Value;

/// What a rule or a step does; closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sets fields of the record, in the order of their names.
    Set(BTreeMap<String, Term>),
    /// Adds tags.
    Tag(Vec<Template>),
    /// Takes tags away.
    Untag(Vec<Template>),
    /// Gives the record an owner.
    Assign(Assign),
    /// Gives the record back to a pool.
    Release(Release),
    /// Says that something happened; decided in the same turn.
    Emit(Emit),
    /// Makes a record, or nothing if there is one of that key.
    Create(Create),
    /// Writes a line into the action log.
    Log(Template),
    /// Starts a run of a flow for the record.
    Start(String),
    /// Sends a mail.
    Email(EmailAction),
    /// Makes an HTTP request.
    Http(HttpAction),
    /// Sends to a DingTalk group robot.
    Dingtalk(RobotAction),
    /// Sends to a WeCom group robot.
    Wecom(RobotAction),
    /// Sends to people by their preferred channels.
    Notify(NotifyAction),
    /// Does what stands under a name.
    Run(Run),
}

impl Action {
    /// Its name in YAML and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Tag(_) => "tag",
            Self::Untag(_) => "untag",
            Self::Assign(_) => "assign",
            Self::Release(_) => "release",
            Self::Emit(_) => "emit",
            Self::Create(_) => "create",
            Self::Log(_) => "log",
            Self::Start(_) => "start",
            Self::Email(_) => "email",
            Self::Http(_) => "http",
            Self::Dingtalk(_) => "dingtalk",
            Self::Wecom(_) => "wecom",
            Self::Notify(_) => "notify",
            Self::Run(_) => "run",
        }
    }
}

/// `run: { remind: { who: owner } }`: what it came to where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name in `actions:`.
    pub name: String,
    /// In order, parameters filled in.
    pub actions: Vec<Action>,
}

/// How a value is come by: as it stands, by an expression (`= amount * 0.1`), by a template (`{{ name }}`), or made of such.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// As it stands.
    Value(Value),
    /// YAML text that begins with `=`.
    Expr(Expr),
    /// YAML text with `{{` or `{%` in it.
    Template(Template),
    /// A list of terms.
    List(Vec<Term>),
    /// An object of terms.
    Map(BTreeMap<String, Term>),
}

/// `assign: { team: 华东销售 }` or `assign: { to: user:zhangsan }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assign {
    /// To whom.
    pub to: AssignTo,
    /// The person field that is set; `owner` unless said. A time field of that name + `_at` is set with it.
    pub field: String,
}

/// Who is assigned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignTo {
    /// The next of a team, round robin.
    Team(String),
    /// This person.
    Person(Who),
}

/// `release: 华东公海` or `release: { pool: 华东公海 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Its name, for the field `pool`.
    pub pool: Template,
    /// The person field that is emptied; `owner` unless said.
    pub field: String,
}

/// `emit: { event: lead.qualified, data: {…} }` or `emit: lead.qualified`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Emit {
    /// The event's name, not a reserved one.
    pub event: String,
    /// Its data.
    #[serde(default)]
    pub data: BTreeMap<String, Term>,
}

/// `create: { deal: { id: "D-{{ id }}", … } }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Create {
    /// Of which entity.
    pub entity: String,
    /// Its fields, the key field among them.
    pub fields: BTreeMap<String, Term>,
}

/// `email: { template: welcome, to: "{{ email }}" }` or with `subject`, `text`, `html`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmailAction {
    /// The SMTP connection.
    pub connection: String,
    /// One address, or several separated by commas: one mail each.
    pub to: Template,
    /// What it says.
    pub content: MailContent,
    /// It is marketing: whoever does not want it does not get it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marketing: bool,
    /// Openings and clicks are told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub track: bool,
}

/// Where a mail's content is from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailContent {
    /// From `templates:`, read at the moment of sending.
    Template(String),
    /// Written in place.
    Inline(Mail),
}

/// A mail's parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    /// One line.
    pub subject: Template,
    /// The text part.
    pub text: Template,
    /// The HTML part; what is inserted is escaped.
    #[serde(default)]
    pub html: Option<Template>,
}

/// A mail template in one or more languages.
#[derive(Debug, Clone, PartialEq)]
pub struct MailTemplate {
    /// By language (`zh`, `en`); at least one. Chosen: the record's `language` field, then `lang`, then the first.
    pub languages: BTreeMap<String, Mail>,
}

/// `http: { connection: erp, post: /invoices, json: {…} }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpAction {
    /// An HTTP connection, or `http` for an absolute URL without one.
    pub connection: String,
    /// Upper case.
    pub method: String,
    /// Absolute, or below the connection's base URL.
    pub url: Template,
    /// Beside those of the connection.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// What is sent.
    #[serde(default)]
    pub body: HttpActionBody,
    /// An event to emit when it was answered 2xx: `event.status`, `event.body`.
    #[serde(default)]
    pub emit: Option<String>,
    /// Waits between attempts; the connection's unless said.
    #[serde(default)]
    pub retry: Option<Vec<Retry>>,
}

/// What an `http` action sends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpActionBody {
    /// Nothing.
    #[default]
    Empty,
    /// JSON.
    Json(Term),
    /// A form.
    Form(BTreeMap<String, Template>),
    /// Text.
    Text(Template),
}

/// `dingtalk: { robot: sales, text: "…", at: owner }` or with `markdown` and `title`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobotAction {
    /// The robot's connection.
    pub connection: String,
    /// Text or markdown.
    pub format: Format,
    /// Markdown's title; DingTalk shows it in the list of conversations.
    #[serde(default)]
    pub title: Option<Template>,
    /// The content.
    pub text: Template,
    /// Whom to mention.
    #[serde(default)]
    pub at: Vec<Who>,
    /// Mention everyone.
    #[serde(default)]
    pub at_all: bool,
}

/// `notify: { who: owner, text: "…" }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotifyAction {
    /// To whom.
    pub who: Vec<Who>,
    /// What.
    pub text: Template,
    /// The subject of a mail; the text's first line unless said.
    #[serde(default)]
    pub title: Option<Template>,
    /// All of a person's channels instead of the first that reaches them.
    #[serde(default)]
    pub urgent: bool,
}

/// Whom an action is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// A person field of the record, then `manager` of that person and so on: `owner`, `owner.manager`.
    Field(Vec<String>),
    /// Everyone with the role: `role:director`.
    Role(String),
    /// Everyone in the team: `team:华东销售`.
    Team(String),
    /// One person: `user:zhangsan`.
    User(String),
}
