//! What `/?` says.

use std::fmt::Write as _;

use super::command::SAMPLERS;
use super::wrap::Wrap;
use domain::settings::{InEffect, SESSION_FIELDS, in_effect};

pub(super) const HELP: &str = "\
Available commands:
  /set                   set system prompt, parameters and more: see /? set
  /show                  show the model and the settings: see /? show
  /load NAME             go on with a conversation, or load another model
  /save NAME             keep the conversation under a name
  /list                  list the conversations
  /clear                 begin a new chat; the one before is kept
  /regenerate            have the last prompt answered again
  /undo                  delete the last prompt and its answer
  /bye                   end
  /?, /help              this help
  /? shortcuts           keys that edit a line
Use \"\"\" to begin and end a text of several lines. Ctrl-C cancels an answer.";

pub(super) const HELP_SHOW: &str = "\
  /show info             the model, its context and memory
  /show license          the license that the model declares
  /show modelfile        what `ollama create` would make it from, as set here
  /show parameters       the settings in force
  /show system           the system prompt
  /show template         the model's chat template
  /show messages         the conversation so far";

pub(super) const HELP_KEYS: &str = "\
  Up, Down               lines that were typed before
  Ctrl-R                 search them
  Ctrl-A, Ctrl-E         to the beginning or the end of the line
  Alt-B, Alt-F           one word back or forward
  Ctrl-K, Ctrl-U         delete to the end or the beginning of the line
  Ctrl-W                 delete the word before the cursor
  Ctrl-G                 write in your own editor ($VISUAL or $EDITOR)
  Ctrl-L                 clear the screen
  Ctrl-C                 cancel the answer
  Ctrl-D                 end";

const SET: &str = "\
  /set system TEXT       system prompt, \"\"\" for several lines; none removes it
  /set parameter NAME VALUE
                         a setting, such as `temperature 0.2`
  /set think | nothink   whether the model reasons first
  /set verbose | quiet   whether figures are shown after each answer
  /set format json       answers are JSON objects; /set noformat ends it
  /set history | nohistory
                         whether lines are remembered for the next chat
  /set wordwrap | nowordwrap
                         whether lines break between words
Parameters:
";

pub(super) fn help_set() -> String {
    let mut text = SET.to_owned();
    for field in SESSION_FIELDS {
        let reload = if in_effect(field.name) == InEffect::Reload { "(reload) " } else { "" };
        let _ = writeln!(text, "  {:<18}{}", field.name, wrapped(&format!("{reload}{}", field.help)));
    }
    for (name, help) in SAMPLERS {
        let _ = writeln!(text, "  {name:<18}{}", wrapped(help));
    }
    let _ = writeln!(text, "  {:<18}texts that end an answer, with blanks between them", "stop");
    let _ = write!(text, "num_ctx, num_predict, num_gpu and num_thread are understood too");
    text
}

/// Columns before what a parameter is, and those of the narrowest terminal.
const INDENT: usize = 20;
const COLUMNS: usize = 80;

/// Lines that break between words, behind the parameter's name.
fn wrapped(help: &str) -> String {
    let mut wrap = Wrap::new(COLUMNS - INDENT);
    let text = wrap.feed(help) + &wrap.finish();
    text.replace('\n', &format!("\n{:INDENT$}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_the_narrowest_terminal() {
        for text in [HELP, HELP_SHOW, HELP_KEYS, &help_set()] {
            for line in text.lines() {
                assert!(line.chars().count() <= COLUMNS, "{line}");
            }
        }
    }
}
