//! The table of all settings: what each is called, how it is read and how it is shown.

mod choices;
mod server;
mod setting;
mod slurm;

use std::time::Duration;

use self::choices::{GRAPHS, ON_QUIT, WAIT_POLICIES, name_of};
use self::server::SERVER;
pub use self::setting::Setting;
use self::setting::{auto, put, seconds};
use self::slurm::SLURM;
use super::value::{Value, show_bytes};
use domain::settings::{CHAT_FIELDS, SESSION_FIELDS, Settings, StoreFolder};
use domain::units::Bytes;

/// Whether a setting holds several values, of which one may be wrong and the others right.
pub(super) fn is_list(section: &str, key: &str) -> bool {
    section == KEYS
        || matches!((section, key), ("library", "folders") | (SERVER, "hosts" | "origins") | (SLURM, "options"))
}

/// Whether a list's entries are paths, which a variable separates as PATH does.
pub(super) fn are_paths(section: &str) -> bool {
    section == "library"
}

/// One entry of such a setting, as a word.
pub(super) fn list_entry(section: &str, key: &str, value: &Value) -> Result<String, String> {
    let word = value.word().map(str::to_owned);
    if section == KEYS {
        return word.ok_or_else(|| "must be the name of a key".to_owned());
    }
    if section == SERVER {
        let word = word.unwrap_or_default();
        return server::entry(key, &word).map(|()| word);
    }
    if section == SLURM {
        let word = word.unwrap_or_default();
        return slurm::entry(&word).map(|()| word);
    }
    let path = value.path()?;
    Ok(word.unwrap_or_else(|| path.display().to_string()))
}

/// The sections in the order of config.toml. `[keys]` holds names of actions rather than settings.
pub const SECTIONS: &[&str] = &[
    "ui",
    "library",
    "hub",
    "session",
    "budget",
    "engine",
    "bench",
    "telemetry",
    "energy",
    "history",
    SERVER,
    SLURM,
    KEYS,
];

/// The most requests that a setting lets wait: each keeps its prompt in memory.
const MAX_QUEUED: u32 = 100_000;

/// The section with names of the user's own for models, each a section of its own.
pub(super) const MODELS: &str = "models";

/// The section with other machines whose devices sessions may use, each a section of its own.
pub(super) const RPC: &str = "rpc";

/// The section with other machines, each a section of its own.
pub(super) const MACHINE: &str = "machine";

/// The section with engines of other programs, each a section of its own.
pub(super) const REMOTE: &str = "remote";

/// The section with changed keys.
pub(super) const KEYS: &str = "keys";

/// All settings, section by section.
pub fn settings() -> impl Iterator<Item = Setting> {
    let session = SESSION_FIELDS.iter().map(|field| Setting {
        section: "session",
        key: field.name,
        get: |settings, key| Value::from_shown(settings.session.get(key).unwrap_or_default()),
        set: |settings, key, value| settings.session.set(key, &value.scalar()?),
    });
    let chat = CHAT_FIELDS.iter().map(|field| Setting {
        section: "session",
        key: field.name,
        get: |settings, key| Value::Text(settings.chat.get(key).unwrap_or_default()),
        set: |settings, key, value| settings.chat.set(key, value.word().ok_or("must be a text")?),
    });
    let all = OTHERS.iter().chain(server::SETTINGS).chain(slurm::SETTINGS).copied().chain(session).chain(chat);
    SECTIONS.iter().flat_map(move |section| all.clone().filter(move |setting| setting.section == *section))
}

/// The setting of this name.
pub(super) fn find(section: &str, key: &str) -> Option<Setting> {
    settings().find(|setting| setting.section == section && setting.key == key)
}

