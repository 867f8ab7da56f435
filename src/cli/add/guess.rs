//! What a member of a payload is likely to be, by its name and value. Guesses are proposed, shown and confirmed, never silently kept.

use jiff::tz::TimeZone;

use crate::engine::entity;
use crate::engine::value::Value;

/// Names around a record, in [`flat`] form.
const ENVELOPE: &[&str] = &[
    "id", "event", "eventid", "eventname", "eventtype", "type", "kind", "action", "operation", "topic", "object", "objectname",
    "objecttype", "timestamp", "time", "eventtime", "occurredat", "createdat", "created", "sentat", "deliveredat", "triggeredat",
    "webhookid", "webhookname", "deliveryid", "messageid", "msgid", "requestid", "traceid", "source", "origin", "version",
    "specversion", "apiversion", "workspaceid", "tenantid", "accountid", "appid", "appkey", "token", "sign", "signature", "nonce",
    "total", "count", "page", "pagesize", "cursor", "hasmore", "success", "code", "errcode", "errmsg", "msg", "message", "status",
    "livemode", "retries", "attempt",
];
/// Names of what holds a record.
const CONTAINERS: &[&str] = &[
    "data", "payload", "record", "object", "body", "attributes", "fields", "properties", "item", "entity", "current", "after", "new",
    "resource", "detail", "details", "form", "formdata", "content", "result", "values", "event", "数据", "表单", "lead", "contact", "deal",
    "opportunity", "customer", "account", "company", "person", "ticket", "order", "quote", "contract", "signup", "member",
];
/// Names of an id of the delivery, the surest first.
const DELIVERY: &[&str] = &["eventid", "deliveryid", "messageid", "msgid", "webhookdeliveryid", "requestid", "uuid", "id"];
/// Names of the event's kind, the surest first.
const KIND: &[&str] = &["eventtype", "eventname", "event", "type", "topic", "action", "operation", "事件", "事件类型"];
/// Names of a record's own id, the surest first; `*` is the entity.
const KEY: &[&str] = &[
    "id", "*id", "recordid", "uuid", "guid", "_id", "*no", "*number", "编号", "单号", "线索编号", "客户编号", "工单号", "订单号", "序号", "no", "number",
];
/// Names of the time at which a record last changed.
const UPDATED: &[&str] = &[
    "updatedat", "updated", "updatetime", "modifiedat", "modified", "modifiedtime", "lastmodified", "lastmodifieddate", "更新时间", "修改时间",
];
/// Names of the time at which something happened, the surest first.
const HAPPENED: &[&str] = &[
    "occurredat", "eventtime", "happenedat", "triggeredat", "timestamp", "submittedat", "submittime", "提交时间", "发生时间", "createdat", "created",
    "createtime", "创建时间", "time", "时间",
];

/// Words of forms that have a usual name of a field.
const USUAL: &[(&str, &str)] = &[
    ("编号", "id"), ("姓名", "name"), ("名字", "name"), ("联系人", "name"), ("客户姓名", "name"), ("手机", "mobile"), ("手机号", "mobile"),
    ("手机号码", "mobile"), ("联系方式", "mobile"), ("联系电话", "phone"), ("电话", "phone"), ("邮箱", "email"), ("电子邮箱", "email"),
    ("邮件", "email"), ("公司", "company"), ("公司名称", "company"), ("单位", "company"), ("地区", "region"), ("区域", "region"), ("省份", "province"),
    ("城市", "city"), ("地址", "address"), ("来源", "source"), ("渠道", "channel"), ("预算", "amount"), ("金额", "amount"), ("职位", "job_title"),
    ("行业", "industry"), ("产品", "product"), ("数量", "quantity"), ("备注", "note"), ("留言", "message"), ("微信", "wechat"), ("微信号", "wechat"),
    ("提交时间", "submitted_at"), ("创建时间", "created_at"), ("更新时间", "updated_at"), ("等级", "level"), ("状态", "status"), ("阶段", "stage"),
    ("折扣", "discount"), ("语言", "language"), ("生日", "birthday"),
];
/// Names that say too little without what they belong to.
const VAGUE: &[&str] = &["id", "name", "type", "value", "text", "label", "code", "key", "title", "number", "url", "display_name", "currency_code"];
/// Objects whose members belong to the record itself; those of other objects are another's.
const GROUPS: &[&str] = &[
    "name", "names", "email", "emails", "phone", "phones", "address", "contact_info", "custom", "custom_fields", "properties", "fields",
    "attributes", "extra", "profile", "details", "values",
];
/// Names that mean something of their own in conditions.
const RESERVED: &[&str] = &["event", "old", "steps", "true", "false", "null", "and", "or", "not", "in", "if", "tags", "owner", "owner_at"];

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
            if says(PHONE) && is_phone(&text, &says) || entity::phone(&text, "CN").is_some() && text.len() == 11 && text.starts_with('1') {
                "phone"
            } else if id {
                "text"
            } else if (says(TIME) || snake.ends_with("_at")) && matches!(text.len(), 10 | 13) {
                "time"
            } else if says(PERCENT) && n.abs() <= rust_decimal::Decimal::ONE_HUNDRED {
                "percent"
            } else if says(MONEY) && !says(&["micros", "cents"]) {
                "money"
            } else {
                "number"
            }
        }
    }
}

