//! `ifthen doctor`: looks for what is wrong and says what to do. Sends nothing to anyone: a connection is reached and left again.

mod calendar;
mod disk;
mod reach;
mod source;

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::backup::megabytes;
use super::calls::each;
use super::output::{Look, Out, clean};
use super::place::Place;
use super::words::{Lang, Words as _};
use super::{Context, Exit};
use crate::config::Loaded;
use crate::engine::call::Status;
use crate::engine::event;
use crate::engine::log::Outcome;
use crate::engine::state::{Key, prefix};
use crate::store::sqlite::Reader;
use crate::store::{Error, Filter, Read, backup};

/// Less free space than this is worth a word: the write-ahead log and a checkpoint need room to grow.
const SPACE: u64 = 512 << 20;
/// A commit is one fsync: slower than this and no batch is fast.
const SLOW: std::time::Duration = std::time::Duration::from_millis(50);
/// More failures than this are not counted.
const COUNTED: usize = 1_000;
/// Cells of what is looked at.
const COLUMN: usize = 16;
/// The clock may differ so much from what the store has seen.
const AHEAD: SignedDuration = SignedDuration::from_mins(2);
/// No clock that is right shows less: when this version was made.
const MADE: &str = "2026-01-01T00:00:00Z";

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the problems
    #[arg(short, long)]
    quiet: bool,
    /// Without the connections: nothing leaves this machine
    #[arg(long)]
    offline: bool,
}

/// What was found, on the way; and what to do about it, at the end.
struct Findings<'a> {
    out: &'a mut Out,
    lang: Lang,
    quiet: bool,
    open: Vec<String>,
}

impl Findings<'_> {
    /// All is well here.
    fn well(&mut self, what: &str, text: impl AsRef<str>) -> std::io::Result<()> {
        if self.quiet { Ok(()) } else { self.say(Look::Green, "✓", what, text.as_ref()) }
    }

    /// Nothing to look at, or nothing to worry about.
    fn note(&mut self, what: &str, text: impl AsRef<str>) -> std::io::Result<()> {
        if self.quiet { Ok(()) } else { self.say(Look::Dim, "·", what, text.as_ref()) }
    }

    /// Something is wrong; `todo` says what to do.
    fn wrong(&mut self, what: &str, text: impl AsRef<str>, todo: impl Into<String>) -> std::io::Result<()> {
        self.open.push(todo.into());
        self.say(Look::Red, "✗", what, text.as_ref())
    }

    fn say(&mut self, look: Look, sign: &str, what: &str, text: &str) -> std::io::Result<()> {
        let sign = self.out.style.paint(look, sign);
        let what = super::output::pad(what, self.out.style.paint(Look::Bold, what), COLUMN);
        self.out.line(format!("{sign} {what} {}", clean(text)))?;
        self.out.flush() // some of it takes seconds
    }
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    let mut found = Findings { out, lang: place.lang(), quiet: args.quiet, open: Vec::new() };
    let loaded = configuration(context, &mut found)?;
    clock(&place, &mut found)?;
    folder(&place, &mut found)?;
    store(&place, &mut found)?;
    if let Some(loaded) = &loaded {
        calendar::calendars(loaded, Timestamp::now(), &mut found)?;
        source::polled(loaded, &place, &mut found)?;
        certificate(loaded, &mut found)?;
    }
    if let Some(loaded) = loaded.filter(|_| !args.offline) {
        reach::connections(&loaded, &mut found)?;
    }
    let (lang, open) = (found.lang, found.open);
    if open.is_empty() {
        if !args.quiet {
            out.line("")?;
        }
        out.line(out.style.paint(Look::Green, lang.pick("nothing is wrong", "一切正常")))?;
        return Ok(Exit::Done);
    }
    out.line("")?;
    out.line(out.style.paint(Look::Bold, lang.pick("What to do:", "需要处理:")))?;
    for (n, todo) in open.iter().enumerate() {
        out.line(format!("{}. {todo}", n + 1))?;
    }
    Ok(Exit::Failed)
}

fn configuration(context: &Context, found: &mut Findings<'_>) -> anyhow::Result<Option<Loaded>> {
    let what = found.lang.pick("config", "配置");
    match context.load() {
        Ok(loaded) => {
            found.well(what, format!("{} · {}", context.config.display(), loaded.definitions.hash))?;
            Ok(Some(loaded))
        }
        Err(report) => {
            let todo = found.lang.pick(
                "`ifthen check` shows every problem of the YAML; mend them",
                "运行 `ifthen check` 查看并修正 YAML 中的问题",
            );
            found.wrong(what, report.summary(report.lang), todo)?;
            Ok(None)
        }
    }
}