/// The settings outside of `[session]`, whose own are named in the core.
static OTHERS: &[Setting] = &[
    Setting {
        section: "ui",
        key: "theme",
        get: |settings, _| Value::Text(settings.ui.theme.clone()),
        set: |settings, _, value| put(&mut settings.ui.theme, theme(value)),
    },
    Setting {
        section: "ui",
        key: "graphs",
        get: |settings, _| name_of(GRAPHS, settings.ui.graphs),
        set: |settings, _, value| put(&mut settings.ui.graphs, value.one_of(GRAPHS)),
    },
    Setting {
        section: "ui",
        key: "fold_reasoning",
        get: |settings, _| Value::Flag(settings.ui.fold_reasoning),
        set: |settings, _, value| put(&mut settings.ui.fold_reasoning, value.flag()),
    },
    Setting {
        section: "ui",
        key: "mouse",
        get: |settings, _| Value::Flag(settings.ui.mouse),
        set: |settings, _, value| put(&mut settings.ui.mouse, value.flag()),
    },
    Setting {
        section: "ui",
        key: "screen_reader",
        get: |settings, _| Value::Flag(settings.ui.screen_reader),
        set: |settings, _, value| put(&mut settings.ui.screen_reader, value.flag()),
    },
    Setting {
        section: "ui",
        key: "on_quit",
        get: |settings, _| name_of(ON_QUIT, settings.ui.on_quit),
        set: |settings, _, value| put(&mut settings.ui.on_quit, value.one_of(ON_QUIT)),
    },
    Setting {
        section: "library",
        key: "folders",
        get: |settings, _| {
            Value::List(settings.library.folders.iter().map(|path| path.display().to_string()).collect())
        },
        set: |settings, _, value| put(&mut settings.library.folders, value.paths()),
    },
    store(
        "hugging_face",
        |settings, _| show_place(&settings.library.hugging_face),
        |settings, _, value| put(&mut settings.library.hugging_face, place(value)),
    ),
    store(
        "ollama",
        |settings, _| show_place(&settings.library.ollama),
        |settings, _, value| put(&mut settings.library.ollama, place(value)),
    ),
    store(
        "lm_studio",
        |settings, _| show_place(&settings.library.lm_studio),
        |settings, _, value| put(&mut settings.library.lm_studio, place(value)),
    ),
    store(
        "llama_cpp",
        |settings, _| show_place(&settings.library.llama_cpp),
        |settings, _, value| put(&mut settings.library.llama_cpp, place(value)),
    ),
    store(
        "jan",
        |settings, _| show_place(&settings.library.jan),
        |settings, _, value| put(&mut settings.library.jan, place(value)),
    ),
    store(
        "gpt4all",
        |settings, _| show_place(&settings.library.gpt4all),
        |settings, _, value| put(&mut settings.library.gpt4all, place(value)),
    ),
    store(
        "local_ai",
        |settings, _| show_place(&settings.library.local_ai),
        |settings, _, value| put(&mut settings.library.local_ai, place(value)),
    ),
    store(
        "rama_lama",
        |settings, _| show_place(&settings.library.rama_lama),
        |settings, _, value| put(&mut settings.library.rama_lama, place(value)),
    ),
    store(
        "docker",
        |settings, _| show_place(&settings.library.docker),
        |settings, _, value| put(&mut settings.library.docker, place(value)),
    ),
    Setting {
        section: "library",
        key: "discover",
        get: |settings, _| Value::Flag(settings.library.discover),
        set: |settings, _, value| put(&mut settings.library.discover, value.flag()),
    },
    Setting {
        section: "library",
        key: "use_starter",
        get: |settings, _| Value::Flag(settings.library.use_starter),
        set: |settings, _, value| put(&mut settings.library.use_starter, value.flag()),
    },
    Setting {
        section: "library",
        key: "openness",
        get: |settings, _| auto(settings.library.openness.as_ref(), |path| Value::Text(path.display().to_string())),
        set: |settings, _, value| put(&mut settings.library.openness, value.or_auto(Value::path)),
    },
    Setting {
        section: "library",
        key: "trash_days",
        get: |settings, _| Value::Number(settings.library.trash_days.to_string()),
        set: |settings, _, value| put(&mut settings.library.trash_days, value.whole(0, 3650)),
    },
    Setting {
        section: "hub",
        key: "endpoint",
        get: |settings, _| auto(settings.hub.endpoint.clone(), Value::Text),
        set: |settings, _, value| put(&mut settings.hub.endpoint, value.or_auto(address)),
    },
    Setting {
        section: "hub",
        key: "downloads",
        get: |settings, _| Value::Number(settings.hub.downloads.to_string()),
        set: |settings, _, value| put(&mut settings.hub.downloads, value.whole(1, 16)),
    },
    Setting {
        section: "hub",
        key: "timeout_s",
        get: |settings, _| seconds(settings.hub.timeout),
        set: |settings, _, value| put(&mut settings.hub.timeout, value.seconds(1, 3600)),
    },
    Setting {
        section: "budget",
        key: "threads",
        get: |settings, _| auto(settings.budget.threads, |threads| Value::Number(threads.to_string())),
        set: |settings, _, value| put(&mut settings.budget.threads, value.or_auto(|value| value.whole(1, 1024))),
    },
    Setting {
        section: "budget",
        key: "memory",
        get: |settings, _| auto(settings.budget.memory, show_bytes),
        set: |settings, _, value| put(&mut settings.budget.memory, value.or_auto(Value::bytes)),
    },
    Setting {
        section: "budget",
        key: "reserve",
        get: |settings, _| show_bytes(settings.budget.reserve),
        set: |settings, _, value| put(&mut settings.budget.reserve, value.bytes()),
    },
    Setting {
        section: "budget",
        key: "min_loaded_s",
        get: |settings, _| seconds(settings.budget.min_loaded),
        set: |settings, _, value| put(&mut settings.budget.min_loaded, value.seconds(0, 3600)),
    },
    Setting {
        section: "budget",
        key: "max_queued_per_model",
        get: |settings, _| Value::Number(settings.budget.max_queued_per_model.to_string()),
        set: |settings, _, value| put(&mut settings.budget.max_queued_per_model, value.whole(1, MAX_QUEUED)),
    },
    Setting {
        section: "budget",
        key: "max_queued",
        get: |settings, _| Value::Number(settings.budget.max_queued.to_string()),
        set: |settings, _, value| put(&mut settings.budget.max_queued, value.whole(1, MAX_QUEUED)),
    },
    Setting {
        section: "engine",
        key: "wait_policy",
        get: |settings, _| name_of(WAIT_POLICIES, settings.engine.wait_policy),
        set: |settings, _, value| put(&mut settings.engine.wait_policy, value.one_of(WAIT_POLICIES)),
    },
    Setting {
        section: "engine",
        key: "nice",
        get: |settings, _| Value::Number(settings.engine.nice.to_string()),
        set: |settings, _, value| put(&mut settings.engine.nice, value.whole(0, 19)),
    },
    Setting {
        section: "engine",
        key: "start_timeout_s",
        get: |settings, _| seconds(settings.engine.start_timeout),
        set: |settings, _, value| put(&mut settings.engine.start_timeout, value.seconds(1, 3600)),
    },
    Setting {
        section: "engine",
        key: "hang_timeout_s",
        get: |settings, _| seconds(settings.engine.hang_timeout),
        set: |settings, _, value| put(&mut settings.engine.hang_timeout, value.seconds(1, 3600)),
    },
    Setting {
        section: "engine",
        key: "stop_timeout_s",
        get: |settings, _| seconds(settings.engine.stop_timeout),
        set: |settings, _, value| put(&mut settings.engine.stop_timeout, value.seconds(1, 60)),
    },
    Setting {
        section: "engine",
        key: "prompt_cache_disk_mib",
        get: |settings, _| Value::Number((settings.engine.prompt_cache_disk.0 >> 20).to_string()),
        set: |settings, _, value| put(&mut settings.engine.prompt_cache_disk, mebibytes(value)),
    },
    Setting {
        section: "engine",
        key: "amx",
        get: |settings, _| Value::Flag(settings.engine.amx),
        set: |settings, _, value| put(&mut settings.engine.amx, value.flag()),
    },
    Setting {
        section: "bench",
        key: "wait_policy",
        get: |settings, _| name_of(WAIT_POLICIES, settings.bench.wait_policy),
        set: |settings, _, value| put(&mut settings.bench.wait_policy, value.one_of(WAIT_POLICIES)),
    },
    Setting {
        section: "bench",
        key: "nice",
        get: |settings, _| Value::Number(settings.bench.nice.to_string()),
        set: |settings, _, value| put(&mut settings.bench.nice, value.whole(0, 19)),
    },
    Setting {
        section: "telemetry",
        key: "interval_ms",
        get: |settings, _| Value::Number(settings.telemetry.interval.as_millis().to_string()),
        set: |settings, _, value| {
            put(
                &mut settings.telemetry.interval,
                match value.whole(250, 60_000) {
                    Ok(milliseconds) => Ok(Duration::from_millis(u64::from(milliseconds))),
                    Err(error) => Err(format!("{error}, in milliseconds")),
                },
            )
        },
    },
    Setting {
        section: "telemetry",
        key: "history_s",
        get: |settings, _| seconds(settings.telemetry.history),
        set: |settings, _, value| put(&mut settings.telemetry.history, value.seconds(60, 86_400)),
    },
    Setting {
        section: "energy",
        key: "g_per_kwh",
        get: |settings, _| none(settings.energy.g_per_kwh),
        set: |settings, _, value| put(&mut settings.energy.g_per_kwh, value.or_none(|value| value.real(0.0, 10_000.0))),
    },
    Setting {
        section: "energy",
        key: "price_per_kwh",
        get: |settings, _| none(settings.energy.price_per_kwh),
        set: |settings, _, value| put(&mut settings.energy.price_per_kwh, value.or_none(|value| value.real(0.0, 1e6))),
    },
    Setting {
        section: "energy",
        key: "currency",
        get: |settings, _| Value::Text(settings.energy.currency.clone()),
        set: |settings, _, value| put(&mut settings.energy.currency, currency(value)),
    },
    Setting {
        section: "energy",
        key: "sensor_uncertainty",
        get: |settings, _| percent(settings.energy.sensor),
        set: |settings, _, value| put(&mut settings.energy.sensor, share(value)),
    },
    Setting {
        section: "energy",
        key: "tenancy_uncertainty",
        get: |settings, _| percent(settings.energy.tenancy),
        set: |settings, _, value| put(&mut settings.energy.tenancy, share(value)),
    },
    Setting {
        section: "energy",
        key: "tdp_watts",
        get: |settings, _| none(settings.energy.tdp_watts),
        set: |settings, _, value| put(&mut settings.energy.tdp_watts, value.or_none(|value| value.real(1.0, 2000.0))),
    },
    Setting {
        section: "energy",
        key: "idle_watts",
        get: |settings, _| none(settings.energy.idle_watts),
        set: |settings, _, value| put(&mut settings.energy.idle_watts, value.or_none(|value| value.real(0.0, 2000.0))),
    },
    Setting {
        section: "history",
        key: "keep",
        get: |settings, _| Value::Flag(settings.history.keep),
        set: |settings, _, value| put(&mut settings.history.keep, value.flag()),
    },
];

