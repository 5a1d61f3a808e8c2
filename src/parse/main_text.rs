//! The main text of a page: what a reader came for. Clutter is left out first; then the smallest element that holds
//! nearly all of the prose is found, and what in it is not merely links is written, a block on each line.
//!
//! Goes through the list of the tree a fixed number of times, with whole numbers only: no page costs more than its
//! size, and each has the same text on every machine.

use super::clutter::{Clutter, clutter};
use super::css::is_block;
use super::flat::Flat;
use super::lines::{Lines, level};

/// The longest main text, in bytes.
pub const MAX_BYTES: usize = 2 << 20;
/// Signs of a block from which on it is taken for prose.
const MIN_PROSE: u32 = 40;
/// Signs of a main text, at least; with less, clutter is looked through once more.
const MIN_TEXT: u32 = 140;
/// So many times the prose that was found must stand in clutter to be what was meant.
const MISSED: u64 = 4;
/// Of a hundred signs of prose, so many the main part holds.
const MAIN_SHARE: u64 = 70;
/// And so many a part of an article, to stand for all of it.
const PART_SHARE: u64 = 95;
/// Of a hundred signs of prose, so many an article holds to be the only one.
const ARTICLE_SHARE: u64 = 40;
/// Of a hundred signs of a block, so many are links in one that is merely links.
const LINK_SHARE: u32 = 60;

/// The main text of a page, not yet cut to its bound; none if there is nothing to read.
pub fn main_text(flat: &Flat<'_>) -> Option<String> {
    let kinds = kinds(flat);
    let mut found = Reading::of(flat, &kinds, Clutter::None);
    let mut text = found.text();
    // What speaks against an element may err, so where little is left it must not hide several times as much.
    for tolerated in [Clutter::Named, Clutter::Declared] {
        if signs(&text) >= MIN_TEXT {
            break;
        }
        if !kinds.contains(&tolerated) {
            continue;
        }
        let other = Reading::of(flat, &kinds, tolerated);
        if other.prose() > MISSED * found.prose() {
            (text, found) = (other.text(), other);
        }
    }
    (!text.is_empty()).then_some(text)
}

/// How many words a text has: what has letters or digits between white space; of Chinese and Japanese each
/// character.
pub fn words(text: &str) -> u64 {
    let (mut words, mut is_within) = (0, false);
    for c in text.chars() {
        if is_word_itself(c) {
            (words, is_within) = (words + 1, false);
        } else if c.is_whitespace() {
            is_within = false;
        } else if c.is_alphanumeric() && !is_within {
            (words, is_within) = (words + 1, true);
        }
    }
    words
}

