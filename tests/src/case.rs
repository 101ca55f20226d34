//! The recorded cases as data: `tests/cases/README.md` describes the format.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Names and values in order, as they stood on the wire.
pub type Fields = Vec<(String, String)>;

/// One file of `tests/cases`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The file's name, without its end.
    pub name: String,
    /// The folder it is in.
    #[serde(skip)]
    pub topic: String,
    /// What the case is there for.
    pub why: String,
    /// Ids of the specification.
    #[serde(default)]
    pub spec: Vec<String>,
    /// The objects under test, `${certs/NAME}` not yet replaced.
    pub config: String,
    /// What Istio's validation said.
    pub verdict: Verdict,
    /// What the gateway's must say, where that is something else.
    pub expected_verdict: Option<Verdict>,
    /// Why the gateway answers differently from the recorded answers.
    pub deviation: Option<String>,
    /// The requests (from 1) that the deviation is about; all where it is absent.
    pub deviation_requests: Option<Vec<usize>>,
    /// What Istio's validation wrote.
    #[serde(default)]
    pub messages: Vec<String>,
    /// What is sent, one after the other.
    #[serde(default)]
    pub requests: Vec<Request>,
    /// What came back, one for each request.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// The versions that answered.
    pub recorded_with: BTreeMap<String, String>,
}

/// Whether a configuration is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It has no error.
    Accepted,
    /// It has an error.
    Rejected,
}

/// One request of a case, perhaps sent many times.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What is asked, for people.
    #[serde(default)]
    pub note: String,
    /// Where it goes.
    pub to: To,
    /// What is sent.
    #[serde(default)]
    pub send: Send,
    /// How often; the answers of more than one are counted.
    #[serde(default = "one")]
    pub times: usize,
    /// How many at once.
    #[serde(default = "one")]
    pub parallel: usize,
    /// What is counted; the recorded counts show it where it is absent.
    pub count_by: Option<CountBy>,
    /// The counts must be equal, not alike.
    #[serde(default)]
    pub exact: bool,
    /// The key of the counts that must come up, at most twice as often as recorded.
    pub few: Option<String>,
}

fn one() -> usize {
    1
}

/// What `times` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CountBy {
    /// The service that saw the request.
    Service,
    /// The status, or what came instead of one.
    Status,
}

/// A port of the gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct To {
    /// The number in the configuration.
    pub port: u16,
    /// The TLS client, if it is one.
    pub tls: Option<Tls>,
}

/// How the TLS client behaves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The server name it asks for.
    pub sni: Option<String>,
    /// The protocols it offers.
    #[serde(default)]
    pub alpn: Vec<String>,
    /// The certificate it has: `none`, `good`, `other-ca`, `expired`.
    pub client: Option<String>,
    /// The only version it speaks.
    pub version: Option<String>,
    /// The oldest version it speaks.
    pub min: Option<String>,
    /// The newest version it speaks.
    pub max: Option<String>,
}

/// What a client writes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// `HTTP/1.1` if absent, `HTTP/1.0`, `HTTP/2` or `TCP`.
    pub version: Option<String>,
    /// `GET` if absent.
    pub method: Option<String>,
    /// `/` if absent.
    pub target: Option<String>,
    /// In order; a value that is null takes a pseudo header away.
    #[serde(default)]
    pub headers: Vec<(String, Option<String>)>,
    /// The body, or all of a TCP exchange.
    #[serde(default)]
    pub body: String,
    /// Exactly these bytes, instead of a request line, headers and body.
    pub raw: Option<String>,
    /// HTTP/2 only.
    #[serde(default)]
    pub trailers: Fields,
}

/// What came back, and what the services saw meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// The final status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Lower-case names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Fields>,
    /// Lower-case names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trailers: Option<Fields>,
    /// All of it, or as much as came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The gateway's side of the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Handshake>,
    /// The connection ended without an answer.
    #[serde(skip_serializing_if = "is_false")]
    pub closed: bool,
    /// Nobody listens.
    #[serde(skip_serializing_if = "is_false")]
    pub refused: bool,
    /// No answer within ten seconds.
    #[serde(skip_serializing_if = "is_false")]
    pub timeout: bool,
    /// The connection ended inside the body.
    #[serde(skip_serializing_if = "is_false")]
    pub cut: bool,
    /// What came is not HTTP.
    #[serde(skip_serializing_if = "is_false")]
    pub not_http: bool,
    /// The alert that ended the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_alert: Option<String>,
    /// The code that ended the HTTP/2 stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<String>,
    /// A delay that must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least_ms: Option<u64>,
    /// The HTTP/1 responses of a raw exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responses: Option<Vec<Response>>,
    /// Of `times` requests: how often each service, or status, came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<BTreeMap<String, u64>>,
    /// What the service saw whose answer came back.
    pub upstream: Option<Seen>,
    /// What else services saw: mirrors, retries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Also>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The server's side of a TLS handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Handshake {
    /// The presented certificate, by file name.
    pub cert: String,
    /// The protocol agreed on.
    pub alpn: Option<String>,
    /// The version agreed on, where the client asked for certain ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One response of a raw exchange.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The number, or the whole line where it has none.
    pub status: serde_json::Value,
    /// Lower-case names.
    pub headers: Fields,
    /// As far as it came.
    pub body: String,
}

/// A request as a service saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The service's name; `a-v1|a-v2` in a case: either.
    pub service: String,
    /// `HTTP/1.1`, `HTTP/1.0`, `HTTP/2` or `TCP`.
    pub version: String,
    /// Absent for TCP, as all that follows but `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// As it stood on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// In order, in the case of the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Fields>,
    /// In order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trailers: Option<Fields>,
    /// All that came.
    pub body: String,
}

/// A further request that a service saw, in short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Also {
    /// The service's name.
    pub service: String,
    /// Its method.
    pub method: String,
    /// Its target.
    pub target: String,
    /// Its host.
    pub authority: String,
}

impl Case {
    /// `topic/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.topic, self.name)
    }

    /// What the gateway's check must say.
    pub fn wanted(&self) -> Verdict {
        self.expected_verdict.unwrap_or(self.verdict)
    }

    /// Whether the answer to this request (from 1) is not the recorded one, on purpose.
    pub fn deviates(&self, request: usize) -> bool {
        match &self.deviation_requests {
            Some(requests) => requests.contains(&request),
            None => self.deviation.is_some(),
        }
    }
}

/// The folder of the cases.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// The objects that are loaded with every case.
pub fn fixture() -> String {
    std::fs::read_to_string(folder().join("fixture.yaml")).expect("the fixture is a file of the project")
}

/// All cases, ordered by topic and name.
pub fn load() -> Vec<Case> {
    let mut cases = Vec::new();
    for topic in entries(&folder()).into_iter().filter(|path| path.is_dir()) {
        let name = topic.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        for path in entries(&topic) {
            let text = std::fs::read_to_string(&path).expect("a case is a text file");
            let mut case: Case =
                serde_yaml::from_str(&text).unwrap_or_else(|err| panic!("{} is not a case: {err}", path.display()));
            case.topic.clone_from(&name);
            cases.push(case);
        }
    }
    cases
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is part of the project");
    let mut out: Vec<_> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cases_are_read_and_have_an_answer_for_each_request() {
        let cases = load();
        assert!(cases.len() >= 741, "{} cases", cases.len());
        for case in cases {
            assert_eq!(case.id(), format!("{}/{}", case.topic, case.name));
            if case.verdict == Verdict::Accepted {
                assert_eq!(case.requests.len(), case.answers.len(), "{}", case.id());
            }
        }
    }
}
