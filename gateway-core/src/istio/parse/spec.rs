//! Objects whose content stands under `spec`.

use std::sync::{Arc, LazyLock};

use serde::de::DeserializeOwned;

use super::{Head, Parser};
use crate::istio::{
    DestinationRule, Draft, Gateway, Manifest, Object, Resources, ServiceEntry, Source, VirtualService,
};
use crate::yaml::{self, Hole, Node, Path, Shape};

/// A content that is read.
pub(super) trait Spec: Default + DeserializeOwned {
    fn shape() -> &'static Shape;
    fn objects(resources: &mut Resources) -> &mut Vec<Object<Self>>;
    fn drafts(resources: &mut Resources) -> &mut Vec<Draft<Self>>;
}

macro_rules! spec {
    ($type:ty, $list:ident) => {
        impl Spec for $type {
            fn shape() -> &'static Shape {
                static SHAPE: LazyLock<Shape> = LazyLock::new(Shape::of::<Manifest<$type>>);
                &SHAPE
            }

            fn objects(resources: &mut Resources) -> &mut Vec<Object<Self>> {
                &mut resources.$list
            }

            fn drafts(resources: &mut Resources) -> &mut Vec<Draft<Self>> {
                &mut resources.left_out.drafts.$list
            }
        }
    };
}

spec!(Gateway, gateways);
spec!(VirtualService, virtual_services);
spec!(DestinationRule, destination_rules);
spec!(ServiceEntry, service_entries);

impl Parser<'_> {
    /// `sound`: nothing is wrong with it so far.
    pub(super) fn spec<T: Spec>(&mut self, mut root: Node, head: &Head, sound: bool) {
        let fits = self.fits(&mut root, head, T::shape());
        let (mended, mut holes) = if fits { (None, Vec::new()) } else { mend(&root, T::shape()) };
        let manifest = self.manifest::<T>(mended.as_ref(), &root, head);
        let guessed = mended.as_ref().and_then(|root| root.get("metadata")?.get("name"));
        let named = guessed.is_some() || self.is_named(&root, head);
        let source = Source { file: Arc::clone(&head.file), root: Arc::new(root) };
        let Some(manifest) = manifest else {
            self.left_out(source, head);
            return;
        };
        let sound = sound && fits && named && self.is_first(&source, head);
        if !sound {
            self.left_out(source.clone(), head);
        }
        let object = Object { id: head.id.clone(), meta: manifest.metadata, spec: manifest.spec, source };
        if sound {
            T::objects(&mut self.resources).push(object);
            return;
        }
        if !named {
            holes.push(Hole::new(Path::ROOT.key("metadata").to_string()));
        }
        T::drafts(&mut self.resources).push(Draft { object, holes });
    }

    fn manifest<T: Spec>(&mut self, mended: Option<&Node>, root: &Node, head: &Head) -> Option<Manifest<T>> {
        if mended.unwrap_or(root).get("spec").is_none() {
            self.error(head, root, &Path::ROOT, "`spec` is missing".to_owned());
            return None;
        }
        // That something guessed cannot be typed is nobody's error.
        mended.map_or_else(|| self.typed(root, head), |mended| yaml::from_node(mended).ok())
    }
}

fn mend(root: &Node, shape: &Shape) -> (Option<Node>, Vec<Hole>) {
    let (mended, holes) = yaml::mend(root, shape);
    (Some(mended), holes)
}
