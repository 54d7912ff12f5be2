//! Marked rows of a list of something other than models, whose marks are the next race.

/// The most rows of one list that are marked: more than anybody picks by hand, and each is a command.
const MAX_MARKED: usize = 200;

/// Why a row can't be marked.
pub(super) const TOO_MANY_MARKS: &str = "200 rows are marked, and that is the most";

/// Marked rows of a list, in the order in which they were marked. Each has a key that names it for ever, and a name for a
/// sentence, since a filter may hide its row.
#[derive(Debug, Clone)]
pub struct Marks<K>(Vec<(K, String)>);

impl<K> Default for Marks<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq> Marks<K> {
    /// Mark a row, or unmark it; `false` where too many are marked.
    pub(super) fn turn(&mut self, key: K, name: String) -> bool {
        if self.has(&key) {
            self.remove(&key);
        } else if self.0.len() == MAX_MARKED {
            return false;
        } else {
            self.0.push((key, name));
        }
        true
    }

    /// Whether a row is marked.
    pub fn has(&self, key: &K) -> bool {
        self.0.iter().any(|(marked, _)| marked == key)
    }

    /// How many are marked.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is marked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Unmark all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Unmark a row that is no more.
    pub(super) fn remove(&mut self, key: &K) {
        self.0.retain(|(marked, _)| marked != key);
    }

    /// The keys of the marked rows.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The names of the marked rows.
    pub(super) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(_, name)| name.as_str()).collect()
    }

    /// The names of those that are not among the rows that show.
    pub(super) fn hidden(&self, shows: impl Fn(&K) -> bool) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| !shows(key)).map(|(_, name)| name.as_str()).collect()
    }
}
