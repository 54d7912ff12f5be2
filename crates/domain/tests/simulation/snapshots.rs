//! Copies of the domain that went through a snapshot, in two formats: they must go on as the original does.

use domain::{Effect, Event, Moment, StateMachine};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Events for which a copy is followed.
const FOLLOWED: usize = 150;

/// A way to write and read anything.
#[derive(Debug, Clone, Copy)]
enum Format {
    Json,
    Postcard,
}

impl Format {
    fn copy<T: Serialize + DeserializeOwned>(self, value: &T) -> T {
        match self {
            Self::Json => serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap(),
            Self::Postcard => postcard::from_bytes(&postcard::to_stdvec(value).unwrap()).unwrap(),
        }
    }
}

/// A copy that is followed.
struct Copy {
    format: Format,
    machine: StateMachine,
    left: usize,
}

/// All copies that are followed now.
#[derive(Default)]
pub(crate) struct Snapshots(Vec<Copy>);

impl Snapshots {
    /// Take a snapshot in both formats, and follow what comes of it.
    pub(crate) fn take(&mut self, machine: &StateMachine) {
        if self.0.is_empty() {
            let copy = |format: Format| Copy { format, machine: format.copy(machine), left: FOLLOWED };
            self.0.extend([Format::Json, Format::Postcard].map(copy));
            self.compare(machine);
        }
    }

    /// The copies get the event, which goes through their format as well.
    pub(crate) fn update(&mut self, now: Moment, event: &Event, effects: &Vec<Effect>, machine: &StateMachine) {
        for copy in &mut self.0 {
            let own = copy.machine.update(copy.format.copy(&now), copy.format.copy(event));
            assert!(own == *effects, "{:?}: {own:?} is done rather than {effects:?}", copy.format);
            let read = copy.format.copy(effects);
            assert!(read == *effects, "{:?} reads {read:?} rather than {effects:?}", copy.format);
            copy.left -= 1;
        }
        if self.0.iter().any(|copy| copy.left == 0) {
            self.compare(machine);
            self.0.clear();
        }
    }

    fn compare(&self, machine: &StateMachine) {
        let whole = serde_json::to_value(machine).unwrap();
        for copy in &self.0 {
            let own = serde_json::to_value(&copy.machine).unwrap();
            assert!(own == whole, "{:?}: {}", copy.format, difference(&own, &whole));
        }
    }
}

/// Where two documents differ first.
fn difference(one: &serde_json::Value, other: &serde_json::Value) -> String {
    use serde_json::Value;
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let differs = one.iter().find(|(key, value)| other.get(*key) != Some(value));
            let Some((key, value)) = differs else { return "a key is missing".to_owned() };
            format!("{key}/{}", difference(value, other.get(key).unwrap_or(&Value::Null)))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let differs = one.iter().zip(other).enumerate().find(|(_, (one, other))| one != other);
            let Some((place, (one, other))) = differs else { return String::new() };
            format!("{place}/{}", difference(one, other))
        }
        _ => format!(" {one} rather than {other}"),
    }
}
