//! `ifthen tasks approve` and its like: asked of the running daemon, in a person's name.

use clap::Subcommand;
use serde_json::{Map, Value as Json, json};

use super::super::control::Control;
use super::super::output::Out;
use super::super::place::Place;
use super::super::words::Words as _;
use super::super::{Exit, tail};
use super::task_id;
use crate::engine::approval::TaskId;

/// What is done.
#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Approve a task
    Approve(Approve),
    /// Reject a task, with a comment that says why
    Reject(Reject),
    /// Answer the form of a task
    Answer(Answer),
    /// Hand a task over to somebody else for good (转办)
    Transfer(Hand),
    /// Ask somebody for their opinion; it comes back (委派)
    Delegate(Hand),
    /// Have others decide as well: first, or with --after afterwards (加签)
    Add(Add),
    /// Take somebody whom one has added back out (减签)
    Remove(Hand),
    /// Take the own decision back, before the next has acted (撤回)
    Recall(Recall),
}

impl What {
    /// In whose name.
    pub(super) fn person(&self) -> &str {
        let by = match self {
            Self::Approve(a) => &a.by,
            Self::Reject(a) => &a.by,
            Self::Answer(a) => &a.by,
            Self::Transfer(a) | Self::Delegate(a) | Self::Remove(a) => &a.by,
            Self::Add(a) => &a.by,
            Self::Recall(a) => &a.by,
        };
        &by.person
    }
}

/// In whose name, and how it is told.
#[derive(Debug, clap::Args)]
pub(super) struct By {
    /// The task: t1042-1
    #[arg(value_parser = task_id)]
    id: TaskId,
    /// Who does it: a person of the definitions
    #[arg(long = "as", value_name = "PERSON")]
    person: String,
    /// In their words
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// The log lines as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Approve {
    #[command(flatten)]
    by: By,
    /// The address of a document
    #[arg(long, value_name = "URL")]
    link: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Reject {
    #[command(flatten)]
    by: By,
    /// The step to which it goes back, where the step lets one choose
    #[arg(long, value_name = "STEP")]
    to: Option<String>,
    /// Afterwards it comes straight back
    #[arg(long, requires = "to")]
    here: bool,
    /// The address of a document
    #[arg(long, value_name = "URL")]
    link: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Answer {
    #[command(flatten)]
    by: By,
    /// A field of the form and what is answered: discount=15%
    #[arg(long, value_name = "FIELD=VALUE", required = true)]
    set: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Hand {
    #[command(flatten)]
    by: By,
    /// Whom
    to: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    #[command(flatten)]
    by: By,
    /// Whom
    #[arg(required = true)]
    people: Vec<String>,
    /// They decide afterwards, not first
    #[arg(long)]
    after: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Recall {
    #[command(flatten)]
    by: By,
}

pub(super) fn run(place: &Place, what: &What, out: &mut Out) -> anyhow::Result<Exit> {
    let (word, by, mut body) = match what {
        What::Approve(a) => ("approve", &a.by, json!({ "links": a.link })),
        What::Reject(a) => ("reject", &a.by, json!({ "links": a.link, "to": a.to, "here": a.here })),
        What::Answer(a) => ("answer", &a.by, json!({ "answers": answers(place, &a.set)? })),
        What::Transfer(a) => ("transfer", &a.by, json!({ "to": a.to })),
        What::Delegate(a) => ("delegate", &a.by, json!({ "to": a.to })),
        What::Add(a) => ("add", &a.by, json!({ "people": a.people, "after": a.after })),
        What::Remove(a) => ("remove", &a.by, json!({ "to": a.to })),
        What::Recall(a) => ("recall", &a.by, json!({})),
    };
    body["person"] = by.person.as_str().into();
    body["comment"] = by.comment.as_deref().unwrap_or_default().into();
    body["way"] = "cli".into();
    // The service's user is not who asks.
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    body["address"] = user.unwrap_or_default().into();
    match Control::find(place)?.act(&format!("tasks/{}/{word}", by.id), body.to_string())? {
        Some(event) => tail::told(place, event, by.json, out),
        None => {
            out.line(place.lang().pick("that is decided already, in the same words", "已按同样的意见处理过"))?;
            Ok(Exit::Done)
        }
    }
}

fn answers(place: &Place, set: &[String]) -> anyhow::Result<Map<String, Json>> {
    let one = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Json::from(value))),
        _ => anyhow::bail!(
            place.lang().pick(format!("`{text}` is no answer: write FIELD=VALUE"), format!("`{text}` 不是答案:请写 字段=值"),)
        ),
    };
    set.iter().map(one).collect()
}
