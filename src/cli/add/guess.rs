//! What a member of a payload is likely to be, by its name and value. Guesses are proposed, shown and confirmed, never silently kept.

use jiff::tz::TimeZone;

use super::name::word;
use crate::engine::entity;
use crate::engine::value::Value;

/// Names around a record, in [`flat`] form.
const ENVELOPE: &[&str] = &[
    "id",
    "event",
    "eventid",
    "eventname",
    "eventtype",
    "type",
    "kind",
    "action",
    "operation",
    "topic",
    "object",
    "objectname",
    "objecttype",
    "timestamp",
    "time",
    "eventtime",
    "occurredat",
    "createdat",
    "created",
    "sentat",
    "deliveredat",
    "triggeredat",
    "webhookid",
    "webhookname",
    "deliveryid",
    "messageid",
    "msgid",
    "requestid",
    "traceid",
    "source",
    "origin",
    "version",
    "specversion",
    "apiversion",
    "workspaceid",
    "tenantid",
    "accountid",
    "appid",
    "appkey",
    "token",
    "sign",
    "signature",
    "nonce",
    "total",
    "count",
    "page",
    "pagesize",
    "cursor",
    "hasmore",
    "success",
    "code",
    "errcode",
    "errmsg",
    "msg",
    "message",
    "status",
    "livemode",
    "retries",
    "attempt",
    "schema",
    "ts",
    "tenantkey",
    "form",
    "formid",
    "formname",
];
/// Objects that are an envelope beside the record.
const HEADS: &[&str] = &["header", "headers", "head", "meta", "metadata"];
/// Names of what holds a record.
const CONTAINERS: &[&str] = &[
    "data",
    "payload",
    "record",
    "object",
    "body",
    "attributes",
    "fields",
    "properties",
    "item",
    "entity",
    "current",
    "after",
    "new",
    "resource",
    "detail",
    "details",
    "form",
    "formdata",
    "content",
    "result",
    "values",
    "event",
    "entry",
    "数据",
    "表单",
    "lead",
    "contact",
    "deal",
    "opportunity",
    "customer",
    "account",
    "company",
    "person",
    "ticket",
    "order",
    "quote",
    "contract",
    "signup",
    "member",
];
/// Names of an id of the delivery, the surest first.
const DELIVERY: &[&str] = &["eventid", "deliveryid", "messageid", "msgid", "webhookdeliveryid", "requestid", "uuid", "id"];
/// Names of the event's kind, the surest first.
const KIND: &[&str] = &["eventtype", "eventname", "event", "type", "topic", "action", "operation", "事件", "事件类型"];
/// Names of a record's own id, the surest first; `*` is the entity.
const KEY: &[&str] = &[
    "id",
    "*id",
    "recordid",
    "serialnumber",
    "serialno",
    "entryid",
    "rowid",
    "uuid",
    "guid",
    "_id",
    "*no",
    "*number",
    "编号",
    "单号",
    "线索编号",
    "客户编号",
    "工单号",
    "订单号",
    "序号",
    "流水号",
    "记录编号",
    "no",
    "number",
];
/// Names of the time at which a record last changed.
const UPDATED: &[&str] = &[
    "updatedat",
    "updated",
    "updatetime",
    "modifiedat",
    "modified",
    "modifiedtime",
    "lastmodified",
    "lastmodifieddate",
    "更新时间",
    "修改时间",
];
/// Names of the time at which something happened, the surest first.
const HAPPENED: &[&str] = &[
    "occurredat",
    "eventtime",
    "happenedat",
    "triggeredat",
    "timestamp",
    "submittedat",
    "submittime",
    "提交时间",
    "发生时间",
    "createdat",
    "created",
    "createtime",
    "创建时间",
    "time",
    "时间",
];

