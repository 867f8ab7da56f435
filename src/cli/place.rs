//! Where things are: the store, its zone and language, as the configuration says. A configuration that does not compile must
//! not keep anyone from reading the log: then the few words needed are taken from it as they stand.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;

use super::phrase::Speech;
use super::words::{Lang, Words as _};
use super::{Context, eprintln};
use crate::config::{self, Loaded, Report};
use crate::engine::definition::{Definitions, Zone};
use crate::store::{self, sqlite::Reader};

/// Where the daemon of this configuration keeps its things, and how to speak about them.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The store's file.
    pub(crate) store: PathBuf,
    /// Language and zone.
    pub(crate) speech: Speech,
}

impl Context {
    /// The language before, or without, a configuration.
    pub(crate) fn lang(&self) -> Lang {
        self.options.lang.unwrap_or(self.options.locale)
    }

    /// Loads everything.
    pub(crate) fn load(&self) -> Result<Loaded, Box<Report>> {
        config::load(&self.config, &self.options).map_err(Box::new)
    }

    /// Loads everything, for those who only read: a shell without the daemon's secrets can still do that.
    fn load_to_read(&self) -> Result<Loaded, Box<Report>> {
        self.load().or_else(|report| {
            let without = config::Options { environment: false, ..self.options.clone() };
            config::load(&self.config, &without).map_err(|_| report)
        })
    }

    /// Where things are.
    pub(crate) fn place(&self) -> anyhow::Result<Place> {
        match self.load_to_read() {
            Ok(loaded) => Ok(Place::of(&loaded)),
            Err(_) => self.glance(),
        }
    }

    /// Where things are, and the definitions as they stand in the folder, if these compile.
    pub(crate) fn place_and_definitions(&self) -> anyhow::Result<(Place, Option<Definitions>)> {
        match self.load_to_read() {
            Ok(loaded) => Ok((Place::of(&loaded), Some(loaded.definitions))),
            Err(_) => Ok((self.glance()?, None)),
        }
    }

    /// The few words that reading the store needs, from a configuration that does not compile.
    fn glance(&self) -> anyhow::Result<Place> {
        let lang = self.lang();
        let path = self.config.display();
        let Ok(text) = std::fs::read_to_string(&self.config) else {
            bail!(lang.pick(
                format!("there is no configuration {path}: name it with -c FILE, or begin with `ifthen init`"),
                format!("找不到配置文件 {path}:请用 -c 指定,或先运行 `ifthen init`"),
            ));
        };
        let yaml: serde_yaml::Value = serde_yaml::from_str(&text).with_context(|| {
            lang.pick(
                format!("{path} is not valid YAML; see `ifthen check`"),
                format!("{path} 不是有效的 YAML,请运行 `ifthen check`"),
            )
        })?;
        let word = |name: &str| yaml.get(name).and_then(serde_yaml::Value::as_str);
        let lang = self.options.lang.or(word("lang").map(Lang::of)).unwrap_or(lang);
        let zone = word("zone").and_then(|z| TimeZone::get(z).ok()).unwrap_or_else(|| Zone::default().0);
        let data = self.config.parent().unwrap_or(Path::new("")).join(word("data").unwrap_or("data"));
        eprintln(lang.pick(
            "ifthen: the configuration or its definitions have problems (`ifthen check` tells them); reading on without them",
            "ifthen: 配置或定义有问题(运行 `ifthen check` 查看),先按现有配置读取",
        ));
        Ok(Place::new(data, Speech { lang, zone }))
    }
}

impl Place {
    fn of(loaded: &Loaded) -> Self {
        let speech = Speech { lang: loaded.lang, zone: loaded.definitions.zone.0.clone() };
        Self::new(loaded.settings.data.clone(), speech)
    }

    fn new(data: PathBuf, speech: Speech) -> Self {
        Self { store: crate::daemon::store_file(&data), data, speech }
    }

    /// The language.
    pub(crate) fn lang(&self) -> Lang {
        self.speech.lang
    }

    /// Opens the store for reading.
    pub(crate) fn reader(&self) -> anyhow::Result<Reader> {
        Reader::open(&self.store).map_err(|error| self.kind(error))
    }

    /// What a store's failure means for those who read it.
    pub(crate) fn kind(&self, error: store::Error) -> anyhow::Error {
        match error {
            store::Error::Absent(_) if !self.store.exists() => anyhow::anyhow!(self.lang().pick(
                format!("nothing has been stored yet in {}: start the daemon with `ifthen run`", self.data.display()),
                format!("{} 中还没有数据:请先用 `ifthen run` 启动", self.data.display()),
            )),
            other => other.into(),
        }
    }
}
