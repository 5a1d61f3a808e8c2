//! A web grown from a seed, and an oracle that says how each of its URLs must end. The oracle walks the graph
//! as it was grown: addresses are known in canonical form from the start and only written in odd spellings into
//! the pages, so that nothing of the program's own reading, canonical form or scope is needed here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use super::Dice;
use super::answer::Answer;
use super::crawl::{Crawl, table};
use super::site::Site;

/// What the settings of [`Web::crawl`] allow in a path.
const MAX_SEGMENTS: usize = 8;
/// What they allow one segment to be repeated.
const MAX_REPEATED: usize = 3;
/// What they allow in a query.
const MAX_PARAMS: usize = 4;
/// How often a failing answer is asked for in all.
pub const TRIES: usize = 2;

/// What stands behind an address.
#[derive(Debug)]
enum Kind {
    Page(Page),
    Redirect {
        status: u16,
        to: usize,
    },
    /// 404 or 410.
    Gone(u16),
    /// An answer that is asked for again and stays the same.
    Broken(u16),
    /// Outside of the scope: never to be asked for.
    Outside,
}

#[derive(Debug, Default)]
struct Page {
    links: Vec<Link>,
    canonical: Option<usize>,
    nofollow: Nofollow,
    /// Relative links resolve against `/some/base/`.
    has_base: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Nofollow {
    #[default]
    No,
    Meta,
    Header,
}

#[derive(Debug)]
struct Link {
    to: usize,
    /// As it stands in the page, not escaped for HTML.
    written: String,
    nofollow: bool,
}

#[derive(Debug)]
struct Node {
    /// `h0.test:PORT`.
    authority: String,
    /// Path and query in canonical form.
    path: String,
    kind: Kind,
}

impl Node {
    fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }

    fn host(&self) -> &str {
        self.authority.split(':').next().unwrap_or_default()
    }
}

/// How a URL must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Name of the outcome.
    pub outcome: &'static str,
    /// The rule of a robots.txt that decided it.
    pub rule: Option<String>,
}

/// Pages, redirects, traps and refusals over several hosts, the same for the same seed.
pub struct Web {
    port: u16,
    hosts: usize,
    nodes: Vec<Node>,
    by_address: BTreeMap<(String, String), usize>,
}

impl Web {
    /// Grows about `size` addresses for the hosts of a site with this port.
    pub fn grown(seed: u64, size: usize, port: u16) -> Self {
        let dice = Dice::of(seed);
        let hosts = 2 + dice.index(4);
        let mut web = Self { port, hosts, nodes: Vec::new(), by_address: BTreeMap::new() };
        for n in 0..hosts {
            let authority = web.authority(n);
            web.add(authority, "/", Kind::Page(Page::default()));
        }
        for n in hosts..size.max(hosts) {
            web.grow_node(&dice, n);
        }
        web.tame_redirects(&dice);
        web.grow_links(&dice);
        web.grow_traps();
        web
    }

    fn authority(&self, host: usize) -> String {
        format!("h{host}.test:{}", self.port)
    }

    fn add(&mut self, authority: String, path: &str, kind: Kind) -> usize {
        let node = Node { authority, path: path.to_owned(), kind };
        let at = self.nodes.len();
        let before = self.by_address.insert((node.host().to_owned(), node.path.clone()), at);
        assert!(before.is_none(), "two nodes at {}", node.url());
        self.nodes.push(node);
        at
    }

    fn grow_node(&mut self, dice: &Dice, n: usize) {
        let authority = self.authority(dice.index(self.hosts));
        let path = match dice.below(6) {
            0 => format!("/n{n}"),
            1 => format!("/dir{}/n{n}.html", dice.below(5)),
            2 => format!("/~user{n}/caf%C3%A9"),
            3 => format!("/search?n={n}&b=%2B"),
            4 => format!("/a/b-c/n{n}/"),
            _ => format!("/dir1/dir2/n{n}_x"),
        };
        let page = || Kind::Page(Page { has_base: dice.chance(5), ..Page::default() });
        match dice.below(100) {
            0..64 => self.add(authority, &path, page()),
            64..70 => self.add(authority, &format!("/private{path}"), page()),
            70..80 => {
                let status = [301, 302, 303, 307, 308][dice.index(5)];
                self.add(authority, &path, Kind::Redirect { status, to: 0 })
            }
            80..86 => self.add(authority, &path, Kind::Gone(if dice.chance(70) { 404 } else { 410 })),
            86..89 => self.add(authority, &path, Kind::Broken(500)),
            89..92 => self.add(authority, &format!("/file{n}.pdf"), Kind::Outside),
            92..96 => self.add(format!("out.test:{}", self.port), &path, Kind::Outside),
            _ => self.add("elsewhere.test".to_owned(), &path, Kind::Outside),
        };
    }

