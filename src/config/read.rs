//! Reads the text of a config file, or says why what is there cannot be one. Never blocks and never
//! reads more than a config can be.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::problem::ConfigErrors;
use super::text::{Place, shown_whole};

/// The file that is read if none is named.
pub const DEFAULT_PATH: &str = "config.toml";

/// A larger file is no config.
const MAX_BYTES: u64 = 1 << 20;

const INIT: &str = "write a first one with `trawl config init`, or name another file";

/// The text of the file, without a byte order mark.
pub fn read(path: &Path) -> Result<String, ConfigErrors> {
    let name = shown_whole(&path.display().to_string());
    let refuse = |error| refused(path, &error);
    // Asked before it is opened: opening a FIFO would wait for somebody to write.
    let kind = path.metadata().map_err(refuse)?;
    if kind.is_dir() {
        let hint = format!("name the file in it: `{}`", Path::new(&name).join(DEFAULT_PATH).display());
        return Err(ConfigErrors::whole(format!("`{name}` is a directory, not a config file"), hint));
    }
    if !kind.is_file() {
        let what = match kind.file_type() {
            kind if kind.is_fifo() => "a FIFO",
            kind if kind.is_socket() => "a socket",
            _ => "a device",
        };
        let hint = "write the config into a regular file";
        return Err(ConfigErrors::whole(format!("`{name}` is {what}, not a config file"), hint));
    }
    let too_large = || {
        ConfigErrors::whole(
            format!("`{name}` is larger than 1MiB, which no config needs"),
            "move long lists of URLs into a file of their own and name it in a source of type \"list\"",
        )
    };
    if kind.len() > MAX_BYTES {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(refuse)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    decode(&name, &bytes)
}

/// The system does not let the file be read.
fn refused(path: &Path, error: &std::io::Error) -> ConfigErrors {
    let name = shown_whole(&path.display().to_string());
    match error.kind() {
        ErrorKind::NotFound => {
            let place = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let place = shown_whole(&place.display().to_string());
            ConfigErrors::whole(format!("no config file: `{place}` does not exist"), INIT)
        }
        ErrorKind::PermissionDenied => ConfigErrors::whole(
            format!("cannot read `{name}`: permission denied"),
            "let the user that runs the job read the file and enter its folder",
        ),
        _ => ConfigErrors::whole(format!("cannot read `{name}`: {error}"), INIT),
    }
}

/// The text of the bytes, if they are text at all.
fn decode(name: &str, bytes: &[u8]) -> Result<String, ConfigErrors> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(ConfigErrors::whole(format!("`{name}` is UTF-16"), "save it as UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let place = |offset: usize| {
        let before = String::from_utf8_lossy(&bytes[..offset]);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        Place { name: name.to_owned(), line: Some((before.matches('\n').count() + 1, column)) }
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let byte = bytes.get(offset).copied().unwrap_or_default();
        let what = format!("{}: byte {byte:#04x} at offset {offset} is not UTF-8", place(offset));
        ConfigErrors::whole(what, "save the file as UTF-8")
    })?;
    if let Some(offset) = text.find('\0') {
        let what = format!("{}: NUL byte at offset {offset}", place(offset));
        return Err(ConfigErrors::whole(what, "a config is a text file; is this one damaged?"));
    }
    if text.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#'))) {
        return Err(ConfigErrors::whole(format!("`{name}` is empty"), INIT));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let text = decode("c.toml", bytes).unwrap_or_else(|errors| errors.headline);
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_no_text_says_where() {
        check(b"\xef\xbb\xbfa = 1", "a = 1");
        check(b"a = 1\nb = \"\xff\"", "c.toml:2:6: byte 0xff at offset 11 is not UTF-8");
        check(b"a = 1\n\0", "c.toml:2:1: NUL byte at offset 6");
        check(b"a\0=\0", "c.toml:1:2: NUL byte at offset 1");
        check(b"\xff\xfea\0", "`c.toml` is UTF-16");
        check(b"", "`c.toml` is empty");
        check(b"\n  # only words\n", "`c.toml` is empty");
    }

    #[test]
    fn a_refusal_of_the_system_says_what_to_do() {
        let refused = |kind: ErrorKind| refused(Path::new("/x/c.toml"), &kind.into()).to_string();
        assert_eq!(
            refused(ErrorKind::NotFound),
            "no config file: `/x/c.toml` does not exist\n\
             hint: write a first one with `trawl config init`, or name another file"
        );
        assert_eq!(
            refused(ErrorKind::PermissionDenied),
            "cannot read `/x/c.toml`: permission denied\n\
             hint: let the user that runs the job read the file and enter its folder"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_text_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = decode("c.toml", &bytes);
        }
    }
}
