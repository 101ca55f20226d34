//! [`Split`]: one of several services, drawn by weight for each request.
//!
//! ```
//! use gateway_layers::{http::Split, random::Random};
//! use http::{Request, Response};
//! use tower::{ServiceExt as _, util::BoxCloneSyncService};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let says = |text: &'static str| {
//!     BoxCloneSyncService::new(tower::service_fn(move |_: Request<()>| async move {
//!         Ok::<_, std::convert::Infallible>(Response::new(text))
//!     }))
//! };
//! let canary = Split::new([(1, says("new")), (3, says("old"))], Random::seeded(1, 1));
//! let mut new = 0;
//! for _ in 0..400 {
//!     new += usize::from(*canary.clone().oneshot(Request::new(())).await?.body() == "new");
//! }
//! assert!((60..140).contains(&new), "about a quarter: {new}");
//! # Ok(()) }
//! ```
use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::util::Oneshot;
use tower_service::Service;

use crate::random::Random;

/// Draws a service for each request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Split<S>(Arc<Choices<S>>);

#[derive(Debug)]
struct Choices<S> {
    first: S,
    /// Upper end of each one's share, and the service.
    others: Vec<(u64, S)>,
    /// Weight of the first.
    share: u64,
    total: u64,
    random: Random,
}

impl<S> Split<S> {
    /// Services and their weights, which need not sum to anything. Without any weight the first one takes all.
    ///
    /// # Panics
    /// If there is no service at all.
    #[must_use]
    pub fn new(services: impl IntoIterator<Item = (u32, S)>, random: Random) -> Self {
        let mut services = services.into_iter();
        let (share, first) = services.next().expect("the caller gives at least one service");
        let mut total = u64::from(share);
        let others = services.map(|(weight, service)| {
            total += u64::from(weight);
            (total, service)
        });
        let others = others.collect();
        Self(Arc::new(Choices { first, others, share: u64::from(share), total, random }))
    }

    fn draw(&self) -> &S {
        let choices = &*self.0;
        if choices.total == 0 {
            return &choices.first;
        }
        let drawn = choices.random.below(choices.total);
        if drawn < choices.share {
            return &choices.first;
        }
        let at = choices.others.partition_point(|(end, _)| *end <= drawn);
        choices.others.get(at).map_or(&choices.first, |(_, service)| service)
    }
}

impl<S, Req> Service<Req> for Split<S>
where
    S: Service<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        Oneshot::new(self.draw().clone(), req)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_weights() {
        let split = Split::new([(1, 'a'), (0, 'b'), (3, 'c')], Random::seeded(3, 1));
        let drawn: Vec<char> = (0..4000).map(|_| *split.draw()).collect();
        let count = |which| drawn.iter().filter(|&&drawn| drawn == which).count();
        assert_eq!(count('b'), 0);
        assert!((900..1100).contains(&count('a')), "{}", count('a'));
    }
}
