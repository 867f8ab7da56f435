//! Conditions: parsed once at load, evaluated often.

mod fault;

pub use fault::{Fault, FaultKind};

use super::scope::{Names, Scope, Stop};
use super::value::Value;

/// A compiled expression. Its stored form is its source text.
#[derive(Debug, Clone)]
pub struct Expr {
    source: String,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Expr {
    /// Parses; all faults that can be found at once.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        Ok(Self { source: source.to_owned() })
    }
    /// Checks the names in it.
    pub fn check(&self, _names: &dyn Names) -> Vec<Fault> {
        Vec::new()
    }
    /// Its value.
    pub fn eval(&self, _scope: &dyn Scope) -> Result<Value, Stop> {
        Ok(Value::Null)
    }
    /// Its value, which must be true or false (null counts as false).
    pub fn test(&self, _scope: &dyn Scope) -> Result<bool, Stop> {
        Ok(false)
    }
    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

super::serde_as_source!(Expr);
