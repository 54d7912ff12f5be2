//! What `/?` says.

use std::fmt::Write as _;

use domain::settings::{InEffect, SESSION_FIELDS, in_effect};

pub(super) const HELP: &str = "\
Available commands:
  /set system TEXT       system prompt; \"\"\" begins one of several lines
  /set parameter NAME VALUE
                         a setting, such as `temperature 0.2`; /? set lists them
  /set think | nothink   whether the model reasons first
  /set verbose | quiet   whether figures are shown after each answer
  /show                  what is loaded; also /show parameters, system, messages
  /clear                 begin a new chat; the one before is kept
  /regenerate            have the last prompt answered again
  /undo                  delete the last prompt and its answer
  /save NAME             keep the conversation under a name
  /load NAME             go on with a conversation, by its name or number
  /list                  list the conversations
  /bye                   end
  /? keys                keys that edit a line
Use \"\"\" to begin and end a text of several lines. Ctrl-C cancels an answer.";

pub(super) const HELP_SHOW: &str = "\
  /show info             the model, its context and memory
  /show parameters       the settings in force
  /show system           the system prompt
  /show messages         the conversation so far";

pub(super) const HELP_KEYS: &str = "\
  Up, Down               lines that were typed before
  Ctrl-R                 search them
  Ctrl-A, Ctrl-E         to the beginning or the end of the line
  Alt-B, Alt-F           one word back or forward
  Ctrl-K, Ctrl-U         delete to the end or the beginning of the line
  Ctrl-W                 delete the word before the cursor
  Ctrl-L                 clear the screen
  Ctrl-C                 cancel the answer
  Ctrl-D                 end";

pub(super) fn help_set() -> String {
    let mut text = "/set parameter NAME VALUE, with a name of these:\n".to_owned();
    for field in SESSION_FIELDS {
        let reload = if in_effect(field.name) == InEffect::Reload { "(reload) " } else { "" };
        let _ = writeln!(text, "  {:<18}{reload}{}", field.name, field.help);
    }
    let _ = writeln!(text, "  {:<18}texts that end an answer", "stop");
    let _ = write!(text, "num_ctx, num_predict, num_gpu and num_thread are understood too");
    text
}
