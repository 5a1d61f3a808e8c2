//! One mechanism behind the registries: a kind of source, sink or outcome has a name, a line about it
//! and a way to be built. Also: the nearest name to a mistyped one.

/// A line of a registry. `T` is how it is built.
#[derive(Debug, Clone, Copy)]
pub struct Kind<T> {
    /// The name in the config.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// How it is built from its settings.
    pub build: T,
}

/// The known name that `typed` was most likely meant to be, if any is near enough.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&typed, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(typed.len()) / 4)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["max_concurrency", "host_delay", "host_concurrency"];
        assert_eq!(nearest("max_concurency", known), Some("max_concurrency"));
        assert_eq!(nearest("host-delay", known), Some("host_delay"));
        assert_eq!(nearest("colour", known), None);
    }
}
