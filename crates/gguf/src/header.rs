//! The reader of a header: keys, tensor table, and the bounds that keep a hostile file from costing anything.

use std::{fs::File, path::Path};

use crate::{
    error::{Error, HeaderPosition},
    source::{Cursor, Endian, MAX_STRING, ReadAt, open_regular},
    text::clean,
    types::TensorType,
    value::{Array, Metadata, Value, ValueType},
    vocabulary::{self, Tokens},
};

const MAX_KEYS: u64 = 65_536;
const MAX_TENSORS: u64 = 1 << 20;
const MAX_KEY_BYTES: u64 = 65_535;
/// ggml's `GGML_MAX_NAME` less its terminator.
const MAX_TENSOR_NAME: u64 = 63;
const MAX_DIMS: u32 = 4;
/// Arrays in arrays. The format allows any depth, no writer goes beyond one.
const MAX_NESTING: usize = 4;
const HELD_NUMBERS: u64 = 4096;
const HELD_STRINGS: u64 = 256;
/// The longest string that is held, in bytes: chat templates reach a tenth of it.
const HELD_STRING: u64 = 1 << 20;
/// What all held values may take together, in bytes; later ones are skipped.
const HELD_TOTAL: u64 = 16 << 20;
/// The smallest key: its length, one character, its type and one byte.
const SMALLEST_KEY: u64 = 8 + 1 + 4 + 1;
/// The smallest entry of the tensor table: name's length, dimensions' count, type and offset.
const SMALLEST_TENSOR: u64 = 8 + 4 + 4 + 8;
const TOKENS: &str = "tokenizer.ggml.tokens";

/// One entry of the tensor table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Such as `blk.0.attn_q.weight`; at most 63 bytes.
    pub name: String,
    /// Up to four dimensions, the row's length first.
    pub dims: Vec<u64>,
    /// Type of its elements.
    pub tensor_type: TensorType,
    /// From the start of the tensor data, bytes.
    pub offset: u64,
}

impl Tensor {
    /// Elements: the product of the dimensions.
    pub fn parameters(&self) -> u64 {
        self.dims.iter().product()
    }

    /// Bytes of its data; `None` for an unknown type.
    pub fn bytes(&self) -> Option<u64> {
        self.tensor_type.bytes(self.parameters())
    }
}

/// A header: everything before the tensor data.
#[derive(Debug, Clone)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// The order of the file's bytes.
    pub endian: Endian,
    /// The keys.
    pub metadata: Metadata,
    /// The tensor table, in the file's order.
    pub tensors: Vec<Tensor>,
    /// Alignment of the tensor data, bytes: `general.alignment`, else 32.
    pub alignment: u64,
    /// Where the tensor data starts, bytes from the file's start.
    pub data_offset: u64,
    /// Length of the file, bytes.
    pub file_length: u64,
    /// What was seen of the vocabulary in passing.
    pub(crate) tokens: Tokens,
}