/// Han, Hiragana and Katakana.
fn is_word_itself(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Signs of a text that are no white space.
fn signs(text: &str) -> u32 {
    u32::try_from(text.chars().filter(|c| !c.is_whitespace()).count()).unwrap_or(u32::MAX)
}

/// What is known of a node.
#[derive(Clone, Copy, Default)]
struct Weight {
    /// Whether it is left out, itself and all within it.
    is_cut: bool,
    /// Signs of all text within it.
    signs: u32,
    /// Signs of those that are links.
    links: u32,
    /// Signs of text that looks like prose.
    prose: u64,
}

struct Reading<'f, 'a> {
    flat: &'f Flat<'a>,
    weights: Vec<Weight>,
}

impl<'f, 'a> Reading<'f, 'a> {
    /// Weighs all nodes; clutter of this kind and less counts.
    fn of(flat: &'f Flat<'a>, kinds: &[Clutter], tolerated: Clutter) -> Self {
        let mut reading = Self { flat, weights: vec![Weight::default(); flat.len()] };
        for (at, kind) in kinds.iter().enumerate() {
            reading.weights[at].is_cut = reading.weights[flat.parent(at)].is_cut || *kind > tolerated;
        }
        reading.weigh();
        reading
    }

    /// Sums up what texts weigh, from the last node to the first, so that each is whole before it is added.
    fn weigh(&mut self) {
        let flat = self.flat;
        let mut block = vec![0usize; flat.len()];
        let mut is_link = vec![false; flat.len()];
        // What stands directly in each block.
        let mut own = vec![(0u32, 0u32); flat.len()];
        for at in 0..flat.len() {
            let parent = flat.parent(at);
            let name = flat.name(at);
            block[at] = if name != "br" && is_block(name) { at } else { block[parent] };
            is_link[at] = is_link[parent] || name == "a";
            if let Some(text) = flat.text(at).filter(|_| !self.weights[parent].is_cut) {
                let signs = signs(text);
                let links = if is_link[at] { signs } else { 0 };
                (self.weights[at].signs, self.weights[at].links) = (signs, links);
                let own = &mut own[block[at]];
                *own = (own.0.saturating_add(signs), own.1.saturating_add(links));
            }
        }
        for at in (0..flat.len()).rev() {
            let (signs, links) = own[at];
            if (signs >= MIN_PROSE || flat.name(at) == "pre") && links < signs.div_ceil(2) {
                self.weights[at].prose += u64::from(signs - links);
            }
            if at > 0 {
                let weight = self.weights[at];
                let around = &mut self.weights[flat.parent(at)];
                around.signs = around.signs.saturating_add(weight.signs);
                around.links = around.links.saturating_add(weight.links);
                around.prose += weight.prose;
            }
        }
    }

    /// Signs of prose in all of the lines.
    fn prose(&self) -> u64 {
        self.weights.first().map_or(0, |weight| weight.prose)
    }

    /// Place of the element that holds the main text.
    fn main(&self) -> usize {
        let whole = self.prose();
        let named = self.article(whole);
        let (mut at, least) = match named {
            Some(at) => (at, self.weights[at].prose * PART_SHARE),
            None => (0, whole * MAIN_SHARE),
        };
        // Where the title stands, there the main part begins.
        while !self.has_title(at)
            && let Some(inner) = self.part(at, least)
        {
            at = inner;
        }
        at
    }

    /// Whether a title stands directly in an element that is not the page.
    fn has_title(&self, at: usize) -> bool {
        let is_title = |child: usize| self.flat.name(child) == "h1" && !self.weights[child].is_cut;
        !matches!(self.flat.name(at), "html" | "body") && self.flat.children(at).any(is_title)
    }

    /// The element directly within one that holds so much of the prose, a hundred times counted. A block of text is
    /// never all of it: it may have a heading beside it.
    fn part(&self, at: usize, least: u64) -> Option<usize> {
        self.flat.children(at).find(|child| {
            let prose = self.weights[*child].prose;
            prose > 0 && prose * 100 >= least && !is_text_block(self.flat.name(*child))
        })
    }

    /// The element that the page itself calls its article or its main part, if that holds enough of the prose.
    fn article(&self, whole: u64) -> Option<usize> {
        let is_enough = |at: &usize| whole > 0 && self.weights[*at].prose * 100 >= whole * ARTICLE_SHARE;
        let all = || self.flat.elements().filter(|(at, _)| !self.weights[*at].is_cut);
        let is_body = |word: &str| word == "articleBody";
        let body = all()
            .filter(|(_, element)| {
                element.attr("itemprop").is_some_and(|p| p.split_ascii_whitespace().any(is_body))
            })
            .map(|(at, _)| at)
            .find(is_enough);
        let articles = || all().filter(|(_, element)| element.name() == "article").map(|(at, _)| at);
        // The first of the largest, which is the outermost.
        let largest = articles().rev().max_by_key(|at| self.weights[*at].prose).filter(is_enough);
        let article = largest.filter(|at| {
            let beside = articles().filter(|other| !(*at..self.flat.end(*at)).contains(other));
            let second = beside.map(|other| self.weights[other].prose).max().unwrap_or(0);
            second * 4 < self.weights[*at].prose
        });
        let is_main = |element: &scraper::node::Element| {
            element.name() == "main" || element.attr("role") == Some("main")
        };
        let main = || all().find(|(at, element)| is_main(element) && is_enough(at)).map(|(at, _)| at);
        body.or(article).or_else(main)
    }

    /// The text of the main part.
    fn text(&self) -> String {
        let flat = self.flat;
        if flat.len() == 0 {
            return String::new();
        }
        let main = self.main();
        let mut lines = Lines::default();
        if let Some(title) = self.title(main) {
            lines.open("h1");
            flat.within(title).filter_map(|at| flat.text(at)).for_each(|text| lines.add(text));
            lines.close("h1");
        }
        // Blocks that are open, each with its end.
        let mut open: Vec<(usize, &str)> = Vec::new();
        let mut at = main;
        while at < flat.end(main) {
            while let Some((_, name)) = open.pop_if(|(end, _)| *end <= at) {
                lines.close(name);
            }
            if let Some(text) = flat.text(at) {
                lines.add(text);
                at += 1;
                continue;
            }
            if self.weights[at].is_cut || at != main && self.is_merely_links(at) {
                if !matches!(flat.name(at), "script" | "style" | "noscript" | "template") {
                    lines.skip();
                }
                at = flat.end(at);
                continue;
            }
            let name = flat.name(at);
            lines.open(name);
            if is_block(name) {
                open.push((flat.end(at), name));
            }
            at += 1;
        }
        lines.end()
    }

    /// The title that stands before the main part, if that has none of its own.
    fn title(&self, main: usize) -> Option<usize> {
        let is_title = |at: &usize| self.flat.name(*at) == "h1" && !self.weights[*at].is_cut;
        let has_own = (main..self.flat.end(main)).any(|at| is_title(&at));
        // One that is around the main part does not stand before it: its text is that of the main part.
        let is_before = |at: &usize| !has_own && self.flat.end(*at) <= main;
        (0..main).rev().find(is_title).filter(is_before)
    }

    /// Whether a block says nothing but where other pages are.
    fn is_merely_links(&self, at: usize) -> bool {
        let Weight { signs, links, prose, .. } = self.weights[at];
        matches!(self.flat.name(at), "div" | "dl" | "form" | "li" | "ol" | "p" | "section" | "table" | "ul")
            && prose == 0
            && signs > 0
            && u64::from(links) * 100 >= u64::from(signs) * u64::from(LINK_SHARE)
    }
}

/// What kind of clutter each node is.
fn kinds(flat: &Flat<'_>) -> Vec<Clutter> {
    // How many titles and main parts stand before each place.
    let mut titles = vec![0usize];
    for at in 0..flat.len() {
        titles.push(titles[at] + usize::from(matches!(flat.name(at), "h1" | "main")));
    }
    let mut is_main = vec![false; flat.len()];
    let mut kinds = Vec::with_capacity(flat.len());
    for at in 0..flat.len() {
        let is_within_main = is_main[flat.parent(at)];
        is_main[at] = is_within_main || matches!(flat.name(at), "article" | "main");
        let holds_title = titles[flat.end(at)] > titles[at];
        kinds.push(match flat.element(at) {
            Some(_) if is_mark(flat, at) => Clutter::Mute,
            Some(element) => clutter(element.value(), is_within_main, holds_title),
            None => Clutter::None,
        });
    }
    kinds
}

/// Whether an element is a mark beside a text: `¶`, or `[1]` that leads to a note.
fn is_mark(flat: &Flat<'_>, at: usize) -> bool {
    let leads_within = |at: usize| {
        let href = flat.element(at).and_then(|element| element.attr("href"));
        flat.name(at) == "a" && href.is_some_and(|href| href.starts_with('#'))
    };
    match flat.name(at) {
        "a" if leads_within(at) => {
            let mut texts = flat.within(at).take(8).filter_map(|at| flat.text(at));
            texts.all(|text| !text.chars().any(char::is_alphanumeric))
        }
        "sup" => flat.within(at).next().is_some_and(leads_within),
        _ => false,
    }
}

/// Elements that hold text rather than blocks.
fn is_text_block(name: &str) -> bool {
    matches!(name, "p" | "pre" | "blockquote" | "li" | "dd" | "dt") || level(name).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scraper::Html;

    use super::*;

    /// A sentence that is prose by its length.
    const PROSE: &str = "This sentence is long enough to be taken for prose by whoever counts its letters and signs, and two are a lines.";

    fn text(html: &str) -> Option<String> {
        let html = Html::parse_document(html);
        main_text(&Flat::of(html.root_element()))
    }

    /// A page, with `*` for a sentence of prose, and its main text, with the same.
    fn check(html: &str, expected: &str) {
        let found = text(&html.replace('*', PROSE)).unwrap_or_default().replace(PROSE, "*");
        assert_eq!(found, expected, "{html}");
    }

    #[test]
    fn blocks_stand_on_lines() {
        check("<p>*</p><p>a  <b>b</b>\n c<br>d</p><ul><li>e<li>f</ul>*", "*\na b c\nd\ne\nf\n*");
        check("**<table><tr><th>a<th>b<tr><td>c<td><p>d</p></table>", "**\na b\nc\nd");
        check("**<pre>  x\n   y\n</pre>z", "**\n  x\n   y\nz");
        check("<p>*</p>*\0&nbsp;x", "*\n* x");
    }

    #[test]
    fn what_is_for_something_else_is_left_out() {
        check(
            "<nav>*</nav><main><h1>t</h1><p>*</p><p>*</p><aside>*</aside></main><footer>*</footer>",
            "t\n*\n*",
        );
        check("<p>*</p><p>*</p><div class=post-comments><p>*</p></div><script>*</script>", "*\n*");
        check("<p>*</p><p>*</p><ul><li><a href=a>one</a><li><a href=b>two</a></ul>", "*\n*");
        check("<p>*</p><p>* <a href=#x>\u{B6}</a><sup><a href=#n>[1]</a></sup></p>", "*\n*");
        check("<body style=display:none><p>*</p><p>*</p>", "*\n*");
    }

    #[test]
    fn a_heading_needs_what_it_is_a_heading_of() {
        check("<h1>a</h1><h2>b</h2><p>**</p><h2>c</h2><ul><li><a href=x>y</a></ul>", "a\nb\n**");
        check("<p>**</p><h2>c</h2><ul><li><a href=x>y</a></ul><h2>d</h2><p>e</p>", "**\nd\ne");
        check("<h2>a</h2><div class=byline>x</div><p>**</p><h3>b</h3><h3>c</h3>", "a\n**\nb\nc");
        check("<div><h1>t</h1></div><div><div><p>*</p><p>*</p></div></div>", "t\n*\n*");
    }

    #[test]
    fn one_article_among_others_is_not_the_page() {
        let list = "<article><p>*</p><p>*</p></article><article><p>*</p><p>*</p></article>";
        check(list, "*\n*\n*\n*");
        check("<article><p>*</p><p>*</p></article><div><p>*</p></div>", "*\n*");
        check("<article><div itemprop=articleBody><p>*</p><p>*</p></div><p>*</p></article>", "*\n*");
        check("<main><p>*</p></main><div><p>*</p><p>*</p><p>*</p></div>", "*\n*\n*");
    }

    #[test]
    fn what_stands_beside_prose_under_its_title_belongs_to_it() {
        let lamp = "<div><h1>Lamp</h1><i>12 EUR</i><div><p>**</p></div><table><td>40 cm</table></div>";
        check(&format!("<div>menu</div>{lamp}<div>imprint</div>"), "Lamp\n12 EUR\n**\n40 cm");
    }

    #[test]
    fn where_all_is_clutter_it_is_looked_through_again() {
        check("<div class=comments><p>*</p><p>*</p></div>", "*\n*");
        check("<aside><p>*</p></aside>", "*");
        check("<p>short</p><footer><p>*</p></footer>", "*");
        check("<p>*</p><footer><p>*</p></footer>", "*");
        check("<nav><a href=a>one</a></nav>", "");
        check("<p>short</p>", "short");
        check("", "");
    }

    #[test]
    fn words_of_all_scripts() {
        assert_eq!(words("It's a well-known fact, isn't it?  \u{2013} 3.5"), 7);
        assert_eq!(words("島の北"), 3);
        assert_eq!(words("in 東京2026 x"), 5);
        assert_eq!(words(" \n- !"), 0);
    }

    #[test]
    fn a_title_around_the_main_part_is_not_said_twice() {
        assert_eq!(text(&format!("<h1><main>{PROSE}</main></h1>")).as_deref(), Some(PROSE));
        assert_eq!(text(&format!("<h1>A<main>{PROSE}</main></h1>")).as_deref(), Some(PROSE));
        assert_eq!(text(&format!("<h1>A</h1><main>{PROSE}</main>")), Some(format!("A\n{PROSE}")));
    }

    #[test]
    fn deep_and_wide_pages_cost_no_more_than_their_size() {
        let deep = format!("{}{PROSE}{PROSE}", "<div>".repeat(5_000));
        assert_eq!(text(&deep).map(|text| text.len()), Some(2 * PROSE.len()));
        let wide = format!("<article>{}</article>", "<article><h1>x</h1>y</article>".repeat(20_000));
        assert_eq!(text(&wide).map(|text| words(&text)), Some(40_000));
    }

    proptest! {
        #[test]
        fn no_word_is_invented(
            parts in proptest::collection::vec("(</?(p|div|a href=x|h[1-6]|ul|li|td|table|pre|article|main|nav|sup|b|svg|select)( class=ad)?>|[a-c]{1,3}|[ \n])", 0..60)
        ) {
            let html = parts.concat();
            let dom = Html::parse_document(&html);
            let all: String = dom.root_element().text().filter(|text| !text.trim().is_empty()).collect();
            let signs = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
            let found = text(&html).unwrap_or_default();
            prop_assert!(signs(&found) <= signs(&all));
            prop_assert!(found.is_empty() || !found.starts_with('\n') && !found.ends_with(char::is_whitespace));
        }
    }
}
