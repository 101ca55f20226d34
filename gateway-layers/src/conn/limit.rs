//! [`ConnLimitLayer`]: how many connections there may be, in all and from one address.
//!
//! One that is too many is closed at once, without a byte: whoever has a limit in front of him can try again, and
//! those that are served are not hurt. A tunnel that came of a connection still counts as one.
//!
//! ```
//! use gateway_layers::{body::Body, conn::{ConnLimitLayer, HttpServer}};
//! use http::{Request, Response};
//! use tower::Layer as _;
//!
//! let app = tower::service_fn(async |_: Request<Body>| Ok::<_, std::convert::Infallible>(Response::new(Body::empty())));
//! let conn = ConnLimitLayer::new(10_000).per_address(100).layer(HttpServer::new(app));
//! # let _ = conn;
//! ```
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;
use tracing::warn;

use super::{Conn, ConnMetrics};
use crate::error::{Error, Kind};

/// Makes [`ConnLimit`]. All its services and clones count together.
#[derive(Clone, Debug)]
pub struct ConnLimitLayer {
    most: usize,
    per_address: Option<usize>,
    metrics: ConnMetrics,
    count: Arc<Count>,
}

/// Closes connections that are too many.
#[derive(Clone, Debug)]
pub struct ConnLimit<S> {
    inner: S,
    layer: ConnLimitLayer,
}

#[derive(Debug, Default)]
struct Count {
    all: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    told: Mutex<Option<Instant>>,
}

/// A connection that is counted, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    count: Arc<Count>,
    metrics: ConnMetrics,
    address: Option<IpAddr>,
}

impl ConnLimitLayer {
    /// At most so many connections in all.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, per_address: None, metrics: ConnMetrics::default(), count: Arc::default() }
    }

    /// And so many from one address: an IPv4 address, or an IPv6 network of 64 bits.
    #[must_use]
    pub const fn per_address(mut self, most: usize) -> Self {
        self.per_address = Some(most);
        self
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(mut self, metrics: ConnMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    fn enter(&self, peer: IpAddr) -> Option<Permit> {
        if self.count.all.fetch_add(1, Relaxed) >= self.most {
            self.count.all.fetch_sub(1, Relaxed);
            self.metrics.refused_total.increment(1);
            self.tell("--max-connections", peer);
            return None;
        }
        self.metrics.open.increment(1.0);
        // From here on dropping it takes everything back.
        let mut permit = Permit { count: self.count.clone(), metrics: self.metrics.clone(), address: None };
        if let Some(most) = self.per_address {
            let address = network(peer);
            let mut addresses = self.count.addresses();
            let now = addresses.entry(address).or_default();
            if *now >= most {
                drop(addresses);
                self.metrics.refused_address.increment(1);
                self.tell("--max-connections-per-address", peer);
                return None;
            }
            *now += 1;
            drop(addresses);
            permit.address = Some(address);
        }
        Some(permit)
    }

    /// A flood of connections must not become a flood of lines.
    fn tell(&self, limit: &str, peer: IpAddr) {
        let mut told = self.count.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= Duration::from_secs(1)) {
            *told = Some(Instant::now());
            warn!(limit, %peer, "too many connections; closed (told once a second)");
        }
    }
}

/// Who counts as one: a home or a server of IPv6 has a whole network.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

impl Count {
    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.count.all.fetch_sub(1, Relaxed);
        self.metrics.open.decrement(1.0);
        let Some(address) = self.address else { return };
        let mut addresses = self.count.addresses();
        if let Some(now) = addresses.get_mut(&address) {
            *now -= 1;
            if *now == 0 {
                addresses.remove(&address);
            }
        }
    }
}

impl<S> Layer<S> for ConnLimitLayer {
    type Service = ConnLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ConnLimit { inner, layer: self.clone() }
    }
}

impl<S, I> Service<Conn<I>> for ConnLimit<S>
where
    S: Service<Conn<I>, Response = (), Error = Error>,
{
    type Response = ();
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut conn: Conn<I>) -> Self::Future {
        match self.layer.enter(conn.info.peer.ip()) {
            Some(permit) => {
                conn.info.permit = Some(Arc::new(permit));
                ResponseFuture { future: Some(self.inner.call(conn)) }
            }
            None => ResponseFuture { future: None },
        }
    }
}

pin_project! {
    /// The future of [`ConnLimit`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F: Future<Output = Result<(), Error>>> Future for ResponseFuture<F> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.project().future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Ready(Err(Error::new(Kind::Overflow))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_together_and_by_address() {
        let layer = ConnLimitLayer::new(3).per_address(2);
        let other = layer.clone();
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let first = layer.enter(a);
        let second = other.enter(a);
        assert!(first.is_some() && second.is_some());
        assert!(layer.enter(a).is_none(), "a third of one address");
        let third = layer.enter(b);
        assert!(third.is_some() && layer.enter(b).is_none(), "a fourth of all");
        drop(first);
        assert!(layer.enter(a).is_some());
        drop((second, third));
        assert_eq!(layer.count.all.load(Relaxed), 0);
        assert!(layer.count.addresses().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let one = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(one("2001:db8::1"), one("2001:db8::2:0:0:1"));
        assert_ne!(one("2001:db8::1"), one("2001:db8:0:1::1"));
    }
}
