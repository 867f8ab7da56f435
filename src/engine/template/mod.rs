//! Templates: `新线索 {{ name }}`. Jinja syntax by minijinja; names are those of conditions.
//!
//! [`cap`] bounds what is parsed; [`read`] finds the names, filters and tests with their places and gives every name a flat variable, so that `owner.manager`
//! means the same as in a condition; [`shown`] turns values into what minijinja calculates with and prints them exactly;
//! [`filter`] is the closed list of filters. What a value holds is never read as a template.

mod cap;
mod filter;
mod read;
mod shown;
mod slip;

use std::sync::Arc;

use minijinja::{Environment, Error, ErrorKind};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::expression::{Fault, FaultKind, Name, unknown_name};
use super::scope::{Names, Scope, Stop};
use shown::Loaded;

/// Longest template, in bytes.
const MAX_SOURCE: usize = 256 * 1024;
/// Longest text that a template makes, in bytes.
const MAX_OUTPUT: usize = 256 * 1024;
/// Room made for one at first, in bytes; more is made when it does not do.
const USUAL_OUTPUT: usize = 8 * 1024;
/// Steps that minijinja may take for one text.
const FUEL: u64 = 100_000;

/// Marks one whose insertions are escaped, in the stored form.
const HTML: &str = "html:";
/// Before a stored source that would be mistaken for a mark.
const TEXT: &str = "text:";

/// A compiled template; cheap to clone. Its stored form is its source text, with `html:` before it where what is inserted is
/// escaped.
#[derive(Debug, Clone)]
pub struct Template(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    source: String,
    html: bool,
    /// `None`: the text stands as it is.
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    environment: Environment<'static>,
    title: &'static str,
    /// Where each variable is looked up; one may occur several times.
    names: Vec<Name>,
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source && self.0.html == other.0.html
    }
}

impl Template {
    /// Parses; all faults that can be found at once.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        Self::unslipped(source)?;
        Self::compile(source, false)
    }

    /// Parses one whose inserted values are escaped for HTML.
    pub fn parse_html(source: &str) -> Result<Self, Vec<Fault>> {
        Self::unslipped(source)?;
        Self::compile(source, true)
    }

    /// Braces that were meant and would go out as they stand: `｛｛ name ｝｝`, `{ { name } }`.
    pub fn slips(source: &str) -> Vec<Fault> {
        slip::slips(source)
    }

    fn unslipped(source: &str) -> Result<(), Vec<Fault>> {
        let slips = Self::slips(source);
        if slips.is_empty() { Ok(()) } else { Err(slips) }
    }

    fn compile(source: &str, html: bool) -> Result<Self, Vec<Fault>> {
        let whole = 0..source.chars().count();
        if source.len() > MAX_SOURCE {
            return Err(vec![Fault { at: whole, kind: FaultKind::TooLong { limit: MAX_SOURCE } }]);
        }
        let plain = !["{{", "{%", "{#"].iter().any(|mark| source.contains(mark));
        let body = if plain { None } else { Some(Body::new(source, html)?) };
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), html, body })))
    }

    /// Checks the names in it.
    pub fn check(&self, names: &dyn Names) -> Vec<Fault> {
        self.names().iter().filter_map(|n| Some(unknown_name(n, names.problem(&n.path)?))).collect()
    }

    /// The dotted names in it, as often as they occur; those that the template makes itself are not among them.
    pub fn names(&self) -> &[Name] {
        self.0.body.as_ref().map_or(&[], |b| &b.names)
    }

    /// Its text; missing values are empty text.
    pub fn render(&self, scope: &dyn Scope) -> Result<String, Stop> {
        let Some(body) = &self.0.body else { return Ok(self.0.source.clone()) };
        let loaded = Loaded::new(&body.names, scope)?;
        body.render(loaded)
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether inserted values are escaped for HTML.
    pub fn is_html(&self) -> bool {
        self.0.html
    }
}

/// What minijinja calls the template; auto-escaping goes by it.
fn title(html: bool) -> &'static str {
    if html { "html" } else { "text" }
}

impl Body {
    fn new(source: &str, html: bool) -> Result<Self, Vec<Fault>> {
        cap::check(source).map_err(|fault| vec![fault])?;
        let read = read::read(source)?;
        let mut environment = filter::environment();
        let title = title(html);
        environment.add_template_owned(title, read.rewritten).map_err(|e| vec![read::syntax(source, &e)])?;
        Ok(Self { environment, title, names: read.names })
    }

    fn render(&self, loaded: Loaded) -> Result<String, Stop> {
        let loaded = minijinja::Value::from_object(loaded);
        match self.render_within(&loaded, USUAL_OUTPUT) {
            // Rare: once more with all the room there is. Rendering has no effects.
            Err(Stopped::Full) => self.render_within(&loaded, MAX_OUTPUT),
            other => other,
        }
        .map_err(|stopped| match stopped {
            Stopped::Full => Stop::Unevaluable(format!("the text would be longer than {} KiB", MAX_OUTPUT / 1024)),
            Stopped::Failed(error) => self.stop(&error),
        })
    }

    fn render_within(&self, loaded: &minijinja::Value, room: usize) -> Result<String, Stopped> {
        let mut bytes = vec![0; room];
        let mut left = bytes.as_mut_slice();
        let rendered =
            self.environment.get_template(self.title).and_then(|t| t.render_captured_to(loaded.clone(), &mut left).map(drop));
        let free = left.len();
        match rendered {
            Err(_) if free == 0 => return Err(Stopped::Full),
            Err(error) => return Err(Stopped::Failed(error)),
            Ok(()) => bytes.truncate(room - free),
        }
        // Whole texts were written; only one that was cut off could be torn.
        String::from_utf8(bytes).map_err(|_| Stopped::Full)
    }

    fn stop(&self, error: &Error) -> Stop {
        let reason = match error.kind() {
            ErrorKind::OutOfFuel => format!("the template takes more than {FUEL} steps"),
            _ => {
                let said = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                format!("template: {}", read::named(&said, &self.names))
            }
        };
        Stop::Unevaluable(reason)
    }
}

/// Why there is no text.
enum Stopped {
    /// It does not fit.
    Full,
    /// minijinja gave up.
    Failed(Error),
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let source = self.source();
        match (self.0.html, source.starts_with(HTML) || source.starts_with(TEXT)) {
            (true, _) => s.collect_str(&format_args!("{HTML}{source}")),
            (false, true) => s.collect_str(&format_args!("{TEXT}{source}")),
            (false, false) => s.serialize_str(source),
        }
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let stored = <String as Deserialize>::deserialize(d)?;
        let parsed = match (stored.strip_prefix(HTML), stored.strip_prefix(TEXT)) {
            // What was accepted once is not refused later.
            (Some(source), _) => Self::compile(source, true),
            (None, Some(source)) => Self::compile(source, false),
            (None, None) => Self::compile(&stored, false),
        };
        parsed.map_err(|faults| D::Error::custom(format_args!("{stored}: {faults:?}")))
    }
}

#[cfg(test)]
mod tests;
