//! A service that speaks HTTP/2 and nothing else.

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    server::{Builder, SendResponse},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_LENGTH};
use tokio::task::JoinSet;

use super::{
    answer::{Answer, Close, answer},
    log::Log,
};
use crate::{
    case::{Fields, Seen},
    wire::{Io, raw, text},
};

/// Answers all streams of a connection.
pub(super) async fn serve(log: &Log, service: &str, io: Box<dyn Io>) -> Result<(), h2::Error> {
    let mut conn = Builder::new().handshake(io).await?;
    // Dropped with the connection: nobody waits for these answers then.
    let mut streams = JoinSet::new();
    while let Some(stream) = conn.accept().await {
        let (request, respond) = stream?;
        let (log, service) = (log.clone(), service.to_owned());
        streams.spawn(async move {
            // An error is a stream that the gateway gave up.
            let _ = exchange(&log, service, request, respond).await;
        });
    }
    Ok(())
}

async fn exchange(
    log: &Log,
    service: String,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let head = request.method() == http::Method::HEAD;
    let entry = log.note(read(service, request).await?);
    let Some(answer) = answer(log, &entry).await else {
        respond.send_reset(Reason::INTERNAL_ERROR);
        return Ok(());
    };
    let mut headers = map(&answer.headers);
    if answer.trailers.is_empty() && !matches!(answer.status, 204 | 304) {
        headers.insert(CONTENT_LENGTH, answer.body.len().into());
    }
    let ends = head || matches!(answer.status, 204 | 304);
    let mut response = Response::builder().status(answer.status).body(()).expect("a case asks for a valid status");
    *response.headers_mut() = headers;
    let stream = respond.send_response(response, ends)?;
    if ends { Ok(()) } else { write(stream, answer).await }
}

async fn write(mut stream: SendStream<Bytes>, answer: Answer) -> Result<(), h2::Error> {
    let body = Bytes::from(answer.body);
    if let Some(close) = answer.close {
        if close == Close::MidBody {
            stream.send_data(body.slice(..body.len() / 2), false)?;
        }
        // A reset throws away what is queued, so the connection's task must have written it before.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        stream.send_reset(Reason::INTERNAL_ERROR);
        return Ok(());
    }
    stream.send_data(body, answer.trailers.is_empty())?;
    if answer.trailers.is_empty() { Ok(()) } else { stream.send_trailers(map(&answer.trailers)) }
}

async fn read(service: String, request: Request<RecvStream>) -> Result<Seen, h2::Error> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend(data);
    }
    let trailers = stream.trailers().await?;
    let mut headers = Fields::new();
    if let Some(authority) = head.uri.authority() {
        headers.push((":authority".to_owned(), authority.to_string()));
    }
    if let Some(scheme) = head.uri.scheme_str() {
        headers.push((":scheme".to_owned(), scheme.to_owned()));
    }
    headers.extend(fields(&head.headers));
    Ok(Seen {
        service,
        version: "HTTP/2".to_owned(),
        method: Some(head.method.to_string()),
        target: Some(head.uri.path_and_query().map(ToString::to_string).unwrap_or_default()),
        headers: Some(headers),
        trailers: trailers.map(|trailers| fields(&trailers)),
        body: text(&body),
    })
}

fn fields(map: &HeaderMap) -> Fields {
    map.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

fn map(fields: &Fields) -> HeaderMap {
    let pairs = fields.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(&raw(value)).ok()?))
    });
    let mut out = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        out.append(name, value);
    });
    out
}
