//! What each API's sampling fields do to an answer, and what is said of wrong ones.

use serde_json::{Value, json};

use crate::support::{Home, MODEL, Server};

/// An API's way of asking for text that goes on, with fields.
#[derive(Debug, Clone, Copy)]
enum Way {
    Chat,
    Completions,
    Generate,
    Messages,
}

impl Way {
    fn ask(self, server: &Server, fields: &Value) -> (u16, Value) {
        let said = "It was the whale, the whale, the";
        let (path, mut request) = match self {
            Self::Chat => (
                "/v1/chat/completions",
                json!({"model": MODEL, "messages": [{"role": "user", "content": said}], "max_tokens": 24}),
            ),
            Self::Completions => ("/v1/completions", json!({"model": MODEL, "prompt": said, "max_tokens": 24})),
            Self::Generate => (
                "/api/generate",
                json!({"model": MODEL, "prompt": said, "raw": true, "stream": false, "options": {"num_predict": 24}}),
            ),
            Self::Messages => (
                "/v1/messages",
                json!({"model": MODEL, "messages": [{"role": "user", "content": said}], "max_tokens": 24}),
            ),
        };
        let place = if matches!(self, Self::Generate) { &mut request["options"] } else { &mut request };
        for (name, value) in fields.as_object().unwrap() {
            place[name] = value.clone();
        }
        let reply = server.post(path, &request);
        (reply.status, reply.json())
    }

    fn text(self, server: &Server, fields: &Value) -> String {
        let (status, reply) = self.ask(server, fields);
        let text = match self {
            Self::Chat => &reply["choices"][0]["message"]["content"],
            Self::Completions => &reply["choices"][0]["text"],
            Self::Generate => &reply["response"],
            Self::Messages => &reply["content"][0]["text"],
        };
        assert_eq!(status, 200, "{self:?} {fields}: {reply}");
        text.as_str().unwrap_or_else(|| panic!("{self:?} {fields}: {reply}")).to_owned()
    }
}

/// Tokens of the model, by the server's own count.
fn tokens(server: &Server, text: &str) -> Vec<u64> {
    let told = server.post("/tokenize", &json!({"model": MODEL, "content": text})).json();
    told["tokens"].as_array().unwrap().iter().map(|token| token.as_u64().unwrap()).collect()
}

#[test]
fn each_sampling_field_has_its_effect() {
    let server = Home::new().serve(&[]);
    let greedy = json!({"temperature": 0});
    let hot = json!({"temperature": 1, "seed": 3, "top_k": 0, "top_p": 1, "min_p": 0});
    let penalties = [json!({"frequency_penalty": 2}), json!({"presence_penalty": 2}), json!({"repeat_penalty": 5})];
    let draws = [
        json!({"top_k": 1}),
        json!({"top_p": 0.1}),
        json!({"min_p": 0.9}),
        json!({"typical_p": 0.1}),
        json!({"mirostat": 1, "mirostat_tau": 0.5}),
        json!({"mirostat": 2, "mirostat_tau": 0.5}),
        json!({"mirostat": 2, "mirostat_tau": 0.5, "mirostat_eta": 1}),
        json!({"seed": 4}),
    ];
    let openai = [json!({"top_n_sigma": 0.1}), json!({"xtc_probability": 1, "xtc_threshold": 0.01, "top_k": 9})];
    let over = |base: &Value, fields: &Value| {
        let mut all = base.clone();
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        all
    };
    for way in [Way::Chat, Way::Completions, Way::Generate] {
        let plain = way.text(&server, &greedy);
        for fields in &penalties {
            assert_ne!(way.text(&server, &over(&greedy, fields)), plain, "{way:?} {fields}");
            let without = over(&over(&greedy, fields), &json!({"repeat_last_n": 0}));
            assert_eq!(way.text(&server, &without), plain, "{way:?} {without}");
        }
        let sampled = way.text(&server, &hot);
        assert_eq!(way.text(&server, &hot), sampled, "{way:?}");
        let own: &[Value] = if matches!(way, Way::Generate) { &[] } else { &openai };
        for fields in draws.iter().chain(own) {
            assert_ne!(way.text(&server, &over(&hot, fields)), sampled, "{way:?} {fields}");
        }
    }
    // Anthropic's has three.
    let plain = Way::Messages.text(&server, &json!({"temperature": 1, "top_k": 1}));
    assert_eq!(Way::Messages.text(&server, &json!({"temperature": 0})), plain);
    assert_eq!(Way::Messages.text(&server, &json!({"temperature": 1, "top_p": 0})), plain);
}

#[test]
fn a_bias_bans_a_token_or_forces_it() {
    let server = Home::new().serve(&[]);
    for way in [Way::Chat, Way::Completions] {
        let plain = way.text(&server, &json!({"temperature": 0}));
        let first = tokens(&server, &plain)[0].to_string();
        let banned = way.text(&server, &json!({"temperature": 0, "logit_bias": {first.clone(): -100}}));
        assert_ne!(tokens(&server, &banned)[0].to_string(), first, "{way:?}: {plain:?} {banned:?}");
        let other = tokens(&server, " whale")[0];
        let forced = way.text(&server, &json!({"temperature": 1, "logit_bias": {other.to_string(): 100}}));
        let piece = server.post("/detokenize", &json!({"model": MODEL, "tokens": [other, other, other]})).json();
        assert!(forced.contains(piece["content"].as_str().unwrap()), "{way:?}: {forced:?} {piece}");
    }
}

#[test]
fn wrong_sampling_fields_are_named() {
    let server = Home::new().serve(&[]);
    for (way, fields, named) in [
        (Way::Chat, json!({"frequency_penalty": 2.5}), "frequency_penalty"),
        (Way::Chat, json!({"presence_penalty": "much"}), "presence_penalty"),
        (Way::Chat, json!({"logit_bias": {"x": 1}}), "logit_bias"),
        (Way::Chat, json!({"logit_bias": {"1": 101}}), "logit_bias"),
        (Way::Chat, json!({"logit_bias": {"99999999": 1}}), "logit_bias"),
        (Way::Chat, json!({"logit_bias": [1]}), "logit_bias"),
        (Way::Completions, json!({"repeat_last_n": -2}), "repeat_last_n"),
        (Way::Completions, json!({"best_of": 3}), "best_of"),
        (Way::Completions, json!({"mirostat": 3}), "mirostat"),
        (Way::Completions, json!({"typical_p": 2}), "typical_p"),
        (Way::Completions, json!({"xtc_threshold": 2}), "xtc_threshold"),
        (Way::Generate, json!({"repeat_last_n": -7}), "options.repeat_last_n"),
        (Way::Generate, json!({"presence_penalty": 3}), "options.presence_penalty"),
        (Way::Generate, json!({"mirostat_eta": 3}), "options.mirostat_eta"),
        (Way::Messages, json!({"top_k": -1}), "top_k"),
        (Way::Messages, json!({"temperature": 2}), "temperature"),
    ] {
        let (status, reply) = way.ask(&server, &fields);
        assert_eq!(status, 400, "{way:?} {fields}: {reply}");
        let error = &reply["error"];
        let message = error["message"].as_str().or(error.as_str()).unwrap();
        assert!(message.contains(named), "{way:?} {fields}: {message}");
    }
}