impl Header {
    /// Read the header of a file. What is no regular file is refused without being opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::read::<File>(&open_regular(path)?)
    }

    /// Read the header from any source. Anything well-formed is accepted, even if llama.cpp can't run it: see
    /// [`findings`](Self::findings).
    pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Self, Error> {
        let header = Self::parse(source)?;
        header.check_names()?;
        header.check_layout()?;
        Ok(header)
    }

    /// `general.architecture`, as the file has it.
    pub fn architecture(&self) -> Option<&str> {
        self.metadata.str("general.architecture")
    }

    /// A tensor by name; looks through the table.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    fn parse<R: ReadAt + ?Sized>(source: &R) -> Result<Self, Error> {
        let mut cursor = Cursor::new(source)?;
        let file_length = cursor.length();
        let version = preamble(&mut cursor)?;
        let n_tensors = cursor.u64()?;
        let n_keys = cursor.u64()?;
        limit("keys", n_keys, MAX_KEYS.min(cursor.remaining() / SMALLEST_KEY))?;
        limit("tensors", n_tensors, MAX_TENSORS.min(cursor.remaining() / SMALLEST_TENSOR))?;

        let mut reader = KeyReader { cursor: &mut cursor, held: 0, tokens: Tokens::default() };
        let mut entries = Vec::new();
        for number in 1..=n_keys {
            reader.cursor.place = HeaderPosition::Key(number, n_keys);
            entries.push(reader.entry(number)?);
        }
        let tokens = reader.tokens;
        let metadata = Metadata::new(entries).map_err(|(index, name)| Error::key_twice(index as u64 + 1, &name))?;
        let alignment = alignment(&metadata)?;

        let mut tensors = Vec::new();
        for number in 1..=n_tensors {
            cursor.place = HeaderPosition::Tensor(number, n_tensors);
            tensors.push(tensor(&mut cursor, number)?);
        }
        let data_offset = cursor.offset().next_multiple_of(alignment);
        Ok(Self { version, endian: cursor.endian, metadata, tensors, alignment, data_offset, file_length, tokens })
    }

    fn check_names(&self) -> Result<(), Error> {
        let mut sorted: Vec<_> = self.tensors.iter().enumerate().map(|(index, tensor)| (&tensor.name, index)).collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(Error::tensor_twice(pair[1].1 as u64 + 1, pair[1].0)),
            None => Ok(()),
        }
    }

    /// llama.cpp requires tensors to follow one another, each padded to the alignment, and to lie within the file.
    fn check_layout(&self) -> Result<(), Error> {
        let count = self.tensors.len() as u64;
        let mut expected = Some(0_u64);
        let mut end = 0;
        for (number, tensor) in (1..).zip(&self.tensors) {
            // After a type of unknown size, any aligned place behind it is as good as another.
            let fits = match expected {
                Some(expected) => tensor.offset == expected,
                None => tensor.offset >= end && tensor.offset.is_multiple_of(self.alignment),
            };
            if !fits {
                let place = expected.unwrap_or(end);
                let problem = format!("starts at byte {} of the data, not at {place}", tensor.offset);
                return Err(Error::tensor(number, &tensor.name, problem));
            }
            let bytes = tensor.bytes();
            end = tensor.offset.saturating_add(bytes.unwrap_or(0));
            if self.data_offset.checked_add(end).is_none_or(|end| end > self.file_length) {
                return Err(Error::Truncated(HeaderPosition::Tensor(number, count)));
            }
            expected = bytes.map(|_| end.next_multiple_of(self.alignment));
        }
        Ok(())
    }
}

fn limit(what: &'static str, count: u64, limit: u64) -> Result<(), Error> {
    if count > limit { Err(Error::Count { what, count, limit }) } else { Ok(()) }
}

/// Magic and version; sets the order of bytes.
fn preamble<R: ReadAt + ?Sized>(cursor: &mut Cursor<'_, R>) -> Result<u32, Error> {
    if cursor.length() == 0 {
        return Err(Error::Empty);
    }
    let start = cursor.take_vec(cursor.length().min(4))?;
    if start != b"GGUF" {
        let is_text = start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
        let shown = if is_text {
            format!("\"{}\"", clean(&String::from_utf8_lossy(&start), 4))
        } else {
            let bytes: Vec<_> = start.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("bytes {}", bytes.join(" "))
        };
        return Err(Error::NotGguf(shown));
    }
    let bytes = cursor.bytes()?;
    // llama.cpp's own test: a version read in the wrong order has its low half empty.
    if Endian::Little.u32(bytes).trailing_zeros() >= 16 {
        cursor.endian = Endian::Big;
    }
    match cursor.endian.u32(bytes) {
        version @ (2 | 3) => Ok(version),
        version => Err(Error::Version(version)),
    }
}

