//! JSON to YAML and back, by way of what both can say. serde_yaml writes and reads the text; what a YAML number cannot keep
//! exactly is refused rather than rounded.

use serde_json::Value as Json;
use serde_yaml::Value as Yaml;

/// The same in YAML; `None` when a number would lose digits.
pub(crate) fn from_json(json: &Json) -> Option<Yaml> {
    Some(match json {
        Json::Null => Yaml::Null,
        Json::Bool(b) => Yaml::Bool(*b),
        Json::Number(n) => number(&n.to_string())?,
        Json::String(t) => Yaml::String(t.clone()),
        Json::Array(items) => Yaml::Sequence(items.iter().map(from_json).collect::<Option<_>>()?),
        Json::Object(members) => {
            let pairs = members.iter().map(|(k, v)| Some((Yaml::String(k.clone()), from_json(v)?)));
            Yaml::Mapping(pairs.collect::<Option<_>>()?)
        }
    })
}

fn number(text: &str) -> Option<Yaml> {
    if let Ok(n) = text.parse::<i64>() {
        return Some(Yaml::Number(n.into()));
    }
    let float: f64 = text.parse().ok()?;
    let exact = |t: &str| t.parse::<rust_decimal::Decimal>().ok();
    (exact(&float.to_string()).is_some() && exact(&float.to_string()) == exact(text)).then(|| Yaml::Number(float.into()))
}

/// The same in JSON; the error says what JSON has not.
pub(crate) fn to_json(yaml: Yaml) -> Result<Json, String> {
    Ok(match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(b) => Json::Bool(b),
        Yaml::Number(n) => {
            n.to_string().parse::<serde_json::Number>().map(Json::Number).map_err(|_| format!("{n} is no number here"))?
        }
        Yaml::String(t) => Json::String(t),
        Yaml::Sequence(items) => Json::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Yaml::Mapping(members) => {
            let pair = |(key, value): (Yaml, Yaml)| match key {
                Yaml::String(key) => Ok((key, to_json(value)?)),
                Yaml::Number(key) => Ok((key.to_string(), to_json(value)?)),
                other => Err(format!("{other:?} cannot be a key")),
            };
            Json::Object(members.into_iter().map(pair).collect::<Result<_, _>>()?)
        }
        Yaml::Tagged(tagged) => return Err(format!("the tag {} means nothing here", tagged.tag)),
    })
}

/// Stored times (`{"$time": "…"}`) as plain text, for people and other programs.
pub(crate) fn plain(json: Json) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.into_iter().map(plain).collect()),
        Json::Object(mut members) if members.len() == 1 && members.contains_key("$time") => {
            members.remove("$time").unwrap_or_default()
        }
        Json::Object(members) => Json::Object(members.into_iter().map(|(k, v)| (k, plain(v))).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for text in [
            r#"{"email":{"subject":"刘洋: 欢迎","text":"一\n二\n","to":"a@example.com"}}"#,
            r#"{"a":[1,-2,12.5,true,null,"no","013800138000","1e3"],"b":{}}"#,
        ] {
            let json: Json = serde_json::from_str(text).unwrap();
            let written = serde_yaml::to_string(&from_json(&json).unwrap()).unwrap();
            let read = to_json(serde_yaml::from_str(&written).unwrap()).unwrap();
            assert_eq!(read.to_string(), text, "{written}");
        }
        let long: Json = serde_json::from_str("[12345678901234567890.123456]").unwrap();
        assert_eq!(from_json(&long), None);
    }

    #[test]
    fn stored_times_are_plain() {
        let json: Json = serde_json::from_str(r#"{"a":[{"$time":"2026-09-21T01:00:00Z"}],"b":{"$time":"x","c":1}}"#).unwrap();
        assert_eq!(plain(json).to_string(), r#"{"a":["2026-09-21T01:00:00Z"],"b":{"$time":"x","c":1}}"#);
    }
}
