//! What the site answers, by path and query alone: the same every time.

use std::fmt::Write as _;
use std::time::Duration;

/// Articles of the newspaper, and how many its front pages list each.
const ARTICLES: usize = 12;
const LISTED: usize = 5;
/// Products of the shop and items of the API, and how many stand on a page.
const PRODUCTS: usize = 25;
const ROWS: usize = 10;
const TOWNS: [&str; 4] = ["Ahlen", "Brühl", "Calw", "Düren"];
const AUTHORS: [&str; 3] = ["A. Sommer", "B. Winter", "C. Herbst"];
const THINGS: [&str; 5] = ["Lamp", "Rope", "Kettle", "Chair", "Clock"];

/// An answer.
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub mime: &'static str,
    /// `Location`.
    pub location: Option<String>,
    /// Before it answers.
    pub wait: Duration,
    /// The body.
    pub body: String,
}

impl Page {
    fn of(mime: &'static str, body: String) -> Self {
        Self { status: 200, mime, location: None, wait: Duration::ZERO, body }
    }

    fn html(title: &str, body: &str) -> Self {
        let head = format!("<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>");
        Self::of("text/html; charset=utf-8", format!("{head}</head><body>{body}</body></html>"))
    }

    fn status(status: u16) -> Self {
        Self { status, ..Self::html("Sorry", &format!("<h1>Status {status}</h1>")) }
    }

    fn redirect(location: &str) -> Self {
        Self { status: 302, location: Some(location.to_owned()), ..Self::html("Moved", "") }
    }
}

/// The answer to a path and its query; `host` is what the client called us.
pub fn page(host: &str, path: &str, query: &str) -> Page {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let number = |text: &str| text.parse::<usize>().ok();
    let sheet = query.strip_prefix("page=").and_then(number).unwrap_or(1).max(1);
    match parts[..] {
        ["robots.txt"] => Page::of("text/plain", robots(host)),
        ["sitemap.xml"] => Page::of("application/xml", sitemap(host)),
        ["news", ""] => front(sheet),
        ["news", "2026", name] => {
            number(name).filter(|n| (1..=ARTICLES).contains(n)).map_or(Page::status(404), article)
        }
        ["shop", ""] => shop(sheet),
        ["api", "items"] => items(sheet),
        ["api", "status", name] => {
            Page::of("application/json", format!("{{\"name\":\"{name}\",\"up\":true}}"))
        }
        ["length", size] => number(size).filter(|size| *size <= 10_000_000).map_or(Page::status(404), filled),
        ["slow", ms] => match ms.parse::<u64>() {
            Ok(ms @ ..60_000) => Page { wait: Duration::from_millis(ms), ..filled(100) },
            _ => Page::status(404),
        },
        ["bad", "loop"] => Page::redirect("/bad/loop"),
        ["bad", status] => status
            .parse()
            .ok()
            .filter(|status| (400..600).contains(status))
            .map_or(Page::status(404), Page::status),
        _ => Page::status(404),
    }
}

fn robots(host: &str) -> String {
    format!("User-agent: *\nDisallow: /private/\nSitemap: http://{host}/sitemap.xml\n")
}

fn sitemap(host: &str) -> String {
    let mut text =
        "<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>".to_owned();
    for n in 1..=ARTICLES {
        let _ = write!(
            text,
            "<url><loc>http://{host}/news/2026/{n}</loc><lastmod>2026-11-{:02}</lastmod></url>",
            n + 5
        );
    }
    text + "</urlset>"
}

/// Links to the sheets before and after this one of a list with so many entries.
fn pager(base: &str, sheet: usize, entries: usize, each: usize) -> String {
    let mut text = String::new();
    match sheet {
        1 => {}
        2 => text = format!("<a rel=prev href='{base}'>newer</a> "),
        _ => text = format!("<a rel=prev href='{base}?page={}'>newer</a> ", sheet - 1),
    }
    if sheet * each < entries {
        let _ = write!(text, "<a rel=next href='{base}?page={}'>older</a>", sheet + 1);
    }
    text
}

fn on_sheet(sheet: usize, entries: usize, each: usize) -> std::ops::RangeInclusive<usize> {
    (sheet - 1).saturating_mul(each).saturating_add(1)..=sheet.saturating_mul(each).min(entries)
}

