//! Rows 18 and 19: every route × everybody who may ask: nobody, who holds a link, who has proved who they are, who has a token of each
//! role, who has the data folder. A route that is not in the table fails, so that nobody adds one without saying who may use it.

use std::collections::BTreeSet;
use std::path::Path;

use super::desk::{Desk, Phone};
use super::harness::Daemon;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Nobody,
    Link,
    Session,
    Viewer,
    Operator,
    /// For 何经理.
    Approver,
    Admin,
    Control,
}

const ALL: [Who; 8] = [Who::Nobody, Who::Link, Who::Session, Who::Viewer, Who::Operator, Who::Approver, Who::Admin, Who::Control];

/// Who may use a route, and what they are answered: the others get 401 or 403.
#[derive(Debug, Clone, Copy)]
enum May {
    /// All alike.
    All(u16),
    /// Every token.
    Viewer(u16),
    /// Operators and above.
    Operator(u16),
    /// The person's, and above.
    Approver(u16),
    /// Admins.
    Admin(u16),
}

impl May {
    fn expects(self, who: Who) -> u16 {
        let (status, let_in): (u16, &[Who]) = match self {
            Self::All(status) => return status,
            Self::Viewer(status) => (status, &[Who::Viewer, Who::Operator, Who::Approver]),
            Self::Operator(status) => (status, &[Who::Operator]),
            Self::Approver(status) => (status, &[Who::Approver]),
            Self::Admin(status) => (status, &[]),
        };
        match who {
            Who::Nobody | Who::Link | Who::Session => 401,
            Who::Admin | Who::Control => status,
            _ if let_in.contains(&who) => status,
            _ => 403,
        }
    }
}

/// A method of a route, a path of it (`LINK`: 何经理's), and who may.
///
/// What has no session or link to do with answers all alike. A forged link is 404, a post without its form 403.
const TABLE: &[(&str, &str, &str, May)] = &[
    ("GET", "/", "/", May::All(200)),
    ("GET", "/healthz", "/healthz", May::All(200)),
    ("GET", "/readyz", "/readyz", May::All(200)),
    ("GET", "/metrics", "/metrics", May::All(200)),
    ("POST", "/in/{source}", "/in/crm", May::All(202)),
    ("POST", "/in/{source}", "/in/unknown", May::All(404)),
    ("OPTIONS", "/in/{source}", "/in/crm", May::All(200)),
    ("GET", "/o/{token}", "/o/LINK", May::All(404)),
    ("GET", "/c/{token}", "/c/LINK", May::All(404)),
    ("GET", "/u/{token}", "/u/LINK", May::All(404)),
    ("POST", "/u/{token}", "/u/LINK", May::All(404)),
    ("GET", "/t/{token}", "/t/forged", May::All(404)),
    ("POST", "/t/{token}", "/t/forged", May::All(404)),
    ("GET", "/t/{token}", "/t/LINK", May::All(200)),
    ("POST", "/t/{token}", "/t/LINK", May::All(403)),
    ("POST", "/api/calls/{id}/{what}", "/api/calls/c1-1/retry", May::Operator(200)),
    ("POST", "/api/silences", "/api/silences", May::Operator(422)),
    ("POST", "/api/silences/{id}/end", "/api/silences/s1/end", May::Operator(200)),
    ("POST", "/api/quarantine/{event}/{what}", "/api/quarantine/e1/discard", May::Operator(404)),
    ("POST", "/api/clock/confirm", "/api/clock/confirm", May::Operator(200)),
    ("POST", "/api/contacts", "/api/contacts", May::Operator(422)),
    ("GET", "/api/runs/{id}", "/api/runs/r9-1", May::Viewer(404)),
    ("POST", "/api/runs/{id}/{act}", "/api/runs/r9-1/retry", May::Operator(404)),
    ("POST", "/api/records/{entity}/{id}/{what}", "/api/records/lead/L1/merge", May::Operator(422)),
    ("GET", "/api/why/{event}", "/api/why/e999", May::Viewer(404)),
    ("POST", "/api/events/replay", "/api/events/replay", May::Operator(422)),
    ("GET", "/api/tasks", "/api/tasks", May::Viewer(200)),
    ("GET", "/api/tasks/{id}", "/api/tasks/t1-1", May::Viewer(200)),
    ("POST", "/api/tasks/{id}/{what}", "/api/tasks/t1-1/approve", May::Approver(422)),
    ("GET", "/api/tokens", "/api/tokens", May::Admin(200)),
    ("POST", "/api/tokens", "/api/tokens", May::Admin(422)),
    ("POST", "/api/tokens/{name}/revoke", "/api/tokens/none/revoke", May::Admin(200)),
];

