//! The reference of every key as a page in both languages, from the very table that `check` goes by.

use std::collections::HashMap;

use super::grammar::{Keys, Shape};
use super::{file, table};

/// Of the definitions files (`rules/*.yaml`, `flows/*.yaml`).
pub fn reference() -> String {
    whole("Rules, flows and what goes with them · 规则、流程及其配套", "definitions", &table::FILE)
}

/// Of config.yaml.
pub fn reference_config() -> String {
    whole("config.yaml · 配置文件", "config", &file::table::FILE)
}

fn whole(title: &str, name: &str, root: &'static Shape) -> String {
    let mut page = format!(
        "# {title}\n\nWritten by `ifthen schema {name} --markdown` from the table that the YAML is checked against. `*`: required.\n\
         本页由 `ifthen schema {name} --markdown` 生成，与检查 YAML 所用的是同一张表。`*` 表示必填。\n"
    );
    let mut objects = Objects::default();
    objects.find(root, "");
    let mut at = 0;
    while let Some(keys) = objects.order.get(at).copied() {
        section(&mut page, keys, &mut objects);
        at += 1;
    }
    page
}

/// Objects in the order in which they are first named; each has one section.
#[derive(Default)]
struct Objects {
    titles: HashMap<usize, String>,
    order: Vec<&'static Keys>,
}

impl Objects {
    /// Takes in the objects that a shape names, at a place of another.
    fn find(&mut self, shape: &'static Shape, of: &str) {
        match shape {
            Shape::Keys(keys) if !self.titles.contains_key(&place(keys)) => {
                let title = self.unused(keys, of);
                self.titles.insert(place(keys), title);
                self.order.push(keys);
            }
            Shape::List(item) | Shape::OneOrMore(item) | Shape::Map(item) | Shape::Ids(item) => self.find(item, of),
            Shape::ScalarOr(one, other) | Shape::ListOr(one, other) | Shape::With(_, one, other) => {
                self.find(one, of);
                self.find(other, of);
            }
            _ => {}
        }
    }

    /// A heading that no other object has: with what sets it apart where several are called alike.
    fn unused(&self, keys: &Keys, of: &str) -> String {
        let (english, chinese) = *keys.what;
        let plain = if english == chinese { english.to_owned() } else { format!("{english} · {chinese}") };
        let first = keys.all().next().map_or("", |key| key.name);
        let apart = [plain.clone(), format!("{plain} (`{first}`)"), format!("{plain} ({of})")];
        let numbered = (2..).map(|n| format!("{plain} ({n})"));
        let taken = |title: &String| self.titles.values().any(|t| anchor(t) == anchor(title));
        apart.into_iter().chain(numbered).find(|title| !taken(title)).unwrap_or(plain)
    }

    fn title(&self, keys: &Keys) -> &str {
        self.titles.get(&place(keys)).map_or("", String::as_str)
    }

    /// What may stand at a key, in signs and examples that read in both languages.
    fn value(&self, shape: &'static Shape) -> String {
        match shape {
            Shape::Text => "text".into(),
            Shape::Name => "name".into(),
            Shape::Condition => "condition".into(),
            Shape::Word(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(" | "),
            Shape::Bool => "`true` | `false`".into(),
            Shape::Count(from, i64::MAX) => format!("{from} …"),
            Shape::Count(from, to) => format!("{from} … {to}"),
            Shape::Duration => "`15m`".into(),
            Shape::Span => "`3d`, `8 working hours`".into(),
            Shape::Rate => "`20/1m`".into(),
            Shape::Size => "`20GB`".into(),
            Shape::Address => "`127.0.0.1:8780`".into(),
            Shape::Network => "`10.0.0.0/8`".into(),
            Shape::Zone => "`Asia/Shanghai`".into(),
            Shape::Hours => "`09:00-12:00`".into(),
            Shape::Days => "`2026-10-01..2026-10-07`".into(),
            Shape::Url => "`https://…`".into(),
            Shape::Secret => "`${env:NAME}`".into(),
            Shape::Any => "any".into(),
            Shape::List(item) => format!("[ {}, … ]", self.value(item)),
            Shape::OneOrMore(item) => format!("{} | [ … ]", self.value(item)),
            Shape::Map(item) => format!("{{ key: {}, … }}", self.value(item)),
            Shape::Ids(item) => format!("{{ id: {}, … }}", self.value(item)),
            Shape::Keys(keys) => format!("[{}](#{})", keys.what.0, anchor(self.title(keys))),
            Shape::ScalarOr(one, other) | Shape::With(_, one, other) => format!("{} | {}", self.value(one), self.value(other)),
            Shape::ListOr(item, other) => format!("[ {}, … ] | {}", self.value(item), self.value(other)),
        }
    }
}

/// Tables are told apart by where they stand.
fn place(keys: &Keys) -> usize {
    std::ptr::from_ref(keys).addr()
}

fn section(page: &mut String, keys: &'static Keys, objects: &mut Objects) {
    keys.all().for_each(|key| objects.find(&key.shape, keys.what.0));
    page.push_str(&format!("\n## {}\n\n| | | English | 中文 |\n|---|---|---|---|\n", objects.title(keys)));
    for key in keys.all() {
        let required = if key.required { " *" } else { "" };
        let cell = |text: &str| text.replace('|', "\\|");
        let (value, english, chinese) = (cell(&objects.value(&key.shape)), cell(key.doc.0), cell(key.doc.1));
        page.push_str(&format!("| `{}`{required} | {value} | {english} | {chinese} |\n", key.name));
    }
    for group in keys.one_of {
        let names: Vec<String> = group.iter().map(|name| format!("`{name}`")).collect();
        page.push_str(&format!("\nExactly one of {}. 其中必须且只能写一个。\n", names.join(", ")));
    }
}

/// The anchor of a heading as the sites that show Markdown make it.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_link_leads_to_a_heading_and_every_heading_is_there_once() {
        for page in [reference(), reference_config()] {
            let headings: Vec<String> = page.lines().filter_map(|l| l.strip_prefix("## ")).map(anchor).collect();
            let once: HashSet<&String> = headings.iter().collect();
            assert_eq!(once.len(), headings.len(), "{headings:?}");
            let links: Vec<&str> = page.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
            assert!(links.len() > 10);
            for link in links {
                assert!(headings.iter().any(|h| h == link), "{link}");
            }
        }
    }
}
