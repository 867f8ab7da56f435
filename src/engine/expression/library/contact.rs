//! Phone numbers and mail addresses, in the one form that `phone` and `email` fields keep.

use super::call::{Call, made, nothing, text};
use super::{Function, Run, rows};
use crate::engine::entity;
use crate::engine::expression::node::Evaluated;
use crate::engine::scope::Stop;

pub(super) const ROWS: &[Function] = rows! {
    Plain(Run(phone)) "phone" 1..=2 "phone(text[, country])"
        "the number in E.164, read as one of CN unless a country is given; missing if it is none" "转为 E.164 格式,默认按中国号码读;不是号码则缺失"
        "phone('138 0013-8000') == mobile" [TextOrNumber, Text -> Word];
    Plain(Run(is_phone)) "is_phone" 1..=2 "is_phone(text[, country])"
        "it reads as a phone number" "是电话号码" "is_phone('021-62345678')" [TextOrNumber, Text -> Bool];
    Plain(Run(is_mobile)) "is_mobile" 1..=1 "is_mobile(text)"
        "it is a mobile number of mainland China" "是中国大陆手机号" "is_mobile(mobile)" [TextOrNumber -> Bool];
    Plain(Run(phone_country)) "phone_country" 1..=1 "phone_country(text)"
        "the country of a number by its code, such as CN; 1 counts as US, 7 as RU" "号码所属国家或地区(按区号),如 CN;1 视为 US,7 视为 RU"
        "phone_country(mobile) == 'CN'" [TextOrNumber -> Word];
    Plain(Run(is_email)) "is_email" 1..=1 "is_email(text)"
        "it reads as a mail address" "是邮箱地址" "is_email(email)" [Text -> Bool];
    Plain(Run(mail_domain)) "mail_domain" 1..=1 "mail_domain(text)"
        "what stands behind the @, in small letters; missing if it is no address" "邮箱 @ 后的域名,小写;不是邮箱则缺失" "mail_domain(email) == 'example.com'"
        [Text -> Word];
    Plain(Run(mail_name)) "mail_name" 1..=1 "mail_name(text)"
        "what stands before the @; missing if it is no address" "邮箱 @ 前的部分;不是邮箱则缺失" "mail_name(email) == 'zhang'" [Text -> Word];
};

/// Codes of the ITU (E.164, Annex to OB 1114); a longer one goes before the shorter it begins with.
const CODES: &[(&str, &str)] = &[
    ("86", "CN"),
    ("852", "HK"),
    ("853", "MO"),
    ("886", "TW"),
    ("81", "JP"),
    ("82", "KR"),
    ("850", "KP"),
    ("976", "MN"),
    ("65", "SG"),
    ("60", "MY"),
    ("66", "TH"),
    ("84", "VN"),
    ("62", "ID"),
    ("63", "PH"),
    ("95", "MM"),
    ("855", "KH"),
    ("856", "LA"),
    ("673", "BN"),
    ("91", "IN"),
    ("92", "PK"),
    ("880", "BD"),
    ("94", "LK"),
    ("977", "NP"),
    ("90", "TR"),
    ("971", "AE"),
    ("966", "SA"),
    ("974", "QA"),
    ("965", "KW"),
    ("972", "IL"),
    ("98", "IR"),
    ("964", "IQ"),
    ("7", "RU"),
    ("380", "UA"),
    ("375", "BY"),
    ("998", "UZ"),
    ("44", "GB"),
    ("49", "DE"),
    ("33", "FR"),
    ("39", "IT"),
    ("34", "ES"),
    ("351", "PT"),
    ("353", "IE"),
    ("31", "NL"),
    ("32", "BE"),
    ("352", "LU"),
    ("41", "CH"),
    ("43", "AT"),
    ("45", "DK"),
    ("46", "SE"),
    ("47", "NO"),
    ("358", "FI"),
    ("354", "IS"),
    ("48", "PL"),
    ("420", "CZ"),
    ("421", "SK"),
    ("36", "HU"),
    ("40", "RO"),
    ("359", "BG"),
    ("30", "GR"),
    ("381", "RS"),
    ("385", "HR"),
    ("20", "EG"),
    ("27", "ZA"),
    ("234", "NG"),
    ("254", "KE"),
    ("212", "MA"),
    ("251", "ET"),
    ("1", "US"),
    ("52", "MX"),
    ("55", "BR"),
    ("54", "AR"),
    ("56", "CL"),
    ("57", "CO"),
    ("51", "PE"),
    ("61", "AU"),
    ("64", "NZ"),
];

/// The first argument as text; numbers too, as some programs send them.
fn told(call: &Call<'_>) -> Result<Option<String>, Stop> {
    use crate::engine::value::Value;
    match call.value(0)?.as_ref() {
        Value::Text(t) => Ok(Some(t.clone())),
        Value::Number(n) => Ok(Some(n.normalize().to_string())),
        Value::Null => Ok(None),
        other => Err(call.unfit(0, other, "text")),
    }
}

/// In E.164; `None`: nothing was told, or it is no number.
fn number(call: &Call<'_>) -> Result<Option<String>, Stop> {
    let country = match call.text(1)? {
        Some(country) => country,
        None if call.has(1) => return Ok(None),
        None => "CN".into(),
    };
    Ok(told(call)?.filter(|t| t.len() <= 64).and_then(|t| entity::phone(&t, &country)))
}

fn phone<'a>(call: &Call<'a>) -> Evaluated<'a> {
    number(call)?.map_or_else(nothing, text)
}

fn is_phone<'a>(call: &Call<'a>) -> Evaluated<'a> {
    made(number(call)?.is_some())
}

fn is_mobile<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let number = number(call)?;
    let national = number.as_deref().and_then(|n| n.strip_prefix("+86")).filter(|n| n.len() == 11);
    made(national.is_some_and(|n| n.starts_with('1') && n[1..].starts_with(|c: char| ('3'..='9').contains(&c))))
}

fn phone_country<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(number) = number(call)? else { return nothing() };
    let digits = number.trim_start_matches('+');
    let known = CODES.iter().filter(|(code, _)| digits.starts_with(code)).max_by_key(|(code, _)| code.len());
    known.map_or_else(nothing, |(_, country)| made(*country))
}

/// Both sides of an address.
fn address(call: &Call<'_>) -> Result<Option<(String, String)>, Stop> {
    let Some(told) = call.text(0)? else { return Ok(None) };
    let told = told.trim();
    Ok(told.rsplit_once('@').filter(|_| entity::is_email(told)).map(|(name, domain)| (name.to_owned(), domain.to_lowercase())))
}

fn is_email<'a>(call: &Call<'a>) -> Evaluated<'a> {
    made(address(call)?.is_some())
}

fn mail_domain<'a>(call: &Call<'a>) -> Evaluated<'a> {
    address(call)?.map_or_else(nothing, |(_, domain)| text(domain))
}

fn mail_name<'a>(call: &Call<'a>) -> Evaluated<'a> {
    address(call)?.map_or_else(nothing, |(name, _)| text(name))
}
