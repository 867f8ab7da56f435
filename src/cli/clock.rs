//! `ifthen clock`: whether time stands still because the clock was set, and letting it go on.

use clap::Subcommand;
use jiff::SignedDuration;

use super::control::Control;
use super::output::Out;
use super::place::Place;
use super::tail;
use super::words::Words as _;
use super::{Context, Exit};
use crate::engine::duration;
use crate::engine::state::{Entry, Key};
use crate::store::Read as _;

/// Options of `clock`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The clock is right as it is: what is driven by time goes on
    Confirm,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let place = context.place()?;
    match args.what {
        Some(What::Confirm) => {
            let event = Control::find(&place)?.post("clock/confirm", None)?;
            tail::told(&place, event, false, out)
        }
        None => shown(&place, out),
    }
}

/// Exit code 1 while time stands still.
fn shown(place: &Place, out: &mut Out) -> anyhow::Result<Exit> {
    let lang = place.lang();
    let Some(Entry::Paused(pause)) = place.reader()?.load(&Key::Paused)?.as_deref().cloned() else {
        out.line(lang.pick("the clock was not set: what is driven by time goes on", "时钟未被改动:定时动作照常进行"))?;
        return Ok(Exit::Done);
    };
    let length = duration::text(SignedDuration::from_secs(pause.by.abs()));
    let (en, zh) = if pause.by < 0 { ("back", "往回") } else { ("forward", "往前") };
    out.line(lang.pick(
        format!("the clock was set {en} by {length}: what is driven by time waits; if it is right: `ifthen clock confirm`"),
        format!("时钟被{zh}拨了 {length}:定时动作已暂停;确认时间正确请运行 `ifthen clock confirm`"),
    ))?;
    Ok(Exit::Failed)
}