/// A name without what only style puts into it.
pub(super) fn flat(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Whether a member of that name may stand around a record.
pub(super) fn is_envelope(name: &str) -> bool {
    ENVELOPE.contains(&flat(name).as_str())
}

/// Whether an object of that name may be, or hold, the record.
pub(super) fn is_container(name: &str) -> bool {
    CONTAINERS.contains(&flat(name).as_str())
}

/// Whether an object of that name stands beside the record and tells of the delivery.
pub(super) fn is_head(name: &str) -> bool {
    HEADS.contains(&flat(name).as_str())
}

/// Whether a member of that name is a credential, which belongs into no record.
pub(super) fn is_secret(name: &str) -> bool {
    let name = flat(name);
    name == "sign"
        || ["token", "secret", "signature", "password", "passwd", "签名", "密码", "密钥", "令牌"]
            .iter()
            .any(|w| name.ends_with(w))
}

/// What a list of names is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The id of the delivery.
    Delivery,
    /// What kind of event it is.
    Kind,
    /// The record's own id.
    Key,
    /// When the record last changed.
    Updated,
    /// When it happened.
    Happened,
}

/// How well a name fits a use: its place among the names for it.
pub(super) fn rank(name: &str, entity: &str, of: Use) -> Option<usize> {
    let names = match of {
        Use::Delivery => DELIVERY,
        Use::Kind => KIND,
        Use::Key => KEY,
        Use::Updated => UPDATED,
        Use::Happened => HAPPENED,
    };
    let name = flat(name);
    names.iter().position(|n| match n.strip_prefix('*') {
        Some(rest) => name.strip_prefix(&flat(entity)) == Some(rest),
        None => flat(n) == name,
    })
}

/// The kind of field for a value of this name, as the YAML writes it.
pub(super) fn kind(name: &str, value: &Value, zone: &TimeZone) -> &'static str {
    let snake = word(name);
    let name = flat(name);
    let says = |words: &[&str]| words.iter().any(|w| name.contains(w) || snake.contains(w));
    let numeric = |v: &Value| entity::normalise(&entity::FieldKind::Money, v.clone(), zone).is_ok();
    let id = snake == "id" || snake.ends_with("_id") || says(&["编号", "单号", "code", "number", "邮编"]);
    match value {
        Value::Bool(_) => "boolean",
        Value::List(_) => "list",
        Value::Map(_) => "any",
        Value::Time(_) => "time",
        Value::Null => by_name(&says),
        Value::Number(_) | Value::Text(_) if value.is_empty() => by_name(&says),
        Value::Text(t) => {
            let t = t.trim();
            if entity::is_email(&t.to_lowercase()) {
                return "email";
            }
            if is_phone(t, &says) {
                return "phone";
            }
            match written_time(t) {
                Some(kind) if entity::time(value, zone).is_some() => return kind,
                _ => {}
            }
            if t.ends_with('%') && entity::normalise(&entity::FieldKind::Percent, value.clone(), zone).is_ok() {
                return "percent";
            }
            let money = t.starts_with(['¥', '￥', '$', '€']) || says(MONEY);
            if money && !id && numeric(value) {
                return "money";
            }
            if says(TIME) && digits(t) && matches!(t.len(), 10 | 13) {
                return "time";
            }
            if matches!(t, "true" | "false" | "是" | "否") { "boolean" } else { "text" }
        }
        Value::Number(n) => {
            let text = n.to_string();
            if says(PHONE) && is_phone(&text, &says)
                || entity::phone(&text, "CN").is_some() && text.len() == 11 && text.starts_with('1')
            {
                "phone"
            } else if id {
                "text"
            } else if (says(TIME) || snake.ends_with("_at")) && matches!(text.len(), 10 | 13) {
                "time"
            } else if says(PERCENT) && n.abs() <= rust_decimal::Decimal::ONE_HUNDRED {
                "percent"
            } else if says(MONEY) && !says(&["micros", "cents"]) {
                "money"
            } else if is_milliseconds(*n) {
                "time"
            } else {
                "number"
            }
        }
    }
}

const PHONE: &[&str] = &["mobile", "phone", "tel", "手机", "电话"];
const MONEY: &[&str] =
    &["amount", "price", "budget", "revenue", "cost", "fee", "salary", "金额", "预算", "价格", "报价", "总价", "费用"];
