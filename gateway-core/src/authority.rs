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

/// What a byte of a Host is.
#[derive(Clone, Copy)]
enum Class {
    /// RFC 3986: unreserved, escapes, sub-delimiters but the comma.
    Plain,
    /// Colon and brackets: a port, or a literal address.
    Special,
    Refused,
}

static CLASSES: [Class; 256] = {
    let mut table = [Class::Refused; 256];
    let mut byte = 0;
    while byte < 128 {
        let c = byte as u8;
        if matches!(c, b':' | b'[' | b']') {
            table[byte] = Class::Special;
        } else if c.is_ascii_alphanumeric()
            || matches!(c, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&')
            || matches!(c, b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=')
        {
            table[byte] = Class::Plain;
        }
        byte += 1;
    }
    table
};

/// The name in a Host, without its port; the port may be empty. An empty Host is a name like any other.
///
/// # Errors
/// If it cannot be a host and port.
pub fn host_name(authority: &[u8]) -> Result<&str, AuthorityError> {
    let mut special = false;
    for &byte in authority {
        match CLASSES[usize::from(byte)] {
            Class::Plain => {}
            Class::Special => special = true,
            Class::Refused => return Err(AuthorityError::Character),
        }
    }
    let text = std::str::from_utf8(authority).map_err(|_| AuthorityError::Character)?;
    if special { with_port(text) } else { Ok(text) }
}

/// The name that chooses a TLS server: of a handshake's server name, or of a Host without its port. One final dot is no
/// difference; upper case is none to a `HostTable`. Whoever compares such names must have them from here: two readings
/// of one name are a way around a client certificate.
#[must_use]
pub fn server_name(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn with_port(text: &str) -> Result<&str, AuthorityError> {
    let name = without_port(text);
    let port = text[name.len()..].strip_prefix(':').unwrap_or_default();
    let number = port.is_empty() || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let odd = name.bytes().any(|byte| matches!(byte, b'[' | b']' | b':'));
    let literal = name.starts_with('[') && name.ends_with(']') && name.len() > 2;
    if number && (!odd || literal) { Ok(name) } else { Err(AuthorityError::Port) }
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
            ("[]", Err(AuthorityError::Port)),
        ] {
            assert_eq!(host_name(authority.as_bytes()), expected, "{authority}");
        }
        assert_eq!(host_name(b"\xff.com"), Err(AuthorityError::Character));
    }
}
