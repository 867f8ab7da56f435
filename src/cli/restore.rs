//! `ifthen restore`: the store out of a backup. Refuses while a daemon holds the store, and to replace one unasked.

use std::path::PathBuf;

use super::output::Out;
use super::place::Place;
use super::words::{Words as _, busy};
use super::{Context, Exit, backup as report, eprintln};
use crate::daemon::links;
use crate::store::{Error, backup};

/// Options of `restore`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The backup
    file: PathBuf,
    /// Replace the store that is there
    #[arg(long)]
    force: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    let (file, data) = (args.file.display(), place.data.display());
    let lang = place.lang();
    if !args.file.is_file() {
        eprintln(&lang.pick(format!("ifthen: there is no file {file}"), format!("ifthen: 没有文件 {file}")));
        return Ok(Exit::Failed);
    }
    if let Some(other) = other_key(&place, args) {
        eprintln(&lang.pick(
            format!("ifthen: nothing is restored: {other} would be replaced, and the links in mails sent since would lead nowhere; say --force if you mean it"),
            format!("ifthen: 未恢复:{other} 将被替换,此后发出的邮件中的链接将失效;确认请加 --force"),
        ));
        return Ok(Exit::Failed);
    }
    match backup::restore(&args.file, &place.store, args.force) {
        Ok(found) => {
            let key = links::beside(&args.file);
            if key.exists() {
                links::copy(&key, &links::file(&place.data))?;
            }
            let size = std::fs::metadata(&place.store).map(|m| m.len()).unwrap_or_default();
            let done = lang.pick(format!("{data} now holds what {file} held"), format!("{data} 已恢复为 {file} 的内容"));
            report::say(&place, &done, size, &found, args.json, out)
        }
        Err(Error::Refused(_)) if place.store.exists() && !args.force => {
            eprintln(&lang.pick(
                format!("ifthen: nothing is restored: {data} holds a store already, which would be lost; `ifthen backup` it, then say --force"),
                format!("ifthen: 未恢复:{data} 中已有数据,恢复会将其覆盖;请先 `ifthen backup` 备份,再加 --force"),
            ));
            Ok(Exit::Failed)
        }
        Err(Error::Busy(who)) => {
            let who = busy(lang, &who);
            eprintln(&lang.pick(
                format!("ifthen: nothing is restored while a daemon runs on it: {who}"),
                format!("ifthen: 未恢复:程序正在使用该数据({who})"),
            ));
            Ok(Exit::Failed)
        }
        // The store itself was not even opened: what is damaged, of another kind or too new is the backup.
        Err(error @ (Error::Corrupt(_) | Error::Absent(_) | Error::Newer(_))) => {
            let error = detail(&error.to_string());
            eprintln(&lang.pick(
                format!("ifthen: the backup {file} cannot be used: {error}; {data} was not touched, restore another backup"),
                format!("ifthen: 备份文件 {file} 无法使用:{error};{data} 未被改动,请换一个备份"),
            ));
            Ok(Exit::Failed)
        }
        Err(error) => Err(error.into()),
    }
}

/// The key that is there, where the backup has another one and nobody said that it may go.
fn other_key(place: &Place, args: &Args) -> Option<String> {
    let there = links::file(&place.data);
    let (ours, theirs) = (std::fs::read(&there).ok()?, std::fs::read(links::beside(&args.file)).ok()?);
    (ours != theirs && !args.force).then(|| there.display().to_string())
}

/// What is wrong with the file, without the advice that is meant for a store.
fn detail(error: &str) -> String {
    let inner = error.split_once("the store is damaged (").and_then(|(_, rest)| rest.split_once("): stop ifthen"));
    inner.map_or_else(|| error.to_owned(), |(what, _)| what.to_owned())
}