fn alignment(metadata: &Metadata) -> Result<u64, Error> {
    match metadata.get("general.alignment") {
        None => Ok(32),
        // llama.cpp reads no other type.
        Some(&Value::U32(value)) if value.is_power_of_two() => Ok(value.into()),
        Some(Value::U32(value)) => Err(Error::implausible(format!("general.alignment {value} is not a power of two"))),
        Some(_) => Err(Error::implausible("general.alignment is not a 32-bit number")),
    }
}

/// Reads keys and what is worth holding of their values.
struct KeyReader<'a, 'b, R: ?Sized> {
    cursor: &'a mut Cursor<'b, R>,
    /// Bytes held so far.
    held: u64,
    tokens: Tokens,
}

impl<R: ReadAt + ?Sized> KeyReader<'_, '_, R> {
    fn entry(&mut self, number: u64) -> Result<(String, Value), Error> {
        let length = self.cursor.u64()?;
        if length == 0 || length > MAX_KEY_BYTES {
            let problem = format!("has a name of {length} bytes, 1 to {MAX_KEY_BYTES} are possible");
            return Err(Error::key(number, "", problem));
        }
        let name = text(self.cursor.take_vec(length)?);
        let value_type = self.value_type(number, &name)?;
        let value = match value_type {
            ValueType::String => self.string(number, &name)?,
            ValueType::Array => self.array(number, &name)?,
            scalar => self.scalar(scalar)?,
        };
        Ok((name, value))
    }

    fn value_type(&mut self, number: u64, name: &str) -> Result<ValueType, Error> {
        let id = self.cursor.u32()?;
        ValueType::from_id(id).ok_or_else(|| Error::key(number, name, format!("has the unknown type {id}")))
    }

    /// Reserve this many bytes, if there is room for them.
    fn hold(&mut self, bytes: u64) -> bool {
        let fits = self.held + bytes <= HELD_TOTAL;
        if fits {
            self.held += bytes;
        }
        fits
    }

    fn string(&mut self, number: u64, name: &str) -> Result<Value, Error> {
        let length = self.cursor.u64()?;
        if length > MAX_STRING {
            let problem = format!("is {length} bytes long, at most {MAX_STRING} are possible");
            return Err(Error::key(number, name, problem));
        }
        if length > HELD_STRING || !self.hold(length) {
            self.cursor.skip(length)?;
            return Ok(Value::LongString { bytes: length });
        }
        Ok(Value::String(text(self.cursor.take_vec(length)?)))
    }

    fn array(&mut self, number: u64, name: &str) -> Result<Value, Error> {
        let element = self.value_type(number, name)?;
        let count = self.cursor.u64()?;
        let possible = self.cursor.remaining() / element.smallest();
        if count > possible {
            let problem = format!("has {count} elements, {possible} are possible");
            return Err(Error::key(number, name, problem));
        }
        let is_tokenizer = name.starts_with("tokenizer.ggml.");
        let items = match element {
            ValueType::String if name == TOKENS => {
                self.tokens = vocabulary::read(self.cursor, count)?;
                None
            }
            ValueType::String if !is_tokenizer && count <= HELD_STRINGS => {
                let items = (0..count).map(|_| self.string(number, name)).collect::<Result<_, _>>()?;
                Some(items)
            }
            ValueType::String => {
                self.cursor.strings(count, |_, _| ())?;
                None
            }
            ValueType::Array => {
                self.skip_nested(number, name, count)?;
                None
            }
            scalar if !is_tokenizer && count <= HELD_NUMBERS && self.hold(count * size_of::<Value>() as u64) => {
                Some((0..count).map(|_| self.scalar(scalar)).collect::<Result<_, _>>()?)
            }
            scalar => {
                // Can't overflow: the count was checked against the file's length.
                self.cursor.skip(count * scalar.smallest())?;
                None
            }
        };
        Ok(Value::Array(Array { element, count, items }))
    }

