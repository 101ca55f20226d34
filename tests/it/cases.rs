//! The recorded answers of Istio and Envoy, asked of the gateway through real sockets.

use std::{env, io::Write as _};

use gateway_tests::{
    case,
    ledger::{Ledger, summary},
    run,
};
use tokio::time::Instant;

/// `CASE=TEXT` runs the cases whose `topic/name` has this text, and shows all differences;
/// `UPDATE_CASES=1` writes `defects.yaml` and `not-yet.yaml` anew.
#[test]
fn recorded_cases() {
    let filter = env::var("CASE").ok();
    let mut cases = case::load();
    cases.retain(|case| filter.as_ref().is_none_or(|text| case.id().contains(text)));
    let complete = filter.is_none() && env::var_os(run::EXTERNAL).is_none();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let start = Instant::now();
    let outcomes = runtime.block_on(run::all(cases));
    // Not captured: the numbers are shown also when all is well.
    let mut out = std::io::stderr();
    writeln!(out, "{}in {:.1} s", summary(&outcomes), (Instant::now() - start).as_secs_f64()).unwrap();
    if !complete {
        for (case, outcome) in &outcomes {
            writeln!(out, "{}: {outcome:#?}", case.id()).unwrap();
        }
    }
    let mut ledger = Ledger::load();
    if complete && env::var_os("UPDATE_CASES").is_some() {
        ledger.update(&outcomes);
    }
    let problems = ledger.problems(&outcomes, complete);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
