//! Local files, by their path, by folder, or by globs. Opens none of them.
//!
//! A file is known by its path: one that is reached by two paths, over a symbolic link, is two files.
//! Files come in the order of the config, and below a folder in order of their names. What is no
//! readable file, under a name that is wanted, is refused as `unreadable`, and so is every folder that
//! cannot be walked.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use futures::stream::BoxStream;
use globset::{GlobBuilder, GlobMatcher};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::walk::{Found, Walk, look};
use super::{Source, SourceError, Step, paced};
use crate::model::{Outcome, Request, ScopeOverride, Seed, canonical, canonical_file};

/// Endings of the files that are taken from a folder.
const ENDINGS: [&str; 7] = ["html", "htm", "xhtml", "xml", "json", "txt", "md"];

/// What helps against most of what is wrong in a glob.
const GLOB_HINT: &str = " (a `[` that stands for itself is written `[[]`)";

/// What is escaped in a segment of a path, as the URL standard does it; `%` too, since names are raw.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'/')
    .add(b'%')
    .add(b'\\');

/// `[[sources]] type = "files"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the source in records.
    pub id: String,
    /// Files, folders or globs (`docs/**/*.html`), relative to the config. A folder means all files
    /// below it with a known ending: html, htm, xhtml, xml, json, txt, md.
    #[schemars(extend("format" = "paths"))]
    pub paths: Vec<PathBuf>,
    /// Address that the root of the tree stands for: relative links resolve against it.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Which links are followed from its pages: the keys of `[scope]` that are different for this source.
    #[serde(default)]
    pub scope: Option<ScopeOverride>,
}

/// The source `files`.
#[derive(Debug)]
pub struct Files {
    id: String,
    /// Address of the root of each tree, with a slash at its end.
    base: Option<String>,
    trees: Vec<Tree>,
}

/// What one entry of `paths` means.
#[derive(Debug)]
struct Tree {
    /// The folder that `base_url` stands for.
    root: PathBuf,
    wanted: Wanted,
    /// Where it stands in the config.
    place: String,
}

#[derive(Debug)]
enum Wanted {
    /// This file, whatever its ending.
    File(PathBuf),
    /// All files with a known ending.
    KnownEndings,
    /// Files whose path below the root matches.
    Glob(GlobMatcher, Option<usize>),
}

impl Files {
    /// A source as its settings say. Looks at what the paths are, not yet at what is below them.
    pub fn new(settings: &Settings) -> Result<Self, SourceError> {
        let id = settings.id.clone();
        let wrong = |path: &Path, what| SourceError::Format { id: id.clone(), path: path.into(), what };
        let base = settings.base_url.as_deref().map(base_of).transpose();
        let base = base.map_err(|(url, what)| wrong(Path::new(url), what))?;
        let tree = |(index, path): (usize, &PathBuf)| {
            let (root, wanted) = meaning(path).map_err(|what| wrong(path, what))?;
            Ok(Tree { root, wanted, place: format!("sources.{id}.paths[{index}]") })
        };
        let trees = settings.paths.iter().enumerate().map(tree).collect::<Result<_, _>>()?;
        Ok(Self { id: settings.id.clone(), base, trees })
    }
}

impl Source for Files {
    fn requests(self: Box<Self>) -> BoxStream<'static, Result<Seed, SourceError>> {
        let Self { id, base, trees } = *self;
        paced(trees.into_iter().flat_map(move |tree| Pour::new(tree, id.clone(), base.clone())))
    }
}

/// A tree being poured.
struct Pour {
    tree: Tree,
    id: String,
    base: Option<String>,
    walk: Walk,
    /// A file that is named by itself and not yet looked at.
    file: Option<PathBuf>,
    found: u64,
}

impl Pour {
    fn new(tree: Tree, id: String, base: Option<String>) -> Self {
        let (walk, file) = match &tree.wanted {
            Wanted::File(path) => (Walk::default(), Some(path.clone())),
            Wanted::KnownEndings => (Walk::new(tree.root.clone(), None), None),
            // A glob below a folder that is not there matches nothing.
            Wanted::Glob(..) if !tree.root.is_dir() => (Walk::default(), None),
            Wanted::Glob(_, max_depth) => (Walk::new(tree.root.clone(), *max_depth), None),
        };
        Self { tree, id, base, walk, file, found: 0 }
    }

