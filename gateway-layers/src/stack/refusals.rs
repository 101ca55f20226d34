//! [`Refusals`]: what is no request is answered, logged and counted as everything else is.
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header::SERVER};

use super::observers::Observers;
use crate::{body::End, conn::Refuse, exchange::Exchange, http::local_reply::LocalReply, http1::Refusal};

pub(super) struct Refusals {
    pub(super) observers: Arc<Observers>,
    pub(super) server: HeaderValue,
}

impl Refuse for Refusals {
    fn refuse(&self, refusal: Refusal, exchange: &Arc<Exchange>) -> Response<Bytes> {
        let text = Bytes::from_static(refusal.text.as_bytes());
        let length = text.len();
        let mut response = LocalReply::text::<Bytes>(refusal.status, text);
        if let Some(reply) = response.extensions_mut().remove::<LocalReply>() {
            reply.add_content_type(response.headers_mut());
        }
        response.headers_mut().insert(SERVER, self.server.clone());
        refusal.record(exchange);
        {
            let mut record = exchange.record();
            record.protocol = Some("HTTP/1.1");
            record.status = refusal.status.as_u16();
            record.bytes_sent = length as u64;
            record.end = Some(End::Complete);
        }
        exchange.on_finish(self.observers.clone());
        exchange.finished();
        response
    }
}