const PHONE: &[&str] = &["mobile", "phone", "tel", "手机", "电话"];
const MONEY: &[&str] = &["amount", "price", "budget", "revenue", "cost", "fee", "salary", "金额", "预算", "价格", "报价", "总价", "费用"];
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

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A name for the field of a path (below the record), not one of `taken`.
pub(super) fn field(path: &[String], taken: &[String]) -> String {
    let words: Vec<String> = path.iter().map(|name| word(name)).filter(|w| !w.is_empty()).collect();
    let whole = || if words.is_empty() { "field".to_owned() } else { words.join("_") };
    let free = |name: &str| !name.is_empty() && !taken.iter().any(|t| t == name);
    let mut candidates = Vec::new();
    match words.as_slice() {
        // `amount: { value: …, currency: … }` is an amount.
        [.., parent, last] if last == "value" => candidates.push(parent.clone()),
        [.., parent, last] if GROUPS.contains(&parent.as_str()) && !VAGUE.contains(&last.as_str()) => {
            candidates.push(last.strip_prefix("primary_").unwrap_or(last).to_owned());
        }
        [only] => candidates.push(only.clone()),
        _ => {}
    }
    if let [.., parent, last] = words.as_slice() {
        candidates.push(format!("{parent}_{last}"));
    }
    candidates.push(whole());
    candidates.extend((2..).map(|n| format!("{}_{n}", whole())).take(MANY));
    let candidates = candidates.into_iter().map(|name| {
        let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("f_{name}") } else { name };
        if RESERVED.contains(&name.as_str()) { format!("their_{name}") } else { name }
    });
    candidates.into_iter().find(|name| free(name)).unwrap_or_else(whole)
}

/// As many members as there may be of one name.
const MANY: usize = 300;

/// One name as a word of conditions: the usual one, `snake_case` of ASCII, or Chinese as it is.
fn word(name: &str) -> String {
    if let Some((_, usual)) = USUAL.iter().find(|(theirs, _)| *theirs == name.trim()) {
        return (*usual).to_owned();
    }
    let mut word = String::new();
    let mut before: Option<char> = None;
    let mut chars = name.trim().chars().peekable();
    while let Some(c) = chars.next() {
        let hump = c.is_ascii_uppercase()
            && before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b.is_ascii_uppercase() && chars.peek().is_some_and(char::is_ascii_lowercase));
        if hump || !c.is_alphanumeric() {
            if !word.ends_with('_') && !word.is_empty() {
                word.push('_');
            }
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    word.trim_end_matches('_').to_owned()
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
    fn names_of_fields() {
        let check = |path: &[&str], taken: &[&str], expect: &str| {
            let own = |l: &[&str]| l.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
            assert_eq!(field(&own(path), &own(taken)), expect);
        };
        check(&["姓名"], &[], "name");
        check(&["意向车型"], &[], "意向车型");
        check(&["1、您的 年龄?"], &[], "f_1_您的_年龄");
        check(&["firstName"], &[], "first_name");
        check(&["HTTPStatus"], &[], "http_status");
        check(&["company", "name"], &["name"], "company_name");
        check(&["company", "name"], &[], "company_name");
        check(&["name", "firstName"], &[], "first_name");
        check(&["emails", "primaryEmail"], &[], "email");
        check(&["billing", "city"], &[], "billing_city");
        check(&["address", "city"], &[], "city");
        check(&["address", "city"], &["city"], "address_city");
        check(&["amount", "value"], &[], "amount");
        check(&["owner", "email"], &[], "owner_email");
        check(&["owner"], &[], "their_owner");
        check(&["a", "city"], &["city", "a_city"], "a_city_2");
        check(&["?"], &[], "field");
    }

    #[test]
    fn names_of_ids() {
        assert_eq!(rank("lead_id", "lead", Use::Key), Some(1));
        assert_eq!(rank("leadId", "lead", Use::Key), Some(1));
        assert_eq!(rank("owner_id", "lead", Use::Key), None);
        assert_eq!(rank("eventId", "lead", Use::Delivery), Some(0));
        assert_eq!(rank("提交时间", "lead", Use::Happened), Some(7));
    }
}
