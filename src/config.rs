//! Settings: `trail.toml` in the store, and what the command line adds.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::model::KeyKind;
use crate::model::time::DateOrder;

/// What `trail.toml` says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Zone of times without one, by source or family; `default` for all others.
    #[serde(default)]
    pub zones: BTreeMap<String, String>,
    /// Whether the day (`dmy`) or the month (`mdy`) comes first in dates with slashes, by source or family;
    /// `default` for all others.
    #[serde(default)]
    pub dates: BTreeMap<String, DateOrder>,
    /// How records are joined where they share no id.
    #[serde(default)]
    pub stitch: StitchConfig,
    /// Who signs and who is believed.
    #[serde(default)]
    pub seal: SealConfig,
    /// What the gate does.
    #[serde(default)]
    pub gate: crate::gate::GateConfig,
    /// Files of public keys of sources that sign what they log, relative to the store.
    #[serde(default)]
    pub source_keys: Vec<std::path::PathBuf>,
    /// Who may see what of a protected store.
    #[serde(default)]
    pub roles: BTreeMap<String, crate::protect::Role>,
    /// How long texts are kept.
    #[serde(default)]
    pub retain: Vec<crate::access::Retain>,
    /// What must not be destroyed.
    #[serde(default)]
    pub hold: Vec<crate::access::Hold>,
    /// Mapping files of formats of one's own, relative to the store.
    #[serde(default)]
    pub mappings: Vec<std::path::PathBuf>,
    /// How many tasks a value of a key may reach before it is a hub, by key kind.
    #[serde(default)]
    pub hubs: BTreeMap<String, usize>,
}

/// The section `[stitch]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StitchConfig {
    /// How likely a cause must be to join its effect to its task, between 0.5 and 1.
    pub threshold: f64,
}

/// The section `[seal]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SealConfig {
    /// File of the secret key that signs checkpoints, relative to the store. It should lie where nobody
    /// can write who can write to the store.
    pub key: Option<std::path::PathBuf>,
    /// Public keys of which one has to have signed: a file, or the key itself.
    pub public_key: Option<String>,
}

impl SealConfig {
    /// Who signs: `TRAIL_SEAL_KEY`, else what the settings say.
    ///
    /// # Errors
    /// The key cannot be read.
    pub fn signer(
        &self,
        store: &Path,
    ) -> Result<Option<signed_note::StandardSigner>, crate::seal::KeyError> {
        let given = std::env::var_os("TRAIL_SEAL_KEY").map(std::path::PathBuf::from);
        let path = given.or_else(|| self.key.as_ref().map(|key| store.join(key)));
        path.map(|path| crate::seal::read_signer(&path)).transpose()
    }
}

impl Default for StitchConfig {
    fn default() -> Self {
        Self { threshold: 0.9 }
    }
}

/// Why settings are not usable.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The file is not TOML of the right shape.
    #[error("{path} is not valid: {reason}")]
    #[diagnostic(help(
        "there are mappings = [\"file.toml\"], [zones] (source = \"Europe/Berlin\"), [dates] (source = \"mdy\"), [hubs] (trace = 50), [stitch] (threshold = 0.9), [seal] (key = \"/safe/trail.key\"), [roles.NAME] (recipients, may, hide), [[retain]] and [[hold]], and [gate] (deny = \"critical\")"
    ))]
    Toml {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
        /// The file.
        #[source_code]
        text: miette::NamedSource<String>,
        /// Where.
        #[label("here")]
        span: Option<miette::SourceSpan>,
    },
    /// A threshold that is no probability.
    #[error("the threshold {threshold} of [stitch] is not between 0.5 and 1")]
    #[diagnostic(help("a wrong link is worse than a missing one: 0.9 is the default"))]
    Threshold {
        /// As given.
        threshold: f64,
    },
    /// A date order that is none.
    #[error("`{order}` is no order of day and month")]
    #[diagnostic(help("`dmy` (31/12/2025) or `mdy` (12/31/2025)"))]
    DateOrder {
        /// As written.
        order: String,
    },
    /// A zone that the time zone database does not know.
    #[error("`{zone}` is no time zone")]
    #[diagnostic(help("use an IANA name such as Europe/Berlin, America/New_York or UTC"))]
    Zone {
        /// As given.
        zone: String,
    },
    /// A key kind that does not exist.
    #[error("`{kind}` is no kind of key")]
    #[diagnostic(help("kinds are {kinds}"))]
    Kind {
        /// As given.
        kind: String,
        /// All there are.
        kinds: String,
    },
}

impl Config {
    /// Reads a store's `trail.toml`; without one, everything has its default.
    ///
    /// # Errors
    /// The file is there and not usable.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(ConfigError::Io {
                    path: path.display().to_string(),
                    error,
                });
            }
        };
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Toml {
            path: path.display().to_string(),
            reason: error.message().to_owned(),
            span: error.span().map(Into::into),
            text: miette::NamedSource::new(path.display().to_string(), text.clone()),
        })?;
        let threshold = config.stitch.threshold;
        if !(0.5..1.0).contains(&threshold) {
            return Err(ConfigError::Threshold { threshold });
        }
        for kind in config.hubs.keys() {
            if KeyKind::from_name(kind).is_none() {
                let kinds = KeyKind::ALL
                    .iter()
                    .map(|kind| kind.as_str())
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(ConfigError::Kind {
                    kind: kind.clone(),
                    kinds,
                });
            }
        }
        for zone in config.zones.values() {
            zone_of(zone)?;
        }
        Ok(config)
    }
}