    /// Lets redirects lead to later redirects only, so that there are chains and no circles, and no chain is
    /// as long as the program refuses to follow.
    fn tame_redirects(&mut self, dice: &Dice) {
        let mut lengths = vec![0; self.nodes.len()];
        for n in (0..self.nodes.len()).rev() {
            if !matches!(self.nodes[n].kind, Kind::Redirect { .. }) {
                continue;
            }
            let chosen = dice.index(self.nodes.len());
            let is_later = chosen > n || !matches!(self.nodes[chosen].kind, Kind::Redirect { .. });
            let chosen = if is_later && lengths[chosen] < 8 { chosen } else { 0 };
            lengths[n] = lengths[chosen] + 1;
            if let Kind::Redirect { to, .. } = &mut self.nodes[n].kind {
                *to = chosen;
            }
        }
    }

    fn grow_links(&mut self, dice: &Dice) {
        let pages: Vec<usize> =
            (0..self.nodes.len()).filter(|n| matches!(self.nodes[*n].kind, Kind::Page(_))).collect();
        for n in 1..self.nodes.len() {
            // Most have one page before them that leads here; some are found by chance or never.
            let before = pages.partition_point(|page| *page < n);
            if before > 0 && dice.chance(90) {
                self.link(dice, pages[dice.index(before)], n, false);
            }
        }
        for page in pages {
            for _ in 0..dice.below(6) {
                let (to, nofollow) = (dice.index(self.nodes.len()), dice.chance(12));
                self.link(dice, page, to, nofollow);
            }
            let to = if dice.chance(50) { page } else { dice.index(self.nodes.len()) };
            let Kind::Page(content) = &mut self.nodes[page].kind else { continue };
            match dice.below(100) {
                0..5 => content.nofollow = Nofollow::Meta,
                5..10 => content.nofollow = Nofollow::Header,
                10..25 => content.canonical = Some(to),
                _ => {}
            }
        }
    }

    fn link(&mut self, dice: &Dice, from: usize, to: usize, nofollow: bool) {
        let written = self.spelling(dice, from, to);
        self.link_as(from, to, written, nofollow);
    }

    fn link_as(&mut self, from: usize, to: usize, written: String, nofollow: bool) {
        if let Kind::Page(page) = &mut self.nodes[from].kind {
            page.links.push(Link { to, written, nofollow });
        }
    }

    /// One of the many ways to write an address, all of the same canonical form.
    fn spelling(&self, dice: &Dice, from: usize, to: usize) -> String {
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        let (path, query) =
            to.path.split_once('?').map_or((&*to.path, None), |(path, query)| (path, Some(query)));
        let tail = query.map_or_else(String::new, |query| format!("?{query}"));
        let is_near = from.authority == to.authority;
        let authority = &to.authority;
        match dice.below(12) {
            0 => format!("HTTP://{}{path}{tail}", authority.to_uppercase()),
            1 if !authority.contains(':') => format!("http://{authority}:80{path}{tail}"),
            1 => format!("http://{}{path}{tail}", authority.replacen(".test", ".test.", 1)),
            2 => format!("http://{authority}{path}{tail}#part-{}", dice.below(100)),
            3 if is_near => format!("{path}{tail}"),
            3 => format!("//{authority}{path}{tail}"),
            4 | 5 if is_near => format!("{}{}{tail}", upwards(from), &path[1..]),
            6 => format!("http://{authority}/x/./y/../..{path}{tail}"),
            7 => format!("http://{authority}{}{tail}", path.replace('~', "%7E").replace("/n", "/%6e")),
            8 => format!(
                "http://{authority}{}{}",
                path.replace("%C3%A9", "%c3%a9"),
                tail.replace("%2B", "%2b")
            ),
            9 => format!("http://{authority}{}{tail}", path.replace("%C3%A9", "\u{e9}")),
            10 => match query {
                Some(query) => format!("http://{authority}{path}?utm_source=a&{query}&utm_medium=b"),
                None => format!("http://{authority}{path}?utm_campaign=c%20d"),
            },
            11 => format!("\n  http://{authority}{path}{tail} \t"),
            _ => to.url(),
        }
    }

