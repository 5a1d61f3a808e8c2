//! A text that is written block by block, each on a line of its own. A heading waits for what it is a heading of, and
//! goes where that was left out. Chooses nothing of a page.

use super::css::is_block;

/// A heading that waits for what it is a heading of.
struct Heading {
    level: u8,
    text: String,
    /// Whether what follows it was left out.
    is_bare: bool,
}

/// A text that is being written.
#[derive(Default)]
pub struct Lines {
    text: String,
    /// The block that is written.
    line: String,
    /// Headings that nothing follows yet.
    headings: Vec<Heading>,
    /// Level of the heading that is written.
    heading: Option<u8>,
    /// How many `<pre>` are open.
    pre: usize,
}

impl Lines {
    /// An element begins.
    pub fn open(&mut self, name: &str) {
        if matches!(name, "td" | "th") {
            self.space();
        } else if is_block(name) {
            self.end_line();
        }
        self.heading = level(name).or(self.heading);
        self.pre += usize::from(name == "pre");
    }

    /// An element ends that is a block.
    pub fn close(&mut self, name: &str) {
        if matches!(name, "td" | "th") {
            return self.space();
        }
        self.end_line();
        self.pre = self.pre.saturating_sub(usize::from(name == "pre"));
        self.heading = self.heading.filter(|_| level(name).is_none());
    }

    /// A text.
    pub fn add(&mut self, text: &str) {
        if self.pre > 0 {
            self.line.push_str(text);
            return;
        }
        for (number, word) in text.split(char::is_whitespace).enumerate() {
            if number > 0 {
                self.space();
            }
            self.line.push_str(word);
        }
    }

    fn space(&mut self) {
        if !self.line.is_empty() && !self.line.ends_with(char::is_whitespace) {
            self.line.push(' ');
        }
    }

    /// Something is left out here: the heading before it may be of that alone.
    pub fn skip(&mut self) {
        if let Some(heading) = self.headings.last_mut() {
            heading.is_bare = true;
        }
    }

    /// Ends the block that is written.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_end();
        let begin = line.len() - line.trim_start().len();
        // The first line of a listing keeps its indentation.
        let begin = if self.pre > 0 { line[..begin].rfind('\n').map_or(0, |at| at + 1) } else { begin };
        let line = &line[begin..];
        if line.is_empty() {
            return;
        }
        if let Some(level) = self.heading {
            self.end_headings(level);
            self.headings.push(Heading { level, text: line.to_owned(), is_bare: false });
        } else {
            self.headings.drain(..).for_each(|heading| push_line(&mut self.text, &heading.text));
            push_line(&mut self.text, line);
        }
    }

    /// Ends the parts of this level and below: bare headings go, and others that nothing follows stay.
    fn end_headings(&mut self, level: u8) {
        self.headings.retain(|heading| heading.level < level || !heading.is_bare);
        if self.headings.iter().any(|heading| heading.level >= level) {
            self.headings.drain(..).for_each(|heading| push_line(&mut self.text, &heading.text));
        }
    }

    /// The whole text.
    pub fn end(mut self) -> String {
        self.end_line();
        self.end_headings(0);
        if self.text.contains('\0') {
            self.text = self.text.replace('\0', "\u{FFFD}");
        }
        self.text
    }
}

fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// Level of a heading by the name of its element.
pub fn level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}
