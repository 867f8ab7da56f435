//! A draft tried on its own payload: compiled together with what is there, mapped as the webhook would, decided as the daemon
//! would, on an empty state with everything on preview. Nothing is stored, nothing leaves.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use serde_yaml::{Mapping, Value as Yaml};

use super::draft::Draft;
use crate::config::{self, Lang, Loaded, Options, Report};
use crate::engine::cascade::settle;
use crate::engine::definition::{Definitions, Deliver};
use crate::engine::event::{Body, Event};
use crate::engine::log::Line;
use crate::engine::state::{Need, State};
use crate::engine::value::Value;
use crate::source::webhook::{self, Request};

/// What the draft would do.
#[derive(Debug)]
pub(super) struct Trial {
    /// The events, in the order they were decided.
    pub(super) events: Vec<Event>,
    /// What the log would say.
    pub(super) log: Vec<Line>,
    /// The definitions with the draft among them.
    pub(super) definitions: Definitions,
    /// The language in force.
    pub(super) lang: Lang,
}

/// Why there is no trial.
#[derive(Debug)]
pub(super) enum Refused {
    /// The draft does not compile with what is there.
    Report(Box<Report>),
    /// Anything else.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Tries the draft; `former` is what is there, if there is a configuration.
pub(super) fn run(
    draft: &Draft,
    payload: &[u8],
    former: Option<&Loaded>,
    options: &Options,
    lang: Lang,
) -> Result<Trial, Refused> {
    let folder = Scratch::new()?;
    write(&folder, draft, former, lang)?;
    let options = Options { environment: false, lang: Some(lang), ..options.clone() };
    let loaded = config::load(&folder.0.join("config.yaml"), &options).map_err(|r| Refused::Report(Box::new(r)))?;
    let Loaded { settings, mut definitions, lang, .. } = loaded;
    definitions.connections.values_mut().for_each(|c| c.deliver = Deliver::Preview);
    definitions.rules.iter_mut().for_each(|r| r.deliver = Deliver::Preview);
    let source = settings.sources.get(&draft.source).context("the draft has lost its source")?;
    let mut headers = HeaderMap::new();
    let cloud = payload.windows(13).any(|w| w == b"\"specversion\"");
    let kind = if cloud { "application/cloudevents+json" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let path = format!("/in/{}", draft.source);
    let now = jiff::Timestamp::now();
    let peer = std::net::Ipv4Addr::LOCALHOST.into();
    let request = Request { method: &Method::POST, path: &path, headers: &headers, body: payload, peer, now };
    let drafts = webhook::read(&draft.source, source, &definitions, &settings.limits, &request);
    let drafts = drafts.map_err(|refusal| {
        anyhow::anyhow!("{}{}", refusal.detail, refusal.pointer.map(|p| format!(" ({p})")).unwrap_or_default())
    })?;
    if let Some(Body::Unread(unread)) = drafts.first().map(|d| &d.body) {
        return Err(anyhow::anyhow!("{}", unread.reason).into());
    }
    let mut trial = Trial { events: Vec::new(), log: Vec::new(), definitions, lang };
    let mut state = State::default();
    for draft in drafts.into_iter().take(1) {
        let root = draft.event(1);
        decide(&mut trial, &mut state, &root, now);
    }
    Ok(trial)
}

fn decide(trial: &mut Trial, state: &mut State, root: &Event, now: jiff::Timestamp) {
    // There is nothing in the store of a trial.
    let load = |state: &mut State, need: Need| -> Result<(), Infallible> {
        let key = need.key();
        state.load(key, None);
        Ok(())
    };
    let Ok(done) = settle(&trial.definitions, state, root.clone(), now, load);
    trial.events.extend(done.events);
    trial.log.extend(done.log);
}

/// The configuration with the draft in it, in a folder of its own; the definitions that are there are read where they are.
fn write(folder: &Scratch, draft: &Draft, former: Option<&Loaded>, lang: Lang) -> anyhow::Result<()> {
    let mut config = match former {
        Some(loaded) => serde_yaml::from_str::<Mapping>(&std::fs::read_to_string(&loaded.settings.path)?)?,
        None => Mapping::new(),
    };
    let mut definitions: Vec<Yaml> =
        former.iter().flat_map(|l| &l.settings.definitions).map(|f| f.display().to_string().into()).collect();
    let drafted = folder.0.join("draft");
    definitions.push(drafted.display().to_string().into());
    config.insert("definitions".into(), definitions.into());
    config.remove("data"); // nothing is stored
    let sources = config.entry("sources".into()).or_insert_with(|| Yaml::Mapping(Mapping::new()));
    if let Yaml::Mapping(sources) = sources {
        sources.insert(draft.source.as_str().into(), draft.source());
    }
    std::fs::create_dir(&drafted)?;
    std::fs::write(drafted.join("draft.yaml"), serde_yaml::to_string(&draft.definitions(lang))?)?;
    std::fs::write(folder.0.join("config.yaml"), serde_yaml::to_string(&config)?)?;
    Ok(())
}

/// A folder that only its owner can read and that is removed again.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let name = format!("ifthen-add-{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
        let path = Path::new(&std::env::temp_dir()).join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0)); // the system clears its folder of temporary files by itself
    }
}

/// Whether a value of a payload fits the field that was drafted for it, and how it would be kept.
pub(super) fn kept(definitions: &Definitions, entity: &str, field: &str, sample: &Value) -> Option<Value> {
    let kind = &definitions.entities.get(entity)?.fields.get(field)?.kind;
    crate::engine::entity::normalise(kind, sample.clone(), &definitions.zone.0).ok()
}
