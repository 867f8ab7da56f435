//! `ifthen tokens`: access tokens for the API, made and revoked by whoever has the data folder. A token is shown once, when it is made.
//!
//! The list is read from the store; what changes something is asked of the running daemon, which decides it as an event.

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

use super::control::Control;
use super::output::{Look, Out, clip};
use super::place::Place;
use super::table::Table;
use super::tail;
use super::words::Words as _;
use super::{Context, Exit, when};
use crate::engine::access::{self, Token};
use crate::engine::duration;
use crate::engine::state::Key;
use crate::store::Read;

/// Options of `tokens`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token; it is shown this once
    Add(Add),
    /// What tokens there are, what they may and when they were last used
    List(List),
    /// A token counts no more, at once
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// What it is called: the log says so of everything done with it
    name: String,
    /// What it may: viewer reads, operator also acts, approver also decides for one person, admin may all
    #[arg(long, value_parser = ["viewer", "operator", "approver", "admin"])]
    role: String,
    /// An approver's person
    #[arg(long = "as", value_name = "PERSON")]
    person: Option<String>,
    /// For so long: 90d, 12h (default: for ever)
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// As JSON, with the key token
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct List {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    /// What it is called
    name: String,
    /// The log line as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    match &args.what {
        What::Add(args) => add(&place, args, out),
        What::List(args) => list(&place, args, out),
        What::Revoke(args) => {
            let name = percent_encoding::utf8_percent_encode(&args.name, percent_encoding::NON_ALPHANUMERIC);
            let event = Control::find(&place)?.post(&format!("tokens/{name}/revoke"), None)?;
            tail::told(&place, event, args.json, out)
        }
    }
}

fn add(place: &Place, args: &Add, out: &mut Out) -> anyhow::Result<Exit> {
    let lang = place.lang();
    let until = match args.expires.as_deref().map(|text| (text, duration::parse(text))) {
        None => None,
        Some((_, Some(span))) => Some(Timestamp::now().checked_add(span)?),
        Some((text, None)) => {
            bail!(lang.pick(format!("`{text}` is no duration: write 90d, 12h"), format!("`{text}` 不是时长:可写 90d、12h")))
        }
    };
    let asked = json!({ "name": args.name, "role": args.role, "person": args.person, "until": until });
    let answer = Control::find(place)?.exchange("tokens", Some(asked.to_string()))?;
    if args.json {
        out.json(&answer)?;
        return Ok(Exit::Done);
    }
    out.line(answer.get("token").and_then(serde_json::Value::as_str).unwrap_or_default())?;
    super::eprintln(lang.pick(
        "shown this once: keep it where secrets are kept, and send it as `Authorization: Bearer …`",
        "仅显示这一次:请妥善保存,使用时放在请求头 `Authorization: Bearer …` 中",
    ));
    Ok(Exit::Done)
}

fn list(place: &Place, args: &List, out: &mut Out) -> anyhow::Result<Exit> {
    let entry = place.reader()?.load(&Key::Tokens)?;
    let all = access::all(entry.as_deref());
    let lang = place.lang();
    if args.json {
        for Token { name, role, person, until, made, by, used, hash: _ } in all {
            out.json(
                &json!({ "name": name, "role": role.word(), "person": person, "until": until, "made": made, "by": by, "used": used }),
            )?;
        }
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        out.line(
            lang.pick("no tokens: `ifthen tokens add NAME --role viewer`", "没有令牌:`ifthen tokens add 名称 --role viewer`"),
        )?;
        return Ok(Exit::Done);
    }
    let now = Timestamp::now();
    let at = |time: Option<Timestamp>| time.map(|t| when::beside(t, now, &place.speech.zone)).unwrap_or_default();
    let head = ["TOKEN", "ROLE", "AS", "MADE", "BY", "UNTIL", "LAST USED"];
    let mut table = Table::new(lang.pick(head, ["令牌", "角色", "代表", "创建", "创建人", "有效期至", "最近使用"]));
    for token in all {
        let over = if token.is_valid(now) { "" } else { lang.pick(" (over)", "(已过期)") };
        table.row([
            (clip(&token.name, 60), Look::Bold),
            (token.role.word().to_owned(), Look::Cyan),
            (token.person.clone().unwrap_or_default(), Look::Plain),
            (at(Some(token.made)), Look::Plain),
            (clip(&token.by, 30), Look::Plain),
            (at(token.until) + over, Look::Plain),
            (at(token.used), Look::Plain),
        ]);
    }
    table.print(out)?;
    Ok(Exit::Done)
}
