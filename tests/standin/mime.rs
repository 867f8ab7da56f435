//! Reads what mail programs read: headers with encoded words, multipart bodies, base64 and quoted-printable.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A message or a part of one, decoded.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Unfolded and decoded, names as they came.
    pub headers: Vec<(String, String)>,
    /// Decoded; empty for a multipart.
    pub text: String,
    pub parts: Vec<Part>,
}

impl Part {
    /// Reads a message; never fails, as mail programs do not.
    pub fn read(raw: &str) -> Self {
        let raw = raw.replace("\r\n", "\n");
        let (head, body) = raw.split_once("\n\n").unwrap_or((&raw, ""));
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in head.lines() {
            match (line.starts_with([' ', '\t']), headers.last_mut()) {
                (true, Some((_, value))) => value.push_str(&format!(" {}", line.trim_start())),
                _ => {
                    if let Some((name, value)) = line.split_once(':') {
                        headers.push((name.trim().to_owned(), value.trim().to_owned()));
                    }
                }
            }
        }
        for (_, value) in &mut headers {
            *value = words(value);
        }
        let mut part = Self { headers, ..Self::default() };
        let kind = part.header("content-type").unwrap_or("text/plain").to_owned();
        match kind.split("boundary=").nth(1) {
            Some(boundary) if kind.starts_with("multipart/") => {
                let boundary = format!("\n--{}", boundary.split(';').next().unwrap_or_default().trim().trim_matches('"'));
                let pieces = format!("\n{body}");
                let pieces = pieces.split(&boundary).skip(1).take_while(|p| !p.starts_with("--"));
                part.parts = pieces.map(|p| Self::read(p.strip_prefix('\n').unwrap_or(p))).collect();
            }
            _ => part.text = decoded(body, part.header("content-transfer-encoding").unwrap_or("7bit")),
        }
        part
    }

    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The first text of this kind (`text/html`), here or below.
    pub fn find(&self, kind: &str) -> Option<&str> {
        if self.parts.is_empty() && self.header("content-type").unwrap_or("text/plain").starts_with(kind) {
            return Some(&self.text);
        }
        self.parts.iter().find_map(|p| p.find(kind))
    }
}

fn decoded(body: &str, encoding: &str) -> String {
    let bytes = match encoding.to_lowercase().as_str() {
        "base64" => STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap_or_default(),
        "quoted-printable" => quoted(&body.replace("=\n", ""), false),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim_end_matches('\n').to_owned()
}

fn quoted(text: &str, header: bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[at], hex) {
            (b'=', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'_', _) if header => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

/// Encoded words (RFC 2047) decoded; blanks between two of them are no text.
fn words(value: &str) -> String {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let fields: Vec<&str> = rest[start + 2..].splitn(4, '?').collect();
        let [_, encoding, text, tail] = fields[..] else { break };
        let Some(tail) = tail.strip_prefix('=') else { break };
        let before = &rest[..start];
        if !(after_word && before.trim().is_empty()) {
            out.extend_from_slice(before.as_bytes());
        }
        match encoding {
            "b" | "B" => out.extend(STANDARD.decode(text).unwrap_or_default()),
            _ => out.extend(quoted(text, true)),
        }
        after_word = true;
        rest = tail;
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}
