//! The site, and a job over some of its faults with a few good pages beside them.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::list::{End, Fault, Way};
use crate::support::crawl::table;
use crate::support::{Crawl, ExampleSite};

/// Pages that a host may have in a run: what ends sites without end.
pub const BUDGET: usize = 60;

/// The file that lists the URLs of a fault.
const ASKED: &str = "asked.txt";

/// What is wrong with no page.
pub const GOOD: [(&str, &str); 3] = [
    ("/news/2026/1", "Br\u{fc}hl opens its bridge no. 1 \u{2013} The Daily Example"),
    ("/news/2026/2", "Calw opens its bridge no. 2 \u{2013} The Daily Example"),
    ("/news/2026/3", "D\u{fc}ren opens its bridge no. 3 \u{2013} The Daily Example"),
];

/// What a run may take its time for.
pub struct Patience {
    /// One read.
    pub read: &'static str,
    /// The whole of one request.
    pub total: &'static str,
    /// How often a request that came to nothing is made again.
    pub retries: i64,
}

/// The site with its faults.
pub struct FaultySite {
    site: ExampleSite,
    authority: String,
    next: String,
    /// Listens where nobody may come: on another address of the loopback, at the port of the site.
    private: TcpListener,
}

impl FaultySite {
    /// The one of all tests that run now: what is packed for one is there for the others.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<FaultySite>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let site = Arc::new(Self::start());
            *shared = Arc::downgrade(&site);
            site
        })
    }

    /// Starts it on a free port.
    fn start() -> Self {
        let site = ExampleSite::start();
        let address = site.url("").replace("http://", "");
        let port = address.rsplit(':').next().expect("a port");
        let private =
            TcpListener::bind(format!("127.0.0.2:{port}")).expect("127.0.0.2 has the same port free");
        private.set_nonblocking(true).expect("a socket");
        let [authority, next] = ["/fault/ca.pem", "/fault/next"].map(|path| body(&address, path));
        Self { site, authority, next, private }
    }

    /// An address of the list, with what is known by now.
    pub fn address(&self, url: &str) -> String {
        let site = self.site.url("").replace("http://", "");
        let port = site.rsplit(':').next().expect("a port");
        let url = url.replace("{site}", &site).replace("{port}", port).replace("{next}", &self.next);
        let url = url.replace("{3k}", &"x".repeat(3000)).replace("{64k}", &"x".repeat(64 << 10));
        // Where a line of a list is no URL by far, its place stands behind its beginning.
        url.strip_suffix("{cut}").map_or(url.clone(), |url| format!("{}... ({ASKED}:1)", &url[..2048]))
    }

    /// What it answers to a path.
    pub fn body(&self, path: &str) -> String {
        body(&self.site.url("").replace("http://", ""), path)
    }

    /// A good page.
    pub fn good(&self, path: &str) -> String {
        self.site.url(path)
    }

    /// A text of a run, with places for what is different in each.
    pub fn without_ports(&self, text: &str) -> String {
        let site = self.site.url("").replace("http://", "");
        let port = site.rsplit(':').next().expect("a port");
        text.replace(&self.next, "127.0.0.1:8081").replace(port, "8080")
    }

    /// Fails if somebody came where nobody may come.
    pub fn nobody_went_astray(&self) {
        if let Ok((_, peer)) = self.private.accept() {
            panic!("127.0.0.2 was asked from {peer}");
        }
    }

    /// A job over these faults and the good pages. Pages below `/fault/html/` have fields, main text and structured data, for which a
    /// tree is built. It differs from the defaults in that it is not polite to this site.
    pub fn job<'a>(&self, faults: impl IntoIterator<Item = &'a Fault>, patience: &Patience) -> Crawl {
        let urls: String = GOOD.iter().map(|(path, _)| self.good(path) + "\n").collect();
        let mut crawl = Crawl::new()
            .write("ca.pem", &self.authority)
            .write("good.txt", urls)
            .source("id = 'good'\ntype = 'list'\npath = 'good.txt'")
            .rule(
                "id = 'html'\nmatch = { url = '/fault/html/' }\nmain_text = true\nstructured_data = true\n\
                 fields.last = { css = 'body > :last-child' }",
            )
            .set("http.ca_file", "ca.pem")
            .set("http.allow_private_networks", vec!["127.0.0.1"])
            .set("http.resolve", table("'inside.test' = ['127.0.0.2']"))
            .set("http.headers", table("Authorization = 'Bearer of-the-job'\nCookie = 'job=of-the-job'"))
            .set(
                "http.timeout",
                table(&format!("connect = '3s'\nread = '{}'\ntotal = '{}'", patience.read, patience.total)),
            )
            .set("politeness.obey_robots", true)
            .set("politeness.max_retry_after", "1s")
            .set("retry.max_retries", patience.retries)
            .set("retry.http_codes", vec![429, 503])
            .set("retry.host_failures", 10_000)
            .set("limits.max_pages_per_host", i64::try_from(BUDGET).expect("small"));
        for (number, fault) in faults.into_iter().enumerate() {
            let asked = fault.ends.iter().filter(|end| !end.is_found);
            let urls: Vec<String> = asked.map(|End { url, .. }| self.address(url)).collect();
            let scope = match fault.way {
                Way::Followed | Way::Budget => "host",
                Way::Asked | Way::Sitemap => "page",
            };
            let mut source = format!("id = 'fault-{number}'\nscope = {{ type = '{scope}' }}\n");
            if fault.way == Way::Sitemap {
                let _ = write!(source, "type = 'sitemap'\nurls = {urls:?}");
            } else {
                let file = format!("{number}/{ASKED}");
                let _ = write!(source, "type = 'list'\npath = '{file}'");
                crawl = crawl.write(&file, urls.join("\n"));
            }
            crawl = crawl.source(&source);
        }
        crawl
    }
}

/// What the site answers to a path.
fn body(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the site answers");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").expect("asked");
    stream.shutdown(std::net::Shutdown::Write).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
}
