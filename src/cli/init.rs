//! `ifthen init`: the shipped example as a beginning of one's own. Never overwrites anything.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::output::{Look, Out};
use super::words::Words as _;
use super::{Context, Exit, eprintln};

/// What is written, and where: the files that the repository ships.
const FILES: [(&str, &str); 10] = [
    ("config.yaml", include_str!("../../config.example.yaml")),
    ("rules/leads.yaml", include_str!("../../rules/leads.yaml")),
    ("rules/pool.yaml", include_str!("../../rules/pool.yaml")),
    ("rules/customers.yaml", include_str!("../../rules/customers.yaml")),
    ("rules/people.yaml", include_str!("../../rules/people.yaml")),
    ("rules/tests.yaml", include_str!("../../rules/tests.yaml")),
    ("flows/welcome.yaml", include_str!("../../flows/welcome.yaml")),
    ("flows/nurture.yaml", include_str!("../../flows/nurture.yaml")),
    ("flows/quote.yaml", include_str!("../../flows/quote.yaml")),
    ("flows/contract.yaml", include_str!("../../flows/contract.yaml")),
];

/// Options of `init`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to begin in; made when absent
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(crate) fn run(context: &Context, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let lang = context.lang();
    let folder = &args.folder;
    let there: Vec<&str> = FILES.iter().map(|(name, _)| *name).filter(|name| folder.join(name).exists()).collect();
    if !there.is_empty() {
        let names = there.join(", ");
        eprintln(&lang.pick(
            format!(
                "ifthen: nothing is written: {} has {names} already; give an empty folder: `ifthen init FOLDER`",
                folder.display()
            ),
            format!("ifthen: 未写入任何文件:{} 中已有 {names};请换一个空文件夹:`ifthen init 文件夹`", folder.display()),
        ));
        return Ok(Exit::Failed);
    }
    for (name, text) in FILES {
        let path = folder.join(name);
        write_new(&path, &own(text)).with_context(|| format!("cannot write {}", path.display()))?;
        out.line(format!("{} {}", out.style.paint(Look::Green, "+"), path.display()))?;
    }
    let here = folder == Path::new(".");
    let enter = if here { String::new() } else { format!("cd {} && ", folder.display()) };
    let post = "curl -i http://127.0.0.1:8780/in/website -H 'Content-Type: application/json' -H 'X-Delivery-Id: 1' \\\n    \
                -d '{\"id\":\"L1\",\"姓名\":\"刘洋\",\"手机\":\"138 0013 8000\",\"邮箱\":\"liuyang@example.com\",\"地区\":\"上海\",\"来源\":\"官网\",\"预算\":\"120,000\"}'";
    out.line("")?;
    out.line(lang.pick("Next:", "接下来:"))?;
    out.line(format!("  {enter}ifthen check"))?;
    out.line(format!("  {enter}ifthen run"))?;
    out.line(lang.pick("and in another terminal:", "然后在另一个终端:"))?;
    out.line(format!("  {post}"))?;
    out.line(format!("  {enter}ifthen tail -f"))?;
    Ok(Exit::Done)
}

/// The shipped text for a place of its own: without what only holds in the repository.
fn own(text: &str) -> String {
    let lines = text.lines().filter(|l| !l.starts_with("# yaml-language-server:"));
    lines.map(|l| l.replace("ifthen run -c config.example.yaml", "ifthen run") + "\n").collect()
}

/// Writes a file that must not be there yet, and its folder.
pub(crate) fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
