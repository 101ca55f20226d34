//! Files to objects.

mod conceal;
mod kinds;
mod secret;
mod spec;

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use self::conceal::{is_secret, names_a_secret};
use self::kinds::{NETWORKING, NOT_TO_BE_SKIPPED, READ, VERSIONS, group, is_istio, is_meant_as_secret, slip};
use super::{DestinationRule, Gateway, Object, ObjectMeta, Resources, ServiceEntry, Source, VirtualService, left_out};
use crate::diagnostic::{
    DUPLICATE_OBJECT, Diagnostic, ResourceId, SCHEMA, SKIPPED, Severity, SourceFile, UNSUPPORTED_KIND,
};
use crate::yaml::{self, Kind, Node, Path, Shape};

/// How files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseOptions {
    /// Kinds to skip though leaving them out changes the meaning (AuthorizationPolicy, EnvoyFilter ...).
    pub ignore_kinds: BTreeSet<String>,
    /// Namespace of objects without one.
    pub default_namespace: String,
    /// Namespace of Secrets without one: the gateway's.
    pub gateway_namespace: String,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self {
            ignore_kinds: BTreeSet::new(),
            default_namespace: "default".to_owned(),
            gateway_namespace: "istio-system".to_owned(),
        }
    }
}

/// Reads all files. An object with an error is left out, but for what it closes; all others are there.
pub fn parse(files: &[SourceFile], options: &ParseOptions) -> (Resources, Vec<Diagnostic>) {
    let mut parser = Parser { options, resources: Resources::default(), findings: Vec::new(), seen: HashMap::new() };
    for file in files {
        let name: Arc<str> = file.name.as_str().into();
        let first = parser.findings.len();
        let documents = yaml::read(file);
        let may_be_secret =
            documents.iter().any(|document| !document.findings.is_empty()) && names_a_secret(&file.text);
        for document in documents {
            parser.document(document, &name, may_be_secret);
        }
        // Also what comes of the parts of a List.
        for finding in &mut parser.findings[first..] {
            finding.secret |= finding.resource.as_ref().is_some_and(|id| is_secret(&id.kind));
        }
    }
    (parser.resources, parser.findings)
}

struct Parser<'a> {
    options: &'a ParseOptions,
    resources: Resources,
    findings: Vec<Diagnostic>,
    seen: HashMap<ResourceId, Source>,
}

/// What an object says about itself.
struct Head {
    id: ResourceId,
    api_version: String,
    file: Arc<str>,
}

