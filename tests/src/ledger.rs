//! The account of the cases that are not as recorded: it may only get shorter.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    case::{Case, folder},
    run::Outcome,
};

const DEFECTS: &str =
    "# Cases that are not answered as recorded, each with its reason. A case that passes must leave the list.\n";
const NOT_YET: &str = "# How many cases of a topic need something that is not built yet. The numbers may only fall.\n";

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Defect {
    case: String,
    reason: String,
}

/// The two files of the account.
#[derive(Debug)]
pub struct Ledger {
    defects: Vec<Defect>,
    not_yet: BTreeMap<String, usize>,
}

/// How the cases of a topic went.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    defects: usize,
    not_yet: usize,
}

impl Ledger {
    /// Reads the files; a missing one is empty.
    pub fn load() -> Self {
        Self { defects: read("defects.yaml"), not_yet: read("not-yet.yaml") }
    }

    /// Writes the files anew from what happened, and keeps the reasons that are known.
    pub fn update(&mut self, outcomes: &[(Case, Outcome)]) {
        let failed = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
        let defect = |(case, _): &(Case, Outcome)| {
            let known = self.defects.iter().find(|defect| defect.case == case.id());
            known.cloned().unwrap_or_else(|| Defect { case: case.id(), reason: "unexplained".to_owned() })
        };
        self.defects = failed.map(defect).collect();
        self.not_yet = tallies(outcomes).into_iter().map(|(topic, tally)| (topic, tally.not_yet)).collect();
        self.not_yet.retain(|_, number| *number > 0);
        write("defects.yaml", DEFECTS, &self.defects);
        write("not-yet.yaml", NOT_YET, &self.not_yet);
    }

    /// What is not as the account says, one line each.
    pub fn problems(&self, outcomes: &[(Case, Outcome)], complete: bool) -> Vec<String> {
        let listed: BTreeSet<_> = self.defects.iter().map(|defect| defect.case.as_str()).collect();
        let mut lines = Vec::new();
        for (case, outcome) in outcomes {
            let id = case.id();
            match outcome {
                Outcome::Failed(differences) if !listed.contains(id.as_str()) => {
                    lines.push(format!("{id} is not as recorded ({}):", case.why));
                    lines.extend(differences.iter().map(|line| format!("    {line}")));
                }
                Outcome::Passed if listed.contains(id.as_str()) => {
                    lines.push(format!("{id} passes: take it from defects.yaml"));
                }
                Outcome::NotYet if listed.contains(id.as_str()) => {
                    lines.push(format!("{id} is not built yet: it is no defect"));
                }
                _ => {}
            }
        }
        if complete {
            let known: BTreeSet<_> = outcomes.iter().map(|(case, _)| case.id()).collect();
            let unknown = listed.into_iter().filter(|case| !known.contains(*case));
            lines.extend(unknown.map(|case| format!("{case} of defects.yaml is no case")));
            lines.extend(self.numbers(outcomes));
        }
        lines
    }

    fn numbers(&self, outcomes: &[(Case, Outcome)]) -> Vec<String> {
        let tallies = tallies(outcomes);
        let topics: BTreeSet<_> = tallies.keys().chain(self.not_yet.keys()).collect();
        let line = |topic: &String| {
            let listed = self.not_yet.get(topic).copied().unwrap_or(0);
            let number = tallies.get(topic).map_or(0, |tally| tally.not_yet);
            match number.cmp(&listed) {
                std::cmp::Ordering::Equal => None,
                std::cmp::Ordering::Less => {
                    Some(format!("{topic}: {number} cases are not built yet, lower the {listed} of not-yet.yaml"))
                }
                std::cmp::Ordering::Greater => {
                    Some(format!("{topic}: {number} cases are not built yet, not-yet.yaml allows {listed}"))
                }
            }
        };
        topics.into_iter().filter_map(line).collect()
    }
}

/// A table of the topics.
pub fn summary(outcomes: &[(Case, Outcome)]) -> String {
    let mut out = format!("{:28}{:>8}{:>9}{:>9}{:>7}\n", "topic", "passed", "defects", "not yet", "total");
    let mut sum = Tally::default();
    let mut line = |name: &str, tally: &Tally| {
        let total = tally.passed + tally.defects + tally.not_yet;
        writeln!(out, "{name:28}{:>8}{:>9}{:>9}{total:>7}", tally.passed, tally.defects, tally.not_yet)
            .expect("a String takes all text");
    };
    for (topic, tally) in tallies(outcomes) {
        line(&topic, &tally);
        sum.passed += tally.passed;
        sum.defects += tally.defects;
        sum.not_yet += tally.not_yet;
    }
    line("all", &sum);
    out
}

fn tallies(outcomes: &[(Case, Outcome)]) -> BTreeMap<String, Tally> {
    let mut out = BTreeMap::<String, Tally>::new();
    for (case, outcome) in outcomes {
        let tally = out.entry(case.topic.clone()).or_default();
        *match outcome {
            Outcome::Passed => &mut tally.passed,
            Outcome::NotYet => &mut tally.not_yet,
            Outcome::Failed(_) => &mut tally.defects,
        } += 1;
    }
    out
}

fn path(name: &str) -> PathBuf {
    folder().join(name)
}

fn read<T: serde::de::DeserializeOwned + Default>(name: &str) -> T {
    let Ok(text) = fs::read_to_string(path(name)) else { return T::default() };
    serde_yaml::from_str(&text).unwrap_or_else(|err| panic!("{name} is not what it should be: {err}"))
}

fn write<T: Serialize>(name: &str, head: &str, value: &T) {
    let text = serde_yaml::to_string(value).expect("text and numbers are YAML");
    fs::write(path(name), format!("{head}{text}")).expect("the folder can be written");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, outcome: Outcome) -> (Case, Outcome) {
        let text = format!("{{name: {name}, why: w, config: '', verdict: accepted, recorded_with: {{}}}}");
        let mut case: Case = serde_yaml::from_str(&text).unwrap();
        "t".clone_into(&mut case.topic);
        (case, outcome)
    }

    fn ledger(defects: &[&str], not_yet: usize) -> Ledger {
        let defect = |case: &&str| Defect { case: (*case).to_owned(), reason: "known".to_owned() };
        Ledger { defects: defects.iter().map(defect).collect(), not_yet: BTreeMap::from([("t".to_owned(), not_yet)]) }
    }

    #[test]
    fn the_account_holds_in_both_directions() {
        let failed = || outcome("a", Outcome::Failed(vec!["status".to_owned()]));
        assert!(ledger(&["t/a"], 0).problems(&[failed()], true).is_empty());
        assert_eq!(ledger(&[], 0).problems(&[failed()], true), ["t/a is not as recorded (w):", "    status"]);
        let passed = outcome("a", Outcome::Passed);
        assert_eq!(ledger(&["t/a"], 0).problems(&[passed], true), ["t/a passes: take it from defects.yaml"]);
        assert_eq!(ledger(&["t/b"], 0).problems(&[], true), ["t/b of defects.yaml is no case"]);
        assert!(ledger(&["t/b"], 3).problems(&[], false).is_empty());
    }

    #[test]
    fn the_number_of_unbuilt_cases_is_exact() {
        let one = || outcome("a", Outcome::NotYet);
        assert!(ledger(&[], 1).problems(&[one()], true).is_empty());
        assert_eq!(ledger(&[], 0).problems(&[one()], true).len(), 1);
        assert_eq!(ledger(&[], 2).problems(&[one()], true).len(), 1);
    }
}
