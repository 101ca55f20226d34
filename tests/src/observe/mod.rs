//! Sends the requests of a case and writes down what came of them, as the recording did.

mod mask;
mod responses;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tokio::{task::JoinSet, time::Instant};

pub use mask::{ANY, VOLATILE, mask};
pub use responses::responses;

use crate::{
    case::{Also, Answer, Case, CountBy, Request},
    client,
    run::Target,
    upstreams::{Record, Upstreams},
};

/// Stands for the JSON of the service that answered.
const ECHO: &str = "<echo>";
/// An answer that took less is not said to have been delayed.
const SLOW: Duration = Duration::from_millis(250);

/// Sends all requests of a case, one after the other.
pub async fn ask(ups: &Upstreams, target: &Target, case: &Case) -> Vec<Answer> {
    ups.reset();
    let mut out = Vec::new();
    for request in &case.requests {
        let asked = Asked { ups, target, address: target.port(request.to.port), request };
        out.push(if request.times > 1 { asked.many().await } else { asked.one().await });
    }
    out
}

struct Asked<'a> {
    ups: &'a Upstreams,
    target: &'a Target,
    address: Option<SocketAddr>,
    request: &'a Request,
}

impl Asked<'_> {
    async fn one(&self) -> Answer {
        self.ups.take();
        let start = Instant::now();
        let answer = client::exchange(&self.request.to, &self.request.send, self.address).await;
        let took = Instant::now() - start;
        self.target.idle().await;
        observed(self.request, answer, took, &self.ups.take())
    }

    async fn many(&self) -> Answer {
        let (mut statuses, mut services) = (BTreeMap::new(), BTreeMap::new());
        let mut count = |status: String, service: Option<String>| {
            *statuses.entry(status).or_default() += 1;
            if let Some(service) = service {
                *services.entry(service).or_default() += 1;
            }
        };
        if self.request.parallel > 1 {
            for (status, service) in self.at_once().await {
                count(status, service);
            }
        } else {
            for _ in 0..self.request.times {
                let answer = self.one().await;
                let service = answer.upstream.as_ref().map_or("none", |seen| &seen.service);
                count(outcome(&answer), Some(service.to_owned()));
            }
        }
        Answer { counts: Some(self.counted(statuses, services)), ..Answer::default() }
    }

    /// The outcome of each request, and the services that were reached: not one by one, only their sum is known.
    async fn at_once(&self) -> Vec<(String, Option<String>)> {
        self.ups.take();
        let mut running = JoinSet::new();
        let mut out = Vec::new();
        for _ in 0..self.request.times {
            if running.len() >= self.request.parallel {
                out.extend(running.join_next().await);
            }
            let (to, send, address) = (self.request.to.clone(), self.request.send.clone(), self.address);
            running.spawn(async move { outcome(&client::exchange(&to, &send, address).await) });
        }
        out.extend(running.join_all().await.into_iter().map(Ok));
        self.target.idle().await;
        let mut services = self.ups.take().into_iter().map(|record| record.seen.service);
        out.into_iter()
            .map(|status| {
                let status = status.expect("a request does not fail");
                (status, services.next().or_else(|| Some("none".to_owned())))
            })
            .collect()
    }

    fn counted(&self, statuses: BTreeMap<String, u64>, services: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let by = self.request.count_by.unwrap_or_else(|| {
            let nowhere = services.keys().all(|service| service == "none");
            if statuses.len() > 1 || nowhere { CountBy::Status } else { CountBy::Service }
        });
        if by == CountBy::Status { statuses } else { services }
    }
}

/// The answer as a case writes it, with what the services saw.
fn observed(request: &Request, mut answer: Answer, took: Duration, seen: &[Record]) -> Answer {
    let main = main_record(&answer, seen);
    let raw = answer.body.as_deref().filter(|body| answer.status.is_none() && body.starts_with("HTTP/1."));
    if let Some(raw) = raw {
        answer = Answer { responses: Some(responses(raw, seen)), ..Answer::default() };
    }
    let sent: Vec<_> = request.send.headers.iter().filter_map(|(k, v)| Some((k.clone(), v.clone()?))).collect();
    if let Some(headers) = &mut answer.headers {
        let steered = sent.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-answer-header"));
        let steered: Vec<_> =
            steered.filter_map(|(_, value)| value.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        *headers = mask(headers, &steered, &[]);
    }
    let steered_body = sent.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-answer-body"));
    if let Some(main) = main.filter(|_| !steered_body) {
        echoed(&mut answer, &seen[main]);
    }
    if took >= SLOW && answer.responses.is_none() && answer.body.is_some() {
        answer.at_least_ms = Some(took.as_millis() as u64 / 100 * 100);
    }
    answer.upstream = main.map(|main| {
        let mut up = seen[main].seen.clone();
        // What is left of the timeout varies with a retry.
        let retried = seen.iter().filter(|record| !record.mirrored()).count() > 1;
        let more: &[&str] = if retried { &["x-envoy-expected-rq-timeout-ms"] } else { &[] };
        up.headers = up.headers.map(|headers| mask(&headers, &sent, more));
        up
    });
    let rest = seen.iter().enumerate().filter(|(at, _)| Some(*at) != main).map(|(_, record)| also(record));
    answer.also = rest.collect();
    answer.also.sort();
    answer
}

/// The request whose answer came back, else the last that is not a mirror, else the last.
fn main_record(answer: &Answer, seen: &[Record]) -> Option<usize> {
    let body = answer.body.as_ref().filter(|body| !body.is_empty());
    body.and_then(|body| seen.iter().rposition(|record| record.answer.as_ref() == Some(body)))
        .or_else(|| seen.iter().rposition(|record| !record.mirrored()))
        .or_else(|| seen.len().checked_sub(1))
}

fn echoed(answer: &mut Answer, main: &Record) {
    let (Some(body), Some(text), Some(_)) = (&mut answer.body, &main.answer, answer.status) else { return };
    let echoed = !body.is_empty() && text.starts_with(body.as_str());
    if echoed {
        ECHO.clone_into(body);
    }
    // The length is that of the JSON also where the body stayed away (HEAD, cut).
    let length = main.length.to_string();
    for (name, value) in answer.headers.iter_mut().flatten() {
        if name == "content-length" && (echoed || *value == length) {
            ANY.clone_into(value);
        }
    }
}

fn also(record: &Record) -> Also {
    Also {
        service: record.seen.service.clone(),
        method: record.seen.method.clone().unwrap_or_default(),
        target: record.seen.target.clone().unwrap_or_default(),
        authority: record.authority().to_owned(),
    }
}

fn outcome(answer: &Answer) -> String {
    let instead = [
        ("closed", answer.closed),
        ("refused", answer.refused),
        ("tls_alert", answer.tls_alert.is_some()),
        ("timeout", answer.timeout),
        ("reset", answer.reset.is_some()),
    ];
    match answer.status {
        Some(status) => status.to_string(),
        None => instead.iter().find(|(_, is)| *is).map_or("body", |(name, _)| name).to_owned(),
    }
}

#[cfg(test)]
mod tests;
