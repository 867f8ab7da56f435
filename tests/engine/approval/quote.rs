//! DOMAIN.md, scenario E, as YAML with its tests: what people write themselves.

use ifthen::check::test::{Subject, play, ready};
use ifthen::config::{self, Lang};

const CONFIG: &str = "
definitions: [rules]
sources:
  crm:
    webhook: { verify: { bearer: '${env:NOBODY_HAS_THIS}' } }
    event: quote.submitted
    record: { entity: quote, fields: { id: id, amount: 金额, discount: 折扣, owner: 负责人 } }
connections: { mail: { smtp: { host: 127.0.0.1, security: none, from: sales@example.com }, deliver: preview } }
";

/// Every test that stands in the text; what is not as expected, a line each.
fn failures(text: &str) -> Vec<String> {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
    std::fs::write(folder.path().join("rules/quote.yaml"), text).unwrap();
    let loaded =
        config::load(&folder.path().join("config.yaml"), &config::Options { environment: false, ..config::Options::default() });
    let mut loaded = loaded.unwrap_or_else(|r| panic!("{}", r.render(Lang::En, false)));
    ready(&mut loaded.definitions);
    let subject = Subject { definitions: &loaded.definitions, settings: &loaded.settings };
    assert_eq!(loaded.tests.len(), text.matches("given:").count());
    let failed = loaded.tests.iter().flat_map(|test| play(&subject, test));
    let said = |l: &ifthen::engine::log::Line| format!("{} {} {}", l.action, l.outcome.word(), l.detail);
    failed
        .map(|f| format!("{}: {:?}\n    {}", f.place, f.found, f.log.iter().map(said).collect::<Vec<_>>().join("\n    ")))
        .collect()
}

#[test]
fn a_quote_is_approved_as_the_page_says() {
    let failures = failures(include_str!("quote.yaml"));
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
