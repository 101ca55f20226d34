//! The `Referer` check of Envoy: several lines become one; what is no reference is removed.
use http::{HeaderMap, HeaderValue, header::REFERER};

/// Joins the lines with `,`, and removes the result if it is no reference.
pub(super) fn check(headers: &mut HeaderMap) {
    let lines: Vec<_> = headers.get_all(REFERER).iter().map(HeaderValue::as_bytes).collect();
    let joined = lines.join(&b","[..]);
    if !is_reference(&joined) {
        headers.remove(REFERER);
    } else if lines.len() > 1
        && let Ok(value) = HeaderValue::from_bytes(&joined)
    {
        headers.insert(REFERER, value);
    }
}

/// An absolute URL without fragment and userinfo, or something like a path.
fn is_reference(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    if let Some((scheme, rest)) = text.split_once("://")
        && !scheme.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        return end > 0 && !rest[..end].contains('@') && !rest.contains('#');
    }
    let before_slash = text.split('/').next().unwrap_or_default();
    let path_character = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'/' | b'?' | b':' | b'@')
            || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
    };
    !before_slash.contains(':') && text.bytes().all(path_character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for (lines, expected) in [
            (&["a", "b"][..], Some("a,b")),
            (&["https://a.com/#f"], None),
            (&["https://u@a.com/"], None),
            (&["nonsense"], Some("nonsense")),
            (&["/x"], Some("/x")),
            (&["ftp://a.com/"], Some("ftp://a.com/")),
            (&["http://a/", "http://b/"], Some("http://a/,http://b/")),
            (&["a b"], None),
            (&["x:y"], None),
            (&["/x#f"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(REFERER, HeaderValue::from_static(line));
            }
            check(&mut headers);
            assert_eq!(headers.get(REFERER).and_then(|value| value.to_str().ok()), expected, "{lines:?}");
        }
    }
}
