//! Answers to a form: each is brought into the form of its field, or refused with the field's name. Writes nothing.

use super::act::mine;
use super::refusal::Refusal;
use super::{Act, Ask, Task};
use crate::engine::definition::{Definitions, Form, FormField};
use crate::engine::entity::{self, FieldKind};
use crate::engine::value::{Map, Value};

/// The answers that somebody gave, if they are right: to a form, all of them; to an approval, none.
pub(super) fn answers(definitions: &Definitions, task: &Task, ask: &Ask) -> Result<Map, Refusal> {
    let decides = matches!(ask.act, Act::Approve | Act::Reject { .. } | Act::Answer(_));
    if decides && task.ended.is_none() {
        mine(task, &ask.person)?;
    } else if decides {
        return Err(Refusal::Ended);
    }
    match (&task.form, &ask.act) {
        (Some(form), Act::Answer(told)) => {
            let form = definitions.forms.get(form).ok_or_else(|| Refusal::NoForm(form.clone()))?;
            read(definitions, task, form, told)
        }
        (Some(_), Act::Approve | Act::Reject { .. }) | (None, Act::Answer(_)) => Err(Refusal::WrongKind),
        _ => Ok(Map::new()),
    }
}

fn read(definitions: &Definitions, task: &Task, form: &Form, told: &Value) -> Result<Map, Refusal> {
    let wrong = |field: &str, why: String| Refusal::WrongAnswer { field: field.to_owned(), why };
    let zh = definitions.lang != "en";
    let none = Map::new();
    let told = match told {
        Value::Map(told) => told,
        Value::Null => &none,
        _ => return Err(wrong("-", if zh { "应为字段与值" } else { "fields and values expected" }.into())),
    };
    if let Some(stray) = told.keys().find(|name| !form.fields.iter().any(|f| f.name == **name)) {
        return Err(wrong(stray, if zh { "表单中没有这一项" } else { "the form has no such field" }.into()));
    }
    let mut answers = Map::new();
    for field in &form.fields {
        let Some(value) = told.get(&field.name).filter(|v| !v.is_empty()) else {
            if field.required {
                return Err(wrong(&field.label, if zh { "必填" } else { "must be answered" }.into()));
            }
            if told.contains_key(&field.name) {
                answers.insert(field.name.clone(), Value::Null);
            }
            continue;
        };
        let value = one(definitions, task, field, value).map_err(|why| wrong(&field.label, why))?;
        answers.insert(field.name.clone(), value);
    }
    Ok(answers)
}

/// As the form keeps it; where it is written into the record, also as the record does.
fn one(definitions: &Definitions, task: &Task, field: &FormField, value: &Value) -> Result<Value, String> {
    let zone = &definitions.zone.0;
    let mut value = entity::normalise(&field.kind, value.clone(), zone).map_err(|e| e.to_string())?;
    let record = task.record.as_ref().filter(|_| task.set);
    let kept = record.and_then(|r| definitions.entities.get(&r.entity)).and_then(|e| e.fields.get(&field.name));
    if let Some(kept) = kept {
        value = entity::normalise(&kept.kind, value, zone).map_err(|e| e.to_string())?;
    }
    let is_person = field.kind == FieldKind::Person || kept.is_some_and(|k| k.kind == FieldKind::Person);
    match value.as_text() {
        Some(id) if is_person && !definitions.people.contains_key(id) => Err(match definitions.lang.as_str() {
            "en" => format!("there is no person {id}"),
            _ => format!("没有人员 {id}"),
        }),
        _ => Ok(value),
    }
}