    /// Circles of redirects, and addresses that lead to ever more of themselves. Each has one way in.
    fn grow_traps(&mut self) {
        let home = self.authority(0);
        let at = |path: &str| format!("http://{home}{path}");
        let redirect = |to| Kind::Redirect { status: 302, to };
        let ring = self.nodes.len();
        self.add(home.clone(), "/ring/1", redirect(ring + 1));
        self.add(home.clone(), "/ring/2", redirect(ring + 2));
        self.add(home.clone(), "/ring/3", redirect(ring));
        self.add(home.clone(), "/self", redirect(ring + 3));
        self.link_as(0, ring, at("/ring/1"), false);
        self.link_as(0, ring + 3, at("/self"), false);

        let repeated = (1..=MAX_REPEATED + 1).map(|n| format!("/trap{}", "/x".repeat(n)));
        let deep = (1..=MAX_SEGMENTS).map(|n| {
            let steps = (1..=n).fold(String::new(), |path, step| path + &format!("/{step}"));
            format!("/deep{steps}")
        });
        let wide = (1..=MAX_PARAMS + 1).map(|n| {
            let params: Vec<String> = (1..=n).map(|param| format!("p{param}=1")).collect();
            format!("/wide?{}", params.join("&"))
        });
        for trap in [repeated.collect::<Vec<_>>(), deep.collect(), wide.collect()] {
            let mut before = 0;
            for (n, path) in trap.iter().enumerate() {
                let is_last = n + 1 == trap.len();
                let kind = if is_last { Kind::Outside } else { Kind::Page(Page::default()) };
                let node = self.add(home.clone(), path, kind);
                self.link_as(before, node, at(path), false);
                before = node;
            }
        }
    }

    /// The first page of each host.
    pub fn seeds(&self) -> Vec<String> {
        self.nodes[..self.hosts].iter().map(Node::url).collect()
    }

    /// Names of its hosts, those outside of the scope included.
    pub fn hosts(&self) -> BTreeSet<String> {
        self.nodes.iter().map(|node| node.host().to_owned()).collect()
    }

    /// Names of the hosts in the scope.
    pub fn hosts_within(&self) -> Vec<String> {
        (0..self.hosts).map(|n| format!("h{n}.test")).collect()
    }

    /// A job over it, with the settings that the oracle knows.
    pub fn crawl(&self) -> Crawl {
        Crawl::web(self.hosts())
            .seeds(self.seeds())
            .set("scope.type", "host")
            .set("scope.exclude", vec!["\\.pdf$"])
            .set("scope.max_path_segments", number(MAX_SEGMENTS))
            .set("scope.max_repeated_segments", number(MAX_REPEATED))
            .set("scope.max_query_params", number(MAX_PARAMS))
            .set("scope.normalize", table("strip_params = ['utm_*']"))
            .set("retry.max_retries", number(TRIES - 1))
    }

