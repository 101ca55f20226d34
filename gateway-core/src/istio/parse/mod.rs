//! Files to objects.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{
    DestinationRule, Gateway, Manifest, Object, ObjectMeta, Resources, Secret, SecretManifest, ServiceEntry, Source,
    VirtualService, left_out,
};
use crate::diagnostic::{
    DUPLICATE_OBJECT, Diagnostic, ResourceId, SCHEMA, SKIPPED, Severity, SourceFile, UNSUPPORTED_KIND,
};
use crate::yaml::{self, Kind, Node, Path, Shape};

/// Group of Istio's networking kinds.
const NETWORKING: &str = "networking.istio.io";
/// Versions of that group; they have the same schema.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha3"];
/// Leaving out one of these would open or change what the author closed.
const NOT_TO_BE_SKIPPED: [&str; 5] =
    ["AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication", "EnvoyFilter", "WasmPlugin"];

/// Istio's kinds: a name that is nearly one of these is a slip, and leaving such an object out would be silent.
const KINDS: [&str; 14] = [
    "Gateway",
    "VirtualService",
    "DestinationRule",
    "ServiceEntry",
    "WorkloadEntry",
    "WorkloadGroup",
    "Sidecar",
    "EnvoyFilter",
    "ProxyConfig",
    "AuthorizationPolicy",
    "RequestAuthentication",
    "PeerAuthentication",
    "WasmPlugin",
    "Telemetry",
];
/// Those that are read.
const READ: [&str; 4] = ["Gateway", "VirtualService", "DestinationRule", "ServiceEntry"];

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
            let default =
                if kind == "Secret" { &self.options.gateway_namespace } else { &self.options.default_namespace };
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
                self.left_out(Source { file: Arc::clone(&head.file), root: Arc::new(root) }, head);
                return;
            }
            match kind {
                "Gateway" => self.spec::<Gateway>(root, head, &GATEWAY, |all| &mut all.gateways),
                "VirtualService" => {
                    self.spec::<VirtualService>(root, head, &VIRTUAL_SERVICE, |all| &mut all.virtual_services);
                }
                "DestinationRule" => {
                    self.spec::<DestinationRule>(root, head, &DESTINATION_RULE, |all| &mut all.destination_rules);
                }
                _ => self.spec::<ServiceEntry>(root, head, &SERVICE_ENTRY, |all| &mut all.service_entries),
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
    }

    fn spec<T>(&mut self, mut root: Node, head: &Head, shape: &Shape, list: fn(&mut Resources) -> &mut Vec<Object<T>>)
    where
        T: Default + DeserializeOwned,
    {
        let manifest = self.manifest::<T>(&mut root, head, shape);
        let source = Source { file: Arc::clone(&head.file), root: Arc::new(root) };
        match manifest {
            Some(manifest) if self.is_named(&source, head) => {
                let object = Object { id: head.id.clone(), meta: manifest.metadata, spec: manifest.spec, source };
                list(&mut self.resources).push(object);
            }
            _ => self.left_out(source, head),
        }
    }

    fn manifest<T>(&mut self, root: &mut Node, head: &Head, shape: &Shape) -> Option<Manifest<T>>
    where
        T: Default + DeserializeOwned,
    {
        if !self.fits(root, head, shape) {
            return None;
        }
        if root.get("spec").is_none() {
            self.error(head, root, &Path::ROOT, "`spec` is missing".to_owned());
            return None;
        }
        self.typed(root, head)
    }

    /// Keeps what an object with an error closes.
    fn left_out(&mut self, source: Source, head: &Head) {
        let id = head.id.clone();
        let meta = ObjectMeta::default();
        match yaml::closest(&id.kind, READ.iter().copied(), 0.9) {
            Some("Gateway") => {
                let spec = left_out::gateway(&source.root);
                self.resources.left_out.gateways.push(Object { id, meta, spec, source });
            }
            Some("DestinationRule") => {
                let spec = left_out::destination_rule(&source.root);
                self.resources.left_out.destination_rules.push(Object { id, meta, spec, source });
            }
            _ => {}
        }
    }

    fn secret(&mut self, mut root: Node, head: &Head) {
        let first = self.findings.len();
        let fits = self.fits(&mut root, head, &SECRET);
        for finding in &mut self.findings[first..] {
            hide_values(finding, &root);
        }
        if !fits {
            return;
        }
        let Some(manifest) = self.typed::<SecretManifest>(&root, head) else { return };
        let meta: ObjectMeta = manifest.metadata.clone();
        match Secret::decode(manifest) {
            Ok(spec) => {
                scrub(&mut root);
                let source = Source { file: Arc::clone(&head.file), root: Arc::new(root) };
                if self.is_named(&source, head) {
                    self.resources.secrets.push(Object { id: head.id.clone(), meta, spec, source });
                }
            }
            Err(key) => {
                let message = format!("the value of `{key}` is not base64");
                let finding = self.error(head, &root, &Path::ROOT.key("data"), message);
                finding.help("encode it, or put the text under `stringData`");
            }
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

    /// An object must have a name, and no other of its kind may have it.
    fn is_named(&mut self, source: &Source, head: &Head) -> bool {
        let meta = Path::ROOT.key("metadata");
        if head.id.name.is_empty() {
            self.error(head, &source.root, &meta, "`metadata.name` is missing".to_owned());
            return false;
        }
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

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn is_istio(group: &str) -> bool {
    group == "istio.io" || group.ends_with(".istio.io")
}

/// What looks like one of Istio's kinds and is none: the field, what is wrong, the cure.
fn slip(kind: &str, api_version: &str) -> Option<(&'static str, String, String)> {
    let group = group(api_version);
    if is_istio(group) {
        let meant = yaml::closest(kind, KINDS.iter().copied(), 0.9)?;
        let message = format!("there is no kind `{kind}`");
        return (meant != kind).then(|| ("kind", message, format!("did you mean `{meant}`?")));
    }
    let meant = yaml::closest(kind, READ.iter().copied(), 0.95)?;
    // `networking.istio/v1`, `networking.istio.io`, `v1`; not `gateway.networking.k8s.io/v1`.
    let lost = group.is_empty() || group.contains("istio");
    let message = format!("`{api_version}` is not the API of {meant}");
    lost.then(|| ("apiVersion", message, format!("write `apiVersion: {NETWORKING}/v1`")))
}

/// `Secret`, or what was meant to be it.
fn is_secret(kind: &str) -> bool {
    kind.to_ascii_lowercase().contains("secret")
}

/// Whether a text that could not be read may hold key material.
fn names_a_secret(text: &str) -> bool {
    // The last one is `-----BEGIN` in base64.
    const SIGNS: [&str; 5] = ["kind:secret", "stringdata", "tls.key", "-----begin", "ls0tls1crudjti"];
    let bare = |c: &char| !c.is_whitespace() && !matches!(c, '"' | '\'');
    let text: String = text.chars().filter(bare).map(|c| c.to_ascii_lowercase()).collect();
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// A finding about a Secret's value must not repeat the value.
fn hide_values(finding: &mut Diagnostic, root: &Node) {
    let Some(field) = ["data", "stringData"].into_iter().find(|field| finding.path.starts_with(field)) else { return };
    finding.message = format!("`{}` must be quoted text, and no key may be there twice", finding.path);
    finding.help = None;
    let place = root.key_place_of(&Path::ROOT.key(field));
    for label in &mut finding.labels {
        label.place = place.clone();
    }
}

/// Removes the values from a Secret's tree: it lives on for its places only.
fn scrub(root: &mut Node) {
    let Kind::Map(entries) = &mut root.kind else { return };
    for entry in entries.iter_mut().filter(|entry| entry.key == "data" || entry.key == "stringData") {
        if let Kind::Map(values) = &mut entry.value.kind {
            for value in values {
                value.value.kind = Kind::List(Vec::new());
            }
        }
    }
}

fn shape<T: JsonSchema>() -> Shape {
    Shape::of::<T>()
}

static GATEWAY: LazyLock<Shape> = LazyLock::new(shape::<Manifest<Gateway>>);
static VIRTUAL_SERVICE: LazyLock<Shape> = LazyLock::new(shape::<Manifest<VirtualService>>);
static DESTINATION_RULE: LazyLock<Shape> = LazyLock::new(shape::<Manifest<DestinationRule>>);
static SERVICE_ENTRY: LazyLock<Shape> = LazyLock::new(shape::<Manifest<ServiceEntry>>);
static SECRET: LazyLock<Shape> = LazyLock::new(shape::<SecretManifest>);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Resources, Vec<String>) {
        let (resources, findings) = parse(&[SourceFile::new("f", text)], &ParseOptions::default());
        (resources, findings.iter().map(Diagnostic::short).collect())
    }

    const HEAD: &str =
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: ns}\nspec:\n";

    #[test]
    fn what_does_not_fit_the_types_is_reported_with_its_place() {
        let cases = [
            ("  hosts: a.com\n", "f:5:10: error[IST0106]: `spec.hosts` must be a list, this is text `a.com`"),
            (
                "  http: [{match: [{path: {exact: /}}]}]\n",
                "f:5:20: error[IST0106]: unknown field `path` in HTTPMatchRequest",
            ),
            (
                "  http: [{match: [{headers: {x: {exact: 1}}}]}]\n",
                "f:5:41: error[IST0106]: `spec.http[0].match[0].headers.x.exact` must be text, this is a number `1`",
            ),
            (
                "  http: [{match: [{headers: {y: {exact: a}}}]}]\n",
                "f:5:30: error[IST0106]: the key `y` is a boolean to Kubernetes",
            ),
            ("  http: [{match: [{headers: {x: null}}]}]\n", "f:5:30: error[IST0106]: the entry `x` has no value"),
            ("  hosts:\n  -\n", "f:6:4: error[IST0106]: an empty list entry"),
            (
                "  http: [{match: [{port: \"80\"}]}]\n",
                "f:5:26: error[IST0106]: `spec.http[0].match[0].port` must be a whole number, this is text `80`",
            ),
            (
                "  http: [{match: [{port: 010}]}]\n",
                "f:5:26: error[IST0106]: the number `010` starts with 0: Kubernetes reads it as octal",
            ),
            (
                "  http: [{match: [{port: -1}]}]\n",
                "f:5:26: error[IST0106]: `spec.http[0].match[0].port` must be 0 to 4294967295, this is -1",
            ),
            (
                "  http: [{match: [{uri: {exact: a, prefix: b}}]}]\n",
                "f:5:36: error[IST0106]: `exact` and `prefix` exclude each other",
            ),
            ("  http: [{match: [{ignoreUriCase: yes}]}]\n", "f:5:35: warning[GW0008]: `yes` is read as `true` here"),
            (
                "  http: [{mirror_percent: 5}]\n",
                "f:5:11: warning[GW0008]: `mirror_percent` is another spelling of `mirrorPercent`, which a Kubernetes cluster ignores",
            ),
            (
                "  http: [{redirect: {derivePort: from_request_port}}]\n",
                "f:5:34: error[IST0106]: `spec.http[0].redirect.derivePort` cannot be `from_request_port`",
            ),
        ];
        for (spec, expected) in cases {
            let (_, findings) = read(&format!("{HEAD}{spec}"));
            assert_eq!(findings.len(), 1, "{spec}: {findings:?}");
            assert!(findings[0].starts_with(expected), "{spec}: {}", findings[0]);
        }
    }

    #[test]
    fn all_unknown_fields_are_reported_with_the_cure() {
        let text = format!("{HEAD}  host: [a.com]\n  http:\n  - match:\n    - uri:\n      exact: /app\n");
        let (_, findings) = parse(&[SourceFile::new("f", text)], &ParseOptions::default());
        assert_eq!(findings.len(), 2);
        assert_eq!(findings[0].help.as_deref(), Some("did you mean `hosts`?"));
        assert_eq!(findings[1].labels[0].text, "this belongs one level deeper, under `uri`");
        assert_eq!(findings[1].labels[1].text, "`uri` is empty");
        assert_eq!(findings[1].help.as_deref(), Some("indent by 2 more spaces"));
    }

    #[test]
    fn a_bad_object_does_not_hurt_another() {
        let good = format!("{HEAD}  hosts: [a.com]\n");
        let (resources, findings) = read(&format!("a: [\n---\n{good}---\nkind: Foo\n---\n{good}---\n"));
        assert_eq!(resources.virtual_services.len(), 1);
        assert_eq!(resources.virtual_services[0].spec.hosts, ["a.com"]);
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[1].contains("`apiVersion` is missing"), "{findings:?}");
        assert!(findings[2].contains("VirtualService ns/v is here twice"), "{findings:?}");
    }

    #[test]
    fn lists_and_other_kinds() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: s}}\n\
                    - {apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: s}}\n";
        let (_, findings) = read(list);
        assert!(findings[0].starts_with("f:4:26: note[GW0004]: Service (v1) is not read"), "{findings:?}");
        assert!(findings[1].contains("error[GW0006]: EnvoyFilter is not supported"), "{findings:?}");
        let options = ParseOptions { ignore_kinds: ["EnvoyFilter".to_owned()].into(), ..ParseOptions::default() };
        let (_, findings) = parse(&[SourceFile::new("f", list)], &options);
        assert!(findings.iter().all(|finding| finding.severity == Severity::Note));
    }

    #[test]
    fn an_entry_of_a_list_with_an_error_hurts_no_other() {
        let gateway = |name: &str| {
            format!(
                "- apiVersion: networking.istio.io/v1\n  kind: Gateway\n  metadata:\n    name: {name}\n  spec:\n    \
                 servers: []\n"
            )
        };
        for kind in ["v1\nkind: List", "networking.istio.io/v1\nkind: GatewayList"] {
            let broken = gateway("b") + "    servers: []\n";
            let text = format!("apiVersion: {kind}\nitems:\n{}{broken}{}", gateway("a"), gateway("c"));
            let (resources, findings) = parse(&[SourceFile::new("f", text.as_str())], &ParseOptions::default());
            let names = |all: &[Object<Gateway>]| all.iter().map(|one| one.name().to_owned()).collect::<Vec<_>>();
            assert_eq!(
                (names(&resources.gateways), names(&resources.left_out.gateways)),
                (vec!["a".to_owned(), "c".to_owned()], vec!["b".to_owned()])
            );
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert_eq!(findings[0].resource.as_ref().map(ToString::to_string).as_deref(), Some("Gateway default/b"));
            let (resources, findings) = parse(&[SourceFile::new("f", text + "kind: Lis")], &ParseOptions::default());
            assert_eq!((resources.gateways.len(), resources.left_out.gateways.len()), (0, 3));
            assert_eq!(findings.len(), 2, "{findings:?}");
        }
    }

    #[test]
    fn slips_of_kind_and_group_are_errors() {
        let cases = [
            ("networking.istio.io/v1", "VirtualSevice", Some("did you mean `VirtualService`?")),
            ("networking.istio.io/v1", "virtualservice", Some("did you mean `VirtualService`?")),
            ("security.istio.io/v1", "authorizationpolicy", Some("did you mean `AuthorizationPolicy`?")),
            ("networking.istio/v1", "Gateway", Some("write `apiVersion: networking.istio.io/v1`")),
            ("networking.istio.io", "VirtualService", Some("write `apiVersion: networking.istio.io/v1`")),
            ("v1", "DestinationRule", Some("write `apiVersion: networking.istio.io/v1`")),
            ("v1", "List", Some("write `items:` and the objects below it")),
            ("networking.istio.io/v1", "VirtualServiceList", Some("write `items:` and the objects below it")),
            ("gateway.networking.k8s.io/v1", "Gateway", None),
            ("networking.istio.io/v1", "WorkloadEntry", None),
            ("networking.istio.io/v1", "Sidecar", None),
            ("install.istio.io/v1alpha1", "IstioOperator", None),
            ("v1", "Service", None),
        ];
        for (version, kind, help) in cases {
            let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n");
            let (_, findings) = parse(&[SourceFile::new("f", text)], &ParseOptions::default());
            assert_eq!(findings.len(), 1, "{version} {kind}");
            assert_eq!(findings[0].severity == Severity::Error, help.is_some(), "{version} {kind}");
            assert_eq!(findings[0].help.as_deref(), help, "{version} {kind}");
        }
        let item = "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: s}}";
        let (_, findings) =
            read(&format!("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicyList\nitems: [{item}]\n"));
        assert!(findings[0].contains("error[GW0006]"), "{findings:?}");
    }

    #[test]
    fn a_secret_is_read_but_never_shown() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: c2VjcmV0}\nstringData: {b: secret}\n";
        let (resources, findings) = read(text);
        assert_eq!(findings, [""; 0]);
        let secret = &resources.secrets[0];
        assert_eq!(secret.id.namespace, "istio-system");
        assert_eq!(secret.spec.values["a"], b"secret");
        assert_eq!(secret.spec.values["b"], b"secret");
        let shown = format!("{resources:?}");
        assert!(!shown.contains("secret\"") && !shown.contains("c2VjcmV0"), "{shown}");
        let bad = [
            "data: {a: '%hunter2%'}",
            "stringData: {a: 4711}",
            "stringData: {user: hunter2, a: 4711}",
            "data: {a: 4711}",
            "DATA: {a: hunter2}",
            "data: {a: hunter2, a: hunter2}",
            "stringData:\n  a: |\n    x\nhunter2\nb: c",
            "data: &a {a: hunter2}",
            "data:\nhunter2: 4711",
        ];
        for bad in bad {
            for head in
                ["kind: Secret", "\"kind\" : \"Secret\"", "kind: secret", "kind: Sealedsecret", "a: [\nkind: Secret"]
            {
                let text = format!("apiVersion: v1\n{head}\nmetadata: {{name: s}}\n{bad}\n");
                let file = [SourceFile::new("f", text)];
                let (_, findings) = parse(&file, &ParseOptions::default());
                assert!(!findings.is_empty(), "{head} {bad}");
                let shown = crate::diagnostic::render(&findings, &file, false);
                assert!(!shown.contains("4711") && !shown.contains("hunter2: "), "{shown}");
                assert!(!shown.contains("hunter2") || shown.contains("`hunter2`"), "{shown}");
            }
        }
    }
}
