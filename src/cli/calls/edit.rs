//! `ifthen calls edit`: the request of a call in an editor, as YAML; or from a file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::super::control::Ask;
use super::super::output::Out;
use super::super::place::Place;
use super::super::words::Words as _;
use super::super::{Exit, eprintln, yaml};
use super::call_id;
use crate::engine::call::{Call, CallId, Request, Status};

/// Options of `calls edit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The call: c12-1
    #[arg(value_parser = call_id)]
    id: CallId,
    /// Take the request from this file (- for standard input) instead of an editor: what `calls show` or `calls show --json` prints, changed
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The log lines as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &Place, args: &Args, out: &mut Out) -> anyhow::Result<Exit> {
    let lang = place.lang();
    let Some(call) = super::load(place, args.id)? else { return Ok(Exit::Failed) };
    if !matches!(call.status, Status::Queued | Status::Dead) {
        let (id, status) = (call.id, super::status(place, call.status).0);
        eprintln(
            &lang.pick(format!("ifthen: {id} cannot be edited now: {status}"), format!("ifthen: {id} 现在不能修改:{status}")),
        );
        return Ok(Exit::Failed);
    }
    let request = match &args.from {
        Some(file) => {
            let text = read(file)?;
            parse(&text, &call.request).map_err(|e| anyhow::anyhow!("{}: {e}", file.display()))?
        }
        None => match by_editor(&call)? {
            Some(request) => request,
            None => {
                out.line(lang.pick("nothing was changed", "未作修改"))?;
                return Ok(Exit::Done);
            }
        },
    };
    super::ask(place, &[args.id], &Ask::Edit(&request), args.json, out)
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    }
    Ok(text)
}

/// A request as it is shown and edited: YAML, or JSON where YAML's numbers would lose digits.
pub(super) fn text(request: &Request) -> anyhow::Result<String> {
    let json = serde_json::to_value(request)?;
    Ok(match yaml::from_json(&json) {
        Some(yaml) => serde_yaml::to_string(&yaml)?,
        None => serde_json::to_string_pretty(&json)? + "\n",
    })
}

/// The request in what `calls show` prints: below the table and its blank line.
fn below_table(text: &str) -> &str {
    let table = text.split_inclusive('\n').take_while(|line| {
        let key = line.split(':').next().unwrap_or_default();
        !matches!(key, "email" | "http" | "dingtalk" | "wecom") && !line.starts_with('{')
    });
    let begins: usize = table.map(str::len).sum();
    text.get(begins..).filter(|rest| !rest.is_empty()).unwrap_or(text)
}

/// Reads a request back, as `calls show` prints it with its table or without; a whole call, as `calls show --json` prints it, will
/// do. It must stay of its kind.
fn parse(text: &str, former: &Request) -> Result<Request, String> {
    let text = below_table(text);
    let json = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => json,
        Err(json) => {
            let yaml = serde_yaml::from_str(text)
                .map_err(|e| if text.trim_start().starts_with('{') { json.to_string() } else { e.to_string() })?;
            yaml::to_json(yaml)?
        }
    };
    let json = json.get("request").unwrap_or(&json).to_string();
    let request: Request = serde_json::from_str(&json).map_err(|e| {
        let text = e.to_string(); // its place is one in our own rewriting
        text.split(" at line ").next().unwrap_or_default().to_owned()
    })?;
    if request.action() != former.action() {
        return Err(format!("this call is of kind {}, it cannot become {}", former.action(), request.action()));
    }
    Ok(request)
}

/// What a person makes of it in an editor; `None`: nothing.
fn by_editor(call: &Call) -> anyhow::Result<Option<Request>> {
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|e| !e.trim().is_empty()));
    let Some(editor) = editor else {
        bail!("no editor is named: set EDITOR (EDITOR=vi), or give the request with --from FILE");
    };
    let before = text(&call.request)?;
    let file = Draft::new(call.id, &before)?;
    // By the shell, as git does it: EDITOR may be `code --wait`.
    let ended = std::process::Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&file.path).status()?;
    if !ended.success() {
        bail!("the editor `{editor}` failed; nothing was changed");
    }
    let after = std::fs::read_to_string(&file.path).with_context(|| file.path.display().to_string())?;
    if after == before {
        return Ok(None);
    }
    match parse(&after, &call.request) {
        Ok(request) => Ok((request != call.request).then_some(request)),
        Err(error) => {
            let kept = file.keep();
            let (shown, id) = (kept.display(), call.id);
            bail!("{error}\nyour text is kept: mend it, then `ifthen calls edit {id} --from {shown}`");
        }
    }
}

/// The text while it is edited: readable by its owner only, removed afterwards unless kept.
struct Draft {
    path: PathBuf,
    kept: bool,
}

impl Draft {
    fn new(id: CallId, text: &str) -> anyhow::Result<Self> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let name = format!("ifthen-{id}-{}-{}.yaml", std::process::id(), jiff::Timestamp::now().as_microsecond());
        let path = std::env::temp_dir().join(name);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(Self { path, kept: false })
    }

    fn keep(mut self) -> PathBuf {
        self.kept = true;
        self.path.clone()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            drop(std::fs::remove_file(&self.path)); // an editor may have renamed it away
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::call::{Email, Http, HttpBody};

    fn mail(to: &str) -> Request {
        Request::Email(Email {
            to: to.into(),
            subject: "刘洋: 欢迎".into(),
            text: "一\n二".into(),
            html: None,
            marketing: false,
            track: false,
        })
    }

    #[test]
    fn what_is_shown_reads_back() {
        let body = r#"{"amount":12.50,"at":{"$time":"2026-09-21T01:00:00Z"},"big":12345678901234567890.123456}"#;
        let http = Http {
            method: "POST".into(),
            url: "/x".into(),
            headers: vec![],
            body: HttpBody::Json(serde_json::from_str(body).unwrap()),
        };
        for request in [mail("a@example.com"), Request::Http(http)] {
            assert_eq!(parse(&text(&request).unwrap(), &request).unwrap(), request);
        }
        assert!(text(&mail("a@example.com")).unwrap().starts_with("email:\n"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let former = mail("a@example.com");
        let check = |text: &str, expect: &str| assert_eq!(parse(text, &former).unwrap_err(), expect);
        check(
            "email: {to: x, subject: y, text: z, cc: w}",
            "unknown field `cc`, expected one of `to`, `subject`, `text`, `html`, `marketing`, `track`",
        );
        check("wecom: {format: text, text: z}", "this call is of kind email, it cannot become wecom");
        check("email: {to: x, subject: y}", "missing field `text`");
        assert!(parse("{\"email\":", &former).is_err());
        let table = format!("         call  c1-1\nlast error  x: 550\n\n{}", super::text(&mail("b@example.com")).unwrap());
        assert_eq!(parse(&table, &former).unwrap(), mail("b@example.com"));
        let whole = format!(r#"{{"id":"c1-1","request":{}}}"#, serde_json::to_string(&mail("b@example.com")).unwrap());
        assert_eq!(parse(&whole, &former).unwrap(), mail("b@example.com"));
    }
}
