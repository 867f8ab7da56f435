//! What a field is called: the usual word for what forms say, `snake_case` of what programs say, Chinese as it is.

/// Words of forms that have a usual name of a field.
const USUAL: &[(&str, &str)] = &[
    ("编号", "id"),
    ("姓名", "name"),
    ("名字", "name"),
    ("联系人", "name"),
    ("客户姓名", "name"),
    ("手机", "mobile"),
    ("手机号", "mobile"),
    ("手机号码", "mobile"),
    ("联系方式", "mobile"),
    ("联系电话", "phone"),
    ("电话", "phone"),
    ("邮箱", "email"),
    ("电子邮箱", "email"),
    ("邮件", "email"),
    ("公司", "company"),
    ("公司名称", "company"),
    ("单位", "company"),
    ("地区", "region"),
    ("区域", "region"),
    ("省份", "province"),
    ("城市", "city"),
    ("地址", "address"),
    ("来源", "source"),
    ("渠道", "channel"),
    ("预算", "amount"),
    ("金额", "amount"),
    ("职位", "job_title"),
    ("行业", "industry"),
    ("产品", "product"),
    ("数量", "quantity"),
    ("备注", "note"),
    ("留言", "message"),
    ("微信", "wechat"),
    ("微信号", "wechat"),
    ("提交时间", "submitted_at"),
    ("创建时间", "created_at"),
    ("更新时间", "updated_at"),
    ("等级", "level"),
    ("状态", "status"),
    ("阶段", "stage"),
    ("折扣", "discount"),
    ("语言", "language"),
    ("生日", "birthday"),
];
/// Names that say too little without what they belong to.
const VAGUE: &[&str] =
    &["id", "name", "type", "value", "text", "label", "code", "key", "title", "number", "url", "display_name", "currency_code"];
/// Objects whose members belong to the record itself; those of other objects are another's.
const GROUPS: &[&str] = &[
    "name",
    "names",
    "email",
    "emails",
    "phone",
    "phones",
    "address",
    "contact_info",
    "custom",
    "custom_fields",
    "properties",
    "fields",
    "attributes",
    "extra",
    "profile",
    "details",
    "values",
];
/// Names that mean something of their own in conditions.
const RESERVED: &[&str] =
    &["event", "old", "steps", "true", "false", "null", "and", "or", "not", "in", "if", "tags", "owner", "owner_at"];

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
pub(super) fn word(name: &str) -> String {
    if let Some((_, usual)) = USUAL.iter().find(|(theirs, _)| *theirs == name.trim()) {
        return (*usual).to_owned();
    }
    let mut word = String::new();
    let mut before: Option<char> = None;
    let mut chars = name.trim().chars().peekable();
    while let Some(c) = chars.next() {
        let hump = c.is_ascii_uppercase()
            && before.is_some_and(|b| {
                b.is_ascii_lowercase()
                    || b.is_ascii_digit()
                    || b.is_ascii_uppercase() && chars.peek().is_some_and(char::is_ascii_lowercase)
            });
        if (hump || !c.is_alphanumeric()) && !word.ends_with('_') && !word.is_empty() {
            word.push('_');
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
}
