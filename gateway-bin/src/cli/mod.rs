//! The words of the command line. Most flags are environment variables too, `GATEWAY_` and the flag's name; one that is
//! empty counts as unset, and a list has `,` between its members.
mod parse;
mod values;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use gateway_core::forwarded::Network;

pub(crate) use self::values::{
    Admin, CheckOutput, ClientCert, Color, FailOn, Labels, LogFormat, OnError, Output, PathNormalization, PortMap,
    Resolve, What,
};
use self::values::{at_least_one, duration, some_time};

const EXAMPLES: &str = "\
Examples:
  gateway demo                                     try it: upstreams, certificates and YAML are made on the spot
  gateway check -f config/                         all findings, with file, line, column and cure
  gateway run -f config/ --port 80=8080 --port 443=8443
  gateway proxy-config routes -f config/           what a configuration comes to; without -f: of the running gateway
";

const RUN_EXAMPLES: &str = "\
Examples:
  gateway run -f gateway.yaml -f routes/           files and folders (with sub-folders: *.yaml, *.yml, *.json)
  kubectl get gw,vs,dr,se,secret -n istio-system -o yaml | gateway run -f -
  gateway run -f config/ --port 80=8080            port 80 of the YAML, without root
  gateway run -f config/ --resolve reviews:9080=127.0.0.1:9080
";

/// Istio's ingress configuration (Gateway, VirtualService), served without Istio, Envoy or Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, before_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves a configuration, in the foreground.
    #[command(before_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Reports everything that is wrong in a configuration; the running gateway uses the same code.
    ///
    /// Exit codes: 0 nothing at or above --fail-on, 3 findings, 1 a path that is named cannot be read, 2 usage (a
    /// missing -f, too).
    #[command(visible_aliases = ["analyze", "validate"])]
    Check(CheckArgs),
    /// Shows listeners, routes, clusters or secrets, of files or of the running gateway.
    #[command(visible_alias = "pc")]
    ProxyConfig(ProxyConfigArgs),
    /// A complete gateway on high ports of 127.0.0.1, with upstreams, certificates and YAML to be edited.
    Demo(DemoArgs),
}

/// Where the configuration is, and what this gateway is.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigArgs {
    /// A file, a folder with its sub-folders (*.yaml, *.yml, *.json), or `-` for standard input. Repeatable;
    /// the variable is a list with `:` between the paths. A file may be of 16 MiB.
    #[arg(short, long = "file", value_name = "PATH", env = "GATEWAY_FILE", help_heading = "Configuration")]
    pub(crate) files: Vec<PathBuf>,
    /// A folder of secrets: DIR/NAME/tls.crt, tls.key, ca.crt (or cert, key, cacert).
    #[arg(long, value_name = "DIR", env = "GATEWAY_SECRETS", help_heading = "Configuration")]
    pub(crate) secrets: Option<PathBuf>,
    /// Leaves out a kind although that may open access (AuthorizationPolicy, EnvoyFilter ...). Repeatable.
    #[arg(
        long,
        value_name = "KIND",
        env = "GATEWAY_IGNORE_KIND",
        value_delimiter = ',',
        help_heading = "Configuration"
    )]
    pub(crate) ignore_kind: Vec<String>,
    /// Labels of this gateway, which a Gateway's selector must fit.
    #[arg(
        long,
        value_name = "KEY=VALUE,..",
        env = "GATEWAY_LABELS",
        default_value = "istio=ingressgateway",
        help_heading = "Configuration"
    )]
    pub(crate) labels: Labels,
    /// Namespace of this gateway, where `credentialName` is looked up.
    #[arg(long, env = "GATEWAY_NAMESPACE", default_value = "istio-system", help_heading = "Configuration")]
    pub(crate) namespace: String,
    /// Namespace whose DestinationRules are for all.
    #[arg(long, env = "GATEWAY_ROOT_NAMESPACE", default_value = "istio-system", help_heading = "Configuration")]
    pub(crate) root_namespace: String,
    /// What follows `NAME.NAMESPACE.svc.` in a service's name.
    #[arg(long, env = "GATEWAY_CLUSTER_DOMAIN", default_value = "cluster.local", help_heading = "Configuration")]
    pub(crate) cluster_domain: String,
    /// Sends a destination host to an address; `/h2` speaks HTTP/2 to it. A flag with the port of the destination goes
    /// before one without a port. Repeatable.
    #[arg(
        long,
        value_name = "HOST[:PORT]=ADDR:PORT[/h2]",
        env = "GATEWAY_RESOLVE",
        value_delimiter = ',',
        help_heading = "Configuration"
    )]
    pub(crate) resolve: Vec<Resolve>,
}

