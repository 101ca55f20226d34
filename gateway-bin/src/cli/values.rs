//! What a flag's value can be.
use std::{collections::BTreeMap, net::SocketAddr, str::FromStr, time::Duration};

use clap::ValueEnum;
use gateway_core::{path::Normalization, translate::ResolveRule};
use gateway_layers::http::ForwardClientCert;

/// See [`super::RunArgs::on_error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    /// Do not start.
    Refuse,
    /// Serve what is valid.
    Skip,
}

/// See [`super::LogArgs::log_format`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line of text.
    Text,
    /// A JSON object a line.
    Json,
}

/// See [`super::LimitArgs::path_normalization`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PathNormalization {
    /// As sent.
    None,
    /// Istio's default.
    Base,
    /// And runs of slashes merged.
    MergeSlashes,
    /// And escaped slashes decoded before.
    DecodeAndMergeSlashes,
}

impl From<PathNormalization> for Normalization {
    fn from(mode: PathNormalization) -> Self {
        match mode {
            PathNormalization::None => Self::None,
            PathNormalization::Base => Self::Base,
            PathNormalization::MergeSlashes => Self::MergeSlashes,
            PathNormalization::DecodeAndMergeSlashes => Self::DecodeAndMergeSlashes,
        }
    }
}

/// See [`super::FrontArgs::forward_client_cert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientCert {
    /// The client's is removed, none is written.
    Sanitize,
    /// The client's is removed; one of its certificate is written.
    SanitizeSet,
    /// That of clients with a certificate is passed on.
    ForwardOnly,
    /// And their own appended.
    AppendForward,
    /// Everybody's is passed on.
    AlwaysForwardOnly,
}

impl From<ClientCert> for ForwardClientCert {
    fn from(mode: ClientCert) -> Self {
        match mode {
            ClientCert::Sanitize => Self::Sanitize,
            ClientCert::SanitizeSet => Self::SanitizeSet,
            ClientCert::ForwardOnly => Self::ForwardOnly,
            ClientCert::AppendForward => Self::AppendForward,
            ClientCert::AlwaysForwardOnly => Self::AlwaysForwardOnly,
        }
    }
}

/// See [`super::CheckArgs::fail_on`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Errors.
    Error,
    /// Warnings too.
    Warning,
    /// Nothing.
    Never,
}

/// See [`super::CheckArgs::output`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckOutput {
    /// With the lines of YAML; of each severity the first 100.
    Text,
    /// A line each.
    Short,
    /// An array.
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// See [`super::ProxyConfigArgs::what`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Ports.
    #[value(alias = "listener")]
    Listeners,
    /// Virtual hosts and their rules, in the order in which they are tried.
    #[value(alias = "route")]
    Routes,
    /// Destinations.
    #[value(alias = "cluster")]
    Clusters,
    /// Certificates.
    #[value(alias = "secret")]
    Secrets,
}

/// Form of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Columns.
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// `a=b,c=d`.
#[derive(Clone, Debug)]
pub(crate) struct Labels(pub(crate) BTreeMap<String, String>);

impl FromStr for Labels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is not KEY=VALUE"))?;
            Ok((key.to_owned(), value.to_owned()))
        };
        pairs.map(pair).collect::<Result<_, String>>().map(Self)
    }
}

/// `80=[ADDR:]8080`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortMap {
    pub(crate) port: u16,
    pub(crate) address: SocketAddr,
}

impl FromStr for PortMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is not PORT=[ADDR:]PORT");
        let (port, to) = text.split_once('=').ok_or_else(wanted)?;
        let address = match to.parse::<u16>() {
            Ok(port) => SocketAddr::from(([0, 0, 0, 0], port)),
            Err(_) => to.parse().map_err(|_| wanted())?,
        };
        Ok(Self { port: port.parse().map_err(|_| wanted())?, address })
    }
}

/// `HOST[:PORT]=ADDR:PORT[/h2]`.
#[derive(Clone, Debug)]
pub(crate) struct Resolve(pub(crate) ResolveRule);

impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is not HOST[:PORT]=ADDR:PORT[/h2]");
        let (from, to) = text.split_once('=').ok_or_else(wanted)?;
        let (host, port) = match from.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wanted())?)),
            None => (from, None),
        };
        let (address, h2) = to.strip_suffix("/h2").map_or((to, false), |address| (address, true));
        let address: SocketAddr = address.parse().map_err(|_| wanted())?;
        if host.is_empty() {
            return Err(format!("{}: the host is empty", wanted()));
        }
        if port == Some(0) || address.port() == 0 {
            return Err(format!("{}: there is no port 0", wanted()));
        }
        Ok(Self(ResolveRule { host: host.to_owned(), port, address, h2 }))
    }
}

/// An address, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admin(pub(crate) Option<SocketAddr>);

impl FromStr for Admin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|address| Self(Some(address))).map_err(|_| format!("`{text}` is neither ADDR:PORT nor `off`"))
    }
}

/// `10s`, `500ms`, `1m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no duration, such as 10s"))?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60 * 1000),
        "h" => number.checked_mul(3600 * 1000),
        _ => return Err(format!("`{text}` needs a unit: ms, s, m or h")),
    };
    // More is endless to everybody, and more than clocks can add.
    const LONGEST: u64 = 10 * 365 * 24 * 3600 * 1000;
    match milliseconds {
        Some(milliseconds) if milliseconds <= LONGEST => Ok(Duration::from_millis(milliseconds)),
        _ => Err(format!("`{text}` is longer than ten years")),
    }
}

/// A time in which something must be able to happen.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("at least 1ms".to_owned()),
        time => Ok(time),
    }
}

/// A number that is not 0: with none of it nothing could be served.
pub(super) fn at_least_one<N: FromStr + Default + PartialEq>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| *number != N::default());
    number.ok_or_else(|| "a whole number from 1 on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_hosts() {
        let port: PortMap = "80=8080".parse().expect("valid");
        assert_eq!((port.port, port.address), (80, "0.0.0.0:8080".parse().expect("valid")));
        let port: PortMap = "443=127.0.0.1:8443".parse().expect("valid");
        assert_eq!(port.address, "127.0.0.1:8443".parse().expect("valid"));
        let resolve: Resolve = "a.app:80=127.0.0.1:9000/h2".parse().expect("valid");
        assert_eq!((resolve.0.host.as_str(), resolve.0.port, resolve.0.h2), ("a.app", Some(80), true));
        for bad in
            ["=127.0.0.1:1", ":80=127.0.0.1:1", "a:0=127.0.0.1:1", "a=127.0.0.1:0", "a=127.0.0.1", "a:x=127.0.0.1:1"]
        {
            assert!(bad.parse::<Resolve>().is_err(), "{bad}");
        }
        assert!("a".parse::<Resolve>().is_err() && "80".parse::<PortMap>().is_err() && "x".parse::<Admin>().is_err());
        assert_eq!((duration("500ms"), duration("2m")), (Ok(Duration::from_millis(500)), Ok(Duration::from_secs(120))));
        assert!(duration("5").is_err());
        assert!(duration("87600h").is_ok());
        for long in ["87601h", "18446744073709551615ms", "18446744073709551615h", "99999999999999999999s"] {
            assert!(duration(long).is_err(), "{long}");
        }
    }
}
