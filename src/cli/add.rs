//! `ifthen add`: from a real payload to a source, an entity and a first rule; with what they would do with that very payload.
//!
//! Shows first, writes only new files and only when told to, and never edits config.yaml: its comments would be lost.

mod draft;
mod guess;
mod name;
mod payload;
mod trial;

use std::io::{IsTerminal, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_yaml::{Mapping, Value as Yaml};

use super::line::View;
use super::output::{Look, Out, clean, clip};
use super::phrase::Speech;
use super::table::Table;
use super::tail::Printer;
use super::words::{Lang, Words as _};
use super::{Context, Exit, eprintln, init};
use crate::config::{self, Loaded};
use crate::engine::definition::Definitions;
use draft::{Draft, Keyless};
use payload::Payload;
use trial::{Refused, Trial};

/// A payload larger than a webhook takes is no sample.
const LARGEST: u64 = 1 << 20;

/// Options of `add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The payload as it was really sent: a file with JSON, or - for standard input
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// What the source is called, also in its address /in/NAME (default: after the file)
    #[arg(long, value_name = "SOURCE")]
    name: Option<String>,
    /// What a record of it is (default: as the payload says, or lead)
    #[arg(long)]
    entity: Option<String>,
    /// Write rules/ENTITY.yaml; nothing that is there is overwritten
    #[arg(long)]
    write: bool,
    /// Do not ask before writing
    #[arg(long, requires = "write")]
    yes: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let bytes = read(&args.from)?;
    let payload = Payload::read(&bytes).with_context(|| args.from.display().to_string())?;
    let former = match former(context)? {
        Ok(former) => former,
        Err(exit) => return Ok(exit),
    };
    let lang = former.as_ref().map_or_else(|| context.lang(), |l| l.lang);
    let nothing = Definitions::default();
    let definitions = former.as_ref().map_or(&nothing, |l| &l.definitions);
    let source = source_id(args, lang)?;
    if former.as_ref().is_some_and(|l| l.settings.sources.contains_key(&source)) {
        bail!(lang.pick(
            format!("config.yaml has a source {source} already; give this one another name with --name"),
            format!("config.yaml 中已有来源 {source},请用 --name 另取名称"),
        ));
    }
    let draft = Draft::new(&payload, &source, args.entity.as_deref(), definitions).map_err(|Keyless { entity, key }| {
        anyhow::anyhow!(lang.pick(
            format!(
                "nothing in the payload is the `{key}` by which a {entity} is known; draft another entity with --entity NAME"
            ),
            format!("样本中没有可作为 {entity} 主键 `{key}` 的字段;请用 --entity 另起一个实体"),
        ))
    })?;
    if definitions.rules.iter().any(|r| r.id == draft.rule_id()) {
        let rule = draft.rule_id();
        bail!(lang.pick(
            format!("there is a rule {rule} already; give the source another name with --name"),
            format!("已有规则 {rule},请用 --name 另取来源名称")
        ));
    }
    let trial = match trial::run(&draft, &bytes, former.as_ref(), &context.options, lang) {
        Ok(trial) => Ok(trial),
        Err(Refused::Report(report)) => {
            eprintln(lang.pick("ifthen: the draft does not fit in with what is there:", "ifthen: 草稿与现有定义不一致:"));
            eprintln(&report.render(lang, std::io::stderr().is_terminal()));
            return Ok(Exit::Failed);
        }
        Err(Refused::Other(error)) => Err(error),
    };
    let file = target(former.as_ref(), context, &draft);
    show(&draft, trial.as_ref().ok(), lang, out)?;
    yaml(&draft, former.is_some(), &file, lang, out)?;
    match &trial {
        Ok(trial) => effect(&draft, trial, out)?,
        Err(error) => {
            eprintln(&lang.pick(
                format!("ifthen: this very payload would be refused: {error:#}"),
                format!("ifthen: 按此草稿,这个样本会被拒收:{error:#}"),
            ));
            return Ok(Exit::Failed);
        }
    }
    if args.write {
        return write(&draft, former.is_some(), &file, args.yes, lang, out);
    }
    out.line("")?;
    let again = lang
        .pick("--write writes the file; then put the source into config.yaml", "加 --write 写入文件,然后把来源加到 config.yaml");
    out.line(out.style.paint(Look::Dim, again))?;
    Ok(Exit::Done)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let shown = file.display();
    if file == Path::new("-") {
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)
            .with_context(|| shown.to_string())?
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .with_context(|| shown.to_string())?;
    }
    if bytes.len() as u64 > LARGEST {
        bail!("{shown} is larger than {LARGEST} bytes, which no webhook takes; give one event of it");
    }
    Ok(bytes)
}

