//! Which endpoint takes a request: the less busy of two random ones, as Envoy's least request.
use std::{net::SocketAddr, sync::Arc};

use super::endpoint::Endpoint;
use crate::random::Random;

/// Draws that avoid endpoints that failed before; then any is taken, as Envoy does.
const RESELECTIONS: usize = 5;

/// An endpoint, if there is one; one of `tried` only if nothing else was drawn.
pub(super) fn pick<'a>(
    endpoints: &'a [Arc<Endpoint>],
    tried: &[SocketAddr],
    random: &Random,
) -> Option<&'a Arc<Endpoint>> {
    let mut picked = draw(endpoints, random)?;
    for _ in 0..RESELECTIONS {
        if !tried.contains(&picked.address()) {
            break;
        }
        picked = draw(endpoints, random)?;
    }
    Some(picked)
}

fn draw<'a>(endpoints: &'a [Arc<Endpoint>], random: &Random) -> Option<&'a Arc<Endpoint>> {
    match endpoints {
        [] => None,
        [only] => Some(only),
        several => {
            let (one, two) = (weighted(several, random)?, weighted(several, random)?);
            // Compared without division: active / weight.
            let load = |this: &Endpoint, other: &Endpoint| this.active() * u64::from(other.weight());
            Some(if load(two, one) < load(one, two) { two } else { one })
        }
    }
}

fn weighted<'a>(endpoints: &'a [Arc<Endpoint>], random: &Random) -> Option<&'a Arc<Endpoint>> {
    let first = endpoints.first()?.weight();
    if endpoints.iter().all(|endpoint| endpoint.weight() == first) {
        return endpoints.get(usize::try_from(random.below(endpoints.len() as u64)).ok()?);
    }
    let total: u64 = endpoints.iter().map(|endpoint| u64::from(endpoint.weight())).sum();
    let mut drawn = random.below(total.max(1));
    endpoints.iter().find(|endpoint| {
        let weight = u64::from(endpoint.weight());
        let here = drawn < weight;
        drawn = drawn.saturating_sub(weight);
        here
    })
}

#[cfg(test)]
mod tests {
    use gateway_core::model;

    use super::*;
    use crate::upstream::{Context, endpoint::Active};

    fn endpoints(weights: &[u32]) -> Vec<Arc<Endpoint>> {
        let context = Context::default();
        let endpoint = |(port, &weight): (u16, &u32)| {
            let model = model::Endpoint { address: ([127, 0, 0, 1], port).into(), weight };
            Arc::new(Endpoint::new(&model, model::Protocol::Http1, &context, std::time::Duration::from_secs(1)))
        };
        (1..).zip(weights).map(endpoint).collect()
    }

    fn counts(endpoints: &[Arc<Endpoint>], tried: &[SocketAddr]) -> Vec<usize> {
        let random = Random::seeded(5, 1);
        let mut counts = vec![0; endpoints.len()];
        for _ in 0..1000 {
            let picked = pick(endpoints, tried, &random).expect("not empty");
            counts[usize::from(picked.address().port()) - 1] += 1;
        }
        counts
    }

    #[test]
    fn the_busy_one_gets_less() {
        assert!(pick(&[], &[], &Random::seeded(1, 1)).is_none());
        let two = endpoints(&[1, 1]);
        assert!(counts(&two, &[]).iter().all(|count| (400..600).contains(count)));
        let _busy = Active::new(&two[0]);
        assert!(counts(&two, &[])[0] < 300, "only when it is drawn twice");
    }

    #[test]
    fn weights_count() {
        let counts = counts(&endpoints(&[1, 3]), &[]);
        assert!((180..320).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn an_endpoint_that_failed_is_avoided() {
        let two = endpoints(&[1, 1]);
        assert!(counts(&two, &[two[0].address()])[0] < 40, "1 of 64");
    }
}