const TIME: &[&str] = &["time", "date", "timestamp", "时间", "日期"];
const PERCENT: &[&str] = &["percent", "discount", "rate", "ratio", "折扣", "比例", "占比"];

/// A value that is not there: what its name says.
fn by_name(says: &impl Fn(&[&str]) -> bool) -> &'static str {
    if says(&["email", "邮箱"]) {
        "email"
    } else if says(PHONE) {
        "phone"
    } else if says(MONEY) {
        "money"
    } else {
        "text"
    }
}

fn is_phone(text: &str, says: &impl Fn(&[&str]) -> bool) -> bool {
    let Some(full) = entity::phone(text, "CN") else { return false };
    let mobile = full.len() == 14 && full.starts_with("+861");
    says(PHONE) || mobile && !says(&["id", "编号", "单号"]) && text.chars().filter(char::is_ascii_digit).count() >= 11
}

/// Whether text is written as a day or a moment.
fn written_time(text: &str) -> Option<&'static str> {
    let shape: String = text.chars().take(10).map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    if !matches!(shape.as_str(), "9999-99-99" | "9999/99/99") {
        return None;
    }
    Some(if text.len() == 10 { "date" } else { "time" })
}

/// Whether a number is milliseconds of this century, with 13 digits: nothing else that large is likely.
fn is_milliseconds(n: rust_decimal::Decimal) -> bool {
    const YEAR_2100: i64 = 4_102_444_800_000;
    n.is_integer() && i64::try_from(n).is_ok_and(|ms| (1_000_000_000_000..YEAR_2100).contains(&ms))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::value::from_json;

    #[test]
    fn kinds_by_name_and_value() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        for (name, json, expect) in [
            ("姓名", r#""刘洋""#, "text"),
            ("手机", r#""138 0013-8000""#, "phone"),
            ("contact", r#""13800138000""#, "phone"),
            ("mobile", "13800138000", "phone"),
            ("order_id", r#""13800138000""#, "text"),
            ("电话", r#""021-62345678""#, "phone"),
            ("phone", "null", "phone"),
            ("邮箱", r#"" LiuYang@Example.COM ""#, "email"),
            ("预算", r#""120,000""#, "money"),
            ("预算", r#""10万左右""#, "text"),
            ("x", r#""￥1,234.50""#, "money"),
            ("amount", "1234.5", "money"),
            ("amountMicros", "1234500000", "number"),
            ("amount_value", "12.5", "money"),
            ("paid", "12", "number"),
            ("quantity", "3", "number"),
            ("提交于", "1790000000000", "time"),
            ("views", "9790000000000", "number"),
            ("order_id", "1790000000000", "text"),
            ("customer_id", "1042", "text"),
            ("zip", r#""200000""#, "text"),
            ("created_at", r#""2026-09-21T09:00:00+08:00""#, "time"),
            ("提交时间", r#""2026-09-21 09:00""#, "time"),
            ("timestamp", "1790000000", "time"),
            ("createTime", r#""1790000000000""#, "time"),
            ("生日", r#""1990-05-01""#, "date"),
            ("折扣", r#""22%""#, "percent"),
            ("discount_rate", "0.22", "percent"),
            ("vip", "true", "boolean"),
            ("接受推送", r#""是""#, "boolean"),
            ("等级", r#""A""#, "text"),
            ("tags", r#"["a"]"#, "list"),
            ("version", r#""2026-09""#, "text"),
        ] {
            assert_eq!(kind(name, &from_json(json.as_bytes()).unwrap(), &zone), expect, "{name} {json}");
        }
    }

    #[test]
    fn names_of_ids() {
        assert_eq!(rank("lead_id", "lead", Use::Key), Some(1));
        assert_eq!(rank("leadId", "lead", Use::Key), Some(1));
        assert!(rank("serial_number", "lead", Use::Key).is_some());
        assert!(is_secret("verification_token") && is_secret("sign") && !is_secret("design"));
        assert_eq!(rank("owner_id", "lead", Use::Key), None);
        assert_eq!(rank("eventId", "lead", Use::Delivery), Some(0));
        assert_eq!(rank("提交时间", "lead", Use::Happened), Some(7));
    }
}