    /// Each link: what it resolves against, how it is written, and where it leads.
    pub fn links(&self) -> Vec<(String, String, String)> {
        let pages = self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Page(page) => Some((node, page)),
            _ => None,
        });
        let links = pages.flat_map(|(node, page)| page.links.iter().map(move |link| (node, page, link)));
        let base = |node: &Node, page: &Page| {
            if page.has_base { format!("http://{}/some/base/", node.authority) } else { node.url() }
        };
        links
            .map(|(node, page, link)| (base(node, page), link.written.clone(), self.nodes[link.to].url()))
            .collect()
    }

    /// Lets a site answer for all of its hosts.
    pub fn serve(self: &std::sync::Arc<Self>, site: &Site) {
        let web = self.clone();
        site.otherwise(move |seen| web.answer(&seen.host, &seen.path));
    }

    /// What a host answers.
    pub fn answer(&self, host: &str, path: &str) -> Answer {
        if let Some(answer) = robots(host, path) {
            return answer;
        }
        let Some(node) = self.by_address.get(&(host.to_owned(), path.to_owned())) else {
            return Answer::status(404);
        };
        match &self.nodes[*node].kind {
            Kind::Page(page) => self.page(&self.nodes[*node], page),
            Kind::Redirect { status, to } => Answer::redirect(*status, &self.nodes[*to].url()),
            Kind::Gone(status) | Kind::Broken(status) => Answer::status(*status),
            Kind::Outside => Answer::page("outside"),
        }
    }

    fn page(&self, node: &Node, page: &Page) -> Answer {
        let mut html = format!("<!doctype html><title>{} of {}</title>\n", node.path, node.authority);
        if page.has_base {
            html.push_str("<base href='/some/base/'>");
        }
        if page.nofollow == Nofollow::Meta {
            html.push_str("<meta name=robots content='index, nofollow'>");
        }
        if let Some(canonical) = page.canonical {
            let _ = writeln!(html, "<link rel=canonical href=\"{}\">", escaped(&self.nodes[canonical].url()));
        }
        for link in &page.links {
            let rel = if link.nofollow { " rel='external nofollow'" } else { "" };
            let _ = writeln!(html, "<a{rel} href=\"{}\">a link</a>", escaped(&link.written));
        }
        // Against a base this would lead to the base; without one it leads to the page itself.
        html.push_str(if page.has_base { "" } else { "<a href='#top'>up</a>" });
        html.push_str("<a href='mailto:a@b.test'>us</a> <!-- <a href='/comment'> -->");
        let answer = Answer::bytes("text/html; charset=utf-8", html);
        if page.nofollow == Nofollow::Header { answer.header("x-robots-tag", "nofollow") } else { answer }
    }

    /// The line of a host's robots.txt that forbids what is private.
    fn forbidding_line(&self, node: &Node) -> Option<usize> {
        let n = self.hosts_within().iter().position(|host| host == node.host())?;
        node.path.starts_with("/private/").then_some(())?;
        [Some(4), None, Some(4), Some(5)][n % 4]
    }

    /// How each URL must end, where `failing` names what never answers well whatever stands there.
    pub fn oracle(&self, failing: impl Fn(&str) -> Option<&'static str>) -> BTreeMap<String, Fate> {
        let mut known: BTreeSet<usize> = (0..self.hosts).collect();
        let mut open: VecDeque<(usize, Vec<usize>)> = known.iter().map(|seed| (*seed, Vec::new())).collect();
        let mut refused = BTreeSet::new();
        let mut fates = BTreeMap::new();
        while let Some((n, trail)) = open.pop_front() {
            let node = &self.nodes[n];
            let url = node.url();
            let (fate, ways) = if let Some(line) = self.forbidding_line(node) {
                let rule = format!("http://{}/robots.txt:{line}", node.authority);
                (Fate { outcome: "skipped_robots", rule: Some(rule) }, Vec::new())
            } else if let Some(outcome) = failing(&url) {
                (Fate { outcome, rule: None }, Vec::new())
            } else {
                self.visited(n, &trail)
            };
            fates.insert(url, fate);
            for (to, admitted, trail) in ways {
                if !admitted || matches!(self.nodes[to].kind, Kind::Outside) {
                    refused.insert(to);
                } else if known.insert(to) {
                    open.push_back((to, trail));
                }
            }
        }
        for n in refused.difference(&known) {
            fates.insert(self.nodes[*n].url(), Fate { outcome: "skipped_scope", rule: None });
        }
        fates
    }

    /// How an address ends that was asked for, and where it leads: to what, whether that may be followed, by
    /// which redirects.
    fn visited(&self, n: usize, trail: &[usize]) -> (Fate, Vec<(usize, bool, Vec<usize>)>) {
        let fate = |outcome| Fate { outcome, rule: None };
        match &self.nodes[n].kind {
            Kind::Page(page) => {
                let links = page
                    .links
                    .iter()
                    .map(|link| (link.to, !link.nofollow && page.nofollow == Nofollow::No, Vec::new()));
                let canonical = page.canonical.map(|to| (to, true, Vec::new()));
                (fate("ok"), links.chain(canonical).collect())
            }
            Kind::Redirect { to, .. } => {
                let trail: Vec<usize> = trail.iter().copied().chain([n]).collect();
                if trail.contains(to) {
                    return (fate("redirect_loop"), Vec::new());
                }
                (fate("redirected"), vec![(*to, true, trail)])
            }
            Kind::Gone(_) => (fate("gone"), Vec::new()),
            Kind::Broken(_) => (fate("http_error"), Vec::new()),
            Kind::Outside => unreachable!("it is never admitted"),
        }
    }

    /// How often a URL that ended so was asked for.
    pub fn asked(fate: &Fate) -> usize {
        match fate.outcome {
            "skipped_scope" | "skipped_robots" => 0,
            "http_error" => TRIES,
            _ => 1,
        }
    }
}

/// The way up from a page to the root of its host, or of its `<base>`.
fn upwards(from: &Node) -> String {
    let has_base = matches!(&from.kind, Kind::Page(page) if page.has_base);
    let path = if has_base { "/some/base/" } else { from.path.split('?').next().unwrap_or_default() };
    let folders = path.matches('/').count() - 1;
    format!("./{}", "../".repeat(folders))
}

fn escaped(address: &str) -> String {
    address.replace('&', "&amp;").replace('"', "&quot;")
}

/// The robots.txt of a host: one of four kinds.
fn robots(host: &str, path: &str) -> Option<Answer> {
    let n: usize = host.strip_prefix('h')?.strip_suffix(".test")?.parse().ok()?;
    let rules = "# rules\nUser-agent: *\nAllow: /\nDisallow: /private/\n";
    let for_us = "User-agent: other\nDisallow: /\n\nUser-agent: trawl\nDisallow: /private\n";
    match (path, n % 4) {
        ("/robots.txt", 0) | ("/robots/moved.txt", 2) => Some(Answer::text(rules)),
        ("/robots.txt", 1) => Some(Answer::status(404)),
        ("/robots.txt", 2) => Some(Answer::redirect(301, "/robots/moved.txt")),
        ("/robots.txt", _) => Some(Answer::text(for_us)),
        _ => None,
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).expect("a small number")
}
