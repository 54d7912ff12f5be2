//! `[machine.NAME]`: other machines with taffrail.

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use super::problem::nearest;
use super::schema::MACHINE;
use super::value::Value;
use super::{Merge, Origin};
use domain::settings::Machine;
use std::path::Path;

/// Keys of such a section.
const KEYS: [&str; 3] = ["ssh", "program", "ssh_command"];

impl Merge {
    /// All sections of `[machine]`.
    pub(super) fn machines(&mut self, table: &DeTable<'_>, path: &Path, text: &str) {
        let place = |span: std::ops::Range<usize>| Origin::in_file(path, text, span.start);
        for (name, value) in table {
            let (origin, name) = (place(name.span()), name.get_ref().to_string());
            let DeValue::Table(section) = value.get_ref() else {
                let hint = Some(format!("write [{MACHINE}.NAME] with `ssh = \"host\"` below it"));
                self.report(origin, format!("`{name}` in [{MACHINE}] must be a section"), hint);
                continue;
            };
            if !Machine::is_name(&name) {
                let what = format!("`{name}` is not a valid name for a machine: {}", Machine::NAME_RULE);
                self.report(origin, what, None);
            } else if self.loaded.settings.machines.len() >= Machine::MAX {
                self.report(origin, format!("there are more than {} machines", Machine::MAX), None);
            } else if let Some(machine) = self.machine(&name, section, origin, place) {
                self.loaded.settings.machines.insert(name, machine);
            }
        }
    }

    /// One section; without a host it is nothing.
    fn machine(
        &mut self,
        name: &str,
        section: &DeTable<'_>,
        origin: Origin,
        place: impl Fn(std::ops::Range<usize>) -> Origin,
    ) -> Option<Machine> {
        let mut machine = Machine::default();
        for (key, value) in section {
            let (at_key, at_value) = (place(key.span()), place(value.span()));
            let key: &str = key.get_ref();
            if !KEYS.contains(&key) {
                let hint = nearest(key, KEYS).map(|near| format!("did you mean `{near}`?"));
                self.report(at_key, format!("unknown key `{key}` in [{MACHINE}.{name}]"), hint);
                continue;
            }
            match put(&mut machine, key, value) {
                Ok(()) => drop(self.loaded.origins.insert(format!("{MACHINE}.{name}.{key}"), at_value)),
                Err(wrong) => {
                    let value = Value::from_toml(value.get_ref());
                    self.report(at_value, format!("`{key}` in [{MACHINE}.{name}] {wrong}, not {value}"), None);
                }
            }
        }
        if machine.ssh.is_empty() {
            if !section.contains_key("ssh") {
                let hint = Some("write `ssh = \"host\"`, as you would give it to ssh".to_owned());
                self.report(origin, format!("[{MACHINE}.{name}] names no host"), hint);
            }
            return None;
        }
        Some(machine)
    }
}

fn put(machine: &mut Machine, key: &str, value: &Spanned<DeValue<'_>>) -> Result<(), &'static str> {
    let shown = Value::from_toml(value.get_ref());
    let word = || shown.word().filter(|word| !word.trim().is_empty());
    match key {
        "ssh" => {
            let host = word().filter(|host| Machine::is_destination(host));
            host.ok_or("must be a host as ssh takes it")?.clone_into(&mut machine.ssh);
        }
        "program" => {
            let program = word().filter(|program| !program.chars().any(char::is_control));
            program.ok_or("must be the program's name or path there")?.clone_into(&mut machine.program);
        }
        _ => {
            let words = word().and_then(|text| shell_words::split(text).ok()).filter(|words| !words.is_empty());
            machine.ssh_command = words.ok_or("must be a command such as \"ssh -F /path/to/config\"")?;
        }
    }
    Ok(())
}

/// The lines of a section with their values.
pub fn entries(machine: &Machine) -> Vec<(String, Value)> {
    let Machine { ssh, program, ssh_command } = machine;
    let values = [ssh.clone(), program.clone(), shell_words::join(ssh_command)];
    KEYS.into_iter().zip(values).map(|(key, value)| (key.to_owned(), Value::Text(value))).collect()
}