/// What is configured and defined so far; nothing in a folder without a configuration. Problems of it are told first.
fn former(context: &Context) -> anyhow::Result<Result<Option<Loaded>, Exit>> {
    if !context.config.exists() {
        return Ok(Ok(None));
    }
    let options = config::Options { environment: false, ..context.options.clone() };
    match config::load(&context.config, &options) {
        Ok(loaded) => Ok(Ok(Some(loaded))),
        Err(report) => {
            eprintln(&report.render(report.lang, std::io::stderr().is_terminal()));
            eprintln(report.lang.pick("ifthen: mend these first, then add", "ifthen: 请先修正以上问题"));
            Ok(Err(Exit::Failed))
        }
    }
}

/// The source's id: as asked, or after the file.
fn source_id(args: &Args, lang: Lang) -> anyhow::Result<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    match &args.name {
        Some(name) if !name.is_empty() && name.chars().all(fits) && name != "ifthen" => Ok(name.clone()),
        Some(name) => bail!(lang.pick(
            format!("`{name}` cannot be a source's name: lower-case letters, digits, - and _, for it stands in an address"),
            format!("`{name}` 不能作为来源名称:它会出现在网址中,请用小写字母、数字、- 和 _"),
        )),
        None => {
            let stem = args.from.file_stem().map(|s| s.to_string_lossy().to_lowercase()).unwrap_or_default();
            let stem: String = stem.chars().map(|c| if c == ' ' || c == '.' { '-' } else { c }).filter(|c| fits(*c)).collect();
            let stem = stem.trim_matches(['-', '_']);
            Ok(if matches!(stem, "" | "sample" | "payload" | "example" | "test" | "data" | "body") {
                "inbox".into()
            } else {
                stem.to_owned()
            })
        }
    }
}

/// The file that would be written: in the first folder of definitions.
fn target(former: Option<&Loaded>, context: &Context, draft: &Draft) -> PathBuf {
    let beside = context.config.parent().unwrap_or(Path::new("")).join("rules");
    let folder = former.and_then(|l| l.settings.definitions.first().cloned()).unwrap_or(beside);
    let here = std::env::current_dir().unwrap_or_default();
    let folder = folder.strip_prefix(&here).map_or(folder.clone(), Path::to_owned);
    let stem = if draft.known || draft.key.is_none() { &draft.source } else { &draft.entity };
    folder.join(format!("{stem}.yaml"))
}

fn show(draft: &Draft, trial: Option<&Trial>, lang: Lang, out: &mut Out) -> anyhow::Result<()> {
    let mut table =
        Table::new(lang.pick(["MEMBER", "FIELD", "TYPE", "VALUE", "KEPT AS"], ["数据路径", "字段", "类型", "样本值", "保存为"]));
    for f in &draft.fields {
        let kept = trial.and_then(|t| trial::kept(&t.definitions, &draft.entity, &f.field, &f.sample));
        let key = draft.key.as_deref() == Some(&f.field);
        let field = if key { format!("{} *", f.field) } else { f.field.clone() };
        table.row([
            (clip(&f.path, 40), Look::Plain),
            (field, Look::Bold),
            (if f.kind.is_empty() { lang.pick("as defined", "按已有定义").into() } else { f.kind.clone() }, Look::Cyan),
            (clip(&f.sample.to_string(), 32), Look::Dim),
            (clip(&kept.map(|v| v.to_string()).unwrap_or_default(), 32), Look::Plain),
        ]);
    }
    table.print(out)?;
    let note = match &draft.key {
        Some(key) => {
            lang.pick(format!("* by {key} records of {} are known", draft.entity), format!("* {key} 是 {} 的主键", draft.entity))
        }
        None => lang
            .pick(
                "nothing here tells records apart (an id, a phone number, an address), so it is an event without a record",
                "没有能区分记录的字段(编号、手机、邮箱),因此只作为事件,不建立记录",
            )
            .into(),
    };
    out.line(out.style.paint(Look::Dim, &note))?;
    if !draft.unmapped.is_empty() {
        let list = clean(&draft.unmapped.join(", "));
        let note = lang
            .pick(format!("no field for: {list} (rules see them as event.…)"), format!("未映射:{list}(规则中可用 event.… 访问)"));
        out.line(out.style.paint(Look::Yellow, &note))?;
    }
    Ok(())
}

