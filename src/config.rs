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
    /// How ids are written that the formats do not know by themselves.
    #[serde(default)]
    pub keys: Vec<KeySetting>,
}

/// A section `[[keys]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySetting {
    /// Kind of key that a hit is.
    pub kind: String,
    /// Regular expression; its first group is the id, without one the whole hit.
    pub pattern: String,
    /// Source or family whose records it is looked for in; without one, all.
    pub source: Option<String>,
}

/// The section `[stitch]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StitchConfig {
    /// How likely a cause must be to join its effect to its task, between 0.5 and 1.
    pub threshold: f64,
    /// Events that are weighed together at most, where their times allow; memory grows with it.
    pub cell: std::num::NonZeroUsize,
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
        const CELL: std::num::NonZeroUsize = std::num::NonZeroUsize::new(1 << 16).unwrap();
        Self {
            threshold: 0.9,
            cell: CELL,
        }
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
        "there are mappings = [\"file.toml\"], [zones] (source = \"Europe/Berlin\"), [dates] (source = \"mdy\"), [hubs] (trace = 50), [[keys]] (kind = \"invoice\", pattern = 'RE-(\\d+)'), [stitch] (threshold = 0.9, cell = 65536), [seal] (key = \"/safe/trail.key\"), [roles.NAME] (recipients, may, hide), [[retain]] and [[hold]], and [gate] (deny = \"critical\")"
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
    /// A pattern of keys that is no regular expression, or fits nothing that could be an id.
    #[error("the pattern `{pattern}` of [[keys]] cannot be used: {reason}")]
    #[diagnostic(help(
        "in TOML, a pattern in single quotes needs no doubled backslashes: pattern = '\\bRE-(\\d{{6}})\\b'"
    ))]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn kind_of_key(name: &str) -> Result<KeyKind, ConfigError> {
    KeyKind::from_name(name).ok_or_else(|| ConfigError::Kind {
        kind: name.to_owned(),
        kinds: KeyKind::ALL
            .iter()
            .map(|kind| kind.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// How ids are written that the formats do not know by themselves, ready to be looked for.
#[derive(Clone, Debug, Default)]
pub struct KeyPatterns(Vec<(Option<String>, KeyPattern)>);

/// A pattern of ids.
#[derive(Clone, Debug)]
pub struct KeyPattern {
    /// Kind of key that a hit is.
    pub kind: KeyKind,
    /// Its first group is the id, without one the whole hit.
    pub pattern: regex::Regex,
}

impl KeyPatterns {
    /// From settings.
    ///
    /// # Errors
    /// A kind that does not exist, a pattern that is no regular expression or fits an empty text.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let compiled = config.keys.iter().map(|setting| {
            let wrong = |reason: String| ConfigError::Pattern {
                pattern: setting.pattern.clone(),
                reason,
            };
            let pattern =
                regex::Regex::new(&setting.pattern).map_err(|error| wrong(error.to_string()))?;
            if pattern.is_match("") {
                return Err(wrong("it fits an empty text".to_owned()));
            }
            let kind = kind_of_key(&setting.kind)?;
            Ok((setting.source.clone(), KeyPattern { kind, pattern }))
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Those of a source such as `sap:prod` of family `sap`.
    #[must_use]
    pub fn of(&self, source: &str, family: &str) -> Vec<KeyPattern> {
        let prefix = source.split(':').next().unwrap_or(source);
        let of_source = |name: &Option<String>| {
            let name = name.as_deref();
            name.is_none_or(|name| [source, prefix, family].contains(&name))
        };
        let own = self.0.iter().filter(|(name, _)| of_source(name));
        own.map(|(_, pattern)| pattern.clone()).collect()
    }
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
            kind_of_key(kind)?;
        }
        KeyPatterns::new(&config)?;
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
    fn patterns_of_keys_are_checked() {
        let config: Config = toml::from_str(
            "[[keys]]\nkind = \"invoice\"\npattern = 'RE-(\\d{6})'\nsource = \"sap\"\n",
        )
        .unwrap();
        let patterns = KeyPatterns::new(&config).unwrap();
        assert_eq!(patterns.of("sap:prod", "sap").len(), 1);
        assert!(patterns.of("kong", "kong").is_empty());
        for (wrong, said) in [
            ("kind = \"bill\"\npattern = 'x'", "no kind of key"),
            ("kind = \"invoice\"\npattern = '('", "cannot be used"),
            ("kind = \"invoice\"\npattern = 'x*'", "empty text"),
        ] {
            let config: Config = toml::from_str(&format!("[[keys]]\n{wrong}\n")).unwrap();
            let error = KeyPatterns::new(&config).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
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
