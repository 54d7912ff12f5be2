//! The screens, and the tabs of the Library screen.

/// The faces of the Library screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Face {
    /// The models on this machine.
    #[default]
    Models,
    /// The models on the hub, and what is being fetched from there.
    Hub,
    /// What the models take of the disks, and what could be tidied up.
    Usage,
}

/// The screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each has its module under `ui/screens`")]
pub enum Screen {
    Fleet,
    Library,
    Race,
    Bench,
    Machine,
    Top,
}

impl Screen {
    /// All screens, with the digit that leads there (the design's numbering).
    pub const ALL: [(char, Self, &str); 5] = [
        ('1', Self::Fleet, "Fleet"),
        ('2', Self::Library, "Library"),
        ('3', Self::Race, "Race"),
        ('4', Self::Bench, "Bench"),
        ('5', Self::Machine, "Machine"),
    ];
}
