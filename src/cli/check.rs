//! `ifthen check`: every problem of the configuration and the definitions at once, or one line that says what there is.

use std::path::Path;

use super::output::{Look, Out};
use super::words::{Lang, Words as _};
use super::{Context, Exit};
use crate::config::settings::Connection;
use crate::config::{self, Loaded};

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
    /// Take `${env:…}` and `${file:…}` as they stand: for a machine that has not the secrets
    #[arg(long)]
    no_environment: bool,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let options = config::Options { environment: context.options.environment && !args.no_environment, ..context.options.clone() };
    match config::load(&context.config, &options) {
        Err(report) if args.json => {
            out.json(&report.to_json(report.lang))?;
            Ok(Exit::Failed)
        }
        Err(report) => {
            out.text(&report.render(report.lang, out.style.colour))?;
            Ok(Exit::Failed)
        }
        Ok(loaded) => {
            let counts = Counts::of(&loaded);
            if args.json {
                let mut json = serde_json::json!({ "problems": [], "definitions": loaded.definitions.hash });
                for (name, count) in counts.named() {
                    json[name] = count.into();
                }
                if let Some(id) = loaded.insecure() {
                    json["warnings"] = vec![insecure(&id, loaded.lang)].into();
                }
                out.json(&json)?;
            } else {
                let lang = loaded.lang;
                let ok = out.style.paint(Look::Green, lang.pick("ok", "通过"));
                let each: Vec<String> =
                    counts.named().into_iter().map(|(name, n)| lang.pick(english(name, n), chinese(name, n))).collect();
                let hash = lang.pick("definitions", "定义");
                out.line(format!("{ok}: {} · {hash} {}", each.join(lang.pick(", ", ",")), loaded.definitions.hash))?;
                if let Some(id) = loaded.insecure() {
                    let warning = out.style.paint(Look::Yellow, lang.pick("warning", "注意"));
                    out.line(format!("{warning}: {}", insecure(&id, lang)))?;
                }
            }
            Ok(Exit::Done)
        }
    }
}

/// That links in marketing mail are not what mail programs want.
pub(super) fn insecure(id: &str, lang: Lang) -> String {
    lang.pick(
        format!(
            "`{id}` sends marketing mail, and `public_url` in config.yaml is no https address: mail programs show no button to \
             unsubscribe without one (RFC 8058); say `public_url: https://…`"
        ),
        format!("`{id}` 会发送营销邮件,但 config.yaml 的 `public_url` 不是 https 地址:邮件客户端不会显示一键退订(RFC 8058);请写 `public_url: https://…`"),
    )
}

/// How much of everything there is.
struct Counts<'a>(&'a Loaded);

impl<'a> Counts<'a> {
    fn of(loaded: &'a Loaded) -> Self {
        Self(loaded)
    }

    fn named(&self) -> [(&'static str, usize); 7] {
        let (definitions, settings) = (&self.0.definitions, &self.0.settings);
        [
            ("rules", definitions.rules.len()),
            ("flows", definitions.flows.len()),
            ("entities", definitions.entities.len()),
            ("templates", definitions.templates.len()),
            ("sources", settings.sources.len()),
            ("connections", settings.connections.values().filter(|c| !is_plain(c)).count()),
            ("files", 1 + settings.definitions.iter().map(|folder| files(folder)).sum::<usize>()),
        ]
    }
}

/// Plain HTTP, which is there without a word in config.yaml.
fn is_plain(connection: &Connection) -> bool {
    matches!(connection, Connection::Http(http) if http.base.is_none() && http.headers.is_empty())
}

fn english(name: &str, count: usize) -> String {
    let one = match name {
        "entities" => "entity",
        other => other.trim_end_matches('s'),
    };
    let within = if name == "files" { "in " } else { "" };
    format!("{within}{count} {}", if count == 1 { one } else { name })
}

fn chinese(name: &str, count: usize) -> String {
    let what = match name {
        "rules" => "条规则",
        "flows" => "个流程",
        "entities" => "个实体",
        "templates" => "个模板",
        "sources" => "个来源",
        "connections" => "个连接",
        _ => "个文件",
    };
    if name == "files" { format!("共 {count} {what}") } else { format!("{count} {what}") }
}

/// Definitions files below a folder; a folder that cannot be read has been told as a problem.
fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|e| e.path()).map(|path| if path.is_dir() { files(&path) } else { usize::from(is_yaml(&path)) }).sum()
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}