/// The setting of where a store is.
const fn store(
    key: &'static str,
    get: fn(&Settings, &str) -> Value,
    set: fn(&mut Settings, &str, &Value) -> Result<(), String>,
) -> Setting {
    Setting { section: "library", key, get, set }
}

fn show_place(place: &StoreFolder) -> Value {
    Value::Text(match place {
        StoreFolder::Auto => "auto".to_owned(),
        StoreFolder::Off => "off".to_owned(),
        StoreFolder::At(path) => path.display().to_string(),
    })
}

/// A folder, or one of two words.
fn place(value: &Value) -> Result<StoreFolder, String> {
    match value.word() {
        Some("auto") => Ok(StoreFolder::Auto),
        Some("off") => Ok(StoreFolder::Off),
        _ => value.path().map(StoreFolder::At).map_err(|error| format!("{error}, or auto or off")),
    }
}

fn none(value: Option<f64>) -> Value {
    value.map_or_else(|| Value::Text("none".to_owned()), |value| Value::Number(value.to_string()))
}

/// A share as percent, without the noise of the division that made it.
fn percent(share: f64) -> Value {
    Value::Number(((share * 1e6).round() / 1e4).to_string())
}

/// A share that is written as percent.
fn share(value: &Value) -> Result<f64, String> {
    value.real(0.0, 100.0).map(|percent| percent / 100.0).map_err(|error| format!("{error}, in percent"))
}

/// A currency as it stands behind an amount.
fn currency(value: &Value) -> Result<String, String> {
    value
        .word()
        .filter(|word| (1..=8).contains(&word.chars().count()) && !word.chars().any(|c| c.is_control() || c == ' '))
        .map(str::to_owned)
        .ok_or_else(|| "must be a currency such as EUR or €: 1 to 8 characters without a space".to_owned())
}

/// A mebibyte to as many as the largest disks have.
fn mebibytes(value: &Value) -> Result<Bytes, String> {
    Ok(Bytes(u64::from(value.whole(0, 1 << 30)?) << 20))
}

/// An address of the web.
fn address(value: &Value) -> Result<String, String> {
    let is_address = |word: &&str| word.starts_with("https://") || word.starts_with("http://");
    value
        .word()
        .filter(is_address)
        .map(str::to_owned)
        .ok_or_else(|| "must be an address that begins with https:// or http://".to_owned())
}

/// A theme is named, not pointed at: the name becomes a file's name.
fn theme(value: &Value) -> Result<String, String> {
    value
        .word()
        .filter(|name| {
            (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        })
        .map(str::to_owned)
        .ok_or_else(|| "must be the name of a theme: letters, digits, - and _".to_owned())
}
