//! What each program is told of the server: by variables, and by arguments where it has no variables for it.

use std::fmt::Write as _;

use serde_json::json;
use tokio::process::Command;

/// The variable with the key for the server.
pub(super) const KEY: &str = "TAFFRAIL_API_KEY";

/// What stands for a key where the server needs none: the programs send something, or ask for it.
const NO_KEY: &str = "none";

/// The programs that can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Program {
    /// `OpenAI`'s Codex
    Codex,
    /// Claude Code
    Claude,
    /// opencode
    Opencode,
    /// aider
    Aider,
    /// Print the variables for a shell to read
    Env,
}

/// The model as the server answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    /// `http://ADDRESS:PORT`.
    pub(super) address: String,
    /// The name by which it is asked for.
    pub(super) model: String,
    /// Tokens of context.
    pub(super) context: u32,
    /// The key, where one was given.
    pub(super) key: Option<String>,
}

impl Served {
    /// Where the APIs in `OpenAI`'s way are.
    fn openai(&self) -> String {
        format!("{}/v1", self.address)
    }

    fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(NO_KEY)
    }
}

impl Program {
    /// What it is called on the disk; `None` for that which is none.
    pub(super) fn command(self) -> Option<&'static str> {
        match self {
            Self::Codex => Some("codex"),
            Self::Claude => Some("claude"),
            Self::Opencode => Some("opencode"),
            Self::Aider => Some("aider"),
            Self::Env => None,
        }
    }

    /// How it is installed.
    pub(super) fn how_to_install(self) -> &'static str {
        match self {
            Self::Codex => "`npm install -g @openai/codex` installs it",
            Self::Claude => "`npm install -g @anthropic-ai/claude-code` installs it",
            Self::Opencode => "`npm install -g opencode-ai` installs it",
            Self::Aider => "`uv tool install aider-chat` or `pipx install aider-chat` installs it",
            Self::Env => "it needs nothing",
        }
    }

    /// Give a command what it needs before the user's own arguments.
    pub(super) fn prepare(self, command: &mut Command, served: &Served) {
        command.envs(self.variables(served)).args(self.arguments(served));
        // A key for the real service goes to nobody else.
        for name in self.removed() {
            command.env_remove(name);
        }
    }

    /// The variables that it reads.
    fn variables(self, served: &Served) -> Vec<(&'static str, String)> {
        let key = || served.key().to_owned();
        match self {
            Self::Codex => vec![(KEY, key())],
            Self::Claude => anthropic(served),
            Self::Opencode => vec![("OPENCODE_CONFIG_CONTENT", opencode(served))],
            Self::Aider => vec![
                ("OPENAI_API_BASE", served.openai()),
                ("OPENAI_API_KEY", key()),
                ("AIDER_MODEL", format!("openai/{}", served.model)),
                // It knows no prices and no limits of local models, and asks whether to read about that.
                ("AIDER_SHOW_MODEL_WARNINGS", "false".to_owned()),
            ],
            Self::Env => {
                let mut all = vec![
                    ("OPENAI_BASE_URL", served.openai()),
                    ("OPENAI_API_BASE", served.openai()),
                    ("OPENAI_API_KEY", key()),
                    ("OPENAI_MODEL", served.model.clone()),
                    ("OLLAMA_HOST", served.address.clone()),
                ];
                all.extend(anthropic(served));
                all
            }
        }
    }

    /// The variables that it must not see.
    fn removed(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &["ANTHROPIC_API_KEY"],
            _ => &[],
        }
    }

    /// Its arguments.
    fn arguments(self, served: &Served) -> Vec<String> {
        if self != Self::Codex {
            return Vec::new();
        }
        // It reads the values as TOML.
        let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
        let settings = [
            ("model_provider", text("taffrail")),
            ("model_providers.taffrail.name", text("taffrail")),
            ("model_providers.taffrail.base_url", text(&served.openai())),
            ("model_providers.taffrail.wire_api", text("responses")),
            ("model_providers.taffrail.env_key", text(KEY)),
            ("model", text(&served.model)),
            ("model_context_window", served.context.to_string()),
        ];
        settings.into_iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]).collect()
    }
}

