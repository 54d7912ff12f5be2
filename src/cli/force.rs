//! `--force`: trying a model that something speaks against.

use std::sync::Arc;

use super::Exit;
use super::failure::{Failure, print_error};
use domain::model::Model;
use domain::units::ago;

/// What may happen.
const RISK: &str = "its worker may crash or give wrong answers; nothing else is affected";

/// The model to start: as it is where nothing speaks against it, forced where it may be. Says before what may happen.
/// `now` is in seconds since 1970.
pub(super) fn admit(model: &Arc<Model>, force: bool, now: i64) -> Result<Arc<Model>, Failure> {
    if model.is_runnable() {
        return Ok(Arc::clone(model));
    }
    let tried = model.tried.as_ref().map(|tried| format!("; tried {}: {}", ago(tried.at, now), tried.outcome));
    let tried = tried.unwrap_or_default();
    let clean = |text: &str| gguf::clean(text, 1000);
    let name = clean(&model.name);
    if !model.can_be_tried() {
        return Err(Failure::new(Exit::Failed, clean(&format!("{name} can't be run: {}", model.status))));
    }
    let reason = clean(&format!("{}{tried}", model.status));
    if !force {
        let failure = Failure::new(Exit::Failed, format!("{name} can't be run: {reason}"));
        return Err(failure.with_hint(format!("--force tries it anyway: {RISK}")));
    }
    print_error(&format!("trying {name} although: {reason}\n  {RISK}"), None);
    Ok(model.forced())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::model::{ModelFile, Outcome, Status, Tried};
    use domain::testing::model;
    use domain::units::Bytes;

    #[test]
    fn what_can_be_forced() {
        let with = |path: &str, status: Status| {
            let file = ModelFile { path: path.into(), size: Bytes(1), modified: 1, digest: None };
            Arc::new(Model { files: vec![file], status, ..model("one") })
        };
        let odd = || Status::Damaged("odd".to_owned());
        for (model, force, runs) in [
            (with("/a", Status::Runnable), false, true),
            (with("/a", odd()), false, false),
            (with("/a", odd()), true, true),
            (with("/a", Status::Incomplete { found: 1, count: 2 }), true, true),
            (with("/a", Status::NotAModel("adapter".to_owned())), true, true),
            (with("/a", Status::Unreadable("gone".to_owned())), true, false),
            (with("", odd()), true, false),
        ] {
            assert_eq!(admit(&model, force, 0).is_ok_and(|model| model.is_runnable()), runs, "{model:?}");
        }
        let forced = admit(&with("/a", odd()), true, 0).unwrap_or_else(|_| unreachable!());
        assert_eq!(forced.overridden.as_deref(), Some("odd"));
        let tried = Tried { outcome: Outcome::Died("killed by signal 6".to_owned()), at: 0 };
        let refused = Arc::new(Model { tried: Some(tried), ..Model::clone(&with("/a", odd())) });
        let Err(failure) = admit(&refused, false, 7200) else { unreachable!("it is refused") };
        assert_eq!(failure.reason, "one can't be run: odd; tried 2 h ago: its worker died: killed by signal 6");
        assert!(failure.hint.is_some_and(|hint| hint.starts_with("--force tries")));
    }
}