impl Parser<'_> {
    /// `may_be_secret`: what is broken in this file may be a Secret.
    fn document(&mut self, document: yaml::Document, file: &Arc<str>, may_be_secret: bool) {
        let errors = document.findings.iter().filter(|finding| finding.severity == Severity::Error);
        let errors: Vec<usize> = errors.filter_map(start).collect();
        for mut finding in document.findings {
            let owner = document.root.as_ref().map(|root| start(&finding).map_or(root, |at| around(root, at)));
            finding.resource = owner.map(|owner| self.id(owner)).filter(|id| !id.kind.is_empty());
            finding.secret = may_be_secret;
            self.findings.push(finding);
        }
        if let Some(root) = document.root {
            self.object(root, file, &errors);
        }
    }

    fn head(&self, root: &Node, file: &Arc<str>) -> Head {
        let api_version = root.get("apiVersion").and_then(Node::as_text).unwrap_or_default().to_owned();
        Head { id: self.id(root), api_version, file: Arc::clone(file) }
    }

    fn id(&self, root: &Node) -> ResourceId {
        let text = |node: Option<&Node>| node.and_then(Node::as_text).unwrap_or_default().to_owned();
        let meta = root.get("metadata");
        let kind = text(root.get("kind"));
        let mut namespace = text(meta.and_then(|meta| meta.get("namespace")));
        if namespace.is_empty() {
            let default = if is_meant_as_secret(&kind) {
                &self.options.gateway_namespace
            } else {
                &self.options.default_namespace
            };
            namespace.clone_from(default);
        }
        ResourceId { kind, namespace, name: text(meta.and_then(|meta| meta.get("name"))) }
    }

    /// `errors`: where this is no YAML that could be used.
    fn object(&mut self, root: Node, file: &Arc<str>, errors: &[usize]) {
        let head = self.head(&root, file);
        if head.is_list() {
            self.list(root, &head, errors);
            return;
        }
        if !errors.is_empty() {
            self.left_out(Source { file: Arc::clone(file), root: Arc::new(root) }, &head);
            return;
        }
        if !matches!(root.kind, Kind::Map(_)) {
            self.error(&head, &root, &Path::ROOT, format!("an object must be a mapping, this is {}", root.describe()))
                .help("start with `apiVersion:` and `kind:`");
            return;
        }
        for (field, value) in [("apiVersion", &head.api_version), ("kind", &head.id.kind)] {
            if value.is_empty() {
                self.error(&head, &root, &Path::ROOT, format!("`{field}` is missing"));
                return;
            }
        }
        self.dispatch(root, &head);
    }

    /// `kind: List`, or a list of one kind: the entries are objects of their own, and so are their errors.
    fn list(&mut self, root: Node, head: &Head, errors: &[usize]) {
        let Some(items) = items(&root) else {
            if errors.is_empty() {
                let message = format!("a {} must have `items`, a list of objects", head.id.kind);
                self.error(head, &root, &Path::ROOT.key("items"), message)
                    .help("write `items:` and the objects below it");
            }
            return;
        };
        // What is wrong beside the entries may be wrong with each of them.
        let beside = errors.iter().any(|at| !items.iter().any(|item| item.place.range.contains(at)));
        let of_item =
            |item: &Node| errors.iter().copied().filter(|at| beside || item.place.range.contains(at)).collect();
        let errors: Vec<Vec<usize>> = items.iter().map(of_item).collect();
        let Kind::Map(entries) = root.kind else { return };
        let items = entries.into_iter().find(|entry| entry.key == "items").map(|entry| entry.value.kind);
        let Some(Kind::List(items)) = items else { return };
        for (item, errors) in items.into_iter().zip(errors) {
            self.object(item, &head.file, &errors);
        }
    }

    fn dispatch(&mut self, root: Node, head: &Head) {
        let (group, version) = head.api_version.split_once('/').unwrap_or(("", &head.api_version));
        let kind = head.id.kind.as_str();
        if group == NETWORKING && READ.contains(&kind) {
            if !VERSIONS.contains(&version) {
                let message = format!("`{}` is no version of {kind}", head.api_version);
                self.error(head, &root, &Path::ROOT.key("apiVersion"), message)
                    .help(format!("write `{NETWORKING}/v1`"));
            }
            let sound = VERSIONS.contains(&version);
            match kind {
                "Gateway" => self.spec::<Gateway>(root, head, sound),
                "VirtualService" => self.spec::<VirtualService>(root, head, sound),
                "DestinationRule" => self.spec::<DestinationRule>(root, head, sound),
                _ => self.spec::<ServiceEntry>(root, head, sound),
            }
            return;
        }
        if group.is_empty() && version == "v1" && kind == "Secret" {
            self.secret(root, head);
            return;
        }
        self.other(root, head, group);
    }

    fn other(&mut self, root: Node, head: &Head, group: &str) {
        let kind = head.id.kind.as_str();
        let path = Path::ROOT.key("kind");
        if let Some((field, message, cure)) = slip(kind, &head.api_version) {
            self.error(head, &root, &Path::ROOT.key(field), message).help(cure);
            self.left_out(Source { file: Arc::clone(&head.file), root: Arc::new(root) }, head);
            return;
        }
        if is_istio(group) && NOT_TO_BE_SKIPPED.contains(&kind) && !self.options.ignore_kinds.contains(kind) {
            let finding = self.error(head, &root, &path, format!("{kind} is not supported, and must not be ignored"));
            finding.code = UNSUPPORTED_KIND;
            finding.note("without it the gateway would do what this object forbids or changes");
            finding.help(format!("remove the object, or accept what is lost: --ignore-kind {kind}"));
            return;
        }
        let finding = self.error(head, &root, &path, format!("{kind} ({}) is not read", head.api_version));
        finding.code = SKIPPED;
        finding.severity = Severity::Note;
        if group == NETWORKING && kind == "WorkloadEntry" {
            let spec = left_out::workload_entry(&root);
            let source = Source { file: Arc::clone(&head.file), root: Arc::new(root) };
            let entry = Object { id: head.id.clone(), meta: ObjectMeta::default(), spec, source };
            self.resources.workload_entries.push(entry);
        }
    }

    /// Keeps what an object with an error closes, and that it is there.
    fn left_out(&mut self, source: Source, head: &Head) {
        let id = head.id.clone();
        let meta = ObjectMeta::default();
        let left_out = &mut self.resources.left_out;
        match yaml::closest(&id.kind, READ.iter().copied(), 0.9) {
            Some("Gateway") => {
                let spec = left_out::gateway(&source.root);
                left_out.gateways.push(Object { id, meta, spec, source });
            }
            Some("DestinationRule") => {
                let spec = left_out::destination_rule(&source.root);
                left_out.destination_rules.push(Object { id, meta, spec, source });
            }
            Some("ServiceEntry") => {
                let spec = left_out::service_entry(&source.root);
                left_out.service_entries.push(Object { id, meta, spec, source });
            }
            Some(_) => left_out.virtual_services.push(id),
            None if is_meant_as_secret(&id.kind) => left_out.secrets.push(id),
            None => {}
        }
    }

    /// Checks the form; false if there is an error.
    fn fits(&mut self, root: &mut Node, head: &Head, shape: &Shape) -> bool {
        let findings = yaml::check(root, shape, &head.file);
        let good = findings.iter().all(|finding| finding.severity != Severity::Error);
        self.findings.extend(findings.into_iter().map(|mut finding| {
            finding.resource = Some(head.id.clone());
            finding
        }));
        good
    }

    fn typed<T: DeserializeOwned>(&mut self, root: &Node, head: &Head) -> Option<T> {
        match yaml::from_node(root) {
            Ok(value) => Some(value),
            Err(message) => {
                self.error(head, root, &Path::ROOT, message);
                None
            }
        }
    }

    /// An object must have a name.
    fn is_named(&mut self, root: &Node, head: &Head) -> bool {
        if head.id.name.is_empty() {
            self.error(head, root, &Path::ROOT.key("metadata"), "`metadata.name` is missing".to_owned());
        }
        !head.id.name.is_empty()
    }

    /// No other object of its kind may have its name.
    fn is_first(&mut self, source: &Source, head: &Head) -> bool {
        let meta = Path::ROOT.key("metadata");
        let Some(first) = self.seen.get(&head.id) else {
            self.seen.insert(head.id.clone(), source.clone());
            return true;
        };
        let name = meta.key("name");
        let mut finding =
            Diagnostic::new(DUPLICATE_OBJECT, Severity::Error, format!("{} is here twice; the first counts", head.id));
        finding.labels.push(source.label(&name, "again here", true));
        finding.labels.push(first.label(&name, "first here", false));
        finding.resource = Some(head.id.clone());
        finding.path = name.to_string();
        finding.help("rename or remove one of them");
        self.findings.push(finding);
        false
    }

    fn error(&mut self, head: &Head, root: &Node, path: &Path<'_>, message: String) -> &mut Diagnostic {
        let mut finding = Diagnostic::new(SCHEMA, Severity::Error, message);
        finding.resource = Some(head.id.clone()).filter(|id| !id.kind.is_empty());
        finding.path = path.to_string();
        finding.at(&head.file, root.place_of(path), "");
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

impl Head {
    fn is_list(&self) -> bool {
        self.id.kind == "List" || self.id.kind.ends_with("List") && is_istio(group(&self.api_version))
    }
}

/// Where a finding is.
fn start(finding: &Diagnostic) -> Option<usize> {
    finding.labels.iter().find(|label| label.primary).map(|label| label.place.range.start)
}

/// The entries of a list of objects.
fn items(root: &Node) -> Option<&[Node]> {
    match &root.get("items")?.kind {
        Kind::List(items) => Some(items),
        _ => None,
    }
}

/// The object that a place is in: of a list its entry.
fn around(root: &Node, at: usize) -> &Node {
    let is_list = root.get("kind").and_then(Node::as_text).is_some_and(|kind| kind.ends_with("List"));
    let items = items(root).filter(|_| is_list).unwrap_or_default();
    items.iter().find(|item| item.place.range.contains(&at)).map_or(root, |item| around(item, at))
}

#[cfg(test)]
mod tests;
