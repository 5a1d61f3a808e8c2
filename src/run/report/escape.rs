//! Words from pages made fit for HTML: nothing of them is taken for markup, nothing hides or turns the text around them,
//! and none is longer than it may be. Also: numbers, sizes and times as people read them.

use crate::config::shown;

/// A text as HTML, at most about so many bytes of it.
pub fn escaped(text: &str, most: usize) -> String {
    let mut html = String::new();
    let mut one = [0; 4];
    for character in text.chars() {
        if html.len() >= most {
            html.push('…');
            break;
        }
        for piece in shown(character.encode_utf8(&mut one)).chars() {
            match piece {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                piece => html.push(piece),
            }
        }
    }
    html
}

/// A URL as HTML: one of the web leads there, any other text is only shown.
pub fn link(url: &str, most: usize) -> String {
    let shown = escaped(url, most);
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    if is_web && url.len() <= most {
        format!(
            "<a href=\"{}\" rel=\"noreferrer noopener nofollow\"><bdi>{shown}</bdi></a>",
            escaped(url, usize::MAX)
        )
    } else {
        format!("<bdi>{shown}</bdi>")
    }
}

/// `1,234,567`
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `17 B`, `4.2 KiB`, `310 MiB`
pub fn bytes(bytes: u64) -> String {
    let mut unit = "B";
    let mut amount = as_f64(bytes);
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if amount < 1024.0 {
            break;
        }
        (unit, amount) = (larger, amount / 1024.0);
    }
    if unit == "B" || amount >= 100.0 { format!("{amount:.0} {unit}") } else { format!("{amount:.1} {unit}") }
}

/// `85 ms`, `4.2 s`, `3 min 20 s`, `5 h 10 min`
pub fn millis(ms: u64) -> String {
    let seconds = ms / 1000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", as_f64(ms) / 1000.0).replace(".0 s", " s"),
        60_000..3_600_000 => pair(seconds / 60, "min", seconds % 60, "s"),
        _ => pair(seconds / 3600, "h", seconds % 3600 / 60, "min"),
    }
}

fn pair(large: u64, of_large: &str, small: u64, of_small: &str) -> String {
    if small == 0 { format!("{large} {of_large}") } else { format!("{large} {of_large} {small} {of_small}") }
}

/// `0.4 %`, `37 %`; what is not all is never 100, and what is something never 0.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == whole {
        return if part == 0 { "0 %" } else { "100 %" }.to_owned();
    }
    let share = as_f64(part) * 100.0 / as_f64(whole);
    match share {
        0.0 => "0 %".to_owned(),
        ..0.1 => "&lt; 0.1 %".to_owned(),
        ..10.0 => format!("{share:.1} %"),
        ..99.0 => format!("{share:.0} %"),
        99.9.. => "&gt; 99.9 %".to_owned(),
        _ => format!("{share:.1} %"),
    }
}

/// For drawing: beyond 2^53 the last digits are lost, which nobody sees.
#[allow(clippy::cast_precision_loss, reason = "a picture has fewer points")]
pub fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        assert_eq!(escaped("<b a=\"'\">&", 99), "&lt;b a=&quot;&#39;&quot;&gt;&amp;");
        assert_eq!(escaped("a\u{202e}b\0\n\u{61c}", 99), "a\\u{202e}b\\u{0}\\n\\u{61c}");
        assert_eq!(escaped(&"ä".repeat(50), 10), "äääää…");
    }

    #[test]
    fn only_the_web_is_linked() {
        assert!(
            link("https://a.test/?a=1&b='", 99).starts_with("<a href=\"https://a.test/?a=1&amp;b=&#39;\"")
        );
        for url in ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", " https://a/"] {
            assert!(!link(url, 99).contains("href"), "{url}");
        }
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 1023, 1024, 150 << 10, 5 << 30].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "150 KiB", "5.0 GiB"]
        );
        assert_eq!(
            [7, 1500, 60_000, 200_000, 18_600_000].map(millis),
            ["7 ms", "1.5 s", "1 min", "3 min 20 s", "5 h 10 min"]
        );
        let shares = [(0, 0), (0, 5), (5, 5), (1, 10_000), (9_999, 10_000), (1, 3), (1, 40), (199, 200)];
        assert_eq!(
            shares.map(|(part, whole)| percent(part, whole)),
            ["0 %", "0 %", "100 %", "&lt; 0.1 %", "&gt; 99.9 %", "33 %", "2.5 %", "99.5 %"]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_no_markup_and_bounded(text in "\\PC{0,60}|[<>&\"'\\x00-\\x1f\u{200b}-\u{202e}]{0,60}", most in 0_usize..80) {
            let html = escaped(&text, most);
            proptest::prop_assert!(!html.contains(['<', '>', '"', '\'']) && !html.chars().any(char::is_control));
            let turns = html.contains('\u{202e}');
            proptest::prop_assert!(!turns);
            proptest::prop_assert!(html.len() <= most + 64);
        }
    }
}
