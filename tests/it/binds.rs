//! Several addresses of one port.
use gateway_layers::{
    body::Body,
    stack::{Gateway, Options},
};
use http::Request;
use tower::ServiceExt as _;

use crate::support::read;

const TWO: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: a}
spec: {servers: [{port: {number: 80, name: a, protocol: HTTP}, bind: 10.0.0.1, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: b}
spec: {servers: [{port: {number: 80, name: b, protocol: HTTP}, bind: 10.0.0.2, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec: {hosts: ['*'], gateways: [a], http: [{directResponse: {status: 201}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: b}
spec: {hosts: ['*'], gateways: [b], http: [{directResponse: {status: 202}}]}
";

#[tokio::test]
async fn each_address_of_a_port_can_be_asked_for() {
    let (config, findings) = read(TWO);
    assert_eq!(findings, []);
    let mut options = Options::default();
    options.ports = [(80, ([127, 0, 0, 1], 0).into())].into();
    let gateway = Gateway::builder(config).options(options).build().expect("usable");
    for (bind, status) in [("10.0.0.1", 201), ("10.0.0.2", 202)] {
        let service = gateway.http_at(Some(bind.parse().unwrap()), 80).expect("a listener");
        let request = Request::get("/").header("host", "a.com").body(Body::default()).unwrap();
        assert_eq!(service.oneshot(request).await.unwrap().status(), status, "{bind}");
    }
    assert!(gateway.http_at::<Body>(None, 80).is_none());
    let request = Request::get("/").header("host", "a.com").body(Body::default()).unwrap();
    assert_eq!(gateway.http(80).expect("the first").oneshot(request).await.unwrap().status(), 201);
    assert_eq!(gateway.bind().expect("free ports").addresses(80).count(), 2);
}