/// `gateway run`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Opens another port in place of one of the YAML; matching and redirects keep the YAML's number. ADDR goes before
    /// the server's `bind`. Repeatable.
    #[arg(long = "port", value_name = "80=[ADDR:]8080", env = "GATEWAY_PORT", value_delimiter = ',')]
    pub(crate) ports: Vec<PortMap>,
    /// What to do with errors in the configuration at the start. `skip` serves what is valid; what a Gateway or
    /// DestinationRule with an error closes stays closed, and where that cannot be known nothing is served.
    #[arg(long, env = "GATEWAY_ON_ERROR", default_value = "refuse", value_enum)]
    pub(crate) on_error: OnError,
    /// Worker threads [default: as many as cores].
    #[arg(long, env = "GATEWAY_THREADS", value_parser = at_least_one::<usize>)]
    pub(crate) threads: Option<usize>,
    /// Address of the admin server, or `off`. It answers under localhost and its addresses; /ready, /healthz,
    /// /healthz/ready, /metrics and /stats/prometheus under any name, for probes and scrapers.
    #[arg(long, env = "GATEWAY_ADMIN", default_value = "127.0.0.1:15000")]
    pub(crate) admin: Admin,
    /// How often files with credentials are looked at: what has changed is live at the next handshake.
    #[arg(long, env = "GATEWAY_WATCH_INTERVAL", default_value = "2s", value_parser = some_time)]
    pub(crate) watch_interval: Duration,
    #[command(flatten)]
    pub(crate) front: FrontArgs,
    #[command(flatten)]
    pub(crate) logs: LogArgs,
    #[command(flatten)]
    pub(crate) drain: DrainArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// What stands in front of the gateway.
#[derive(Args, Clone, Debug)]
pub(crate) struct FrontArgs {
    /// Connections of this network (10.0.0.0/8, or one address) begin with the PROXY protocol, version 1 or 2, and are
    /// closed without it. Repeatable.
    #[arg(
        long,
        value_name = "NETWORK",
        env = "GATEWAY_PROXY_PROTOCOL",
        value_delimiter = ',',
        help_heading = "In front"
    )]
    pub(crate) proxy_protocol: Vec<Network>,
    /// Proxies in front that are believed, as Istio's numTrustedProxies: the client is so far from the right of
    /// `x-forwarded-for`, and came by `x-forwarded-proto`.
    #[arg(
        long,
        value_name = "N",
        env = "GATEWAY_TRUSTED_HOPS",
        conflicts_with = "trusted_proxies",
        help_heading = "In front"
    )]
    pub(crate) trusted_hops: Option<usize>,
    /// The same by network: the client is the rightmost one of `x-forwarded-for` that is none of them. Repeatable.
    #[arg(
        long,
        value_name = "NETWORK",
        env = "GATEWAY_TRUSTED_PROXIES",
        value_delimiter = ',',
        help_heading = "In front"
    )]
    pub(crate) trusted_proxies: Vec<Network>,
    /// What becomes of `x-forwarded-client-cert` (Istio's forwardClientCertDetails).
    #[arg(
        long,
        env = "GATEWAY_FORWARD_CLIENT_CERT",
        default_value = "sanitize-set",
        value_enum,
        help_heading = "In front"
    )]
    pub(crate) forward_client_cert: ClientCert,
}

/// Logs.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArgs {
    /// error, warn, info, debug, trace, or a filter such as `info,gateway_layers=debug`.
    #[arg(long, env = "GATEWAY_LOG_LEVEL", default_value = "info", help_heading = "Logs")]
    pub(crate) log_level: String,
    /// Form of the log on standard error.
    #[arg(long, env = "GATEWAY_LOG_FORMAT", default_value = "text", value_enum, help_heading = "Logs")]
    pub(crate) log_format: LogFormat,
    /// Writes an access log: `-` for standard output, or a file.
    #[arg(long, value_name = "-|PATH", env = "GATEWAY_ACCESS_LOG", help_heading = "Logs")]
    pub(crate) access_log: Option<PathBuf>,
    /// `text`, `json`, or a text with Envoy's command operators.
    #[arg(long, env = "GATEWAY_ACCESS_LOG_FORMAT", default_value = "text", help_heading = "Logs")]
    pub(crate) access_log_format: String,
}

/// The graceful end.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct DrainArgs {
    /// How long connections are accepted at least after SIGTERM (SIGINT: 0 s).
    #[arg(long, env = "GATEWAY_MIN_DRAIN", default_value = "5s", value_parser = duration, help_heading = "Drain")]
    pub(crate) min_drain: Duration,
    /// When the gateway ends in any case.
    #[arg(long, env = "GATEWAY_DRAIN_TIMEOUT", default_value = "30s", value_parser = duration, help_heading = "Drain")]
    pub(crate) drain_timeout: Duration,
}

