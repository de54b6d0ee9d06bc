//! What is given to every command: which store, who asks, and what is to be shown of it.

use std::path::{Path, PathBuf};

use miette::{Result, miette};

use super::access::record_look;
use crate::config::Config;
use crate::normalise::Personal;
use crate::protect::Access;
use crate::store::Store;

/// Arguments of all commands.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct Given {
    /// The store's folder [default: the nearest `.trail` folder upward]
    #[arg(long, global = true, env = "TRAIL_STORE", value_name = "DIR")]
    store: Option<PathBuf>,
    /// Look at a protected store in this role of its trail.toml
    #[arg(
        long = "as",
        global = true,
        env = "TRAIL_ROLE",
        value_name = "ROLE",
        help_heading = "Access"
    )]
    role: Option<String>,
    /// File of your secret key of age, for a protected store
    #[arg(
        long,
        global = true,
        env = "TRAIL_IDENTITY",
        value_name = "FILE",
        help_heading = "Access"
    )]
    pub(super) identity: Option<PathBuf>,
    /// Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason
    #[arg(
        long,
        global = true,
        value_delimiter = ',',
        value_name = "KIND",
        help_heading = "Access"
    )]
    reveal: Vec<String>,
    /// Why you look at this; it is written down with the look (`trail access`)
    #[arg(
        long,
        global = true,
        value_name = "TEXT",
        env = "TRAIL_REASON",
        default_value = "",
        hide_default_value = true,
        help_heading = "Access"
    )]
    pub(super) reason: String,
}

impl Given {
    /// `--store`, else the nearest `.trail` folder upward, else `.trail` here.
    pub(super) fn path(&self) -> PathBuf {
        if let Some(path) = &self.store {
            return path.clone();
        }
        let here = std::env::current_dir().unwrap_or_default();
        here.ancestors()
            .map(|folder| folder.join(".trail"))
            .find(|path| path.is_dir())
            .unwrap_or_else(|| PathBuf::from(".trail"))
    }

    /// Opens the store as who asks sees it. What is revealed is written down before anything is shown.
    pub(super) fn open(&self) -> Result<Store> {
        let store = Store::open(&self.path()).map_err(|error| {
            miette!(
                help = "`trail ingest DUMPS…` makes one; --store or TRAIL_STORE says where",
                "{error}"
            )
        })?;
        if self.role.is_none() && self.identity.is_none() && self.reveal.is_empty() {
            return Ok(store);
        }
        let root = store.layout().root.clone();
        let config = Config::load(&store.layout().config())?;
        let (role, identity) = (self.role.as_deref(), self.identity.as_deref());
        let mut access = Access::with_key(&root, &config.roles, role, identity)?;
        // Where nothing is protected there is nothing to reveal.
        if self.reveal.is_empty() || !access.is_protected() {
            return store
                .with_access(access)
                .map_err(|error| miette!("{error}"));
        }
        if self.reason.trim().is_empty() {
            return Err(miette!(
                help = "--reason \"why\" is written down with it (`trail access`)",
                "to reveal who people are needs a reason"
            ));
        }
        access.reveal(&kinds(&self.reveal)?)?;
        let store = store
            .with_access(access)
            .map_err(|error| miette!("{error}"))?;
        record_look(&store, "reveal", self.reveal.join(", "), 0, &self.reason)?;
        Ok(store)
    }

    /// Who asks, in which role.
    pub(super) fn who(&self) -> (Option<&str>, Option<&Path>) {
        (self.role.as_deref(), self.identity.as_deref())
    }
}

fn kinds(names: &[String]) -> Result<Vec<Personal>> {
    let mut kinds = Vec::new();
    for name in names {
        match Personal::from_name(name) {
            Some(kind) => kinds.push(kind),
            None if name == "all" => kinds.extend(Personal::ALL),
            None => {
                let all: Vec<&str> = Personal::ALL.iter().map(|kind| kind.as_str()).collect();
                return Err(miette!(
                    "`{name}` is no kind of personal datum; kinds are all, {}",
                    all.join(", ")
                ));
            }
        }
    }
    Ok(kinds)
}
