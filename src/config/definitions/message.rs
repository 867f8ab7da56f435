//! Actions that leave: mail, HTTP requests, robots' messages, notices to people.

use std::collections::BTreeMap;

use super::super::catalogue as t;
use super::super::names::Known;
use super::super::scalar;
use super::super::tree::Node;
use super::action::Steps;
use super::{Compiler, told};
use crate::engine::call::{Format, Retry};
use crate::engine::definition::{
    ConnectionKind, EmailAction, HttpAction, HttpActionBody, MailContent, NotifyAction, RobotAction,
};
use crate::engine::template::Template;

/// The connection that stands for plain HTTP.
pub(in crate::config) const PLAIN_HTTP: &str = "http";

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];

impl Compiler<'_> {
    pub(super) fn email(&self, node: &Node, of: &[String], steps: Steps<'_>) -> Option<EmailAction> {
        if told(node) {
            return None;
        }
        let names = self.known(of, steps);
        let connection = self.connection(node, "connection", ConnectionKind::Smtp, "mail");
        let to = node.get("to").and_then(|to| self.addresses(to, &names));
        let content = match node.get("template") {
            Some(template) => {
                for extra in ["text", "html"].iter().filter_map(|k| node.get(k)) {
                    self.sink.say(extra.at, &t::TEMPLATE_AND_TEXT, []);
                }
                self.template_name(template).map(MailContent::Template)
            }
            None => {
                if node.has("subject") && !node.has("text") {
                    self.sink.say(node.at, &t::MISSING_KEY, ["text".into(), "`email`".into()]);
                }
                self.mail(node, of, steps).map(MailContent::Inline)
            }
        };
        let said = |key: &str| node.get(key).and_then(scalar::boolean).unwrap_or(false);
        let (marketing, track) = (said("marketing"), said("track"));
        Some(EmailAction { connection: connection?, to: to?, content: content?, marketing, track })
    }

    /// One address or several; each may be a template.
    fn addresses(&self, node: &Node, names: &Known<'_>) -> Option<Template> {
        let one = |n: &Node| self.template(n, names).map(|t| (t, self.address(n)));
        let all: Vec<_> = node.one_or_more().iter().map(one).collect();
        let all: Option<Vec<String>> =
            all.into_iter().map(|found| found.filter(|(_, right)| *right).map(|(t, _)| t.source().to_owned())).collect();
        Template::parse(&all?.join(", ")).ok()
    }

    /// Addresses that are written out are checked here rather than when the mail goes out.
    fn address(&self, node: &Node) -> bool {
        let Some(text) = node.text().filter(|t| !super::term::is_template(t)) else { return true };
        let mut right = true;
        for address in text.split(',').map(str::trim) {
            let bare = address.rsplit_once('<').map_or(address, |(_, a)| a.trim_end_matches('>'));
            if !crate::engine::entity::is_email(bare) {
                self.sink.say(node.at, &t::EXPECTED, [(&t::K_MAILBOX).into(), format!("`{address}`").into()]);
                right = false;
            }
        }
        right
    }

    pub(super) fn http(&self, node: &Node, names: &Known<'_>) -> Option<HttpAction> {
        if told(node) {
            return None;
        }
        let connection = match node.get("connection") {
            Some(_) => self.connection(node, "connection", ConnectionKind::Http, PLAIN_HTTP),
            None => Some(PLAIN_HTTP.to_owned()),
        };
        let method = METHODS.iter().find(|m| node.has(m));
        let address = method.and_then(|m| node.get(m));
        let url = address.and_then(|a| self.template(a, names));
        if let (Some(address), Some(connection), Some(_)) = (address, &connection, &url) {
            self.whole_address(address, connection);
        }
        let headers = self.templates(node.get("headers"), names);
        let bodies: Vec<&str> = ["json", "form", "text"].into_iter().filter(|k| node.has(k)).collect();
        if let [_, second, ..] = bodies[..] {
            let at = node.get(second).map_or(node.at, |n| n.at);
            self.sink.say(at, &t::TOO_MANY, [super::super::grammar::list(bodies.iter().copied()).into(), "`http`".into()]);
        }
        let body = self.body(node, names);
        let emit = node.get("emit").map(|n| self.event_to_emit(n));
        let retry = node.get("retry").map(|n| n.items().iter().filter_map(scalar::duration).map(Retry).collect());
        Some(HttpAction {
            connection: connection?,
            method: method?.to_uppercase(),
            url: url?,
            headers: headers?,
            body: body?,
            emit: emit.flatten(),
            retry,
        })
    }

    /// Without a connection that has a base, an address must be whole.
    fn whole_address(&self, node: &Node, connection: &str) {
        let Some(text) = node.text() else { return };
        let whole = ["http://", "https://", "{{", "{%"].iter().any(|start| text.starts_with(start));
        if !whole && self.around.baseless.contains(connection) && !self.around.vague {
            self.sink.say(node.at, &t::RELATIVE_URL, [text.into()]);
        }
    }

    fn templates(&self, node: Option<&Node>, names: &Known<'_>) -> Option<BTreeMap<String, Template>> {
        let entries = node.map(Node::entries).unwrap_or_default();
        let found: Vec<_> = entries.iter().map(|e| Some((e.key.clone(), self.template(&e.value, names)?))).collect();
        found.into_iter().collect()
    }

    fn body(&self, node: &Node, names: &Known<'_>) -> Option<HttpActionBody> {
        if let Some(json) = node.get("json") {
            return self.term(json, names).map(HttpActionBody::Json);
        }
        if node.has("form") {
            return self.templates(node.get("form"), names).map(HttpActionBody::Form);
        }
        match node.get("text") {
            Some(text) => self.template(text, names).map(HttpActionBody::Text),
            None => Some(HttpActionBody::Empty),
        }
    }

    pub(super) fn robot(&self, node: &Node, of: &[String], names: &Known<'_>, kind: ConnectionKind) -> Option<RobotAction> {
        if told(node) {
            return None;
        }
        let connection = self.connection(node, "robot", kind, super::word(kind));
        let (format, content) = match node.get("markdown") {
            Some(markdown) => (Format::Markdown, Some(markdown)),
            None => (Format::Text, node.get("text")),
        };
        let text = content.and_then(|n| self.template(n, names));
        let title = node.get("title").map(|n| self.template(n, names));
        let at = self.whos(node.get("at"), of);
        Some(RobotAction {
            connection: connection?,
            format,
            title: title.flatten(),
            text: text?,
            at: at?,
            at_all: node.get("at_all").and_then(scalar::boolean).unwrap_or(false),
        })
    }

    pub(super) fn notify(&self, node: &Node, of: &[String], names: &Known<'_>) -> Option<NotifyAction> {
        if told(node) {
            return None;
        }
        let who = self.whos(node.get("who"), of);
        let text = node.get("text").and_then(|n| self.template(n, names));
        let title = node.get("title").map(|n| self.template(n, names));
        let urgent = node.get("urgent").and_then(scalar::boolean).unwrap_or(false);
        Some(NotifyAction { who: who?, text: text?, title: title.flatten(), urgent })
    }
}