/// Addresses that would be another one if somebody tidied them up: each is what it says, or nothing.
const ODD: &[&str] = &[
    "/t/../api/tasks",
    "//api/tasks",
    "/api//tasks",
    "/api/tasks/",
    "/api/./tasks",
    "/%61pi/tasks",
    "/api%2ftasks",
    "/t/%2e%2e/api/tasks",
    "/api/tasks;a=b",
    "/API/tasks",
    "/api/tasks/t1-1/approve/",
    "/t/",
    "/t",
];

/// Method and path of all routes in the source.
fn routes() -> BTreeSet<(String, String)> {
    fn files(folder: &Path) -> Vec<std::path::PathBuf> {
        let all = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        all.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
    }
    let mut found = BTreeSet::new();
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web")) {
        if file.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(".nest(") && !text.contains(".route_service("), "{}: this test cannot read that", file.display());
        for rest in text.split(".route(").skip(1) {
            let rest =
                rest.trim_start().strip_prefix('"').unwrap_or_else(|| panic!("{}: a route's path is a literal", file.display()));
            let (path, rest) = rest.split_once('"').unwrap();
            let mut depth = 1;
            let end = rest.find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            let handlers = &rest[..end.unwrap()];
            let before = found.len();
            for method in ["get", "post", "put", "patch", "delete", "options", "head", "any"] {
                let calls = handlers
                    .match_indices(&format!("{method}("))
                    .any(|(at, _)| !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
                if calls {
                    found.insert((method.to_uppercase(), path.to_owned()));
                }
            }
            assert!(found.len() > before, "{}: no method at {path}", file.display());
        }
    }
    found
}

#[test]
fn row_19_every_route_is_in_the_table() {
    let table: BTreeSet<(String, String)> = TABLE.iter().map(|(method, route, ..)| ((*method).into(), (*route).into())).collect();
    let routes = routes();
    let unlisted: Vec<_> = routes.difference(&table).collect();
    assert!(unlisted.is_empty(), "say in the table who may use: {unlisted:?}");
    let gone: Vec<_> = table.difference(&routes).collect();
    assert!(gone.is_empty(), "in the table, but no route any more: {gone:?}");
}

/// What each brings along.
struct Keys {
    cookie: String,
    control: String,
    link: String,
    /// By role.
    tokens: Vec<(Who, String)>,
}

fn ask(daemon: &Daemon, keys: &Keys, who: Who, method: &str, path: &str) -> (u16, String) {
    let path = path.replace("LINK", &keys.link);
    let cookie = format!("ifthen_session={}", keys.cookie);
    let referer = format!("http://ifthen/t/{}", keys.link);
    // A link's or a session's text is no bearer's.
    let token = match who {
        Who::Nobody => String::new(),
        Who::Link => keys.link.clone(),
        Who::Session => keys.cookie.clone(),
        Who::Control => keys.control.clone(),
        _ => keys.tokens.iter().find(|(role, _)| *role == who).unwrap().1.clone(),
    };
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("content-type", "application/json")];
    match who {
        Who::Nobody => {}
        Who::Link => headers.extend([("referer", referer.as_str()), ("authorization", bearer.as_str())]),
        Who::Session => headers.extend([("cookie", cookie.as_str()), ("authorization", bearer.as_str())]),
        _ => headers.push(("authorization", bearer.as_str())),
    }
    daemon.client().send(method, &path, &headers, if method == "GET" { b"" } else { b"{}" }).unwrap()
}

