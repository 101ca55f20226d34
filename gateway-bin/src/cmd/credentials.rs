//! Credentials that change on disk, and those that come to their end.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use gateway_layers::stack::{Gateway, Renewal, credential_files};
use jiff::Timestamp;
use metrics::{Recorder, with_local_recorder};
use tracing::{info, warn};

use crate::{cli::ConfigArgs, dump, load};

/// Looks at the files again and again: no event of a file system tells of every rename, link and mount.
pub(crate) struct Credentials {
    pub(crate) args: ConfigArgs,
    pub(crate) gateway: Gateway,
    pub(crate) recorder: Arc<dyn Recorder + Send + Sync>,
    pub(crate) every: Duration,
}

/// Days before its end from which on a certificate is warned about.
const SOON: i64 = 21;

impl Credentials {
    /// Never ends.
    pub(crate) async fn watch(self) {
        let this = Arc::new(self);
        // Nothing was seen: what has changed since the start is found at the first look.
        let mut state = State::default();
        this.expiry(&mut state);
        loop {
            tokio::time::sleep(this.every).await;
            let shared = this.clone();
            // Files may be slow; the admin server shares this runtime.
            let looked = tokio::task::spawn_blocking(move || {
                shared.look(&mut state);
                state
            });
            match looked.await {
                Ok(next) => state = next,
                Err(error) => {
                    warn!(%error, "credentials are not watched any more");
                    return;
                }
            }
        }
    }

    fn look(&self, state: &mut State) {
        let seen = self.stamps();
        if seen != state.seen || state.again {
            state.seen = seen;
            self.renew(state);
        }
        self.expiry(state);
    }

    fn renew(&self, state: &mut State) {
        let secrets = match self.secrets() {
            Ok(secrets) => secrets,
            Err(error) => {
                state.tell([format!("credentials cannot be read: {error:#}; the last good ones go on")].into());
                state.again = true;
                return;
            }
        };
        let Renewal { changed, problems } = self.gateway.renew(secrets);
        if changed > 0 {
            info!(servers = changed, "new credentials are in use");
        }
        state.again = !problems.is_empty();
        let told = problems.iter().map(|problem| format!("{problem}; the last good credential, if any, goes on"));
        state.tell(told.collect());
    }

    /// The secrets as they are now. Standard input is read once only: then they are those of the start.
    fn secrets(&self) -> anyhow::Result<Vec<gateway_core::model::Secret>> {
        if self.args.files.iter().any(|path| path == Path::new("-")) {
            return Ok(self.gateway.config().secrets.clone());
        }
        Ok(load::load(&self.args, true)?.config.secrets)
    }

    /// What would change if a file did.
    fn stamps(&self) -> BTreeMap<PathBuf, Option<Stamp>> {
        let mut stamps = BTreeMap::new();
        for path in self.args.files.iter().chain(&self.args.secrets) {
            stamp(path, &mut stamps, 0);
        }
        for path in credential_files(&self.gateway.config()) {
            stamp(path, &mut stamps, 0);
        }
        stamps
    }

    /// Days that are left, as a metric; once a day as a warning.
    fn expiry(&self, state: &mut State) {
        let today = Timestamp::now().as_second() / DAY;
        for credential in dump::secrets(&self.gateway.config()) {
            let Some(days) = credential.days_left else { continue };
            let labels = [("credential", credential.name.clone()), ("type", credential.r#type.clone())];
            with_local_recorder(&*self.recorder, || {
                #[expect(clippy::cast_precision_loss, reason = "days")]
                metrics::gauge!("gateway_certificate_expires_in_days", &labels).set(days as f64);
            });
            if days <= SOON && state.warned.insert((today, credential.name.clone())) {
                warn!(credential = credential.name, not_after = credential.not_after, "expires in {days} days");
            }
        }
        state.warned.retain(|(day, _)| *day == today);
    }
}

const DAY: i64 = 24 * 3600;

#[derive(Default)]
struct State {
    seen: BTreeMap<PathBuf, Option<Stamp>>,
    /// Something could not be used: it may be half of what is being written.
    again: bool,
    /// What is wrong, and was said: not said twice.
    told: BTreeSet<String>,
    warned: BTreeSet<(i64, String)>,
}

impl State {
    fn tell(&mut self, now: BTreeSet<String>) {
        for message in now.difference(&self.told) {
            warn!("{message}");
        }
        self.told = now;
    }
}

/// Modified when, bytes, which file (a link may lead to another one).
type Stamp = (Option<SystemTime>, u64, u64);

/// Folders are not deeper than this.
const DEEP: usize = 16;

/// A file's stamp, or those of all that is in a folder; what links lead to counts.
fn stamp(path: &Path, stamps: &mut BTreeMap<PathBuf, Option<Stamp>>, depth: usize) {
    let about = fs::metadata(path);
    if depth < DEEP && about.as_ref().is_ok_and(fs::Metadata::is_dir) {
        let entries = fs::read_dir(path).into_iter().flatten().filter_map(io::Result::ok);
        entries.for_each(|entry| stamp(&entry.path(), stamps, depth + 1));
    }
    let stamp = about.ok().map(|about| {
        use std::os::unix::fs::MetadataExt as _;
        (about.modified().ok(), about.len(), about.ino())
    });
    stamps.insert(path.to_owned(), stamp);
}
