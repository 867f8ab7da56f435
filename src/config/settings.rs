//! What `config.yaml` says: everything that differs between machines. Secrets are a type that cannot be printed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use jiff::SignedDuration;
use secrecy::SecretString;

use crate::engine::template::Template;

/// The compiled `config.yaml`.
#[derive(Debug)]
pub struct Settings {
    /// Where it was read from.
    pub path: PathBuf,
    /// Where HTTP is served; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// TLS on that address, where we do it ourselves.
    pub tls: Option<Tls>,
    /// What stands before links that people receive, without a slash at its end; `http://<listen>` unless said.
    pub public_url: Option<String>,
    /// The folder of the store, made when absent.
    pub data: PathBuf,
    /// The folders of the definitions, absolute; every `*.yaml` below them is read.
    pub definitions: Vec<PathBuf>,
    /// The sources, by id.
    pub sources: BTreeMap<String, Source>,
    /// The connections, by id: how to reach what the engine only knows by name.
    pub connections: BTreeMap<String, Connection>,
    /// Limits on everything that could grow.
    pub limits: Limits,
    /// For how long what happened is kept.
    pub retention: Kept,
    /// Networks that `http` actions may reach although they are private or local.
    pub allow_networks: Vec<IpNet>,
    /// How our own messages are written.
    pub log: LogFormat,
}

impl Settings {
    /// How addresses of ours begin where nothing stands before us.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM: our certificate first, then those that lead to a known authority.
    pub cert: PathBuf,
    /// PEM: the certificate's private key; readable by its owner only.
    pub key: PathBuf,
}

/// How the daemon's own messages (not the action log) are written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Limits; each has a default that suits a small company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a webhook's body; 1 MiB.
    pub body: usize,
    /// Items in one array or CloudEvents batch; 1,000.
    pub items: usize,
    /// Submissions that wait for the turn; 1,024. More: 503.
    pub queue: usize,
    /// Calls that are not done (dead ones not counted); 100,000. More: webhooks are answered 503.
    pub outbox: usize,
    /// For how long a delivery id is remembered; 3 days.
    pub dedupe: SignedDuration,
    /// By how much the clock may jump before what is driven by time waits for a person.
    pub clock: SignedDuration,
    /// Items of one source that may be in quarantine; 10,000. More: 422, and polls wait.
    pub quarantine: usize,
    /// Requests a second that one access token may make; 50. More: 429.
    pub requests: u32,
    /// Requests a second that one address may make without a proof; 100. More: 429.
    pub address: u32,
    /// Connections at a time from one address; 256, half of all. In force from the start on.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let dedupe = SignedDuration::from_hours(72);
        Self {
            body: 1 << 20,
            items: 1_000,
            queue: 1_024,
            outbox: 100_000,
            dedupe,
            clock: SignedDuration::from_mins(5),
            quarantine: 10_000,
            requests: 50,
            address: 100,
            connections: 256,
        }
    }
}

/// For how long what happened is kept, by kind; what is not said is the store's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// What events say.
    pub payloads: Keep,
    /// Former state.
    pub changes: Keep,
    /// Events.
    pub events: Keep,
    /// The action log.
    pub log: Keep,
    /// Bytes of all of it.
    pub size: Option<u64>,
}

/// For how long one kind is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// Older ones go.
    pub age: Option<SignedDuration>,
    /// Beyond so many bytes the oldest go.
    pub bytes: Option<u64>,
}

/// Something that tells us what happens.
#[derive(Debug)]
pub struct Source {
    /// How it tells.
    pub kind: SourceKind,
    /// What its payloads mean.
    pub map: Mapping,
    /// How late it may tell what happened.
    pub lateness: SignedDuration,
    /// It tells of mails that came back, in this form; nothing else.
    pub bounces: Option<Bounces>,
}

/// The forms in which providers tell of bounces and complaints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounces {
    /// Ours: `{"event": "bounced", "kind": "hard", "mail": …, "address": …}`.
    Generic,
    /// One object a request, `RecordType`.
    Postmark,
    /// `{"type": "email.bounced", "data": {…}}`.
    Resend,
    /// An array, `event`.
    Sendgrid,
}

/// How a source tells.
#[derive(Debug)]
pub enum SourceKind {
    /// It posts to `/in/<id>`.
    Webhook(Webhook),
    /// We ask it.
    Poll(Poll),
}

/// A source that posts.
#[derive(Debug, Default)]
pub struct Webhook {
    /// All that are said must pass.
    pub verify: Verify,
    /// Requests a second that are let through, with bursts of as many; `None`: no limit.
    pub rate: Option<u32>,
}

/// How a webhook proves that it is who it says. Nothing said: anyone may post.
#[derive(Debug, Default)]
pub struct Verify {
    /// A signature over the raw body.
    pub hmac: Option<Hmac>,
    /// `Authorization: Bearer …`; any of these tokens (rotation).
    pub bearer: Vec<SecretString>,
    /// `Authorization: Basic …`.
    pub basic: Option<(String, SecretString)>,
    /// The peer's address must be in one of these; empty: any.
    pub from: Vec<IpNet>,
}

