//! Every route × everybody who may ask: nobody, who holds a link, who has proved who they are, who has the control token. A route
//! that is not in the table fails, so that nobody adds one without saying who may use it.

use std::collections::BTreeSet;
use std::path::Path;

use super::desk::{Desk, Phone};
use super::harness::Daemon;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Nobody,
    Link,
    Session,
    Token,
}

const ROLES: [Role; 4] = [Role::Nobody, Role::Link, Role::Session, Role::Token];

/// A method of a route, a path of it (`LINK`: 何经理's), and what each role is answered, in the order of [`ROLES`].
///
/// What has no session or link to do with answers all alike; 401 is the control API's. A forged link is 404, a post without its form 403.
const TABLE: &[(&str, &str, &str, [u16; 4])] = &[
    ("GET", "/", "/", [200; 4]),
    ("GET", "/healthz", "/healthz", [200; 4]),
    ("GET", "/readyz", "/readyz", [200; 4]),
    ("GET", "/metrics", "/metrics", [200; 4]),
    ("POST", "/in/{source}", "/in/crm", [202; 4]),
    ("POST", "/in/{source}", "/in/unknown", [404; 4]),
    ("OPTIONS", "/in/{source}", "/in/crm", [200; 4]),
    ("GET", "/o/{token}", "/o/LINK", [404; 4]),
    ("GET", "/c/{token}", "/c/LINK", [404; 4]),
    ("GET", "/u/{token}", "/u/LINK", [404; 4]),
    ("POST", "/u/{token}", "/u/LINK", [404; 4]),
    ("GET", "/t/{token}", "/t/forged", [404; 4]),
    ("POST", "/t/{token}", "/t/forged", [404; 4]),
    ("GET", "/t/{token}", "/t/LINK", [200; 4]),
    ("POST", "/t/{token}", "/t/LINK", [403; 4]),
    ("POST", "/api/calls/{id}/{what}", "/api/calls/c1-1/retry", [401, 401, 401, 200]),
    ("POST", "/api/silences", "/api/silences", [401, 401, 401, 422]),
    ("POST", "/api/silences/{id}/end", "/api/silences/s1/end", [401, 401, 401, 200]),
    ("POST", "/api/quarantine/{event}/{what}", "/api/quarantine/e1/discard", [401, 401, 401, 404]),
    ("POST", "/api/clock/confirm", "/api/clock/confirm", [401, 401, 401, 200]),
    ("POST", "/api/contacts", "/api/contacts", [401, 401, 401, 422]),
    ("GET", "/api/runs/{id}", "/api/runs/r9-1", [401, 401, 401, 404]),
    ("POST", "/api/runs/{id}/{act}", "/api/runs/r9-1/retry", [401, 401, 401, 404]),
    ("POST", "/api/records/{entity}/{id}/{what}", "/api/records/lead/L1/merge", [401, 401, 401, 422]),
    ("GET", "/api/why/{event}", "/api/why/e999", [401, 401, 401, 404]),
    ("POST", "/api/events/replay", "/api/events/replay", [401, 401, 401, 422]),
    ("GET", "/api/tasks", "/api/tasks", [401, 401, 401, 200]),
    ("GET", "/api/tasks/{id}", "/api/tasks/t1-1", [401, 401, 401, 200]),
    ("POST", "/api/tasks/{id}/{what}", "/api/tasks/t1-1/approve", [401, 401, 401, 422]),
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
fn every_route_is_in_the_table() {
    let table: BTreeSet<(String, String)> = TABLE.iter().map(|(method, route, ..)| ((*method).into(), (*route).into())).collect();
    let routes = routes();
    let unlisted: Vec<_> = routes.difference(&table).collect();
    assert!(unlisted.is_empty(), "say in the table who may use: {unlisted:?}");
    let gone: Vec<_> = table.difference(&routes).collect();
    assert!(gone.is_empty(), "in the table, but no route any more: {gone:?}");
}

/// What each role brings along.
struct Keys {
    cookie: String,
    bearer: String,
    link: String,
}

fn ask(daemon: &Daemon, keys: &Keys, role: Role, method: &str, path: &str) -> (u16, String) {
    let path = path.replace("LINK", &keys.link);
    let cookie = format!("ifthen_session={}", keys.cookie);
    let bearer = format!("Bearer {}", keys.bearer);
    let referer = format!("http://ifthen/t/{}", keys.link);
    // A link's or a session's text is no bearer's.
    let wrong = format!("Bearer {}", if role == Role::Link { &keys.link } else { &keys.cookie });
    let mut headers = vec![("content-type", "application/json")];
    match role {
        Role::Nobody => {}
        Role::Link => headers.extend([("referer", referer.as_str()), ("authorization", wrong.as_str())]),
        Role::Session => headers.extend([("cookie", cookie.as_str()), ("authorization", wrong.as_str())]),
        Role::Token => headers.push(("authorization", bearer.as_str())),
    }
    daemon.client().send(method, &path, &headers, if method == "GET" { b"" } else { b"{}" }).unwrap()
}

#[test]
fn every_route_answers_every_role_as_the_table_says() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let link = desk.link("he");
    let mut phone = Phone::new(&daemon);
    phone.prove(&desk, "he", &link);
    let control = std::fs::read_to_string(desk.folder.path("data/control")).unwrap();
    let keys = Keys {
        cookie: phone.cookie(),
        bearer: control.lines().nth(1).unwrap().to_owned(),
        link: link.strip_prefix("/t/").unwrap().to_owned(),
    };
    let mut wrong = Vec::new();
    for (method, _, path, expect) in TABLE {
        for (role, expect) in ROLES.into_iter().zip(expect) {
            let (status, text) = ask(&daemon, &keys, role, method, path);
            if status != *expect {
                wrong.push(format!("{method} {path} as {role:?}: {status}, not {expect}: {text:.200}"));
            }
            // HEAD is what GET is, and the other methods are nothing.
            if *method == "GET" && *path != "/t/LINK" {
                let (status, _) = ask(&daemon, &keys, role, "HEAD", path);
                if status != *expect {
                    wrong.push(format!("HEAD {path} as {role:?}: {status}, not {expect}"));
                }
            }
            for other in ["PUT", "DELETE", "PATCH", "TRACE"] {
                let (status, _) = ask(&daemon, &keys, role, other, path);
                if status != 405 {
                    wrong.push(format!("{other} {path} as {role:?}: {status}"));
                }
            }
        }
    }
    for path in ODD {
        for role in ROLES {
            for method in ["GET", "POST"] {
                let (status, text) = ask(&daemon, &keys, role, method, path);
                if status < 400 || text.contains("Q-2026-1") {
                    wrong.push(format!("{method} {path} as {role:?}: {status}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(daemon.lines("decide", ifthen::engine::log::Outcome::Done).is_empty());
}
