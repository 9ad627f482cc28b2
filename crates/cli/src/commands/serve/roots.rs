//! The folders that are served, and the file that an address means.
//!
//! `/bundles/NAME/…` and `/profiles/NAME` are ours; everything else belongs to the page.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::listing;
use super::names::Names;
use crate::args::ServeArgs;
use crate::error::{CliError, Outcome};

/// A bundle's table of contents; a folder without one is no bundle.
const BUNDLE: &str = "bundle.json";
/// What a folder shows.
const INDEX: &str = "index.html";
/// Where `cargo xtask web` puts the page.
const BUILT: &str = "web/site";

/// The folders, all absolute and without links.
pub struct Roots {
    site: PathBuf,
    /// Bundles given one by one; they come before those of the folder.
    named: BTreeMap<String, PathBuf>,
    bundles: Option<PathBuf>,
    profiles: Option<PathBuf>,
}

/// What an address means.
pub enum Found {
    /// A file.
    File(PathBuf),
    /// A folder, asked for without the slash at its end: relative addresses would go wrong.
    Folder,
    /// A list, as JSON.
    List(serde_json::Value),
}

impl Roots {
    /// Finds the folders that were asked for.
    ///
    /// # Errors
    /// One that is not there, or holds nothing of its kind.
    pub fn open(args: &ServeArgs) -> Outcome<Self> {
        let site = match &args.site {
            Some(site) => folder(site)?,
            None => folder(Path::new(BUILT)).map_err(|_| {
                CliError::Input(format!(
                    "there is no page at {BUILT}: build it with `cargo xtask web`, or name its folder with --site"
                ))
            })?,
        };
        with(&site, INDEX, "a page: `cargo xtask web` builds one")?;
        let mut named = BTreeMap::new();
        for bundle in &args.bundle {
            let root = folder(&bundle.folder)?;
            with(&root, BUNDLE, "a bundle: `anomalysd export` makes one")?;
            if named.insert(bundle.name.clone(), root).is_some() {
                return Err(CliError::Input(format!(
                    "two bundles are named `{}`",
                    bundle.name
                )));
            }
        }
        let bundles = args.bundles.as_deref().map(folder).transpose()?;
        if let Some(bundles) = &bundles
            && bundles.join(BUNDLE).is_file()
        {
            let reason = "is a bundle itself: give it as --bundle NAME=DIR";
            return Err(CliError::at(bundles, reason));
        }
        Ok(Self {
            site,
            named,
            bundles,
            profiles: args.profiles.as_deref().map(folder).transpose()?,
        })
    }

    /// Looks on the disk for what an address means.
    ///
    /// # Errors
    /// A folder to list that cannot be read.
    pub fn find(&self, asked: &Names) -> std::io::Result<Option<Found>> {
        let names: Vec<&str> = asked.names.iter().map(String::as_str).collect();
        Ok(match names.as_slice() {
            ["bundles"] | ["profiles"] if !asked.folder => Some(Found::Folder),
            ["bundles"] => Some(Found::List(listing::bundles(&self.bundles()?))),
            ["profiles"] => Some(Found::List(listing::profiles(&self.profiles()?))),
            ["bundles", name, rest @ ..] => self
                .bundle(name)
                .and_then(|root| below(&root, rest, asked.folder)),
            ["profiles", name] if is_profile(name) => self
                .profiles
                .as_deref()
                .and_then(|root| below(root, &[name], asked.folder)),
            ["profiles", ..] => None,
            names => below(&self.site, names, asked.folder),
        })
    }

    fn bundle(&self, name: &str) -> Option<PathBuf> {
        let root = match self.named.get(name) {
            Some(root) => root.clone(),
            None => inside(self.bundles.as_deref()?, &[name])?,
        };
        root.join(BUNDLE).is_file().then_some(root)
    }

    /// Names of all bundles, sorted.
    fn bundles(&self) -> std::io::Result<Vec<String>> {
        let mut names: Vec<String> = self.named.keys().cloned().collect();
        if let Some(folder) = &self.bundles {
            names.extend(entries(folder)?);
        }
        names.retain(|name| self.bundle(name).is_some());
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Names and sizes in bytes of all profiles, sorted.
    fn profiles(&self) -> std::io::Result<Vec<(String, u64)>> {
        let Some(folder) = &self.profiles else {
            return Ok(Vec::new());
        };
        let mut profiles = Vec::new();
        for name in entries(folder)? {
            if is_profile(&name)
                && let Some(Found::File(file)) = below(folder, &[&name], false)
            {
                profiles.push((name, file.metadata()?.len()));
            }
        }
        profiles.sort();
        Ok(profiles)
    }
}

fn is_profile(name: &str) -> bool {
    name.ends_with(".safetensors")
}

/// Names in a folder that an address can say.
fn entries(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// What names mean below a folder.
fn below(root: &Path, names: &[&str], folder: bool) -> Option<Found> {
    let path = inside(root, names)?;
    if path.is_dir() {
        if !folder {
            return Some(Found::Folder);
        }
        let index = inside(&path, &[INDEX])?;
        return index.is_file().then_some(Found::File(index));
    }
    // Not a pipe or a device, which would be waited for without end.
    (path.is_file() && !folder).then_some(Found::File(path))
}

/// The place of names below a folder, where it is there, is inside also after all links, and is
/// not hidden there.
fn inside(root: &Path, names: &[&str]) -> Option<PathBuf> {
    let mut path = root.to_owned();
    path.extend(names);
    let path = path.canonicalize().ok()?;
    let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let plain = !path.strip_prefix(root).ok()?.iter().any(hidden);
    plain.then_some(path)
}

fn folder(path: &Path) -> Outcome<PathBuf> {
    let path = path
        .canonicalize()
        .map_err(|error| CliError::at(path, format!("cannot be served: {error}")))?;
    if !path.is_dir() {
        return Err(CliError::at(&path, "is not a folder"));
    }
    Ok(path)
}

fn with(folder: &Path, file: &str, of: &str) -> Outcome {
    if folder.join(file).is_file() {
        return Ok(());
    }
    Err(CliError::at(
        folder,
        format!("has no {file}, so it is not {of}"),
    ))
}
