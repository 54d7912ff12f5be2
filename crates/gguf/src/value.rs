//! Metadata: the values of a header and the ways to ask for them.

use serde::{Deserialize, Serialize};

/// The type of a value, by the format's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the format's own names")]
pub enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    /// By the format's number.
    pub fn from_id(id: u32) -> Option<Self> {
        Some(match id {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::U16,
            3 => Self::I16,
            4 => Self::U32,
            5 => Self::I32,
            6 => Self::F32,
            7 => Self::Bool,
            8 => Self::String,
            9 => Self::Array,
            10 => Self::U64,
            11 => Self::I64,
            12 => Self::F64,
            _ => return None,
        })
    }

    /// The format's number.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// Bytes of a value; `None` for strings and arrays.
    pub fn size(self) -> Option<u64> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }

    /// The fewest bytes that a value of this type takes: a string has a length, an array a type and a count.
    pub(crate) fn smallest(self) -> u64 {
        match self {
            Self::String => 8,
            Self::Array => 12,
            _ => self.size().unwrap_or(1),
        }
    }
}

/// A value of the metadata. Texts are as the file has them (invalid UTF-8 replaced): [`clean`](crate::clean) them
/// before they are shown.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the format's own names")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
    /// A string too long to be held.
    LongString {
        bytes: u64,
    },
}

/// An array of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Type of the elements.
    pub element: ValueType,
    /// Elements in the file.
    pub count: u64,
    /// The elements, where the array is short: at most 4096 numbers or 256 strings. Tokenizer arrays are never held.
    pub items: Option<Vec<Value>>,
}

impl Value {
    /// Its type in the file.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) | Self::LongString { .. } => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// An integer of any width that isn't negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// A float of either width.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(value) => Some(value.into()),
            Self::F64(value) => Some(value),
            _ => None,
        }
    }

    /// A held string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// A truth value.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// An array.
    pub fn as_array(&self) -> Option<&Array> {
        if let Self::Array(array) = self { Some(array) } else { None }
    }
}

/// The metadata of a header, in the file's order.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
    /// Indices into `entries`, sorted by key.
    sorted: Vec<u32>,
}

impl Metadata {
    /// Index the entries; the error is a key that appears a second time, and where.
    pub(crate) fn new(mut entries: Vec<(String, Value)>) -> Result<Self, (usize, String)> {
        let mut sorted: Vec<u32> = (0..entries.len() as u32).collect();
        // Stable, so that of equal keys the later one comes second.
        sorted.sort_by_key(|&index| &entries[index as usize].0);
        let twice = sorted
            .windows(2)
            .find(|pair| entries[pair[0] as usize].0 == entries[pair[1] as usize].0)
            .map(|pair| pair[1]);
        match twice {
            Some(index) => Err((index as usize, entries.swap_remove(index as usize).0)),
            None => Ok(Self { entries, sorted }),
        }
    }

    /// Keys and values in the file's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.sorted.binary_search_by(|&index| self.entries[index as usize].0.as_str().cmp(key)).ok()?;
        Some(&self.entries[self.sorted[at] as usize].1)
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A held string, as the file has it.
    pub fn str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// An integer of any width that isn't negative.
    pub fn u64(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_u64()
    }

    /// A float of either width.
    pub fn f64(&self, key: &str) -> Option<f64> {
        self.get(key)?.as_f64()
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    /// An array.
    pub fn array(&self, key: &str) -> Option<&Array> {
        self.get(key)?.as_array()
    }

    /// The integers of a held array, or a single integer as one; truth values count as 0 and 1.
    pub fn u64s(&self, key: &str) -> Option<Vec<u64>> {
        let as_u64 = |value: &Value| value.as_u64().or_else(|| value.as_bool().map(u64::from));
        match self.get(key)? {
            Value::Array(array) => array.items.as_ref()?.iter().map(as_u64).collect(),
            value => as_u64(value).map(|value| vec![value]),
        }
    }

    /// The strings of a held array.
    pub fn strs(&self, key: &str) -> Vec<&str> {
        self.array(key)
            .and_then(|array| array.items.as_ref())
            .map(|items| items.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }
}