/// What Claude Code and others that ask by Anthropic's API read.
fn anthropic(served: &Served) -> Vec<(&'static str, String)> {
    let model = || served.model.clone();
    vec![
        ("ANTHROPIC_BASE_URL", served.address.clone()),
        ("ANTHROPIC_AUTH_TOKEN", served.key().to_owned()),
        ("ANTHROPIC_MODEL", model()),
        // It asks other models for small jobs: here there is one.
        ("ANTHROPIC_DEFAULT_OPUS_MODEL", model()),
        ("ANTHROPIC_DEFAULT_SONNET_MODEL", model()),
        ("ANTHROPIC_DEFAULT_HAIKU_MODEL", model()),
        ("ANTHROPIC_SMALL_FAST_MODEL", model()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
        // A line that differs in each prompt would have the whole prompt read anew.
        ("CLAUDE_CODE_ATTRIBUTION_HEADER", "0".to_owned()),
    ]
}

/// The configuration of opencode, over which the user's own is laid.
fn opencode(served: &Served) -> String {
    let name = format!("taffrail/{}", served.model);
    // A quarter is for the answer.
    let limit = json!({"context": served.context, "output": served.context / 4});
    let model = json!({"name": served.model, "tool_call": true, "limit": limit});
    let models = serde_json::Map::from_iter([(served.model.clone(), model)]);
    let provider = json!({
        "npm": "@ai-sdk/openai-compatible",
        "name": "taffrail",
        "options": {"baseURL": served.openai(), "apiKey": served.key()},
        "models": models,
    });
    json!({
        "$schema": "https://opencode.ai/config.json",
        "model": name,
        "small_model": name,
        "provider": {"taffrail": provider},
    })
    .to_string()
}

/// The variables as lines for a shell.
pub(super) fn exports(served: &Served) -> String {
    let mut text = String::new();
    for (name, value) in Program::Env.variables(served) {
        let _ = writeln!(text, "export {name}={}", shell_words::quote(&value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Served {
        Served {
            address: "http://127.0.0.1:11437".to_owned(),
            model: "it's \"odd\" $(x)".to_owned(),
            context: 32768,
            key: None,
        }
    }

    #[test]
    fn a_shell_reads_the_variables_as_they_are() {
        let text = exports(&served());
        let lines: Vec<Vec<String>> = text.lines().map(|line| shell_words::split(line).unwrap()).collect();
        assert!(lines.iter().all(|words| words.len() == 2 && words[0] == "export"), "{text}");
        let has = |line: &str| lines.iter().any(|words| words[1] == line);
        assert!(has("OPENAI_BASE_URL=http://127.0.0.1:11437/v1"), "{text}");
        assert!(has("ANTHROPIC_BASE_URL=http://127.0.0.1:11437"), "{text}");
        assert!(has("ANTHROPIC_MODEL=it's \"odd\" $(x)"), "{text}");
    }

    #[test]
    fn codex_reads_its_settings_as_toml() {
        let arguments = Program::Codex.arguments(&served());
        let text: String =
            arguments.iter().filter(|text| *text != "-c").flat_map(|text| [text.as_str(), "\n"]).collect();
        let settings: toml::Table = text.parse().unwrap();
        assert_eq!(settings["model"].as_str(), Some("it's \"odd\" $(x)"));
        assert_eq!(settings["model_providers"]["taffrail"]["wire_api"].as_str(), Some("responses"));
        assert_eq!(settings["model_context_window"].as_integer(), Some(32768));
    }

    #[test]
    fn opencode_is_told_of_the_model_and_its_limits() {
        let settings: serde_json::Value = serde_json::from_str(&opencode(&served())).unwrap();
        assert_eq!(settings["model"], "taffrail/it's \"odd\" $(x)");
        let model = &settings["provider"]["taffrail"]["models"]["it's \"odd\" $(x)"];
        assert_eq!(model["limit"], json!({"context": 32768, "output": 8192}));
    }

    #[test]
    fn a_key_for_the_real_service_is_not_given_away() {
        let mut command = Command::new("claude");
        command.env("ANTHROPIC_API_KEY", "real");
        Program::Claude.prepare(&mut command, &Served { key: Some("own".to_owned()), ..served() });
        let variables: Vec<_> = command.as_std().get_envs().collect();
        assert!(variables.contains(&("ANTHROPIC_API_KEY".as_ref(), None)));
        assert!(variables.contains(&("ANTHROPIC_AUTH_TOKEN".as_ref(), Some("own".as_ref()))));
    }
}
