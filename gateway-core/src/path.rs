//! Path normalisation: what routes, policies and upstreams see. One function, so that all see the same.
use std::borrow::Cow;

/// How paths are normalised; Istio's `pathNormalization`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalization {
    /// As sent.
    None,
    /// RFC 3986: escapes of unreserved characters decoded, `\` becomes `/`, dot segments removed. Istio's default.
    #[default]
    Base,
    /// `Base`, and runs of `/` merged.
    MergeSlashes,
    /// `%2F` and `%5C` become `/`, then `MergeSlashes`.
    DecodeAndMergeSlashes,
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `%00`: no path of an honest client has it.
    #[error("`%00` in the path")]
    Nul,
}

/// Normalises a path that starts with `/` (no query). Broken escapes stay as they are; nothing is decoded twice;
/// dot segments above the root are dropped.
///
/// # Errors
/// If it has `%00`.
pub fn normalize(path: &str, mode: Normalization) -> Result<Cow<'_, str>, PathError> {
    if mode == Normalization::None || is_plain(path, mode) {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = decode(path, mode)?;
    if matches!(mode, Normalization::MergeSlashes | Normalization::DecodeAndMergeSlashes) {
        decoded.dedup_by(|a, b| *a == b'/' && *b == b'/');
    }
    let out = remove_dot_segments(&decoded);
    // Only ASCII characters were exchanged for ASCII characters.
    Ok(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
}

/// True if nothing would change: nearly every path, seen in one pass.
fn is_plain(path: &str, mode: Normalization) -> bool {
    let merges = mode != Normalization::Base;
    let mut before = 0;
    path.bytes().all(|byte| {
        let plain = match byte {
            b'%' | b'\\' => false,
            b'.' => before != b'/',
            b'/' => !(merges && before == b'/'),
            _ => true,
        };
        before = byte;
        plain
    })
}

fn decode(path: &str, mode: Normalization) -> Result<Vec<u8>, PathError> {
    let slashes = mode == Normalization::DecodeAndMergeSlashes;
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'\\' {
            out.push(b'/');
            continue;
        }
        let escaped = if byte == b'%' { after.first_chunk().and_then(unhex) } else { None };
        match escaped {
            Some(0) => return Err(PathError::Nul),
            Some(b'/' | b'\\') if slashes => out.push(b'/'),
            Some(c) if c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'~') => out.push(c),
            _ => {
                out.push(byte);
                continue;
            }
        }
        rest = &after[2..];
    }
    Ok(out)
}

fn unhex(digits: &[u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

/// RFC 3986, 5.2.4.
fn remove_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut segments = path.split(|&byte| byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    out.truncate(out.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
                }
                if last {
                    out.push(b'/');
                }
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    if out.is_empty() { vec![b'/'] } else { out }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/c/../b", "/a/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/../a", "/a"),
            ("/..", "/"),
            ("//a", "//a"),
            ("/a//../b", "/a/b"),
            ("/%61/b", "/a/b"),
            ("/%2e%2e/b", "/b"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%2fb", "/a%2fb"),
            ("/a%5Cb", "/a%5Cb"),
            ("/%2561", "/%2561"),
            ("/%zz%4%", "/%zz%4%"),
            ("/a\\b\\..\\c", "/a/c"),
            ("/a.b/.c/..d", "/a.b/.c/..d"),
            ("/a;x/b", "/a;x/b"),
            ("/%C3%A4", "/%C3%A4"),
        ] {
            assert_eq!(normalize(path, Normalization::Base).as_deref(), Ok(expected), "{path}");
        }
        assert_eq!(normalize("/a%00b", Normalization::Base), Err(PathError::Nul));
    }

    #[test]
    fn other_modes() {
        for (mode, path, expected) in [
            (Normalization::None, "/a/../%61%00", "/a/../%61%00"),
            (Normalization::MergeSlashes, "/a///b//", "/a/b/"),
            (Normalization::MergeSlashes, "/a%2F%2Fb", "/a%2F%2Fb"),
            (Normalization::DecodeAndMergeSlashes, "/a%2F/b", "/a/b"),
            (Normalization::DecodeAndMergeSlashes, "/a%5cb", "/a/b"),
            (Normalization::DecodeAndMergeSlashes, "/a%2F..%2Fb", "/b"),
        ] {
            assert_eq!(normalize(path, mode).as_deref(), Ok(expected), "{path}");
        }
    }

    proptest! {
        #[test]
        fn is_stable_and_never_leaves_dots(path in "/[a./%25e\\\\]{0,12}") {
            if let Ok(once) = normalize(&path, Normalization::Base) {
                prop_assert!(once.starts_with('/'));
                prop_assert!(!once.split('/').any(|segment| segment == "." || segment == ".."));
                prop_assert!(!once.contains('\\'));
            }
        }
    }
}
