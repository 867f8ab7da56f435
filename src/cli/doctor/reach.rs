//! Whether the connections can be reached: a name that resolves, a port that answers. Nothing is sent, no secret is shown.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::super::words::{Lang, Words as _};
use super::Findings;
use crate::config::Loaded;
use crate::config::settings::Connection;
use crate::engine::definition::Deliver;

/// For the name and the port together.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks at every connection that really sends.
pub(super) fn connections(loaded: &Loaded, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let lang = found.lang;
    let mut asked = Vec::new();
    for (id, connection) in &loaded.settings.connections {
        let live = loaded.definitions.connections.get(id).is_some_and(|c| c.deliver == Deliver::Live);
        match target(connection).filter(|_| live) {
            Some(target) => asked.push((id, target.clone(), ask(target))),
            None if live => {} // plain HTTP: every call has an address of its own
            None => found.note(id, lang.pick("on preview: nothing leaves", "预览:不会真正发送"))?,
        }
    }
    for (id, (host, port), answer) in asked {
        let shown = format!("{host}:{port}");
        match answer.recv_timeout(PATIENCE + Duration::from_millis(500)) {
            Ok(Ok(())) => found.well(id, lang.pick(format!("{shown} answers"), format!("{shown} 可以连通")))?,
            Ok(Err(error)) => found.wrong(id, format!("{shown}: {error}"), todo(lang, id, &shown))?,
            Err(_) => {
                let late = lang.pick("no answer within 3 s", "3 秒内没有应答");
                found.wrong(id, format!("{shown}: {late}"), todo(lang, id, &shown))?;
            }
        }
    }
    Ok(())
}

fn todo(lang: Lang, id: &str, shown: &str) -> String {
    lang.pick(
        format!("connection {id}: see that {shown} is right in config.yaml and that this machine may reach it (DNS, firewall)"),
        format!("连接 {id}:检查 config.yaml 中的 {shown} 是否正确,本机能否访问(DNS、防火墙)"),
    )
}

/// Host and port; of a robot's address nothing else, for the rest is a credential.
fn target(connection: &Connection) -> Option<(String, u16)> {
    let of_url = |url: &str| {
        let url = url::Url::parse(url).ok()?;
        Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?))
    };
    match connection {
        Connection::Smtp(smtp) => Some((smtp.host.clone(), smtp.port)),
        Connection::Http(http) => of_url(http.base.as_deref()?),
        Connection::Dingtalk(robot) | Connection::Wecom(robot) => of_url(robot.url.expose_secret()),
        Connection::Preview => None,
    }
}

/// Asks on a thread of its own: the system's look-up of names knows no time limit.
fn ask((host, port): (String, u16)) -> mpsc::Receiver<Result<(), String>> {
    let (tell, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let reached = (host.as_str(), port).to_socket_addrs().map_err(|e| e.to_string()).and_then(|addresses| {
            let mut last = "no address".to_owned();
            for address in addresses {
                match TcpStream::connect_timeout(&address, PATIENCE) {
                    Ok(_) => return Ok(()),
                    Err(error) => last = error.to_string(),
                }
            }
            Err(last)
        });
        drop(tell.send(reached)); // too late: nobody waits any more
    });
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Robot;
    use jiff::SignedDuration;

    #[test]
    fn only_the_host_of_a_secret_address() {
        let url = "https://oapi.dingtalk.com/robot/send?access_token=geheim".to_owned().into();
        let robot = Robot { url, secret: None, keyword: None, timeout: SignedDuration::from_secs(1) };
        assert_eq!(target(&Connection::Dingtalk(robot)), Some(("oapi.dingtalk.com".into(), 443)));
        assert_eq!(target(&Connection::Preview), None);
    }

    #[test]
    fn a_port_that_answers_and_one_that_does_not() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        assert_eq!(ask(("127.0.0.1".into(), port)).recv().unwrap(), Ok(()));
        drop(server);
        assert!(ask(("127.0.0.1".into(), port)).recv().unwrap().is_err());
    }
}
