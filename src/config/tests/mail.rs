//! Marketing mail as the YAML says it: what is read, and what is refused at its place.

use super::*;
use crate::engine::definition::MailContent;
use crate::engine::gate::{Limit, Per, Unit};
use crate::engine::mail::UNSUBSCRIBE;

const CONFIG: &str = "
public_url: https://mail.example.com/crm/
marketing: { limit: 3 per week }
sources: { mails: { webhook: { verify: { bearer: '${file:token}' } }, bounces: postmark } }
connections: { mail: { smtp: { host: 127.0.0.1, from: a@example.com, security: none } } }
";
const RULES: &str = "
entities: { lead: { fields: { id: text, email: email, wants: boolean, name: text }, consent: wants } }
rules:
  news: { when: [lead.created, email.clicked], then: [ { email: { to: '{{ email }}', subject: 一, text: '{{ unsubscribe_url }}', html: '<a href=\"{{ unsubscribe_url }}\">x</a>', marketing: true, track: true } } ] }
";

fn folder(config: &str, rules: &str) -> Folder {
    Folder::new(&[("config.yaml", config), ("rules/a.yaml", rules), ("flows/.keep", ""), ("token", "x")])
}

#[test]
fn what_is_said_of_marketing_is_read() {
    let loaded = folder(CONFIG, RULES).loaded();
    assert_eq!(loaded.settings.public_url.as_deref(), Some("https://mail.example.com/crm"));
    let limit = Limit { count: 3, per: Per::Unit(Unit::Week), by: None };
    assert_eq!(loaded.definitions.marketing, Some(limit));
    assert_eq!(loaded.settings.sources["mails"].bounces, Some(settings::Bounces::Postmark));
    assert_eq!(loaded.definitions.entities["lead"].consent.as_deref(), Some("wants"));
    let Action::Email(mail) = &loaded.definitions.rules[0].then[0] else { panic!() };
    assert!(mail.marketing && mail.track);
    let MailContent::Inline(content) = &mail.content else { panic!() };
    assert!(content.text.source().contains("unsubscribe_url") && !content.text.source().contains(UNSUBSCRIBE));
    assert_eq!(loaded.insecure(), None);
    let other = folder(&CONFIG.replace("3 per week", "2 per week"), RULES).loaded();
    assert_ne!(other.definitions.hash, loaded.definitions.hash, "what decides is in the hash");
}

#[test]
fn links_that_are_not_https_are_told_where_marketing_mail_leaves() {
    let plain = CONFIG.replace("https://mail.example.com/crm/", "http://10.0.0.1");
    assert_eq!(folder(&plain, RULES).loaded().insecure().as_deref(), Some("news"));
    let without = CONFIG.replace("public_url: https://mail.example.com/crm/", "");
    assert_eq!(folder(&without, RULES).loaded().insecure().as_deref(), Some("news"));
    for quiet in
        [RULES.replace("marketing: true", "marketing: false"), RULES.replace("news: { when", "news: { deliver: preview, when")]
    {
        assert_eq!(folder(&without, &quiet).loaded().insecure(), None);
    }
    let preview = without.replace("security: none } }", "security: none }, deliver: preview }");
    assert_eq!(folder(&preview, RULES).loaded().insecure(), None);
}

#[test]
fn what_makes_no_sense_is_told_at_its_place() {
    let check = |config: &str, rules: &str, expect: &str| {
        let report = folder(config, rules).load().err().map(|r| r.render(Lang::En, false)).unwrap_or_default();
        assert!(report.contains(expect), "{expect} is not in\n{report}");
    };
    check(&CONFIG.replace("https://mail.example.com/crm/", "https://x.cn/?a=1"), RULES, "E09J");
    check(&CONFIG.replace("3 per week", "每周3封"), RULES, "limit");
    check(&CONFIG.replace("webhook: { verify: { bearer: '${file:token}' } }", "webhook: {}"), RULES, "E09K");
    check(&CONFIG.replace("bounces: postmark", "bounces: postmark, event: x.y"), RULES, "E09L");
    check(&CONFIG.replace("bounces: postmark", "bounces: postmrk"), RULES, "postmark");
    check(CONFIG, &RULES.replace("consent: wants", "consent: name"), "E0M0");
    check(CONFIG, &RULES.replace("consent: wants", "consent: want"), "did you mean `wants`");
    check(CONFIG, &RULES.replace("email.clicked", "email.cliked"), "did you mean `email.clicked`");
    check(CONFIG, &RULES.replace("subject: 一,", "subject: '{{ unsubscribe_uri }}',"), "unsubscribe_ur");
    check(
        CONFIG,
        &format!("{RULES}  say: {{ when: lead.created, then: [ {{ emit: email.unsubscribed }} ] }}\n"),
        "email.unsubscribed",
    );
    let elsewhere = format!("{RULES}  say: {{ when: lead.created, then: [ {{ log: '{{{{ unsubscribe_url }}}}' }} ] }}\n");
    check(CONFIG, &elsewhere, "unsubscribe_url");
}