/// Bounds, each with its default.
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitArgs {
    /// Time for a TLS handshake.
    #[arg(long, env = "GATEWAY_HANDSHAKE_TIMEOUT", default_value = "10s", value_parser = some_time, help_heading = "Limits")]
    pub(crate) handshake_timeout: Duration,
    /// Time for the head of a request.
    #[arg(long, env = "GATEWAY_HEAD_TIMEOUT", default_value = "10s", value_parser = some_time, help_heading = "Limits")]
    pub(crate) head_timeout: Duration,
    /// Time that a connection may be idle between requests.
    #[arg(long, env = "GATEWAY_KEEP_ALIVE", default_value = "75s", value_parser = some_time, help_heading = "Limits")]
    pub(crate) keep_alive: Duration,
    /// Time that a request's body may not come (1 KiB is enough), before there is a response: then 408.
    #[arg(long, env = "GATEWAY_BODY_TIMEOUT", default_value = "60s", value_parser = some_time, help_heading = "Limits")]
    pub(crate) body_timeout: Duration,
    /// Time that an HTTP/1 client may not take its response (1 KiB is enough).
    #[arg(long, env = "GATEWAY_WRITE_TIMEOUT", default_value = "60s", value_parser = some_time, help_heading = "Limits")]
    pub(crate) write_timeout: Duration,
    /// The same times for a stream of HTTP/2.
    #[arg(long, env = "GATEWAY_STREAM_TIMEOUT", default_value = "300s", value_parser = some_time, help_heading = "Limits")]
    pub(crate) stream_timeout: Duration,
    /// Bytes of a request's head, its path included.
    #[arg(long, env = "GATEWAY_MAX_HEAD", default_value_t = 61440, value_parser = at_least_one::<usize>, help_heading = "Limits")]
    pub(crate) max_head: usize,
    /// Fields of a request's head, Host included.
    #[arg(long, env = "GATEWAY_MAX_FIELDS", default_value_t = 100, value_parser = at_least_one::<usize>, help_heading = "Limits")]
    pub(crate) max_fields: usize,
    /// Connections in all; more are closed at once [default: half of the open files that the system allows, less 1000
    /// from 4096 on].
    #[arg(long, env = "GATEWAY_MAX_CONNECTIONS", value_parser = at_least_one::<usize>, help_heading = "Limits")]
    pub(crate) max_connections: Option<usize>,
    /// Connections from one IPv4 address, or one IPv6 network of 64 bits [default: no limit].
    #[arg(long, env = "GATEWAY_MAX_CONNECTIONS_PER_ADDRESS", value_parser = at_least_one::<usize>, help_heading = "Limits")]
    pub(crate) max_connections_per_address: Option<usize>,
    /// Concurrent streams of an HTTP/2 connection.
    #[arg(long, env = "GATEWAY_MAX_STREAMS", default_value_t = 100, value_parser = at_least_one::<u32>, help_heading = "Limits")]
    pub(crate) max_streams: u32,
    /// Streams that a client may reset before they were taken up, until its connection is closed.
    #[arg(long, env = "GATEWAY_MAX_PENDING_RESETS", default_value_t = 20, help_heading = "Limits")]
    pub(crate) max_pending_resets: usize,
    /// Streams that a client may make us reset, until its connection is closed.
    #[arg(long, env = "GATEWAY_MAX_ERROR_RESETS", default_value_t = 100, help_heading = "Limits")]
    pub(crate) max_error_resets: usize,
    /// The `server` header of answers; Istio's is `istio-envoy`.
    #[arg(long, env = "GATEWAY_SERVER_HEADER", default_value = "gateway", help_heading = "Limits")]
    pub(crate) server_header: String,
    /// How paths are normalised before they are matched and sent on.
    #[arg(long, env = "GATEWAY_PATH_NORMALIZATION", default_value = "base", value_enum, help_heading = "Limits")]
    pub(crate) path_normalization: PathNormalization,
}

/// `gateway check`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// From which severity on the exit code is 3.
    #[arg(long, env = "GATEWAY_FAIL_ON", default_value = "error", value_enum)]
    pub(crate) fail_on: FailOn,
    /// Form of the findings.
    #[arg(short, long, default_value = "text", value_enum)]
    pub(crate) output: CheckOutput,
    /// Colours.
    #[arg(long, default_value = "auto", value_enum)]
    pub(crate) color: Color,
}

/// `gateway proxy-config`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProxyConfigArgs {
    /// What to show.
    #[arg(value_enum)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The running gateway to ask, if there is no -f; given as a flag it goes before GATEWAY_FILE.
    #[arg(long, env = "GATEWAY_ADMIN", default_value = "127.0.0.1:15000")]
    pub(crate) admin: Admin,
    /// Form.
    #[arg(short, long, default_value = "table", value_enum)]
    pub(crate) output: Output,
}

/// `gateway demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// Where certificates and YAML are written [default: a new folder below the system's temporary one].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// First of the ports: HTTP, HTTPS +363, admin +920, upstreams +1000 and +1001.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port_base: u16,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
