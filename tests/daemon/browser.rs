//! The page of a task in a real browser (Debian's chromium, a phone's window): approved and rejected, in Chinese and in English.
//!
//! `IFTHEN_SCREENSHOTS=folder` keeps what was seen. Driven over the WebDriver protocol, plain JSON over HTTP.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ifthen::engine::approval::Task;
use ifthen::engine::log::Outcome;
use serde_json::{Value, json};

use super::desk::Desk;
use super::harness::{Client, wait};

/// A browser with a window of its own.
struct Browser {
    driver: Child,
    client: std::cell::RefCell<Client>,
    session: String,
    shots: PathBuf,
    _folder: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.call("DELETE", "", &json!({}));
        }
        drop(self.driver.kill()); // it may have ended
        drop(self.driver.wait());
    }
}

impl Browser {
    fn open(language: &str) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let shots = std::env::var_os("IFTHEN_SCREENSHOTS").map_or_else(|| folder.path().to_owned(), PathBuf::from);
        std::fs::create_dir_all(&shots).unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is needed: tests/run installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port: u16 = lines
            .find_map(|line| line.ok()?.split("started successfully on port ").nth(1)?.trim_end_matches('.').parse().ok())
            .expect("chromedriver says its port");
        let arguments = [
            "--headless=new".into(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--hide-scrollbars".into(),
            format!("--accept-lang={language}"),
            format!("--user-data-dir={}", folder.path().join("profile").display()),
        ];
        let phone = json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true } });
        let options = json!({ "args": arguments, "mobileEmulation": phone });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let mut client = Client::named(([127, 0, 0, 1], port).into(), "localhost");
        let (status, answer) = client.post("/session", &[], &wanted).unwrap();
        assert_eq!(status, 200, "{answer}");
        let session = answer["value"]["sessionId"].as_str().unwrap().to_owned();
        Self { driver, client: client.into(), session, shots, _folder: folder }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        let text = if method == "GET" || method == "DELETE" { String::new() } else { body.to_string() };
        let headers = [("content-type", "application/json")];
        let (status, text) = self.client.borrow_mut().send(method, &path, &headers, text.as_bytes()).unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(status, 200, "{method} {path} {body}: {text:.500}");
        answer["value"].clone()
    }

    fn go(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    fn find(&self, css: &str) -> String {
        let found = self.call("POST", "/element", &json!({ "using": "css selector", "value": css }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Clicks as a finger does; what leads to another page is there when it returns.
    fn click(&self, css: &str) {
        self.call("POST", &format!("/element/{}/click", self.find(css)), &json!({}));
    }

    fn write(&self, css: &str, text: &str) {
        self.call("POST", &format!("/element/{}/value", self.find(css)), &json!({ "text": text }));
    }

    fn run(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn page(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap().to_owned()
    }

    fn dark(&self, dark: bool) {
        let features = json!([{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }]);
        self.call(
            "POST",
            "/goog/cdp/execute",
            &json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } }),
        );
    }

    /// The whole page as a picture, once it is found to be fit for a thumb.
    fn shoot(&self, name: &str) {
        let style = self.run("return getComputedStyle(document.body).fontSize");
        assert_eq!(style, "17px", "{name}: the style was not let in");
        let wide = self.run("return [document.documentElement.scrollWidth, window.innerWidth]");
        assert_eq!(wide[0], wide[1], "{name}: the page can be moved sideways");
        let small = self.run(
            "return [...document.querySelectorAll('button, input:not([type=hidden]):not([type=checkbox]), select, textarea, summary, a.paper')]\
             .filter(e => e.offsetParent && e.getBoundingClientRect().height < 44).map(e => e.outerHTML)",
        );
        assert_eq!(small, json!([]), "{name}: too small for a thumb");
        let size = self.run("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]");
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.call("POST", "/goog/cdp/execute", &json!({ "cmd": "Page.captureScreenshot", "params": params }));
        let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"));
        std::fs::write(self.shots.join(format!("{name}.png")), bytes).unwrap();
    }

    /// Has a code sent and gives it.
    fn prove(&self, desk: &Desk, person: &str) {
        self.click("button[value=code]");
        let code = desk.code(person, 1);
        self.write("#code", &code);
    }

    /// Waits until all of it stands on the page.
    fn says(&self, texts: &[&str]) {
        for text in texts {
            wait(&format!("`{text}` on the page"), || self.page().contains(text).then_some(()));
        }
    }
}

#[test]
fn approved_on_a_phone_in_chinese() {
    let desk = Desk::new(|_| {});
    let daemon = desk.folder.start();
    let browser = Browser::open("zh-CN");
    browser.go(&format!("http://{}{}", daemon.address, desk.link("he")));
    browser.says(&["只有何经理本人", "发送验证码"]);
    browser.shoot("zh-1-link");
    browser.prove(&desk, "he");
    browser.shoot("zh-2-code");
    browser.click("button[value=prove]");
    browser.says(&["880,000", "您的意见", "接下来"]);
    browser.shoot("zh-3-decide");
    browser.dark(true);
    browser.shoot("zh-4-decide-dark");
    browser.dark(false);
    browser.click("details.card summary");
    browser.shoot("zh-5-more");
    browser.write("#comment", "同意,请尽快签约");
    browser.click("button[value=approve]");
    browser.says(&["您已于", "等待 郑 处理", "同意,请尽快签约"]);
    browser.shoot("zh-6-approved");
    assert_eq!(daemon.wait_lines("decide", Outcome::Done, 1).len(), 1);
    assert_eq!(browser.run("return document.cookie"), "", "a script could read the session");
    browser.go(&format!("http://{}/t/forged", daemon.address));
    browser.shoot("zh-7-forged");
}

#[test]
fn rejected_on_a_phone_in_english() {
    let desk = Desk::new(|task: &mut Task| {
        task.returns = vec!["ask".into()];
        task.subject = "Quote Q-2026-1 needs your approval".into();
    });
    let daemon = desk.folder.start();
    let browser = Browser::open("en-GB");
    browser.go(&format!("http://{}{}", daemon.address, desk.link("zheng")));
    browser.shoot("en-1-link");
    browser.prove(&desk, "zheng");
    browser.click("button[value=prove]");
    browser.says(&["Your decision", "What comes next", "Asked for by"]);
    browser.shoot("en-2-decide");
    browser.click("button[value=reject]");
    browser.says(&["A rejection needs a comment"]);
    browser.shoot("en-3-no-comment");
    browser.write("#comment", "Too much of a discount; 15% at most.");
    browser.click("button[value=reject]");
    browser.says(&["Rejected", "You rejected at", "Too much of a discount"]);
    browser.shoot("en-4-rejected");
    let lines = daemon.wait_lines("decide", Outcome::Done, 1);
    assert_eq!(lines[0].detail.at(&["who"]).unwrap().to_string(), "郑");
}

#[test]
fn a_form_is_answered_on_a_phone() {
    let desk = Desk::new(|task: &mut Task| {
        task.form = Some("quote-revision".into());
        task.set = true;
        task.seats.truncate(1);
        task.subject = "请修改报价 Q-2026-1".into();
    });
    let daemon = desk.folder.start();
    let browser = Browser::open("zh-CN");
    browser.go(&format!("http://{}{}", daemon.address, desk.link("he")));
    browser.prove(&desk, "he");
    browser.click("button[value=prove]");
    browser.says(&["修改报价", "折扣 *", "有效期至"]);
    browser.run("document.querySelector('[name=\"f.discount\"]').value = ''");
    browser.write("[name='f.discount']", "15");
    browser.shoot("zh-8-form");
    browser.click("button[value=answer]");
    browser.says(&["已提交"]);
    browser.shoot("zh-9-answered");
    wait("the record", || (daemon.field("quote", "Q-2026-1", "discount") == "0.15").then_some(()));
}
