//! Stand-ins for the other side: a mail server, DingTalk, WeCom, any HTTP service. Each on 127.0.0.1 and a thread of its own,
//! with a handle by which a test reads what arrived and scripts what is answered. They check what the real ones check.
//!
//! Use: `mod standin;` in an integration test.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "every test uses a part of it, and a stand-in that fails shall fail the test"
)]

pub mod dingtalk;
pub mod http;
pub mod mime;
pub mod server;
pub mod smtp;
pub mod web;
pub mod wecom;

pub use dingtalk::Dingtalk;
pub use http::{Mode, Reply};
pub use smtp::{Act, Smtp, Stage};
pub use web::Web;
pub use wecom::Wecom;
