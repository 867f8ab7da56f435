//! `ifthen contacts`: what is known of a mail address, why marketing mail to it is not sent, and saying by hand whether it is.
//!
//! What is shown is read from the store; what changes something is asked of the running daemon, which decides it as an event.

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;

use super::control::Control;
use super::output::{Look, Out, clean};
use super::place::Place;
use super::tail;
use super::words::Words as _;
use super::{Context, Exit, when};
use crate::engine::contact::{Contact, Since, address};
use crate::engine::mail::{Ask, known};
use crate::engine::state::Key;
use crate::store::Read as _;

/// Times of marketing mails that are shown.
const SHOWN: usize = 5;

/// Options of `contacts`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What is known of an address, and whether marketing mail to it is sent
    Show(Show),
    /// Send it no marketing mail from now on
    Unsubscribe(Change),
    /// Send it marketing mail again: it is forgotten that it unsubscribed, complained or bounced
    Resubscribe(Change),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The mail address
    address: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Change {
    /// The mail address
    address: String,
    /// The log line as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    match &args.what {
        What::Show(args) => show(&place, args, out),
        What::Unsubscribe(args) => change(&place, args, false, out),
        What::Resubscribe(args) => change(&place, args, true, out),
    }
}

fn normalised(place: &Place, text: &str) -> anyhow::Result<String> {
    match address(text) {
        Some(address) => Ok(address),
        None => bail!(place.lang().pick(
            format!("`{}` is no mail address such as zhang@example.com", clean(text)),
            format!("`{}` 不是邮箱地址(如 zhang@example.com)", clean(text)),
        )),
    }
}

fn change(place: &Place, args: &Change, subscribe: bool, out: &mut Out) -> anyhow::Result<Exit> {
    let address = normalised(place, &args.address)?;
    // The service's user is not who asks.
    let by = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let ask = Ask { address, subscribe, by: by.unwrap_or_default() };
    let event = Control::find(place)?.post("contacts", Some(serde_json::to_string(&ask)?))?;
    tail::told(place, event, args.json, out)
}

/// Exit code 1 where marketing mail to it is not sent.
fn show(place: &Place, args: &Show, out: &mut Out) -> anyhow::Result<Exit> {
    let address = normalised(place, &args.address)?;
    let entry = place.reader()?.load(&Key::Contact(address.clone()))?;
    let contact = known(entry.as_deref());
    let bar = contact.bar().map(|(bar, _)| bar.word());
    if args.json {
        let mut json = serde_json::to_value(&contact)?;
        json["address"] = address.into();
        json["suppressed"] = bar.into();
        out.json(&json)?;
    } else {
        print(place, &address, &contact, out)?;
    }
    Ok(if bar.is_some() { Exit::Failed } else { Exit::Done })
}

fn print(place: &Place, address: &str, contact: &Contact, out: &mut Out) -> anyhow::Result<()> {
    let (lang, zone, now) = (place.lang(), &place.speech.zone, Timestamp::now());
    let verdict = match contact.bar() {
        Some((bar, _)) => {
            let reason = lang.said(bar.word());
            lang.pick(format!("marketing mail is not sent: {reason}"), format!("不发送营销邮件:{reason}"))
        }
        None => lang.pick("marketing mail is sent", "可发送营销邮件").to_owned(),
    };
    out.line(format!("{} {verdict}", out.style.paint(Look::Bold, &clean(address))))?;
    let all = [("unsubscribed", &contact.unsubscribed), ("complained", &contact.complained), ("bounced", &contact.bounced)];
    for (word, since) in all {
        let Some(Since { at, how, mail }) = since else { continue };
        let mail = mail.map(|id| lang.pick(format!("by mail {id}"), format!("邮件 {id}"))).unwrap_or_default();
        let parts = [lang.said(word).into_owned(), when::beside(*at, now, zone), clean(how), mail];
        out.line(format!("  {}", parts.iter().filter(|p| !p.is_empty()).cloned().collect::<Vec<_>>().join(" ")))?;
    }
    if contact.soft > 0 {
        out.line(format!("  {} × {}", lang.pick("soft bounces in a row", "连续软退信"), contact.soft))?;
    }
    let last: Vec<String> = contact.sent.iter().rev().take(SHOWN).map(|at| when::beside(*at, now, zone)).collect();
    if !last.is_empty() {
        out.line(format!("  {} {}", lang.pick("last marketing mails:", "最近的营销邮件:"), last.join(", ")))?;
    }
    Ok(())
}
