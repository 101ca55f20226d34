//! Credentials that are replaced while the gateway runs.
use std::{fs, net::SocketAddr, path::Path};

use crate::{
    support::{Running, admin, arg, certificate, curl, folder, https_gateway, shop, within, write},
    upstream,
};

const NAMED: &str = "mode: SIMPLE, credentialName: a-cert";

/// The exit code of curl if it trusts this certificate alone: 60 if another one is served, 35 if none.
fn trusting(https: SocketAddr, ca: &Path) -> i32 {
    let to = format!("a.example.com:443:{https}");
    curl(&["-o", "/dev/null", "--cacert", arg(ca), "--connect-to", &to, "https://a.example.com/"]).code
}

fn put(dir: &Path, cert: &str, key: &str) {
    write(&dir.join("tls.crt"), cert);
    write(&dir.join("tls.key"), key);
}

#[test]
fn a_secret_that_comes_and_one_that_is_replaced_are_live_and_half_a_pair_is_not() {
    let (old, new) = (certificate("a.example.com"), certificate("a.example.com"));
    let dir = folder(&[
        ("config/gw.yaml", &https_gateway("a", "a.example.com", NAMED)),
        ("config/shop.yaml", &shop(upstream::hello())),
        ("old.pem", &old.0),
        ("new.pem", &new.0),
        ("secrets/other/tls.crt", "none"),
    ]);
    let (old_ca, new_ca) = (within(&dir, "old.pem"), within(&dir, "new.pem"));
    let secrets = within(&dir, "secrets");
    let flags = ["--secrets", arg(&secrets), "--watch-interval", "20ms"];
    let mut running = Running::serve(&within(&dir, "config"), &flags);
    let (control, _) = running.opened();
    let https = running.https();
    assert_eq!(trusting(https, &old_ca), 35, "there is none yet");

    // As Kubernetes mounts it: a link that is moved in one step.
    put(&secrets.join("..1"), &old.0, &old.1);
    std::os::unix::fs::symlink("..1", secrets.join("a-cert")).expect("a link");
    running.until("new credentials are in use");
    assert_eq!(trusting(https, &old_ca), 0);

    // The key comes later than its certificate.
    let pair = secrets.join("..1");
    write(&pair.join("tls.crt"), &new.0);
    running.until("the last good credential, if any, goes on");
    assert_eq!(trusting(https, &old_ca), 0, "half of a pair is not served");
    running.log.clear();
    write(&pair.join("tls.key"), &new.1);
    running.until("new credentials are in use");
    assert_eq!((trusting(https, &new_ca), trusting(https, &old_ca)), (0, 60));

    fs::remove_dir_all(&pair).expect("it is there");
    running.until("does not exist");
    assert_eq!(trusting(https, &new_ca), 0, "what is gone from the disk is served on");
    let metrics = admin(control, "/metrics");
    assert!(metrics.contains("gateway_certificate_expires_in_days{credential=\"istio-system/a-cert\""), "{metrics}");
}

#[test]
fn files_that_are_named_by_their_path_are_watched_too() {
    let (old, new) = (certificate("a.example.com"), certificate("a.example.com"));
    let dir = folder(&[("old.pem", &old.0), ("new.pem", &new.0), ("config/shop.yaml", &shop(upstream::hello()))]);
    put(dir.path(), &old.0, &old.1);
    let (cert, key) = (within(&dir, "tls.crt"), within(&dir, "tls.key"));
    let tls = format!("mode: SIMPLE, serverCertificate: {}, privateKey: {}", arg(&cert), arg(&key));
    write(&within(&dir, "config/gw.yaml"), &https_gateway("a", "a.example.com", &tls));
    let mut running = Running::serve(&within(&dir, "config"), &["--watch-interval", "20ms"]);
    running.opened();
    let https = running.https();
    assert_eq!(trusting(https, &within(&dir, "old.pem")), 0);
    // The new pair is complete before it is seen, or is tried again.
    put(dir.path(), &new.0, &new.1);
    running.until("new credentials are in use");
    assert_eq!(trusting(https, &within(&dir, "new.pem")), 0);
}
