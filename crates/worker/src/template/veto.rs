//! Whether a template keeps within its bounds on a chat that llama.cpp is to render, which has none.

use jiff::ZonedDateTime;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Program, Template, TemplateError};

impl Template {
    /// Its source, and the tokens that begin and end a text.
    pub(crate) fn parts(&self) -> (&str, &str, &str) {
        (&self.source, &self.bos, &self.eos)
    }

    /// Run it on a few chats like those by which llama.cpp finds out what it can do.
    pub(crate) fn probe(&self) -> Result<(), TemplateError> {
        let call =
            json!({ "type": "function", "id": "123456789", "function": { "name": "f", "arguments": "{\"a\":1}" } });
        let tool = json!({ "type": "function", "function": { "name": "f", "description": "", "parameters": {} } });
        let ask = json!({ "role": "user", "content": "a" });
        let called = json!({ "role": "assistant", "content": "", "tool_calls": [call] });
        let answered = json!({ "role": "tool", "content": "b", "tool_call_id": "123456789", "name": "f" });
        let now = crate::clock::now();
        for (messages, tools) in
            [(json!([ask]), json!([])), (json!([ask]), json!([tool])), (json!([ask, called, answered]), json!([tool]))]
        {
            self.veto(&json!({ "messages": messages, "tools": tools, "enable_thinking": true, "kwargs": {} }), &now)?;
        }
        Ok(())
    }

    /// An error where it runs too long or takes too much on a chat in `OpenAI`'s form, or can't be read. What else it makes of
    /// the chat is llama.cpp's to say. To be called where there is a large stack.
    pub(crate) fn veto(&self, inputs: &Json, now: &ZonedDateTime) -> Result<(), TemplateError> {
        for is_asked in [true, false] {
            let made = self.run(inputs, is_asked, now);
            if let Err(error @ (TemplateError::Bounds(_) | TemplateError::Syntax(_))) = made {
                return Err(error);
            }
        }
        Ok(())
    }

    /// What it makes of a chat in `OpenAI`'s form. `is_asked` says whether the model is to go on.
    fn run(&self, inputs: &Json, is_asked: bool, now: &ZonedDateTime) -> Result<String, TemplateError> {
        let mut messages = inputs["messages"].clone();
        for calls in messages.as_array_mut().into_iter().flatten().filter_map(|message| message.get_mut("tool_calls")) {
            for call in calls.as_array_mut().into_iter().flatten() {
                let Some(arguments) = call.pointer_mut("/function/arguments") else { continue };
                if let Some(object) = arguments.as_str().and_then(|text| serde_json::from_str::<Json>(text).ok()) {
                    *arguments = object;
                }
            }
        }
        let tools = inputs["tools"].as_array().filter(|tools| !tools.is_empty());
        Program::new(self, now)?.run(context! {
            messages => Value::from(Serde(&messages)),
            add_generation_prompt => is_asked,
            enable_thinking => Value::from(Serde(&inputs["enable_thinking"])),
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
            tools => Value::from(Serde(tools)),
            documents => (),
            ..Value::from(Serde(&inputs["kwargs"]))
        })
    }

    /// What it makes of a chat.
    #[cfg(test)]
    pub(crate) fn made(&self, inputs: &Json, is_asked: bool, now: &ZonedDateTime) -> Result<String, TemplateError> {
        self.run(inputs, is_asked, now)
    }
}
