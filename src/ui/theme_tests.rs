use super::*;

fn problems_of(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), text).unwrap();
    let (_, problems) = Theme::load_all(Some(folder.path()));
    problems.into_iter().map(|problem| problem.to_string().replace(&folder.path().display().to_string(), "~")).collect()
}

fn theme_of(text: &str) -> Theme {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), text).unwrap();
    Theme::load_all(Some(folder.path())).0.remove("mine").unwrap()
}

#[test]
fn built_in_themes_are_right_and_whole() {
    let (themes, problems) = Theme::load_all(None);
    assert_eq!(problems, []);
    assert_eq!(themes.keys().collect::<Vec<_>>(), ["dark", "light", "logbook", "mono", "terminal"]);
    for (name, text) in BUILT_IN {
        let sheet = read(name, text, &mut Vec::new());
        let missing: Vec<_> = NAMES.iter().filter(|(_, meaning, _)| sheet.looks[meaning.index()].is_none()).collect();
        assert!(missing.is_empty(), "{name} leaves out {missing:?}");
    }
}

#[test]
fn names_stand_at_their_index() {
    for (index, (name, meaning, _)) in NAMES.iter().enumerate() {
        assert_eq!(meaning.index(), index, "{name}");
    }
}

#[test]
fn monochrome_has_no_colour() {
    for style in Theme::monochrome().styles {
        assert!(matches!(style.fg, None | Some(Color::Reset)) && style.bg.is_none(), "{style:?}");
    }
}

#[test]
fn faults_name_file_line_and_the_right_name() {
    for (text, expected) in [
        ("# mine\nacent = \"red\"\n", "~/mine.toml:2: there is no style role `acent`; did you mean `accent`?"),
        ("\n\nseries.9 = 3\n", "~/mine.toml:3: there is no style role `series.9`; did you mean `series.8`?"),
        (
            "text = \"#12\"\n",
            "~/mine.toml:1: `text`: `#12` is not a color; colors are #rrggbb, a name such as blue, or 0 to 255",
        ),
        ("text = \"bule\"\n", "~/mine.toml:1: `text`: `bule` is not a color; did you mean `blue`?"),
        ("text = true\n", "~/mine.toml:1: `text` must be a text such as \"#8ab4f8 bold\""),
        ("inherit = \"drak\"\n", "mine: inherits `drak`, which is not another theme; did you mean `dark`?"),
        ("inherit = \"mine\"\n", "mine: inherits `mine`, which is not another theme"),
    ] {
        let problems = problems_of(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
    assert!(problems_of("text = \n")[0].starts_with("~/mine.toml:1: "), "{:?}", problems_of("text = \n"));
}

#[test]
fn gaps_are_filled_from_the_parent_then_from_the_nearest_meaning() {
    let dark = Theme::load_all(None).0.remove("dark").unwrap();
    let mine = theme_of("inherit = \"dark\"\naccent = \"#010203 bold\"\n");
    assert_eq!(mine.style(Meaning::Text), dark.style(Meaning::Text));
    assert_eq!(mine.style(Meaning::Accent), Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::BOLD));

    let bare = theme_of("text = \"blue\"\nmuted = 8\n");
    assert_eq!(bare.style(Meaning::Border), Style::new().fg(Color::Indexed(8)));
    assert_eq!(bare.style(Meaning::Focus), Style::new().fg(Color::Blue));
    assert_eq!(bare.style(Meaning::Selection), Style::new().fg(Color::Reset).add_modifier(Modifier::REVERSED));
}

/// The relative luminance of a color, as WCAG 2 has it.
fn luminance(color: Color) -> f64 {
    let Color::Rgb(red, green, blue) = color else { panic!("{color:?} is no color of its own") };
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

/// Text of every kind, and the glyphs of all series, can be read on the ground and on a selected row.
#[test]
fn colors_have_the_contrast_that_text_needs() {
    let (themes, _) = Theme::load_all(None);
    for name in ["dark", "light", "logbook"] {
        let theme = &themes[name];
        let ground = |meaning| theme.style(meaning).bg.or(theme.style(meaning).fg).unwrap();
        for (role, meaning, _) in NAMES {
            if matches!(meaning, Meaning::Background | Meaning::Selection | Meaning::Border) {
                continue;
            }
            for behind in [Meaning::Background, Meaning::Selection] {
                let (one, other) = (luminance(theme.style(meaning).fg.unwrap()), luminance(ground(behind)));
                let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(contrast >= 4.5, "{name}: {role} on {behind:?} has {contrast:.2}");
            }
        }
    }
}
