//! Tables of `tables:`: rows found by their key. `lookup('区域', city, '负责人')`.

use std::collections::HashMap;

use super::value::Value;

/// Rows of the same columns, by the text of their key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The names of the columns, in their order, the key's among them.
    pub columns: Vec<String>,
    /// A value for each column.
    pub rows: HashMap<String, Vec<Value>>,
}

impl Table {
    /// What stands in a row's column; nothing where there is no such row.
    pub fn find(&self, key: &Value, column: &str) -> Option<&Value> {
        let place = self.columns.iter().position(|c| c == column)?;
        let row = match key {
            Value::Text(text) => self.rows.get(text.trim())?,
            other => self.rows.get(&other.to_string())?,
        };
        row.get(place)
    }
}