/// A signature scheme; covers GitHub, Stripe, Standard Webhooks, Slack, Twenty and the like.
#[derive(Debug)]
pub struct Hmac {
    /// Any of these (rotation).
    pub secrets: Vec<SecretString>,
    /// How the text of a secret becomes the key.
    pub key: KeyForm,
    /// The header that holds the signature, or a list of them.
    pub header: String,
    /// SHA-256 unless said.
    pub algorithm: Algorithm,
    /// Hex unless said.
    pub encoding: Encoding,
    /// What stands before the signature in the header: `sha256=`, `v0=`, `v1,`; entries of a list without it are passed over.
    pub prefix: String,
    /// What is signed: `{body}` alone, or with `{timestamp}` and `{id}`: `{id}.{timestamp}.{body}`, `v0:{timestamp}:{body}`;
    /// `{method}` and `{path}` (with its query) too: HubSpot's `{method}https://our.example{path}{body}{timestamp}`.
    pub signed: String,
    /// The header that holds the delivery's id in `{id}`.
    pub id_header: Option<String>,
    /// Where the timestamp is.
    pub timestamp: Option<StampAt>,
    /// The timestamp's unit.
    pub unit: Unit,
    /// How far the timestamp may be from now, both ways; 300 s unless said.
    pub tolerance: SignedDuration,
}

/// Where a signature's timestamp is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StampAt {
    /// In a header of its own.
    Header(String),
    /// In the signature header, under this name: `t` in `t=…,v1=…`.
    Field(String),
}

/// How the text of a secret becomes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyForm {
    /// Its UTF-8 bytes.
    #[default]
    Text,
    /// Base64 behind an optional `whsec_`.
    Base64,
}

/// Hash algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Algorithm {
    #[default]
    Sha256,
    Sha1,
    Sha512,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

/// A timestamp's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Unit {
    #[default]
    Seconds,
    Milliseconds,
}

/// A source that we ask.
#[derive(Debug)]
pub struct Poll {
    /// What is asked.
    pub ask: Ask,
    /// How often; 30 s unless said.
    pub every: SignedDuration,
    /// The columns by which rows are ordered and read on, the most significant first; that one must grow with every
    /// change. The primary key as the last one tells rows apart where very many share a value.
    pub cursor: Vec<String>,
    /// Rows a round; 500 unless said.
    pub batch: usize,
}

/// What a poll asks; databases and HTTP APIs come beside it.
#[derive(Debug)]
pub enum Ask {
    /// A SQLite file of another program, read only.
    Sqlite {
        /// The file.
        file: PathBuf,
        /// A `SELECT` that yields the cursor columns among others; filter, order and limit are put around it.
        query: String,
    },
}

/// How much of what a source tells is an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Imported {
    /// Nothing.
    #[default]
    Nothing,
    /// What a poll finds there already when it reads for the first time.
    First,
    /// All.
    All,
}

/// What a payload means: names of members are dotted paths (`data.lead.name`); templates see the payload's members as names.
#[derive(Debug, Default)]
pub struct Mapping {
    /// The event's name; a template (`crm.{{ type }}`). The source's id + `.received` unless said.
    pub event: Option<Template>,
    /// The path of the list of items when the payload wraps one; each is an event. What stands around it is `outer.x` to the
    /// mapping, and is not kept.
    pub each: Option<String>,
    /// Where the source's own id of the delivery is. Nothing said: no dedupe, but for CloudEvents' own id.
    pub delivery: Option<Delivery>,
    /// The path of the time at which it happened.
    pub time: Option<String>,
    /// Which record it tells about.
    pub record: Option<RecordMapping>,
    /// How much of what it tells is an import: rules send nothing on that unless they say `imports: react`.
    pub imports: Imported,
}

/// Where a delivery id is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// In a header.
    Header(String),
    /// Members of the payload, joined by `/`.
    Body(Vec<String>),
}

/// Which record a payload tells about, and what.
#[derive(Debug)]
pub struct RecordMapping {
    /// The entity.
    pub entity: String,
    /// Field by path in the payload; the key field among them. A path that leads nowhere is not told.
    pub fields: BTreeMap<String, String>,
    /// Values by which a source's words become ours: field → its word → ours.
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// The path of the time as of which the source's copy had these values.
    pub at: Option<String>,
}

/// How to reach a connection.
#[derive(Debug)]
pub enum Connection {
    /// An SMTP server.
    Smtp(Smtp),
    /// An HTTP service.
    Http(Http),
    /// A DingTalk group robot.
    Dingtalk(Robot),
    /// A WeCom group robot; its key is the credential, nothing is signed.
    Wecom(Robot),
    /// Nothing is configured, everything is on preview: an empty connection of this kind.
    Preview,
}

/// An SMTP server.
#[derive(Debug)]
pub struct Smtp {
    /// Host.
    pub host: String,
    /// Port; 465 for `tls`, 587 for `starttls`, 25 for `none` unless said.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// User and password.
    pub login: Option<(String, SecretString)>,
    /// The `From` mailbox.
    pub from: String,
    /// For one exchange; 60 s unless said.
    pub timeout: SignedDuration,
}

/// How an SMTP connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// TLS from the first byte.
    #[default]
    Tls,
    /// STARTTLS, required.
    Starttls,
    /// None: for a relay on this machine.
    None,
}

/// An HTTP service.
#[derive(Debug)]
pub struct Http {
    /// What `/path` is put behind.
    pub base: Option<String>,
    /// Sent with every request; may be secret.
    pub headers: BTreeMap<String, SecretString>,
    /// For one request; 30 s unless said.
    pub timeout: SignedDuration,
    /// The header that carries the idempotency key; `Idempotency-Key` unless said.
    pub idempotency_header: String,
}

/// A group robot.
#[derive(Debug)]
pub struct Robot {
    /// The whole webhook address with its token: a secret.
    pub url: SecretString,
    /// The signing secret (DingTalk 加签).
    pub secret: Option<SecretString>,
    /// A word that the robot's settings demand; put before messages that lack it.
    pub keyword: Option<String>,
    /// For one request; 10 s unless said.
    pub timeout: SignedDuration,
}
