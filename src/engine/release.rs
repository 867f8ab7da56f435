//! Releasing a record into a pool (公海): nobody owns it, whoever may can claim it. One decision, so that nothing sees it half done.

use super::action::{Doing, target};
use super::decide::Deciding;
use super::definition::Release;
use super::log::Outcome;
use super::scope::Stop;
use super::value::{Map, Value};

/// Takes the owner away and puts the pool's name into the field `pool`. Where the entity has them, `released_from` and
/// `released_at` keep whose it was and since when it is nobody's, for what a former owner must wait.
pub(super) fn release(draft: &mut Deciding<'_>, what: &Release, doing: &Doing<'_>) -> Result<(), Stop> {
    let (at, mut record) = target(draft, doing)?;
    let pool = doing.on(draft, |v| what.pool.render(v))?;
    let from = record.value(&what.field).clone();
    let has = |field: &str| draft.definitions.entities.get(&at.entity).is_some_and(|e| e.fields.contains_key(field));
    if has("released_from") && from != Value::Null {
        record.fields.insert("released_from".into(), from.clone());
    }
    if has("released_at") {
        record.fields.insert("released_at".into(), draft.event.at.into());
    }
    record.fields.insert(what.field.clone(), Value::Null);
    record.fields.insert("pool".into(), pool.as_str().into());
    draft.put_record(&at, record, &doing.by.text())?;
    let detail = Map::from([("pool".to_owned(), pool.into()), ("from".to_owned(), from)]);
    draft.say_of(doing.by, Some(at), "release", Outcome::Done, Value::Map(detail));
    Ok(())
}
