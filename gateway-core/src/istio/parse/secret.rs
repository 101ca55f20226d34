//! Secrets: no value of theirs is kept for its place, or shown.

use std::sync::{Arc, LazyLock};

use super::conceal::{hide_values, scrub};
use super::{Head, Parser};
use crate::istio::{Object, Secret, SecretManifest, Source};
use crate::yaml::{self, Node, Path, Shape};

static SHAPE: LazyLock<Shape> = LazyLock::new(Shape::of::<SecretManifest>);

impl Parser<'_> {
    pub(super) fn secret(&mut self, mut root: Node, head: &Head) {
        let first = self.findings.len();
        let fits = self.fits(&mut root, head, &SHAPE);
        for finding in &mut self.findings[first..] {
            hide_values(finding, &root);
        }
        if !fits {
            let mut id = self.id(&yaml::mend(&root, &SHAPE).0);
            id.kind.clone_from(&head.id.kind);
            self.resources.left_out.secrets.push(id);
            return;
        }
        if !self.is_named(&root, head) {
            return;
        }
        let Some(manifest) = self.typed::<SecretManifest>(&root, head) else { return };
        let meta = manifest.metadata.clone();
        match Secret::decode(manifest) {
            Ok(spec) => {
                scrub(&mut root);
                let source = Source { file: Arc::clone(&head.file), root: Arc::new(root) };
                if self.is_first(&source, head) {
                    self.resources.secrets.push(Object { id: head.id.clone(), meta, spec, source });
                }
            }
            Err(key) => {
                let message = format!("the value of `{key}` is not base64");
                let finding = self.error(head, &root, &Path::ROOT.key("data"), message);
                finding.help("encode it, or put the text under `stringData`");
                self.resources.left_out.secrets.push(head.id.clone());
            }
        }
    }
}
