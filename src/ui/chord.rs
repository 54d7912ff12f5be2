//! A key with its modifiers, as people write it: `x`, `X`, `ctrl-c`, `alt-enter`, `pgup`.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifiers. A shifted letter is the capital letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// Keys that have a name.
const KEYS: [(&str, KeyCode); 16] = [
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("backtab", KeyCode::BackTab),
];

/// How a key is drawn in hints, where that is shorter than its name.
const SIGNS: [(KeyCode, &str); 4] =
    [(KeyCode::Up, "↑"), (KeyCode::Down, "↓"), (KeyCode::Left, "←"), (KeyCode::Right, "→")];

impl Chord {
    fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let mut modifiers = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match code {
            KeyCode::Char(letter) if modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(letter.to_ascii_lowercase())
            }
            KeyCode::Char(letter) => {
                // Terminals send the shifted character itself, some with the modifier and some without.
                let shifted = modifiers.contains(KeyModifiers::SHIFT) && letter.is_lowercase();
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(if shifted { letter.to_uppercase().next().unwrap_or(letter) } else { letter })
            }
            KeyCode::Tab if modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        if code == KeyCode::BackTab {
            modifiers -= KeyModifiers::SHIFT;
        }
        Self { code, modifiers }
    }

    /// The event of its being pressed.
    pub fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }

    /// The character that it types, where it types one.
    pub fn types(self) -> Option<char> {
        match self.code {
            KeyCode::Char(letter) if self.modifiers.is_empty() && !letter.is_control() => Some(letter),
            _ => None,
        }
    }
}

impl From<KeyEvent> for Chord {
    fn from(event: KeyEvent) -> Self {
        Self::new(event.code, event.modifiers)
    }
}

impl FromStr for Chord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        while let Some((word, behind)) =
            rest.split_once('-').filter(|(word, behind)| !word.is_empty() && !behind.is_empty())
        {
            modifiers |= match word.to_ascii_lowercase().as_str() {
                "ctrl" | "control" | "c" => KeyModifiers::CONTROL,
                "alt" | "meta" | "a" | "m" => KeyModifiers::ALT,
                "shift" | "s" => KeyModifiers::SHIFT,
                _ => return Err(format!("`{word}` is not a modifier: use ctrl, alt or shift")),
            };
            rest = behind;
        }
        let lower = rest.to_ascii_lowercase();
        let mut letters = rest.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(letter), None) if !letter.is_control() => KeyCode::Char(letter),
            _ => match lower.strip_prefix('f').and_then(|number| number.parse().ok()) {
                Some(number) if (1..=24).contains(&number) => KeyCode::F(number),
                _ => KEYS.iter().find(|(name, _)| *name == lower).map(|(_, code)| *code).ok_or_else(|| {
                    let names: Vec<_> = KEYS.iter().map(|(name, _)| *name).collect();
                    format!("`{rest}` is not a key: use a character, f1 to f24, or one of {}", names.join(", "))
                })?,
            },
        };
        Ok(Self::new(code, modifiers))
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        if let Some((_, sign)) = SIGNS.iter().find(|(code, _)| *code == self.code) {
            return f.write_str(sign);
        }
        match self.code {
            KeyCode::BackTab => f.write_str("shift-tab"),
            KeyCode::F(number) => write!(f, "f{number}"),
            code => match (KEYS.iter().find(|(_, known)| *known == code), code) {
                (Some((name, _)), _) => f.write_str(name),
                (None, KeyCode::Char(letter)) => write!(f, "{letter}"),
                _ => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, shown) in [
            ("x", "x"),
            ("X", "X"),
            ("shift-x", "X"),
            ("ctrl-C", "ctrl-c"),
            ("Alt-Enter", "alt-enter"),
            ("f12", "f12"),
            ("pgup", "pgup"),
            ("space", "space"),
            ("shift-tab", "shift-tab"),
            ("ctrl-alt-left", "ctrl-alt-←"),
            ("-", "-"),
            ("ctrl--", "ctrl--"),
            ("?", "?"),
        ] {
            assert_eq!(text.parse::<Chord>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn refuses_what_is_no_key() {
        for (text, error) in [
            ("hyper-x", "`hyper` is not a modifier: use ctrl, alt or shift"),
            ("retrun", "`retrun` is not a key: use a character, f1 to f24, or one of enter, esc, tab"),
            ("f99", "`f99` is not a key"),
            ("", "`` is not a key"),
        ] {
            let found = text.parse::<Chord>().unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
    }

    #[test]
    fn a_shifted_letter_is_one_chord_however_it_comes() {
        let with = Chord::from(KeyEvent::new(KeyCode::Char('X'), KeyModifiers::SHIFT));
        let without = Chord::from(KeyEvent::new(KeyCode::Char('X'), KeyModifiers::NONE));
        let lower = Chord::from(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::SHIFT));
        assert!(with == without && without == lower);
        assert_eq!(with.types(), Some('X'));
        assert_eq!(Chord::from(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::CONTROL)).types(), None);
    }
}
