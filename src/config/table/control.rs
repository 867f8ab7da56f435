//! The grammar of tables and named actions; see [`super::super::grammar`].

use super::super::grammar::Shape::{Any, List, Map, Name, OneOrMore, Text};
use super::super::grammar::{Keys, may, must};

/// A table.
pub(in crate::config) static TABLE: Keys = Keys {
    what: &("a table", "表"),
    keys: &[&[
        must("key", Name, "The column by which rows are found", "按哪一列查找"),
        may("file", Text, "A CSV file, UTF-8, below the definitions", "定义目录内的 CSV 文件(UTF-8)"),
        may("rows", List(&Map(&Any)), "Rows written in place", "直接写出的各行"),
    ]],
    one_of: &[&["file", "rows"]],
    later: &["sheet", "encoding"],
};

/// Actions under a name.
pub(in crate::config) static NAMED: Keys = Keys {
    what: &("a named action", "命名动作"),
    keys: &[&[
        may("title", Text, "For people", "标题"),
        may("note", Text, "Why it is there", "备注"),
        may("params", OneOrMore(&Name), "Its parameters: `$name` stands for one", "参数,用 `$名称` 引用"),
        must("do", List(&super::ACTION), "What it does", "执行的动作"),
    ]],
    one_of: &[],
    later: &["default"],
};
