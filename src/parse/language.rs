//! The language of a text, told from its letters. Only where it is sure; a text too short to tell has none.

use whatlang::{Info, Lang, detect};

/// Letters that a text must have, at least.
const MIN_LETTERS: usize = 60;
/// So much of a text is looked at, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// The tag of the language that a text is in (BCP 47), by its script, letters and trigrams.
pub fn language(text: &str) -> Option<&'static str> {
    let text = &text[..text.floor_char_boundary(MAX_BYTES)];
    if text.chars().filter(|c| c.is_alphabetic()).count() < MIN_LETTERS {
        return None;
    }
    detect(text).filter(Info::is_reliable).map(|found| tag(found.lang()))
}

/// The shortest tag: two letters where ISO 639-1 has them.
fn tag(lang: Lang) -> &'static str {
    // By the code of three letters.
    #[rustfmt::skip]
    const TAGS: [(&str, &str); 70] = [
        ("afr", "af"), ("aka", "ak"), ("amh", "am"), ("ara", "ar"), ("aze", "az"),
        ("bel", "be"), ("ben", "bn"), ("bul", "bg"), ("cat", "ca"), ("ces", "cs"),
        ("cmn", "zh"), ("cym", "cy"), ("dan", "da"), ("deu", "de"), ("ell", "el"),
        ("eng", "en"), ("epo", "eo"), ("est", "et"), ("fin", "fi"), ("fra", "fr"),
        ("guj", "gu"), ("heb", "he"), ("hin", "hi"), ("hrv", "hr"), ("hun", "hu"),
        ("hye", "hy"), ("ind", "id"), ("ita", "it"), ("jav", "jv"), ("jpn", "ja"),
        ("kan", "kn"), ("kat", "ka"), ("khm", "km"), ("kor", "ko"), ("lat", "la"),
        ("lav", "lv"), ("lit", "lt"), ("mal", "ml"), ("mar", "mr"), ("mkd", "mk"),
        ("mya", "my"), ("nep", "ne"), ("nld", "nl"), ("nob", "nb"), ("ori", "or"),
        ("pan", "pa"), ("pes", "fa"), ("pol", "pl"), ("por", "pt"), ("ron", "ro"),
        ("rus", "ru"), ("sin", "si"), ("slk", "sk"), ("slv", "sl"), ("sna", "sn"),
        ("spa", "es"), ("srp", "sr"), ("swe", "sv"), ("tam", "ta"), ("tel", "te"),
        ("tgl", "tl"), ("tha", "th"), ("tuk", "tk"), ("tur", "tr"), ("ukr", "uk"),
        ("urd", "ur"), ("uzb", "uz"), ("vie", "vi"), ("yid", "yi"), ("zul", "zu"),
    ];
    let code = lang.code();
    let found = TAGS.binary_search_by_key(&code, |(long, _)| long);
    found.map_or(code, |at| TAGS[at].1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn languages_that_are_sure() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(language(text), expected, "{text}");
        check(
            "The harbour was closed for three days after the storm, and nobody knew when it would open.",
            Some("en"),
        );
        check(
            "Der Hafen blieb nach dem Sturm drei Tage geschlossen, und niemand wusste, wann er öffnet.",
            Some("de"),
        );
        check(
            "Порт был закрыт три дня после шторма, и никто не знал, когда он снова откроется для судов. Рыбаки ждали на берегу и смотрели на тяжёлые серые волны.",
            Some("ru"),
        );
        check(&"港は嵐のあと三日間閉鎖され、いつ再開するのかは誰にもわからなかった。".repeat(3), Some("ja"));
        check("", None);
        check("Port closed", None);
        check(&"1234 ".repeat(100), None);
    }

    proptest! {
        #[test]
        fn any_text_has_a_language_or_none(text in "\\PC{60,200}|\\p{L}{60,200}|[\u{3041}-\u{30FF}\u{4E00}-\u{4E20}a ]{60,90}") {
            prop_assert!(language(&text).is_none_or(|tag| tag.len() == 2));
        }
    }

    #[test]
    fn every_language_has_its_tag() {
        for lang in Lang::all() {
            let tag = tag(*lang);
            assert_eq!(tag.len(), 2, "{lang:?}");
        }
    }
}
