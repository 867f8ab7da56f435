//! Whether polled databases open and their queries yield the cursor columns. Reads one round on from the stored cursor and throws
//! it away: nothing is committed, here or there.

use jiff::Timestamp;

use super::super::place::Place;
use super::super::words::Words as _;
use super::Findings;
use crate::config::Loaded;
use crate::config::settings::SourceKind;
use crate::engine::state::{Entry, Key};
use crate::engine::value::Value;
use crate::source::poll::Poller;
use crate::store::Read as _;
use crate::store::sqlite::Reader;

/// Asks every polled source once.
pub(super) fn polled(loaded: &Loaded, place: &Place, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let lang = found.lang;
    for (id, source) in &loaded.settings.sources {
        let SourceKind::Poll(poll) = &source.kind else { continue };
        let round = Poller::new(id, poll).round(source, &loaded.definitions, cursor(place, id).as_ref(), Timestamp::now());
        match round {
            Ok(round) => {
                let rows = round.drafts.len().saturating_sub(1); // the last one carries the cursor
                let more = if round.more { "+" } else { "" };
                let what = if rows == 1 && !round.more { "row waits" } else { "rows wait" };
                let text = lang.pick(format!("can be read, {rows}{more} {what}"), format!("可以读取,{rows}{more} 行待处理"));
                found.well(id, text)?;
                for notice in round.notices {
                    found.note(id, notice)?;
                }
            }
            Err(error) => {
                let todo = lang.pick(
                    format!("source {id}: see that its `sqlite`, `query` and `cursor` in config.yaml fit the database"),
                    format!("来源 {id}:检查 config.yaml 中的 `sqlite`、`query`、`cursor` 是否与数据库一致"),
                );
                found.wrong(id, error.to_string(), todo)?;
            }
        }
    }
    Ok(())
}

/// Where the daemon has got to; from the beginning where there is no store, or none that can be read (told elsewhere).
fn cursor(place: &Place, id: &str) -> Option<Value> {
    let entry = Reader::open(&place.store).and_then(|reader| reader.load(&Key::Cursor(id.to_owned()))).ok().flatten()?;
    if let Entry::Cursor(cursor) = entry.as_ref() { Some(cursor.clone()) } else { None }
}
