//! The text of one file as it was read: what problems are shown with. Secrets written out in `config.yaml` are hidden here.

use std::sync::LazyLock;

use regex::Regex;

/// A file's name and lines.
#[derive(Debug)]
pub(super) struct Text {
    /// As it is shown: below the folder of `config.yaml`, as that was named on the command line.
    pub(super) name: String,
    /// Below the folder of `config.yaml`: what log lines and hashes say.
    pub(super) place: String,
    /// Without line ends and byte order mark.
    pub(super) lines: Vec<String>,
    /// Whether values of secret keys are hidden when a line is shown.
    pub(super) hide: bool,
    /// Line from 1, column from 0 and width of what is known to be a secret.
    pub(super) hidden: Vec<(usize, usize, usize)>,
    /// Which of the lines are tests: they do not count for the hash.
    pub(super) tests: Vec<std::ops::Range<usize>>,
}

/// What may stand behind a key whose name says secret.
static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r#"[\w-]*(?:passw|secret|token|bearer|basic|credential|authorization|cookie)[\w-]*|[\w-]*key"#;
    let value = r#""(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*|[^\s,}\]&][^,}\]&]*"#;
    Regex::new(&format!(r#"(?i)((?:{name})["']?\s*[:=：]\s*)({value})"#)).ok()
});

/// `user:password@` in an address.
static USERINFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(://)([^/\s@]+)(@)").ok());

impl Text {
    pub(super) fn new(name: String, text: &str, hide: bool) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // A lone carriage return is a line end for YAML, too.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        Self {
            place: name.clone(),
            name,
            lines: text.lines().map(str::to_owned).collect(),
            hide,
            hidden: Vec::new(),
            tests: Vec::new(),
        }
    }

    /// A line as it may be shown; secrets keep their width, so that carets stay where they belong.
    pub(super) fn shown(&self, line: usize) -> Option<String> {
        let raw = self.lines.get(line.checked_sub(1)?)?;
        if !self.hide {
            return Some(raw.clone());
        }
        let (Some(secret), Some(userinfo)) = (SECRET.as_ref(), USERINFO.as_ref()) else { return None };
        let dots = |text: &str| {
            let secret = text.trim_end();
            format!("{}{}", "*".repeat(secret.chars().count()), &text[secret.len()..])
        };
        let shown =
            secret.replace_all(
                raw,
                |c: &regex::Captures<'_>| {
                    if c[2].contains("${") { c[0].to_owned() } else { format!("{}{}", &c[1], dots(&c[2])) }
                },
            );
        let shown =
            userinfo.replace_all(
                &shown,
                |c: &regex::Captures<'_>| {
                    if c[2].contains("${") { c[0].to_owned() } else { format!("://{}@", dots(&c[2])) }
                },
            );
        let mut chars: Vec<char> = shown.chars().collect();
        for (_, col, width) in self.hidden.iter().filter(|(at, ..)| *at == line) {
            chars.iter_mut().skip(*col).take(*width).for_each(|c| *c = '*');
        }
        Some(chars.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &str) {
        assert_eq!(Text::new("config.yaml".into(), line, true).shown(1).unwrap(), expect);
    }

    #[test]
    fn secrets_are_hidden() {
        check("  password: hunter2", "  password: *******");
        check("smtp: { host: a, password: 'hun', port: x }", "smtp: { host: a, password: *****, port: x }");
        check("url: https://x/send?access_token=abc&x=1", "url: https://x/send?access_token=***&x=1");
        check("password: ${env:X}", "password: ${env:X}");
        check("secret: [a, b], x", "secret: *****], x");
        check("password: \"a,b\", x", "password: *****, x");
        check("keyword: 通知", "keyword: 通知");
        check("base: https://u:pw@host/", "base: https://****@host/");
        check("X-Api-Key: abc", "X-Api-Key: ***");
        check("host: mail.example.com", "host: mail.example.com");
    }
}
