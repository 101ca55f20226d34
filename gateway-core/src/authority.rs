//! Host and `:authority`: what is accepted, and the name in it.
use crate::host_table::without_port;

/// Why a Host is refused (RFC 9112 3.2, RFC 9110 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// A character that no host has: comma, blank, slash, userinfo's `@`, bytes over 126.
    #[error("a character that no host name has")]
    Character,
    /// Something other than digits after the colon.
    #[error("a port that is no number")]
    Port,
}

/// The name in a Host, without its port; the port may be empty. An empty Host is a name like any other.
///
/// # Errors
/// If it cannot be a host and port.
pub fn host_name(authority: &[u8]) -> Result<&str, AuthorityError> {
    let allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']' | b'%')
            || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=')
    };
    if !authority.iter().all(allowed) {
        return Err(AuthorityError::Character);
    }
    let text = std::str::from_utf8(authority).map_err(|_| AuthorityError::Character)?;
    let name = without_port(text);
    let port = text[name.len()..].strip_prefix(':').unwrap_or_default();
    let number = port.bytes().all(|byte| byte.is_ascii_digit()) && (port.is_empty() || port.parse::<u16>().is_ok());
    let brackets = !name.contains(['[', ']']) || (name.starts_with('[') && name.ends_with(']'));
    if number && brackets && (name.starts_with('[') || !name.contains(':')) {
        Ok(name)
    } else {
        Err(AuthorityError::Port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_hosts_and_refuses_the_rest() {
        for (authority, expected) in [
            ("a.com", Ok("a.com")),
            ("A.com:8080", Ok("A.com")),
            ("a.com:", Ok("a.com")),
            ("a.com:0", Ok("a.com")),
            ("", Ok("")),
            ("[::1]:80", Ok("[::1]")),
            ("[::1]", Ok("[::1]")),
            ("::1", Err(AuthorityError::Port)),
            ("a.com:x", Err(AuthorityError::Port)),
            ("a.com:99999", Err(AuthorityError::Port)),
            ("a.com:80:81", Err(AuthorityError::Port)),
            ("a.com,b.com", Err(AuthorityError::Character)),
            ("u@a.com", Err(AuthorityError::Character)),
            ("a.com/x", Err(AuthorityError::Character)),
            ("a com", Err(AuthorityError::Character)),
            ("[::1", Err(AuthorityError::Port)),
            ("x[::1]", Err(AuthorityError::Port)),
        ] {
            assert_eq!(host_name(authority.as_bytes()), expected, "{authority}");
        }
        assert_eq!(host_name(b"\xff.com"), Err(AuthorityError::Character));
    }
}