    /// The seed of what was found, if it is wanted.
    fn seed(&self, found: Found) -> Option<Seed> {
        let (path, fault) = match found {
            Found::File(path) if self.wants(&path) => (path, None),
            Found::Odd(path, fault) if self.wants(&path) => (path, Some(fault)),
            Found::Closed(path, fault) => (path, Some(fault)),
            Found::File(_) | Found::Odd(..) => return None,
        };
        let place = Some(self.tree.place.clone());
        let Some(url) = canonical_file(&path) else {
            let request = Request::unusable(&path.to_string_lossy(), &*self.id);
            return Some(Seed::refused(request, Outcome::Unreadable, "has no `file:` URL", place));
        };
        let request = Request::seed(&url, &*self.id);
        Some(match fault {
            None => Seed::Request(Request { base_url: self.base_url(&path), ..request }),
            Some(fault) => Seed::refused(request, Outcome::Unreadable, fault, place),
        })
    }

    fn wants(&self, path: &Path) -> bool {
        match &self.tree.wanted {
            Wanted::File(_) => true,
            Wanted::KnownEndings => {
                let ending = path.extension().unwrap_or_default();
                ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
            }
            Wanted::Glob(glob, _) => path.strip_prefix(&self.tree.root).is_ok_and(|path| glob.is_match(path)),
        }
    }

    fn base_url(&self, path: &Path) -> Option<String> {
        let below = path.strip_prefix(&self.tree.root).ok()?;
        let segments: Vec<_> = below
            .components()
            .map(|part| percent_encode(part.as_os_str().as_bytes(), SEGMENT).to_string())
            .collect();
        Some(format!("{}{}", self.base.as_ref()?, segments.join("/")))
    }
}

impl Iterator for Pour {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let found = match self.file.take() {
            Some(file) => Some(Some(look(&file))),
            None => self.walk.next(),
        };
        let Some(found) = found else {
            if self.found == 0 {
                let place = &self.tree.place;
                tracing::warn!(source = %self.id, %place, root = ?self.tree.root, "no file matches");
            }
            return None;
        };
        let seed = found.and_then(|found| self.seed(found));
        self.found += u64::from(seed.is_some());
        Some(seed.map(Ok))
    }
}

/// Whether a path means something: itself where it exists, else a glob. The error says why it is no glob.
pub fn check_path(path: &Path) -> Result<(), String> {
    meaning(path).map(drop)
}

/// The address that the root stands for, with a slash at its end.
fn base_of(text: &str) -> Result<String, (&str, String)> {
    let mut url =
        canonical(text, None).map_err(|error| (text, format!("`base_url` cannot be used: {error}")))?;
    url.set_query(None);
    let slash = if url.path().ends_with('/') { "" } else { "/" };
    Ok(format!("{url}{slash}"))
}

/// What exists means itself, whatever signs are in its name, a file as well as the folders before a glob;
/// else signs of a glob make it one.
fn meaning(path: &Path) -> Result<(PathBuf, Wanted), String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    let signs = |part: &Component| part.as_os_str().as_bytes().iter().any(|byte| b"*?[{\\".contains(byte));
    let parts: Vec<_> = path.components().collect();
    let is_there = |at: usize| fs::symlink_metadata(parts[..=at].iter().collect::<PathBuf>()).is_ok();
    let glob_at = (0..parts.len()).find(|at| signs(&parts[*at]) && !is_there(*at));
    match glob_at {
        Some(at) => {
            let glob: PathBuf = parts[at..].iter().collect();
            let glob = glob.to_str().ok_or("a glob must be UTF-8")?;
            let matcher = GlobBuilder::new(glob).literal_separator(true).build();
            let matcher = matcher
                .map_err(|error| format!("is not a glob: {}{GLOB_HINT}", error.kind()))?
                .compile_matcher();
            Ok((plain(&parts[..at].iter().collect::<PathBuf>()), Wanted::Glob(matcher, depth(glob))))
        }
        _ if path.is_dir() => Ok((plain(&path), Wanted::KnownEndings)),
        _ => {
            let path = plain(&path);
            Ok((path.parent().unwrap_or(&path).to_owned(), Wanted::File(path)))
        }
    }
}

/// How many names deep a glob reaches at most; `None` if there is no bound.
fn depth(glob: &str) -> Option<usize> {
    (!glob.contains("**")).then(|| glob.split('/').count())
}