/// A desk, its daemon and everybody's keys.
fn world() -> (Desk, Daemon, Keys, Phone) {
    let desk = Desk::with("limits: { address: 100000, requests: 100000 }\n", |_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &link);
    let control = std::fs::read_to_string(desk.folder.path("data/control")).unwrap();
    let roles = [(Who::Viewer, "viewer"), (Who::Operator, "operator"), (Who::Approver, "approver"), (Who::Admin, "admin")];
    let tokens = roles.map(|(who, role)| {
        let mut args = vec!["tokens", "add", role, "--role", role];
        if who == Who::Approver {
            args.extend(["--as", "何经理"]);
        }
        (who, super::access::made(&desk.folder, &args))
    });
    let keys = Keys {
        cookie: phone.cookie(),
        control: control.lines().nth(1).unwrap().to_owned(),
        link: link.strip_prefix("/t/").unwrap().to_owned(),
        tokens: tokens.into(),
    };
    (desk, daemon, keys, phone)
}

#[test]
fn row_19_every_route_answers_everybody_as_the_table_says() {
    let (_desk, daemon, keys, _phone) = world();
    let mut wrong = Vec::new();
    for (method, _, path, may) in TABLE {
        for who in ALL {
            let expect = may.expects(who);
            let (status, text) = ask(&daemon, &keys, who, method, path);
            if status != expect {
                wrong.push(format!("{method} {path} as {who:?}: {status}, not {expect}: {text:.200}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(daemon.lines("decide", ifthen::engine::log::Outcome::Done).is_empty());
}

#[test]
fn row_18_head_is_what_get_is_and_other_methods_are_nothing() {
    let (_desk, daemon, keys, _phone) = world();
    let mut wrong = Vec::new();
    for (method, route, path, may) in TABLE {
        for who in ALL {
            if *method == "GET" && *path != "/t/LINK" {
                let (status, _) = ask(&daemon, &keys, who, "HEAD", path);
                if status != may.expects(who) {
                    wrong.push(format!("HEAD {path} as {who:?}: {status}, not {}", may.expects(who)));
                }
            }
            let takes = |method: &str| TABLE.iter().any(|(m, r, ..)| r == route && *m == method);
            for other in ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"] {
                let (status, _) = ask(&daemon, &keys, who, other, path);
                if status != 405 && !takes(other) {
                    wrong.push(format!("{other} {path} as {who:?}: {status}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn row_18_an_address_that_would_be_another_if_tidied_up_is_nothing() {
    let (_desk, daemon, keys, _phone) = world();
    let mut wrong = Vec::new();
    for path in ODD {
        for who in ALL {
            for method in ["GET", "POST"] {
                let (status, text) = ask(&daemon, &keys, who, method, path);
                if status < 400 || text.contains("Q-2026-1") {
                    wrong.push(format!("{method} {path} as {who:?}: {status}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(daemon.lines("decide", ifthen::engine::log::Outcome::Done).is_empty());
}

#[test]
fn row_19_a_link_is_its_persons_and_decides_once_and_only_by_post() {
    let (desk, daemon, keys, mut phone) = world();
    let link = format!("/t/{}", keys.link);
    let decided = || daemon.lines("decide", ifthen::engine::log::Outcome::Done).len();
    // Forged, cut, of another kind.
    let mut cut = keys.link.clone();
    cut.pop();
    for bad in [cut, format!("{}A", keys.link), keys.cookie.clone(), "A".repeat(5_000)] {
        assert_eq!(ask(&daemon, &keys, Who::Session, "GET", &format!("/t/{bad}")).0, 404);
        assert_eq!(ask(&daemon, &keys, Who::Session, "POST", &format!("/t/{bad}")).0, 404);
    }
    // Looked at ahead of time by programs, with what would decide in the query.
    for method in ["GET", "HEAD"] {
        ask(&daemon, &keys, Who::Session, method, &format!("{link}?what=approve"));
    }
    // Another's: who has proved to be 郑 is not 何经理.
    let theirs = desk.link("zheng");
    let mut other = Phone::new(&daemon);
    other.prove(&desk, "zheng", &theirs);
    other.get(&link).hides(&["上海智造", "880,000", "老客户续约", "files.example.com"]);
    let theirs = other.former(&theirs);
    assert_eq!(other.post(&link, &[("form", &theirs), ("what", "approve")]).status, 403);
    assert_eq!(decided(), 0);
    assert_eq!(phone.act(&link, "approve", &[("comment", "同意")]).status, 200);
    assert_eq!(decided(), 1);
    assert_eq!(phone.act(&link, "reject", &[("comment", "不")]).status, 409, "once");
    assert_eq!(decided(), 1);
}
