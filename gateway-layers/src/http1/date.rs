//! The `date` header, written once a second.
use std::{
    cell::RefCell,
    time::{Duration, SystemTime},
};

/// Length of a date (RFC 9110 5.6.7).
const LENGTH: usize = 29;

thread_local! {
    /// A cache, never state: the second it was written for, and the text.
    static NOW: RefCell<(SystemTime, [u8; LENGTH])> = const { RefCell::new((SystemTime::UNIX_EPOCH, [b' '; LENGTH])) };
}

/// Hands the present date to `write`.
pub(crate) fn with_date<T>(write: impl FnOnce(&[u8]) -> T) -> T {
    NOW.with_borrow_mut(|(second, text)| {
        let now = SystemTime::now();
        // An error is a clock that was set back.
        if now.duration_since(*second).map_or(true, |age| age >= Duration::from_secs(1)) {
            let date = httpdate::fmt_http_date(now);
            text.copy_from_slice(date.as_bytes().get(..LENGTH).unwrap_or(&[b' '; LENGTH]));
            let fraction = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
            *second = now - Duration::from_nanos(u64::from(fraction));
        }
        write(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_now() {
        let written = with_date(|date| String::from_utf8(date.to_vec()).expect("ascii"));
        let parsed = httpdate::parse_http_date(&written).expect("a date");
        assert!(SystemTime::now().duration_since(parsed).expect("not in the future") < Duration::from_secs(60));
        assert_eq!(with_date(<[u8]>::len), LENGTH);
    }
}