/// What is to be put into files.
fn yaml(draft: &Draft, configured: bool, file: &Path, lang: Lang, out: &mut Out) -> anyhow::Result<()> {
    source(draft, configured, lang, out)?;
    out.line("")?;
    comment(out, &file.display().to_string())?;
    out.text(&serde_yaml::to_string(&draft.definitions(lang))?)?;
    Ok(())
}

/// What is to be put into config.yaml.
fn source(draft: &Draft, configured: bool, lang: Lang, out: &mut Out) -> anyhow::Result<()> {
    out.line("")?;
    let place = lang.pick("config.yaml, below `sources:`", "config.yaml,加在 `sources:` 下");
    comment(out, if configured { place } else { "config.yaml" })?;
    let snippet = snippet(draft)?;
    // With a configuration there is a `sources:` already; as it stands, the rest can be pasted below it.
    out.text(if configured { snippet.trim_start_matches("sources:\n") } else { &snippet })?;
    Ok(())
}

fn comment(out: &mut Out, text: &str) -> std::io::Result<()> {
    let text = out.style.paint(Look::Dim, &format!("# {}", clean(text)));
    out.line(text)
}

/// The source as it stands in config.yaml.
fn snippet(draft: &Draft) -> anyhow::Result<String> {
    let sources: Mapping = [(Yaml::from(draft.source.as_str()), draft.source())].into_iter().collect();
    let sources: Mapping = [(Yaml::from("sources"), Yaml::Mapping(sources))].into_iter().collect();
    Ok(serde_yaml::to_string(&sources)?)
}

/// What the draft would do with the payload.
fn effect(draft: &Draft, trial: &Trial, out: &mut Out) -> anyhow::Result<()> {
    let lang = trial.lang;
    out.line("")?;
    let head = lang.pick(
        "What this payload would do (tried on an empty store, nothing is sent):",
        "按此草稿,这个样本会触发(在空库上试算,不会发送任何内容):",
    );
    out.line(out.style.paint(Look::Bold, head))?;
    let names: Vec<String> = trial.events.iter().map(|e| format!("e{} {}", e.seq, e.name)).collect();
    out.line(out.style.paint(Look::Dim, &clean(&names.join(" → "))))?;
    if trial.log.is_empty() {
        let source = &draft.source;
        out.line(lang.pick(format!("no rule concerns what {source} tells"), format!("没有规则涉及 {source} 的数据")))?;
    }
    let speech = Speech { lang, zone: trial.definitions.zone.0.clone() };
    Printer { view: View::new(speech, out.style), json: false }.print(&trial.log, out)
}

fn write(draft: &Draft, configured: bool, file: &Path, yes: bool, lang: Lang, out: &mut Out) -> anyhow::Result<Exit> {
    let shown = file.display();
    out.line("")?;
    if !yes && std::io::stdin().is_terminal() {
        out.text(&lang.pick(format!("write {shown}? [y/N] "), format!("写入 {shown}?[y/N] ")))?;
        out.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "是") {
            out.line(lang.pick("nothing is written", "未写入"))?;
            return Ok(Exit::Done);
        }
    }
    let text = serde_yaml::to_string(&draft.definitions(lang))?;
    match init::write_new(file, &text) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            // It may have been written by a former run: what is left to do is this.
            source(draft, configured, lang, out)?;
            bail!(lang.pick(
                format!("{shown} is there already and is not overwritten; move it, or put the draft in by hand; the source above belongs into config.yaml"),
                format!("{shown} 已存在,不会覆盖;请移走它,或手工加入草稿;上面的来源请加到 config.yaml"),
            ))
        }
        other => other.with_context(|| format!("cannot write {shown}"))?,
    }
    out.line(format!("{} {shown}", out.style.paint(Look::Green, "+")))?;
    out.line(lang.pick(
        "config.yaml is yours to edit (rewriting it would lose its comments): put the source above below its `sources:`,",
        "config.yaml 请手工修改(自动改写会丢失注释):把上面的来源加到 `sources:` 下,",
    ))?;
    out.line(
        lang.pick("then `ifthen check`; a running daemon takes it up by itself", "再运行 `ifthen check`;运行中的程序会自动加载"),
    )?;
    Ok(Exit::Done)
}