/// The certificate of our own address.
fn certificate(loaded: &Loaded, found: &mut Findings<'_>) -> std::io::Result<()> {
    let Some(tls) = &loaded.settings.tls else { return Ok(()) };
    let what = found.lang.pick("certificate", "证书");
    match crate::daemon::tls::read(tls, Timestamp::now()) {
        Ok(_) => found.well(what, tls.cert.display().to_string()),
        Err(error) => found.wrong(what, error.to_string(), error.to_string()),
    }
}

fn clock(place: &Place, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let what = found.lang.pick("clock", "时钟");
    let now = Timestamp::now();
    let shown = now.to_zoned(place.speech.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let last = Reader::open(&place.store).and_then(|reader| match reader.last()?.event {
        0 => Ok(None),
        seq => Ok(reader.event(seq)?.map(|stored| stored.event.received)),
    });
    let todo = found.lang.pick(
        "set the clock, and let NTP keep it (timedatectl set-ntp true)",
        "校准系统时间并启用 NTP(timedatectl set-ntp true)",
    );
    if now < MADE.parse::<Timestamp>()? {
        return Ok(found.wrong(what, shown, todo)?);
    }
    match last {
        Ok(Some(last)) if last.duration_since(now) > AHEAD => {
            let last = super::when::full(last, &place.speech.zone);
            let text = found.lang.pick(
                format!("{shown}, but the last event was received at {last}"),
                format!("{shown},但最后一个事件收到于 {last}"),
            );
            found.wrong(what, text, todo)?;
        }
        _ => found.well(what, shown)?,
    }
    Ok(())
}

fn folder(place: &Place, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let lang = found.lang;
    let what = lang.pick("data folder", "数据目录");
    let shown = place.data.display().to_string();
    if !place.data.exists() {
        return Ok(found.note(
            what,
            lang.pick(format!("{shown} is made when `ifthen run` first starts"), format!("{shown} 将在首次 `ifthen run` 时创建")),
        )?);
    }
    let free = disk::free(&place.data);
    let left = free.as_ref().map(|bytes| megabytes(*bytes)).unwrap_or_default();
    match &free {
        Ok(bytes) if *bytes < SPACE => found.wrong(
            what,
            lang.pick(format!("{shown}: {left} free"), format!("{shown}:剩余 {left}")),
            lang.pick(
                format!("make room on the disk of {shown}: without it webhooks are answered 503"),
                format!("清理 {shown} 所在磁盘:写满后 webhook 会收到 503"),
            ),
        )?,
        Ok(_) => found.well(what, lang.pick(format!("{shown}, {left} free"), format!("{shown},剩余 {left}")))?,
        Err(error) => found.note(what, format!("{shown}: {error}"))?,
    }
    let what = lang.pick("disk", "磁盘");
    match disk::fsync(&place.data) {
        Ok((median, worst)) => {
            let text = format!("fsync p50 {median:.1?}, p99 {worst:.1?}");
            if worst > SLOW {
                let todo = lang.pick(
                    "the disk is slow to make things durable: put `data` on a local SSD, not on a network share",
                    "磁盘写入较慢:请把 `data` 放在本地 SSD 上,不要放在网络盘",
                );
                found.wrong(what, text, todo)?;
            } else {
                found.well(what, text)?;
            }
        }
        Err(error) => {
            let todo = lang.pick(
                format!("let the user that ifthen runs as write into {shown}, and see that the disk is not full"),
                format!("请确认运行用户对 {shown} 有写权限,且磁盘未满"),
            );
            found.wrong(what, error.to_string(), todo)?;
        }
    }
    Ok(())
}

fn store(place: &Place, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let lang = found.lang;
    let what = lang.pick("store", "数据库");
    if !place.store.exists() {
        return Ok(found.note(what, lang.pick("nothing has been stored yet", "还没有数据"))?);
    }
    let report = match backup::verify(&place.store) {
        Ok(report) => report,
        Err(error) => {
            let todo = match &error {
                Error::Newer(_) | Error::Absent(_) => {
                    lang.pick("run the version of ifthen that the message names", "请使用提示中的 ifthen 版本")
                }
                Error::Corrupt(_) => lang.pick(
                    "stop ifthen, keep a copy of the data folder, then `ifthen restore` the latest backup",
                    "停止 ifthen,保留数据目录副本,再用 `ifthen restore` 恢复最近的备份",
                ),
                _ => lang.pick("see that the store can be read by this user", "请确认当前用户可以读取数据库"),
            };
            return Ok(found.wrong(what, error.to_string(), todo)?);
        }
    };
    let size = |suffix: &str| {
        let mut name = place.store.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(Path::new(&name)).map(|m| m.len()).unwrap_or_default()
    };
    let (file, wal, format) = (megabytes(size("")), megabytes(size("-wal")), format(&place.store)?);
    let (events, keys, log) = (report.events, report.keys, report.log);
    found.well(
        what,
        lang.pick(
            format!("whole · format {format} · {file} + {wal} write-ahead log · {events} events, {keys} values, {log} log lines"),
            format!("完整 · 格式 {format} · {file} + 预写日志 {wal} · {events} 个事件,{keys} 个状态值,{log} 行日志"),
        ),
    )?;
    let reader = Reader::open(&place.store)?;
    kinds(&reader, found)?;
    waiting(&reader, found)?;
    failures(&reader, found)
}

/// What each kind takes, as far as it has been counted.
fn kinds(reader: &Reader, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let lang = found.lang;
    let sizes = reader.sizes()?;
    let [payloads, events, changes, log] =
        [sizes.payloads, sizes.events, sizes.changes, sizes.log].map(|size| megabytes(size.bytes));
    let free = megabytes(sizes.free);
    let text = lang.pick(
        format!("events {payloads}, those without payload {events}, changes {changes}, log {log}, free {free}"),
        format!("事件 {payloads},已去内容的事件 {events},状态变更 {changes},日志 {log},空闲 {free}"),
    );
    Ok(found.note(lang.pick("history", "历史"), text)?)
}

/// The number of the store's format.
fn format(store: &Path) -> anyhow::Result<i64> {
    let conn = rusqlite::Connection::open_with_flags(store, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(conn.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// How much of the last day's log tells of a failure.
fn failures(reader: &Reader, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let lang = found.lang;
    let since = Some(Timestamp::now() - SignedDuration::from_hours(24));
    let count = |outcome| -> anyhow::Result<String> {
        let filter = Filter { outcome: Some(outcome), since, ..Filter::default() };
        let lines = reader.log_tail(&filter, COUNTED + 1)?.len();
        Ok(if lines > COUNTED { format!("> {COUNTED}") } else { lines.to_string() })
    };
    let (failed, dead) = (count(Outcome::Failed)?, count(Outcome::Dead)?);
    let what = lang.pick("last 24 h", "24 小时内");
    if failed == "0" && dead == "0" {
        return Ok(found.well(what, lang.pick("nothing failed", "没有失败"))?);
    }
    let text = lang.pick(
        format!("{failed} log lines failed, {dead} dead: `ifthen tail --since 24h --outcome failed`"),
        format!("日志中失败 {failed} 行,死信 {dead} 行:`ifthen tail --since 24h --outcome failed` 查看"),
    );
    Ok(found.note(what, text)?)
}

/// Calls that wait or died, and events that were rolled back.
fn waiting(reader: &Reader, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let lang = found.lang;
    let (mut waiting, mut dead) = (0u64, 0u64);
    each(reader, |call| {
        *if call.status == Status::Dead { &mut dead } else { &mut waiting } += 1;
        Ok(())
    })?;
    let what = lang.pick("calls", "调用");
    let text = lang.pick(format!("{waiting} waiting, {dead} dead"), format!("{waiting} 个待发送,{dead} 个死信"));
    if dead > 0 {
        let todo = lang.pick(
            "`ifthen calls --dead` lists what could not be sent; retry, edit or discard each",
            "用 `ifthen calls --dead` 查看发不出去的消息,逐个重试、修改或丢弃",
        );
        found.wrong(what, text, todo)?;
    } else {
        found.well(what, text)?;
    }
    let mut held = 0;
    super::quarantine::each(reader, |_, _| {
        held += 1;
        Ok(())
    })?;
    if held > 0 {
        let text = lang.pick(format!("{held} items could not be understood"), format!("{held} 条内容无法识别"));
        let todo = lang.pick(
            "`ifthen quarantine list` shows what sources told and could not be understood; fix, replay or discard each",
            "用 `ifthen quarantine list` 查看无法识别的内容,逐个修正、重放或丢弃",
        );
        found.wrong(lang.pick("quarantine", "隔离区"), text, todo)?;
    }
    let parked = reader.scan(prefix::PARKED, None, 1_000)?;
    if let Some((Key::Parked(seq), _)) = parked.last() {
        let (count, last) = (parked.len(), event::id(*seq));
        let text = lang.pick(format!("{count} rolled back, the latest {last}"), format!("{count} 个已回滚,最近的是 {last}"));
        let todo = lang.pick(
            format!("rules wake each other without end: `ifthen events show {last}` names the cycle; break it with a condition"),
            format!("规则互相触发:用 `ifthen events show {last}` 查看循环,加条件打断它"),
        );
        found.wrong(lang.pick("events", "事件"), text, todo)?;
    }
    Ok(())
}
