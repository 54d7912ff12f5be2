//! Names for models that commands make and remove.

use std::collections::BTreeMap;

use crate::alias;
use crate::command::{Cause, Refused};
use crate::effect::Effect;
use crate::settings::{Alias, SessionSettings};
use crate::state::Domain;

/// Define an alias, or change one that was made by a command.
pub(super) fn set(domain: &mut Domain, name: String, alias: Alias) -> Result<Vec<Effect>, Refused> {
    let invalid = |reason: String| Err(Refused::new(Cause::Invalid, reason));
    if !Alias::is_name(&name) {
        let shown = gguf::clean(&name, Alias::MAX_NAME);
        return invalid(format!("`{shown}` is not a valid name for a model: {}", Alias::NAME_RULE));
    }
    match domain.settings.models.get(&name) {
        Some(known) if !known.is_made => return invalid(format!("[models.{name}] of config.toml has this name")),
        None if domain.settings.models.len() >= Alias::MAX => {
            return invalid(format!("there are {} names for models already", Alias::MAX));
        }
        _ => {}
    }
    alias::resolve(domain, &alias.model)?;
    let mut settings = SessionSettings::default();
    for (field, value) in &alias.settings {
        if let Err(wrong) = settings.set(field, value) {
            return invalid(format!("`{field}` {wrong}"));
        }
    }
    domain.settings.models.insert(name, Alias { is_made: true, ..alias });
    Ok(vec![save(domain)])
}

/// Remove a name that a command made.
pub(super) fn remove(domain: &mut Domain, name: &str) -> Result<Vec<Effect>, Refused> {
    match domain.settings.models.get(name) {
        None => {
            Err(Refused::new(Cause::NotFound, format!("no name `{}` was made", gguf::clean(name, Alias::MAX_NAME))))
        }
        Some(alias) if !alias.is_made => {
            let refused = Refused::new(Cause::Invalid, format!("`{name}` is set in config.toml"));
            Err(refused.with_hint(format!("remove [models.{name}] there")))
        }
        Some(_) => {
            domain.settings.models.remove(name);
            Ok(vec![save(domain)])
        }
    }
}

fn save(domain: &Domain) -> Effect {
    let made = domain.settings.models.iter().filter(|(_, alias)| alias.is_made);
    let made: BTreeMap<String, Alias> = made.map(|(name, alias)| (name.clone(), alias.clone())).collect();
    Effect::SaveAliases(made)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_name_is_made_kept_and_removed() {
        let mut domain = Domain::new(crate::settings::Settings::default());
        domain.library.models = vec![Arc::new(crate::testing::model("One-7B"))];
        domain.library.took = Some(std::time::Duration::ZERO);
        let written = Alias { model: "One-7B".into(), ..Alias::default() };
        domain.settings.models.insert("written".into(), written.clone());
        let with = |name: &str, value: &str| Alias {
            settings: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            ..written.clone()
        };
        let made = |alias: &Alias| Alias { is_made: true, ..alias.clone() };
        let saved = |all: &[(&str, &Alias)]| {
            let all = all.iter().map(|(name, alias)| ((*name).to_owned(), made(alias)));
            Ok(vec![Effect::SaveAliases(all.collect())])
        };
        let warm = with("temperature", "0.5");
        assert_eq!(set(&mut domain, "mine".into(), written.clone()), saved(&[("mine", &written)]));
        assert_eq!(set(&mut domain, "mine".into(), warm.clone()), saved(&[("mine", &warm)]));
        for (name, alias, reason) in [
            ("written", written.clone(), "[models.written] of config.toml has this name"),
            ("a b", written.clone(), "`a b` is not a valid name for a model: 1 to 120 characters without spaces"),
            ("x", Alias { model: "gone".into(), ..Alias::default() }, "no model is called `gone`"),
            ("x", with("temperature", "-1"), "`temperature` must be a number from 0 to 10, or auto"),
        ] {
            assert_eq!(set(&mut domain, name.into(), alias).map_err(|refused| refused.reason), Err(reason.to_owned()));
        }
        for (name, reason) in [("written", "`written` is set in config.toml"), ("x", "no name `x` was made")] {
            assert_eq!(remove(&mut domain, name).map_err(|refused| refused.reason), Err(reason.to_owned()));
        }
        assert_eq!(remove(&mut domain, "mine"), saved(&[]));
        assert_eq!(domain.settings.models.keys().collect::<Vec<_>>(), ["written"]);
    }
}