/// Without `..`: as the system sees it, since a symbolic link before it would lead elsewhere.
fn plain(path: &Path) -> PathBuf {
    let parts: Vec<_> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else {
        return path.to_owned();
    };
    let (above, below) = parts.split_at(last + 1);
    let above: PathBuf = above.iter().collect();
    fs::canonicalize(&above).unwrap_or(above).join(below.iter().collect::<PathBuf>())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;
    use tempfile::TempDir;
    use url::Url;

    use super::super::testing::{pour, show};
    use super::*;

    /// A folder with these files, each holding its name. A name with an arrow is a symbolic link.
    fn tree(names: &[&str]) -> TempDir {
        let dir = tempfile::tempdir().expect("temp dir");
        for name in names {
            let (name, target) = name.split_once(" -> ").unwrap_or((name, ""));
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            if target.is_empty() {
                fs::write(&path, name).expect("file");
            } else {
                symlink(target, &path).expect("link");
            }
        }
        dir
    }

    fn source(dir: &TempDir, paths: &[&str], base_url: Option<&str>) -> Files {
        let paths = paths.iter().map(|path| dir.path().join(path)).collect();
        Files::new(&Settings { id: "docs".into(), paths, base_url: base_url.map(Into::into), scope: None })
            .expect("source")
    }

    /// What comes out, with `~` for the folder.
    fn seeds(dir: &TempDir, paths: &[&str], base_url: Option<&str>) -> Vec<String> {
        let root = dir.path().to_str().expect("UTF-8");
        let show = show(pour(source(dir, paths, base_url)));
        show.iter().map(|line| line.replace("file://", "").replace(root, "~")).collect()
    }

    fn check(dir: &TempDir, path: &str, expected: &[&str]) {
        assert_eq!(seeds(dir, &[path], None), expected, "{path}");
    }

    #[test]
    fn files_folders_and_globs() {
        let dir = tree(&["b.html", "a/z.HTM", "a/c.css", "a/b/x.json", "c.txt", "odd", ".git/x.md"]);
        check(&dir, "odd", &["~/odd"]);
        check(&dir, "a", &["~/a/b/x.json", "~/a/z.HTM"]);
        check(&dir, ".", &["~/.git/x.md", "~/a/b/x.json", "~/a/z.HTM", "~/b.html", "~/c.txt"]);
        check(&dir, "*", &["~/b.html", "~/c.txt", "~/odd"]);
        check(&dir, "*/*.{css,htm}", &["~/a/c.css"]);
        check(&dir, "a/**/*", &["~/a/b/x.json", "~/a/c.css", "~/a/z.HTM"]);
        check(&dir, "a/../a/b/*", &["~/a/b/x.json"]);
        check(&dir, "**/[xz].*", &["~/.git/x.md", "~/a/b/x.json", "~/a/z.HTM"]);
        check(&dir, "none/*.html", &[]);
        check(&dir, "*.nothing", &[]);
        let missing =
            "~/none.html: unreadable at sources.docs.paths[1]: No such file or directory (os error 2)";
        assert_eq!(seeds(&dir, &["c.txt", "none.html"], None), ["~/c.txt", missing]);
    }

    #[test]
    fn a_folder_of_many_names_comes_in_order() {
        let names: Vec<_> = (0..600).map(|n| format!("{n:04}.html")).collect();
        let dir = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let expected: Vec<_> = names.iter().map(|name| format!("~/{name}")).collect();
        assert_eq!(seeds(&dir, &["."], None), expected);
    }

    #[test]
    fn base_url_stands_for_the_root() {
        let dir = tree(&["sub/a b%2F?#\u{e9}.html", "x.html"]);
        let base = Some("https://example.org/docs?old#x");
        let hostile = "~/sub/a%20b%252F%3F%23%C3%A9.html";
        let escaped = "https://example.org/docs/sub/a%20b%252F%3F%23%C3%A9.html";
        let top = "~/x.html (base https://example.org/docs/x.html)";
        assert_eq!(seeds(&dir, &["."], base), [format!("{hostile} (base {escaped})"), top.to_owned()]);
        assert_eq!(seeds(&dir, &["x.html"], base), [top]);
        let below = "~/x.html (base https://example.org/x.html)";
        assert_eq!(seeds(&dir, &["*.html"], Some("https://example.org")), [below]);
        let settings = Settings {
            id: "docs".into(),
            paths: Vec::new(),
            base_url: Some("example.org".into()),
            scope: None,
        };
        assert!(Files::new(&settings).expect_err("no URL").to_string().contains("`base_url` cannot be used"));
    }

    #[test]
    fn links_are_followed_but_not_in_circles() {
        let dir =
            tree(&["a/b/x.html", "a/b/up -> ..", "a/self -> self", "a/to.html -> b/x.html", "d -> a/b"]);
        let at = "unreadable at sources.docs.paths[0]";
        assert_eq!(
            seeds(&dir, &["."], None),
            [
                &format!("~/a/b/up: {at}: leads back to `~/a`, which it is in"),
                "~/a/b/x.html",
                &format!("~/a/self: {at}: symbolic links that lead in a circle"),
                "~/a/to.html",
                &format!("~/d/up/b: {at}: leads back to `~/d`, which it is in"),
                &format!("~/d/up/self: {at}: symbolic links that lead in a circle"),
                "~/d/up/to.html",
                "~/d/x.html",
            ]
        );
    }

    #[test]
    fn links_that_fork_at_each_level_come_to_an_end() {
        let names: Vec<_> =
            (0..40).flat_map(|n| ["a", "b"].map(|l| format!("{n}/{l} -> ../{}", n + 1))).collect();
        let dir = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
        fs::create_dir(dir.path().join("40")).expect("folder");
        assert_eq!(seeds(&dir, &["0"], None).len(), 1 << 9);
    }

    #[test]
    fn what_is_no_file_is_refused_where_its_name_is_wanted() {
        let dir = tree(&["gone.html -> nowhere", "gone -> nowhere", "dev.html -> /dev/null"]);
        for name in ["pipe.html", "pipe"] {
            let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
            rustix::fs::mknodat(rustix::fs::CWD, dir.path().join(name), kind, mode, 0).expect("pipe");
        }
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s.html")).expect("socket");
        let at = "unreadable at sources.docs.paths[0]";
        assert_eq!(
            seeds(&dir, &["*.html"], None),
            [
                format!("~/dev.html: {at}: a device, not a regular file"),
                format!("~/gone.html: {at}: a symbolic link that leads nowhere"),
                format!("~/pipe.html: {at}: a pipe, not a regular file"),
                format!("~/s.html: {at}: a socket, not a regular file"),
            ]
        );
        check(&dir, "pipe", &[&format!("~/pipe: {at}: a pipe, not a regular file")]);
    }

    #[test]
    fn what_may_not_be_read_is_refused_unless_it_can_be_read_all_the_same() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tree(&["closed/x.html", "x.html"]);
        for name in ["closed", "x.html"] {
            fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o000))
                .expect("permissions");
        }
        let found = seeds(&dir, &["."], None);
        fs::set_permissions(dir.path().join("closed"), fs::Permissions::from_mode(0o700))
            .expect("permissions");
        if rustix::process::geteuid().is_root() {
            assert_eq!(found, ["~/closed/x.html", "~/x.html"]);
        } else {
            let at = "unreadable at sources.docs.paths[0]";
            let denied = "Permission denied (os error 13)";
            let closed = format!("~/closed: {at}: cannot list this folder: {denied}");
            assert_eq!(found, [closed, format!("~/x.html: {at}: {denied}")]);
        }
    }

    #[test]
    fn a_path_that_exists_means_itself() {
        let dir = tree(&["a[1].html", "a1.html", "[.html", "b[1]{c/x.html", "b1d/y.html"]);
        check(&dir, "a[1].html", &["~/a[1].html"]);
        check(&dir, "[.html", &["~/[.html"]);
        check(&dir, "a[1-9].html", &["~/a1.html"]);
        check(&dir, "b[1]{c/*.html", &["~/b[1]%7Bc/x.html"]);
        check(&dir, "b[0-9]{c,d}/*.html", &["~/b1d/y.html"]);
        let settings = Settings {
            id: "docs".into(),
            paths: vec![dir.path().join("[a.html")],
            base_url: None,
            scope: None,
        };
        assert!(Files::new(&settings).expect_err("no glob").to_string().contains("is not a glob"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The URL of a file leads back to that file, whatever bytes are in its name.
        #[test]
        fn hostile_names_round_trip(name in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"%?#\\\n\"' -;|.~:2eE".to_vec())], 1..60,
        )) {
            prop_assume!(!name.iter().any(|byte| matches!(byte, 0 | b'/')));
            let dir = tempfile::tempdir().expect("temp dir");
            let path = dir.path().join(std::ffi::OsString::from_vec([name, b".html".to_vec()].concat()));
            fs::write(&path, "").expect("file");
            let mut seeds = pour(source(&dir, &["**/*.html"], Some("https://example.org/")));
            prop_assert_eq!(seeds.len(), 1);
            let Some(Ok(Seed::Request(request))) = seeds.pop() else { panic!("no request") };
            let url = Url::parse(&request.url).expect("URL");
            prop_assert_eq!(url.as_str(), &*request.url);
            prop_assert_eq!(url.to_file_path(), Ok(path));
            let base = Url::parse(&request.base_url.expect("base")).expect("base");
            prop_assert_eq!(base.path_segments().map(Iterator::count), Some(1));
        }
    }
}
