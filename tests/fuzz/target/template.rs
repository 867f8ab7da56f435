//! Templates: refused with a place, or texts of bounded size that come out the same twice; in HTML no value brings a tag in, and
//! nothing that a value holds is read as a template.

use std::borrow::Cow;
use std::sync::LazyLock;

use ifthen::engine::expression::Kind;
use ifthen::engine::scope::{Names, Scope, Stop, Unknown};
use ifthen::engine::template::Template;
use ifthen::engine::value::Value;

/// Longest text.
const MOST: usize = 256 << 10;
const CANARY: &str = "金丝雀";

/// The text is the template.
pub(super) fn run(data: &[u8]) {
    let text = super::text(data);
    for html in [false, true] {
        let parsed = if html { Template::parse_html(&text) } else { Template::parse(&text) };
        let template = match parsed {
            Err(faults) => {
                super::placed(&text, &faults);
                continue;
            }
            Ok(template) => template,
        };
        assert_eq!((template.source(), template.is_html()), (&*text, html));
        let unknown = template.check(&Lead);
        if !unknown.is_empty() {
            super::placed(&text, &unknown);
        }
        let stored = serde_json::to_string(&template).unwrap();
        let back: Template = serde_json::from_str(&stored).unwrap_or_else(|e| panic!("{e}: {stored}"));
        assert_eq!(back, template, "{stored}");
        let rendered = template.render(&Lead);
        assert_eq!(rendered, back.render(&Lead), "the same again");
        let Ok(rendered) = rendered else { continue };
        // Without a gap it is the text that somebody wrote, which has a limit of its own.
        assert!(rendered.len() <= MOST.max(text.len()), "{} bytes", rendered.len());
        assert!(
            !rendered.contains(CANARY) || text.contains("canary") || text.contains(CANARY),
            "what a value holds was read as a template"
        );
        assert!(!html || text.contains('<') || !rendered.contains('<'), "a value brought a tag in: {rendered:.200}");
    }
}

static VALUES: LazyLock<Value> = LazyLock::new(|| {
    let item = |name: &str, price: &str| Value::from([("name", name.into()), ("price", Value::Number(price.parse().unwrap()))]);
    Value::from([
        ("name", "张三丰 <b onclick=\"x\">&'".into()),
        ("note", "{{ canary }}{% if canary %}{{ canary }}{% endif %}{# \u{202e}".into()),
        ("canary", CANARY.into()),
        ("amount", Value::Number("1234567.50".parse().unwrap())),
        ("big", Value::Number(rust_decimal::Decimal::MAX)),
        ("vip", true.into()),
        ("at", Value::Time("2026-09-20T02:00:00Z".parse().unwrap())),
        ("day", "2026-09-21".into()),
        ("tags", vec!["VIP", "<i>官网</i>", ""].into()),
        ("items", Value::List(vec![item("件<一>", "9.90"), item("件二", "0.1")])),
        ("long", "刘".repeat(2_000).into()),
        ("event", Value::from([("page", Value::from("A产品")), ("unit-price", 7i64.into())])),
    ])
});

struct Lead;

impl Scope for Lead {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        Ok(VALUES.at(path).map_or(Cow::Owned(Value::Null), Cow::Borrowed))
    }
    fn now(&self) -> jiff::Zoned {
        "2026-09-21T10:00+08:00[Asia/Shanghai]".parse().unwrap()
    }
    fn changed(&self, _: &str) -> bool {
        false
    }
}

impl Names for Lead {
    fn problem(&self, path: &[String]) -> Option<Unknown> {
        VALUES.at(&path[..1]).is_none().then_some(Unknown { part: 0, nearest: None })
    }
    fn kind(&self, _: &[String]) -> Kind {
        Kind::Any
    }
}
