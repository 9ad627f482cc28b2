//! `serve`: what is served, where, and to whom.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Folder of the built page [default: web/site under the current folder]
    #[arg(long, value_name = "DIR")]
    pub site: Option<PathBuf>,
    /// A model bundle, served under /bundles/NAME/; may be given several times
    #[arg(long, value_name = "NAME=DIR")]
    pub bundle: Vec<NamedFolder>,
    /// Folder of model bundles: each folder in it is served under /bundles/
    #[arg(long, value_name = "DIR")]
    pub bundles: Option<PathBuf>,
    /// Folder of profiles, served under /profiles/
    #[arg(long, value_name = "DIR")]
    pub profiles: Option<PathBuf>,
    /// Address to listen at; 0.0.0.0 lets the whole network in
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen at; 0 takes any free one
    #[arg(long, default_value_t = 8470)]
    pub port: u16,
    /// Open the page in the browser
    #[arg(long)]
    pub open: bool,
    /// Also answer to this name, as behind a proxy; may be given several times
    #[arg(long, value_name = "NAME[:PORT]")]
    pub allow_host: Vec<String>,
    /// Let pages of other origins load what is served
    #[arg(long)]
    pub cors: bool,
}

/// A folder and the name it is served by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFolder {
    /// Part of an address.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
}

impl FromStr for NamedFolder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, folder) = text
            .split_once('=')
            .ok_or("it must be NAME=DIR, as mini=models/mini")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(format!(
                "`{name}` cannot be part of an address: take letters, digits, `-`, `_` and `.`, no `.` in front"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            folder: folder.into(),
        })
    }
}