fn headline(n: usize) -> String {
    format!("{} opens its bridge no. {n}", TOWNS[n % TOWNS.len()])
}

fn front(sheet: usize) -> Page {
    let mut body = "<h1>The Daily Example</h1>".to_owned();
    for n in on_sheet(sheet, ARTICLES, LISTED) {
        let _ = write!(body, "<h2><a href=/news/2026/{n}>{}</a></h2>", headline(n));
    }
    Page::html("The Daily Example", &(body + &pager("/news/", sheet, ARTICLES, LISTED)))
}

fn article(n: usize) -> Page {
    let (title, author, day) = (headline(n), AUTHORS[n % AUTHORS.len()], n + 5);
    let town = TOWNS[n % TOWNS.len()];
    let published = format!("2026-11-{day:02}T08:30:00+01:00");
    let head = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>{title} – The Daily Example</title>\
         <meta name=description content='{town} has waited for years.'><meta property=og:title content='{title}'>\
         <meta property=og:type content=article><meta property=article:published_time content='{published}'>\
         <script type=application/ld+json>{{\"@context\":\"https://schema.org\",\"@type\":\"NewsArticle\",\
         \"headline\":\"{title}\",\"datePublished\":\"{published}\",\"author\":{{\"@type\":\"Person\",\"name\":\"{author}\"}}}}</script></head>"
    );
    let body = format!(
        "<body><nav><a href=/>Home</a> <a href=/news/>News</a></nav><article><h1>{title}</h1>\
         <p class=byline>By <span class=author>{author}</span>, <time datetime='{published}'>{day} November 2026</time></p>\
         <p>After {n} years of work the people of {town} can cross their river on foot again. The mayor cut a ribbon, \
         a band played, and several hundred people walked to the other side and back before the rain came.</p>\
         <p>The old bridge was closed when an inspection found cracks in its second pier. Since then everybody had to \
         take the ferry, which does not run at night, or drive around by the motorway.</p>\
         <p>The new bridge has a lane for bicycles, benches on both sides, and lamps that follow those who walk by.</p>\
         </article><aside>Subscribe to our letter! <a href=/news/>More news</a></aside>\
         <footer>All rights reserved.</footer></body></html>"
    );
    Page::of("text/html; charset=utf-8", head + &body)
}

fn product(n: usize) -> (String, usize) {
    (format!("{} no. {n}", THINGS[n % THINGS.len()]), 995 + n * 12_345 % 400_000)
}

fn shop(sheet: usize) -> Page {
    let mut body = "<h1>Shop</h1><table>".to_owned();
    for n in on_sheet(sheet, PRODUCTS, ROWS) {
        let (name, cents) = product(n);
        let (euros, cents) = (cents / 100, cents % 100);
        let (thousands, euros) = (euros / 1000, euros % 1000);
        let price = if thousands > 0 {
            format!("{thousands}.{euros:03},{cents:02}")
        } else {
            format!("{euros},{cents:02}")
        };
        let stock = if n % 4 == 0 { "sold out" } else { "in stock" };
        let _ = write!(
            body,
            "<tr class=product data-sku=P{n:03}><td class=name>{name}<td class=price>{price} €<td class=stock>{stock}"
        );
    }
    Page::html("Shop", &(body + "</table>" + &pager("/shop/", sheet, PRODUCTS, ROWS)))
}

fn items(sheet: usize) -> Page {
    let item = |n: usize| {
        let (name, cents) = product(n);
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        format!("{{\"id\":{n},\"name\":\"{name}\",\"price\":{price},\"tags\":[\"home\",\"{}\"]}}", n % 3)
    };
    let items: Vec<String> = on_sheet(sheet, PRODUCTS, ROWS).map(item).collect();
    let next = if sheet * ROWS < PRODUCTS {
        format!("\"/api/items?page={}\"", sheet + 1)
    } else {
        "null".to_owned()
    };
    let body = format!("{{\"page\":{sheet},\"items\":[{}],\"next\":{next}}}", items.join(","));
    Page::of("application/json", body)
}

/// A page of exactly so many bytes, or a few more where that is too little for a page.
fn filled(size: usize) -> Page {
    let page = Page::html("Filled", "");
    let more = size.saturating_sub(page.body.len());
    Page::html("Filled", &"x".repeat(more))
}
