//! Who the client is, when proxies stand in front: their networks, and `x-forwarded-for`.
use std::{fmt, net::IpAddr, str::FromStr};

/// An address and how many of its leading bits count, as `10.0.0.0/8`; without a length the one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// Why a text is no [`Network`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotANetwork(String);

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no network, such as 10.0.0.0/8 or 2001:db8::/32", self.0)
    }
}

impl std::error::Error for NotANetwork {}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(length) => length.parse().ok().filter(|length| *length <= most).ok_or_else(wrong)?,
        };
        Ok(Self { address, length })
    }
}

impl Network {
    /// Is the address one of it? An IPv4 address that is written as IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                u32::from(self.length) <= (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                u32::from(self.length) <= (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => false,
        }
    }
}

/// Which proxies in front are believed when they say who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// None: the peer is the client.
    #[default]
    Nobody,
    /// So many (Istio's `numTrustedProxies`): the client is so far from the right of `x-forwarded-for`.
    Hops(usize),
    /// Those of these networks: the client is the rightmost one of `x-forwarded-for` that is none of them.
    Networks(Vec<Network>),
}

impl Trust {
    /// Does it believe what comes from this peer?
    #[must_use]
    pub fn believes(&self, peer: IpAddr) -> bool {
        match self {
            Self::Nobody => false,
            Self::Hops(hops) => *hops > 0,
            Self::Networks(networks) => networks.iter().any(|network| network.contains(peer)),
        }
    }

    /// The client; `None` if it is the peer. `lines` are those of `x-forwarded-for`. What is no address ends the
    /// search: behind it anybody could have written anything.
    pub fn client<'a, L>(&self, peer: IpAddr, lines: L) -> Option<IpAddr>
    where
        L: DoubleEndedIterator<Item = &'a str>,
    {
        if !self.believes(peer) {
            return None;
        }
        let mut entries =
            lines.rev().flat_map(|line| line.rsplit(',').map(str::trim)).filter(|entry| !entry.is_empty());
        match self {
            Self::Nobody => None,
            // As Envoy: fewer entries, or no address there, are no answer.
            Self::Hops(hops) => entries.nth(hops.checked_sub(1)?)?.parse().ok(),
            Self::Networks(networks) => {
                let mut client = None;
                for entry in entries {
                    let Ok(address) = entry.parse::<IpAddr>() else { break };
                    client = Some(address);
                    if !networks.iter().any(|network| network.contains(address)) {
                        break;
                    }
                }
                client
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    #[test]
    fn networks() {
        for (net, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("::/0", "::1", "1.2.3.4"),
        ] {
            assert!(network(net).contains(inside.parse().expect("an address")), "{net} {inside}");
            assert!(!network(net).contains(outside.parse().expect("an address")), "{net} {outside}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::/129", "a", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_client_is_looked_for_from_the_right() {
        let near = Trust::Networks(vec![network("10.0.0.0/8")]);
        let peer = "10.0.0.1";
        for (trust, peer, lines, expected) in [
            (&Trust::Nobody, peer, &["1.1.1.1"][..], None),
            (&Trust::Hops(1), peer, &["1.1.1.1, 2.2.2.2"], Some("2.2.2.2")),
            (&Trust::Hops(2), peer, &["1.1.1.1", "2.2.2.2"], Some("1.1.1.1")),
            (&Trust::Hops(3), peer, &["1.1.1.1", "2.2.2.2"], None),
            (&Trust::Hops(1), peer, &["1.1.1.1, junk"], None),
            (&Trust::Hops(0), peer, &["1.1.1.1"], None),
            (&near, peer, &["1.1.1.1, 10.0.0.2"], Some("1.1.1.1")),
            (&near, peer, &["1.1.1.1", "2.2.2.2"], Some("2.2.2.2")),
            (&near, peer, &["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
            (&near, peer, &["1.1.1.1, junk, 10.0.0.2"], Some("10.0.0.2")),
            (&near, peer, &[""], None),
            (&near, "9.9.9.9", &["1.1.1.1"], None),
        ] {
            let client = trust.client(peer.parse().expect("an address"), lines.iter().copied());
            assert_eq!(client, expected.map(|text| text.parse().expect("an address")), "{trust:?} {peer} {lines:?}");
        }
    }
}
