//! Crawler traps: bounds on the shape of a URL, so that a site that makes up links without end comes to one.
//! Looks at one URL alone; remembers nothing, and knows neither sources nor seeds.

use url::Url;

/// Segments that are held against each other without memory of their own.
const FEW: usize = 64;
/// So much of a segment is shown, in bytes.
const MAX_SHOWN_BYTES: usize = 40;

/// The keys of the bounds in `[scope]`, in the order in which a URL is held against them.
pub const KEYS: [&str; 4] =
    ["max_url_length", "max_path_segments", "max_query_params", "max_repeated_segments"];

/// The bounds, each counted as its key in `[scope]` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the whole URL.
    pub url_length: usize,
    /// Segments of the path.
    pub path_segments: usize,
    /// Parameters of the query.
    pub query_params: usize,
    /// How often one segment may stand in the path.
    pub repeated_segments: usize,
}

/// Which bound a URL breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap<'u> {
    /// It has so many bytes.
    UrlLength(usize),
    /// Its path has so many segments.
    PathSegments(usize),
    /// Its query has so many parameters.
    QueryParams(usize),
    /// This segment stands in its path so many times.
    RepeatedSegment(&'u str, usize),
}

impl Trap<'_> {
    /// Which of [`KEYS`] bounds it.
    pub fn number(&self) -> usize {
        match self {
            Self::UrlLength(_) => 0,
            Self::PathSegments(_) => 1,
            Self::QueryParams(_) => 2,
            Self::RepeatedSegment(..) => 3,
        }
    }

    /// What is wrong, in words that go before `more than`.
    pub fn words(&self) -> String {
        match self {
            Self::UrlLength(bytes) => format!("is {bytes} bytes long"),
            Self::PathSegments(count) => format!("has {count} path segments"),
            Self::QueryParams(count) => format!("has {count} query parameters"),
            Self::RepeatedSegment("", count) => format!("repeats an empty path segment {count} times"),
            Self::RepeatedSegment(segment, count) => {
                // A URL in canonical form is ASCII; `get` is for whoever passes another one.
                let shown = segment.get(..MAX_SHOWN_BYTES).map(|start| format!("{start}..."));
                format!("repeats the path segment `{}` {count} times", shown.as_deref().unwrap_or(segment))
            }
        }
    }
}

impl Bounds {
    /// The first bound that a URL in canonical form breaks. The work grows with its length times the logarithm
    /// of its segments; nothing is allocated for up to 64 of them.
    pub fn broken_by<'u>(&self, url: &'u Url) -> Option<Trap<'u>> {
        let length = url.as_str().len();
        if length > self.url_length {
            return Some(Trap::UrlLength(length));
        }
        let count = segments(url).count();
        if count > self.path_segments {
            return Some(Trap::PathSegments(count));
        }
        let params =
            url.query().map_or(0, |query| query.split('&').filter(|param| !param.is_empty()).count());
        if params > self.query_params {
            return Some(Trap::QueryParams(params));
        }
        if count <= self.repeated_segments {
            return None;
        }
        let (segment, times) = most_repeated(url, count);
        (times > self.repeated_segments).then_some(Trap::RepeatedSegment(segment, times))
    }
}

/// What stands between the slashes of a path; nothing is counted after the last one. `/a//b/` has three.
pub fn segments(url: &Url) -> impl Iterator<Item = &str> {
    let path = url.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_terminator('/')
}

/// The segment that stands in the path most often, the first in the order of bytes among equals, and how often.
fn most_repeated(url: &Url, count: usize) -> (&str, usize) {
    let mut few = [""; FEW];
    let mut many = Vec::new();
    let sorted: &mut [&str] = if let Some(few) = few.get_mut(..count) {
        few.iter_mut().zip(segments(url)).for_each(|(place, segment)| *place = segment);
        few
    } else {
        many.extend(segments(url));
        &mut many
    };
    sorted.sort_unstable();
    sorted
        .chunk_by(|one, two| one == two)
        .map(|run| (run[0], run.len()))
        .fold(("", 0), |most, run| if run.1 > most.1 { run } else { most })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { url_length: 200, path_segments: 70, query_params: 2, repeated_segments: 3 };

    /// What is wrong with the URL of a path on `http://h`; empty if nothing is.
    fn check(path: &str, expected: &str) {
        let url = Url::parse(&format!("http://h{path}")).expect(path);
        let words = BOUNDS.broken_by(&url).map_or(String::new(), |trap| trap.words());
        assert_eq!(words, expected, "{path}");
    }

    #[test]
    fn each_bound_holds_exactly() {
        check(&format!("/{}", "x".repeat(191)), "");
        check(&format!("/{}", "x".repeat(192)), "is 201 bytes long");
        check("/?a&b", "");
        check("/?a&&b&", "");
        check("/?a&b&c=", "has 3 query parameters");
        check("/a/a/a/b", "");
        check("/a/b/a/b/a/b/a", "repeats the path segment `a` 4 times");
        check("/a/a/a/a/", "repeats the path segment `a` 4 times");
        check("/a////b", "");
        check("/a/////b", "repeats an empty path segment 4 times");
        check(&"/c".repeat(3), "");
        let long = format!("/{}", "y".repeat(41));
        check(&long.repeat(4), &format!("repeats the path segment `{}...` 4 times", "y".repeat(40)));
    }

    #[test]
    fn segments_are_counted_without_the_end_of_the_path() {
        for (path, count) in [("", 0), ("/", 0), ("/a", 1), ("/a/", 1), ("/a/b", 2), ("/a//b/", 3), ("//", 1)]
        {
            let url = Url::parse(&format!("http://h{path}?x/y")).expect(path);
            assert_eq!(segments(&url).count(), count, "{path}");
        }
        let numbers = |count: usize, different: usize| {
            let segments: Vec<String> = (0..count).map(|n| (n % different).to_string()).collect();
            format!("/{}", segments.join("/"))
        };
        let path = numbers(70, 35);
        check(&path, "");
        check(&format!("{path}/1"), "has 71 path segments");
        let path = numbers(69, 23);
        check(&path, "");
        check(&format!("{path}/7"), "repeats the path segment `7` 4 times");
    }

    proptest::proptest! {
        #[test]
        fn the_most_repeated_is_found(segments in proptest::collection::vec("[a-c]{0,2}", 0..130)) {
            let url = Url::parse(&format!("http://h/{}/", segments.join("/"))).expect("a URL");
            let there: Vec<&str> = super::segments(&url).collect();
            let (segment, times) = most_repeated(&url, there.len());
            let count = |wanted: &str| there.iter().filter(|other| **other == wanted).count();
            proptest::prop_assert_eq!(times, there.iter().map(|one| count(one)).max().unwrap_or(0));
            proptest::prop_assert_eq!(count(segment), times);
        }
    }
}