    fn scalar(&mut self, value_type: ValueType) -> Result<Value, Error> {
        let endian = self.cursor.endian;
        Ok(match value_type {
            ValueType::U8 => Value::U8(self.cursor.bytes::<1>()?[0]),
            ValueType::I8 => Value::I8(i8::from_le_bytes(self.cursor.bytes()?)),
            ValueType::Bool => Value::Bool(self.cursor.bytes::<1>()?[0] != 0),
            ValueType::U16 | ValueType::I16 => {
                let bytes = self.cursor.bytes()?;
                let number =
                    if endian == Endian::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
                if value_type == ValueType::U16 { Value::U16(number) } else { Value::I16(number.cast_signed()) }
            }
            ValueType::I32 => Value::I32(self.cursor.u32()?.cast_signed()),
            ValueType::F32 => Value::F32(f32::from_bits(self.cursor.u32()?)),
            ValueType::U64 => Value::U64(self.cursor.u64()?),
            ValueType::I64 => Value::I64(self.cursor.u64()?.cast_signed()),
            ValueType::F64 => Value::F64(f64::from_bits(self.cursor.u64()?)),
            // The callers keep strings and arrays away.
            ValueType::U32 | ValueType::String | ValueType::Array => Value::U32(self.cursor.u32()?),
        })
    }

    fn skip_nested(&mut self, number: u64, name: &str, count: u64) -> Result<(), Error> {
        // Arrays left to skip, by depth.
        let mut left = vec![count];
        while let Some(last) = left.last_mut() {
            if *last == 0 {
                left.pop();
                continue;
            }
            *last -= 1;
            let element = self.value_type(number, name)?;
            let count = self.cursor.u64()?;
            let possible = self.cursor.remaining() / element.smallest();
            if count > possible {
                let problem = format!("has an array of {count} elements, {possible} are possible");
                return Err(Error::key(number, name, problem));
            }
            match element {
                ValueType::Array if left.len() + 1 >= MAX_NESTING => {
                    return Err(Error::key(number, name, format!("is nested more than {MAX_NESTING} deep")));
                }
                ValueType::Array => left.push(count),
                ValueType::String => self.cursor.strings(count, |_, _| ())?,
                scalar => self.cursor.skip(count * scalar.smallest())?,
            }
        }
        Ok(())
    }
}

/// Bytes as text, as llama.cpp takes them. Replacement characters can make it three times as long: rare, and bounded all the
/// same.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn tensor<R: ReadAt + ?Sized>(cursor: &mut Cursor<'_, R>, number: u64) -> Result<Tensor, Error> {
    let length = cursor.u64()?;
    if length > MAX_TENSOR_NAME {
        let problem = format!("has a name of {length} bytes, at most {MAX_TENSOR_NAME} are possible");
        return Err(Error::tensor(number, "", problem));
    }
    let name = text(cursor.take_vec(length)?);
    let n_dims = cursor.u32()?;
    if n_dims > MAX_DIMS {
        return Err(Error::tensor(number, &name, format!("has {n_dims} dimensions, at most {MAX_DIMS} are possible")));
    }
    let dims = (0..n_dims).map(|_| cursor.u64()).collect::<Result<Vec<_>, _>>()?;
    let tensor_type = TensorType(cursor.u32()?);
    let offset = cursor.u64()?;

    // llama.cpp counts in signed 64 bits.
    let is_signed = |number: &u64| i64::try_from(*number).is_ok();
    let elements = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim).filter(is_signed));
    let elements = elements.filter(|_| dims.iter().all(is_signed));
    let Some(elements) = elements else {
        return Err(Error::tensor(number, &name, format!("has impossible dimensions {dims:?}")));
    };
    if let Some((block, _)) = tensor_type.block() {
        let row = dims.first().copied().unwrap_or(1);
        if !row.is_multiple_of(block) {
            let problem = format!("has rows of {row}, which {} cuts into blocks of {block}", tensor_type.name());
            return Err(Error::tensor(number, &name, problem));
        }
        if tensor_type.bytes(elements).is_none() {
            return Err(Error::tensor(number, &name, format!("has impossible dimensions {dims:?}")));
        }
    }
    Ok(Tensor { name, dims, tensor_type, offset })
}
