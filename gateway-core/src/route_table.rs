//! [`RouteTable`]: the first route in list order that takes a request, without a scan of the list.
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use foldhash::fast::RandomState;

use crate::model::{PathMatch, RequestHead, RequestMatch, StringMatch};

/// Routes of one virtual host. The first in list order that fits wins: nothing is sorted by specificity.
///
/// Routes are filed under their path condition: exact paths and prefixes in hash maps, all others (regex, without
/// regard to case, none) in a list. A lookup walks only the routes filed under this very path and its prefixes, in
/// order, and stops at the best found so far.
#[derive(Clone)]
pub struct RouteTable<T> {
    routes: Vec<(RequestMatch, T)>,
    exact: HashMap<Box<str>, Vec<u32>, RandomState>,
    prefixes: HashMap<Box<str>, Vec<u32>, RandomState>,
    /// Lengths of prefixes, shortest first.
    lengths: Vec<usize>,
    others: Vec<u32>,
}

impl<T> RouteTable<T> {
    /// Files the routes, first wins.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = (RequestMatch, T)>) -> Self {
        let routes: Vec<_> = routes.into_iter().collect();
        let mut exact = HashMap::<Box<str>, Vec<u32>, RandomState>::default();
        let mut prefixes = HashMap::<Box<str>, Vec<u32>, RandomState>::default();
        let mut others = Vec::new();
        for (number, (matches, _)) in (0..).zip(&routes) {
            match &matches.path {
                Some(PathMatch { value: StringMatch::Exact(path), ignore_case: false }) => {
                    exact.entry(path.as_str().into()).or_default().push(number);
                }
                Some(PathMatch { value: StringMatch::Prefix(path), ignore_case: false }) => {
                    prefixes.entry(path.as_str().into()).or_default().push(number);
                }
                _ => others.push(number),
            }
        }
        let lengths: BTreeSet<_> = prefixes.keys().map(|prefix| prefix.len()).collect();
        Self { routes, exact, prefixes, lengths: lengths.into_iter().collect(), others }
    }

    /// The first route that takes the request.
    #[must_use]
    pub fn find(&self, head: &RequestHead<'_>) -> Option<&T> {
        let mut best = u32::MAX;
        if !self.exact.is_empty()
            && let Some(filed) = self.exact.get(head.path)
        {
            self.improve(&mut best, filed, |matches| matches.fits_beside_path(head));
        }
        for prefix in self.lengths.iter().map_while(|&length| head.path.as_bytes().get(..length)) {
            let filed = std::str::from_utf8(prefix).ok().and_then(|prefix| self.prefixes.get(prefix));
            if let Some(filed) = filed {
                self.improve(&mut best, filed, |matches| matches.fits_beside_path(head));
            }
        }
        self.improve(&mut best, &self.others, |matches| matches.fits(head));
        self.routes.get(best as usize).map(|(_, value)| value)
    }

    fn improve(&self, best: &mut u32, filed: &[u32], fits: impl Fn(&RequestMatch) -> bool) {
        let better = filed.iter().take_while(|&&number| number < *best);
        let mut fitting = better.filter(|&&number| self.routes.get(number as usize).is_some_and(|(m, _)| fits(m)));
        if let Some(&number) = fitting.next() {
            *best = number;
        }
    }

    /// The routes in order.
    pub fn iter(&self) -> impl Iterator<Item = &(RequestMatch, T)> {
        self.routes.iter()
    }
}

impl<T> fmt::Debug for RouteTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RouteTable({})", self.routes.len())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method};
    use proptest::prelude::*;

    use super::*;
    use crate::model::{HeaderKey, HeaderMatch, Regex};

    fn head<'a>(method: &'a Method, path: &'a str, headers: &'a HeaderMap) -> RequestHead<'a> {
        RequestHead { method, path, query: None, path_and_query: path, scheme: "http", authority: b"a.com", headers }
    }

    fn path_match() -> impl Strategy<Value = Option<PathMatch>> {
        let value = ("[/ab]{0,4}", 0..4u8).prop_map(|(text, kind)| match kind {
            0 => StringMatch::Exact(text),
            1 | 2 => StringMatch::Prefix(text),
            _ => StringMatch::Regex(Regex::full(&format!("{text}.*")).expect("no special characters")),
        });
        prop::option::of((value, any::<bool>()).prop_map(|(value, ignore_case)| PathMatch { value, ignore_case }))
    }

    fn route() -> impl Strategy<Value = RequestMatch> {
        (path_match(), any::<bool>(), any::<bool>()).prop_map(|(path, post, header)| RequestMatch {
            path,
            method: post.then(|| StringMatch::Exact("POST".to_owned())),
            headers: header
                .then(|| HeaderMatch {
                    key: HeaderKey::Field(HeaderName::from_static("x")),
                    value: None,
                    without: false,
                })
                .into_iter()
                .collect(),
            ..RequestMatch::default()
        })
    }

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            routes in prop::collection::vec(route(), 0..24),
            path in "/[/abAB]{0,5}",
            post in any::<bool>(),
            header in any::<bool>(),
        ) {
            let method = if post { Method::POST } else { Method::GET };
            let mut headers = HeaderMap::new();
            if header {
                headers.insert("x", http::HeaderValue::from_static("1"));
            }
            let head = head(&method, &path, &headers);
            let naive = routes.iter().position(|matches| matches.fits(&head));
            let table = RouteTable::new(routes.into_iter().zip(0..));
            prop_assert_eq!(table.find(&head).copied(), naive);
        }
    }
}
