//! PEM texts that cannot be used, as findings.
use std::collections::HashSet;

use gateway_core::{
    diagnostic::{CREDENTIAL, Diagnostic, Severity},
    istio::Resources,
    model::{Config, Credential, PemRole},
    translate::unusable,
};
use gateway_layers::stack::{Problem, check_credentials};

/// One finding for each text. `start`: a file is an error then, for the gateway does not start without it.
pub(super) fn findings(config: &Config, resources: &Resources, start: bool) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let problems = check_credentials(config);
    // Several servers may use the same text.
    let new = problems.iter().filter(|problem| seen.insert((problem.credential.clone(), problem.message.clone())));
    new.filter_map(|problem| finding(problem, resources, start)).collect()
}

fn finding(problem: &Problem, resources: &Resources, start: bool) -> Option<Diagnostic> {
    let Some(credential) = &problem.credential else {
        // What is missing was told by the translation.
        return problem.error.then(|| Diagnostic::new(CREDENTIAL, Severity::Error, problem.to_string()));
    };
    let severity = if problem.error && start { Severity::Error } else { Severity::Warning };
    let message = format!("{}: connections to the server fail", problem.message);
    let mut finding = unusable(resources, &problem.origin, credential, severity, message);
    if finding.labels.is_empty() {
        finding.note(format!("the server is at {}", problem.origin));
    }
    finding.help(cure(credential));
    if matches!(credential, Credential::File(..)) && !start {
        finding.note("`run` does not start without it");
    }
    Some(finding)
}

fn cure(credential: &Credential) -> &'static str {
    match credential {
        Credential::File(_, PemRole::Chain) => "name a PEM file that this process can read, with the certificate first",
        Credential::File(_, PemRole::Key) => {
            "name a PEM file that this process can read, with the certificate's own key"
        }
        Credential::File(_, PemRole::ClientCa) => "name a PEM file that this process can read, with CA certificates",
        Credential::File(_, PemRole::ClientCrl) => {
            "name a PEM file that this process can read, with revocation lists: `openssl crl -in FILE -text` shows one"
        }
        Credential::Secret(_, PemRole::Chain) => "give it the certificate as PEM, then those that it was signed with",
        Credential::Secret(_, PemRole::Key) => "give it the certificate's own key as PEM",
        Credential::Secret(_, PemRole::ClientCa) => "give it the certificates of the CA as PEM",
        Credential::Secret(_, PemRole::ClientCrl) => "give it the CA's revocation lists as PEM, or remove the key",
    }
}