/// The zone of that name.
///
/// # Errors
/// The time zone database does not know it.
pub fn zone_of(name: &str) -> Result<TimeZone, ConfigError> {
    TimeZone::get(name).map_err(|_| ConfigError::Zone {
        zone: name.to_owned(),
    })
}

/// A setting by source.
#[derive(Clone, Debug)]
struct BySource<T> {
    by_source: BTreeMap<String, T>,
    default: Option<T>,
}

impl<T> Default for BySource<T> {
    fn default() -> Self {
        Self {
            by_source: BTreeMap::new(),
            default: None,
        }
    }
}

impl<T> BySource<T> {
    /// From settings, where `default` is for all others, then from arguments (`VALUE` or `SOURCE=VALUE`),
    /// which win.
    fn new<'a, E>(
        settings: impl Iterator<Item = (&'a String, T)>,
        arguments: &[String],
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Self, E> {
        let mut all = Self::default();
        for (source, value) in settings {
            all.set((source != "default").then_some(source), value);
        }
        for argument in arguments {
            match argument.split_once('=') {
                Some((source, value)) => all.set(Some(source), read(value)?),
                None => all.set(None::<&str>, read(argument)?),
            }
        }
        Ok(all)
    }

    fn set(&mut self, source: Option<impl AsRef<str>>, value: T) {
        match source {
            Some(source) => {
                self.by_source.insert(source.as_ref().to_owned(), value);
            }
            None => self.default = Some(value),
        }
    }

    /// Of a source such as `sap:prod` of family `sap`.
    fn of(&self, source: &str, family: &str) -> Option<&T> {
        let prefix = source.split(':').next().unwrap_or(source);
        let found = [source, prefix, family]
            .iter()
            .find_map(|name| self.by_source.get(*name));
        found.or(self.default.as_ref())
    }
}

/// Whether the day or the month comes first in a source's dates with slashes.
#[derive(Clone, Debug, Default)]
pub struct DateOrders(BySource<DateOrder>);

impl DateOrders {
    /// From settings, then from `--date-order` arguments (`dmy`, `mdy` or `SOURCE=dmy`), which win.
    ///
    /// # Errors
    /// An argument that is none of the two.
    pub fn new(config: &Config, arguments: &[String]) -> Result<Self, ConfigError> {
        let settings = config.dates.iter().map(|(source, order)| (source, *order));
        let read = |text: &str| {
            DateOrder::from_name(text).ok_or_else(|| ConfigError::DateOrder {
                order: text.to_owned(),
            })
        };
        BySource::new(settings, arguments, read).map(Self)
    }

    /// Of a source such as `sap:prod` of family `sap`, where one was given.
    #[must_use]
    pub fn of(&self, source: &str, family: &str) -> Option<&DateOrder> {
        self.0.of(source, family)
    }
}

/// Which zone a source's times without one are in.
#[derive(Clone, Debug, Default)]
pub struct Zones(BySource<(String, TimeZone)>);

impl Zones {
    /// From settings, then from `--tz` arguments (`ZONE` or `SOURCE=ZONE`), which win.
    ///
    /// # Errors
    /// A zone that does not exist.
    pub fn new(config: &Config, arguments: &[String]) -> Result<Self, ConfigError> {
        let read = |zone: &str| zone_of(zone).map(|found| (zone.to_owned(), found));
        let mut settings = Vec::new();
        for (source, zone) in &config.zones {
            settings.push((source, read(zone)?));
        }
        BySource::new(settings.into_iter(), arguments, read).map(Self)
    }

    /// Zone, its name and whether it was given, for a source such as `sap:prod` of family `sap`.
    #[must_use]
    pub fn of(&self, source: &str, family: &str) -> (TimeZone, String, bool) {
        match self.0.of(source, family) {
            Some((name, zone)) => (zone.clone(), name.clone(), true),
            None => (TimeZone::UTC, "UTC".to_owned(), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_zone_wins() {
        let config: Config =
            toml::from_str("[zones]\ndefault = \"Asia/Tokyo\"\nsap = \"Europe/Berlin\"").unwrap();
        let zones = Zones::new(&config, &["sap:us=America/New_York".to_owned()]).unwrap();
        assert_eq!(zones.of("sap:us", "sap").1, "America/New_York");
        assert_eq!(zones.of("sap:prod", "sap").1, "Europe/Berlin");
        assert_eq!(zones.of("kong", "kong").1, "Asia/Tokyo");
        assert!(Zones::new(&config, &["sap=Berlin".to_owned()]).is_err());
    }

    #[test]
    fn a_wrong_setting_is_shown_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail.toml");
        std::fs::write(&path, "[hub]\ntrace = 5\n").unwrap();
        let error = Config::load(&path).unwrap_err();
        assert!(error.to_string().contains("unknown field `hub`"), "{error}");
        std::fs::write(&path, "[hubs]\ntraces = 5\n").unwrap();
        assert!(
            Config::load(&path)
                .unwrap_err()
                .to_string()
                .contains("no kind of key")
        );
    }
}
