//! Changes as lines, for whoever has the screen read out: what sessions do, and which screen shows.

use super::Client;
use crate::ui::Screen;

/// Say what has changed since this was asked last.
pub(super) fn follow(client: &mut Client<'_>) {
    if !client.ui.screen_reader {
        return;
    }
    let now: Vec<(u64, String, &'static str)> =
        client.domain.sessions.iter().map(|session| (session.id.0, session.name.clone(), session.word())).collect();
    let before = std::mem::replace(
        &mut client.ui.spoken,
        now.iter().map(|(id, name, word)| (*id, name.clone(), *word)).collect(),
    );
    for (id, name, word) in &now {
        if !before.iter().any(|(known, _, said)| known == id && said == word) {
            client.notify(format!("{name}: {word}"), false);
        }
    }
    for (_, name, _) in before.iter().filter(|(id, ..)| !now.iter().any(|(known, ..)| known == id)) {
        client.notify(format!("{name}: ended"), false);
    }
    let screen = client.ui.screen;
    if client.ui.spoken_screen.replace(screen) != Some(screen)
        && let Some((_, _, name)) = Screen::ALL.iter().find(|(known, ..)| *known == screen)
    {
        client.notify(format!("screen {name}"), false);
    }
}
