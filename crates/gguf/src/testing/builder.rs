//! A writer of small GGUF files, well-formed or not.

use std::io::{self, Write};

use crate::{
    source::Endian,
    testing::Sparse,
    types::TensorType,
    value::{Array, Value, ValueType},
};

/// Builds a GGUF file in memory. Keys and tensors stand in the order of the calls; nothing is checked.
#[derive(Debug, Clone)]
pub struct Builder {
    version: u32,
    endian: Endian,
    alignment: u32,
    keys: Vec<(String, Value)>,
    tensors: Vec<NewTensor>,
}

#[derive(Debug, Clone)]
struct NewTensor {
    name: String,
    dims: Vec<u64>,
    tensor_type: TensorType,
    data: Option<Vec<u8>>,
}

impl Builder {
    /// With `general.architecture`.
    pub fn new(architecture: &str) -> Self {
        Self::empty().string("general.architecture", architecture)
    }

    /// Without any key.
    pub fn empty() -> Self {
        Self { version: 3, endian: Endian::Little, alignment: 32, keys: Vec::new(), tensors: Vec::new() }
    }

    /// A whole llama model with two blocks, 64 tokens and weights of zero. The reader accepts it; llama.cpp lacks only
    /// merges worth the name.
    pub fn tiny_llama() -> Self {
        let mut builder = Self::new("llama")
            .string("general.name", "Tiny")
            .u32("general.file_type", 0)
            .u32("llama.context_length", 128)
            .u32("llama.embedding_length", 32)
            .u32("llama.block_count", 2)
            .u32("llama.feed_forward_length", 64)
            .u32("llama.attention.head_count", 4)
            .u32("llama.attention.head_count_kv", 2)
            .f32("llama.attention.layer_norm_rms_epsilon", 1e-5)
            .u32("llama.rope.dimension_count", 8)
            .string("tokenizer.ggml.model", "gpt2")
            .strings("tokenizer.ggml.tokens", (0..64).map(|token| format!("<{token}>")))
            .i32s("tokenizer.ggml.token_type", [1; 64])
            .strings("tokenizer.ggml.merges", ["a b"])
            .tensor("token_embd.weight", &[32, 64], TensorType::F32)
            .tensor("output_norm.weight", &[32], TensorType::F32);
        for block in 0..2 {
            for (role, dims) in [
                ("attn_norm", &[32][..]),
                ("attn_q", &[32, 32]),
                ("attn_k", &[32, 16]),
                ("attn_v", &[32, 16]),
                ("attn_output", &[32, 32]),
                ("ffn_norm", &[32]),
                ("ffn_gate", &[32, 64]),
                ("ffn_up", &[32, 64]),
                ("ffn_down", &[64, 32]),
            ] {
                builder = builder.tensor(&format!("blk.{block}.{role}.weight"), dims, TensorType::F32);
            }
        }
        builder
    }

    /// The format's version, 3 unless set.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Write the most significant byte first.
    #[must_use]
    pub fn big_endian(mut self) -> Self {
        self.endian = Endian::Big;
        self
    }

    /// The alignment of the data, with its key.
    #[must_use]
    pub fn alignment(mut self, alignment: u32) -> Self {
        self.alignment = alignment;
        self.u32("general.alignment", alignment)
    }

    /// A key with any value. A key that is there already is replaced.
    #[must_use]
    pub fn value(mut self, key: &str, value: Value) -> Self {
        match self.keys.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.keys.push((key.to_owned(), value)),
        }
        self
    }

    /// Leave out a key.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.keys.retain(|(name, _)| name != key);
        self
    }

    /// A `u16` key.
    #[must_use]
    pub fn u16(self, key: &str, value: u16) -> Self {
        self.value(key, Value::U16(value))
    }

    /// A `u32` key.
    #[must_use]
    pub fn u32(self, key: &str, value: u32) -> Self {
        self.value(key, Value::U32(value))
    }

    /// A `u64` key.
    #[must_use]
    pub fn u64(self, key: &str, value: u64) -> Self {
        self.value(key, Value::U64(value))
    }

    /// An `i32` key.
    #[must_use]
    pub fn i32(self, key: &str, value: i32) -> Self {
        self.value(key, Value::I32(value))
    }

    /// An `f32` key.
    #[must_use]
    pub fn f32(self, key: &str, value: f32) -> Self {
        self.value(key, Value::F32(value))
    }

    /// A `bool` key.
    #[must_use]
    pub fn bool(self, key: &str, value: bool) -> Self {
        self.value(key, Value::Bool(value))
    }

    /// A string key.
    #[must_use]
    pub fn string(self, key: &str, value: &str) -> Self {
        self.value(key, Value::String(value.to_owned()))
    }

    /// An array of strings.
    #[must_use]
    pub fn strings(self, key: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.array(key, ValueType::String, values.into_iter().map(|value| Value::String(value.into())).collect())
    }

    /// An array of `u32`.
    #[must_use]
    pub fn u32s(self, key: &str, values: impl IntoIterator<Item = u32>) -> Self {
        self.array(key, ValueType::U32, values.into_iter().map(Value::U32).collect())
    }

    /// An array of `i32`.
    #[must_use]
    pub fn i32s(self, key: &str, values: impl IntoIterator<Item = i32>) -> Self {
        self.array(key, ValueType::I32, values.into_iter().map(Value::I32).collect())
    }

    /// An array of `f32`.
    #[must_use]
    pub fn f32s(self, key: &str, values: impl IntoIterator<Item = f32>) -> Self {
        self.array(key, ValueType::F32, values.into_iter().map(Value::F32).collect())
    }

    /// An array of `bool`.
    #[must_use]
    pub fn bools(self, key: &str, values: impl IntoIterator<Item = bool>) -> Self {
        self.array(key, ValueType::Bool, values.into_iter().map(Value::Bool).collect())
    }

    /// An array of anything.
    #[must_use]
    pub fn array(self, key: &str, element: ValueType, items: Vec<Value>) -> Self {
        self.value(key, Value::Array(Array { element, count: items.len() as u64, items: Some(items) }))
    }

    /// A tensor of zeros.
    #[must_use]
    pub fn tensor(mut self, name: &str, dims: &[u64], tensor_type: TensorType) -> Self {
        self.tensors.push(NewTensor { name: name.to_owned(), dims: dims.to_vec(), tensor_type, data: None });
        self
    }

    /// A tensor with its data, of whatever length.
    #[must_use]
    pub fn tensor_data(mut self, name: &str, dims: &[u64], tensor_type: TensorType, data: Vec<u8>) -> Self {
        self.tensors.push(NewTensor { name: name.to_owned(), dims: dims.to_vec(), tensor_type, data: Some(data) });
        self
    }

    /// Zeros of another type in the tensors of this name.
    #[must_use]
    pub fn retype(mut self, name: &str, tensor_type: TensorType) -> Self {
        for tensor in self.tensors.iter_mut().filter(|tensor| tensor.name == name) {
            (tensor.tensor_type, tensor.data) = (tensor_type, None);
        }
        self
    }

    /// The same keys and tensors as another architecture.
    #[must_use]
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        for (key, value) in &mut self.keys {
            if let Some(rest) = key.strip_prefix(&format!("{from}.")) {
                *key = format!("{to}.{rest}");
            } else if key == "general.architecture" {
                *value = Value::String(to.to_owned());
            }
        }
        self
    }

    /// Numbers in place of the zeros in the tensors of this name.
    #[must_use]
    pub fn fill(mut self, name: &str, values: &[f32]) -> Self {
        for tensor in self.tensors.iter_mut().filter(|tensor| tensor.name == name) {
            tensor.data = Some(values.iter().flat_map(|value| value.to_le_bytes()).collect());
        }
        self
    }

    /// The same model in `count` parts, with the keys in the first one, as llama.cpp splits it.
    pub fn split(&self, count: u16) -> Vec<Self> {
        let each = self.tensors.len().div_ceil(usize::from(count).max(1)).max(1);
        let part = |number: u16| {
            let keys = if number == 0 { self.keys.clone() } else { Vec::new() };
            let tensors = self.tensors.chunks(each).nth(usize::from(number)).unwrap_or_default().to_vec();
            let all = i32::try_from(self.tensors.len()).unwrap_or(i32::MAX);
            let part = Self { keys, tensors, ..self.clone() };
            part.u16("split.no", number).u16("split.count", count).i32("split.tensors.count", all)
        };
        (0..count).map(part).collect()
    }

    /// The file.
    pub fn build(&self) -> Vec<u8> {
        let (mut file, offsets) = self.header();
        let start = file.len();
        for (tensor, offset) in self.tensors.iter().zip(offsets) {
            file.resize(start + offset as usize, 0);
            match &tensor.data {
                Some(data) => file.extend(data),
                None => file.resize(file.len() + tensor.n_bytes() as usize, 0),
            }
        }
        file
    }

    /// Write the file. Zeros are written as such, so that the file has no holes.
    ///
    /// # Errors
    ///
    /// It can't be written.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let zeros = vec![0; 1 << 20];
        let fill = |out: &mut dyn Write, mut n_bytes: u64| {
            while n_bytes > 0 {
                let now = n_bytes.min(zeros.len() as u64);
                out.write_all(&zeros[..now as usize])?;
                n_bytes -= now;
            }
            io::Result::Ok(())
        };
        let (header, offsets) = self.header();
        out.write_all(&header)?;
        let mut at = 0;
        for (tensor, offset) in self.tensors.iter().zip(offsets) {
            fill(out, offset - at)?;
            match &tensor.data {
                Some(data) => out.write_all(data)?,
                None => fill(out, tensor.n_bytes())?,
            }
            at = offset + tensor.n_bytes();
        }
        Ok(())
    }

    /// The file without the weights, which are zeros.
    pub fn sparse(&self) -> Sparse {
        let (header, offsets) = self.header();
        let end = offsets.last().zip(self.tensors.last()).map_or(0, |(offset, last)| offset + last.n_bytes());
        Sparse { length: header.len() as u64 + end, header }
    }

    /// Everything before the data, and where each tensor's data starts in it.
    fn header(&self) -> (Vec<u8>, Vec<u64>) {
        let mut file = Writer { bytes: b"GGUF".to_vec(), endian: self.endian };
        file.u32(self.version);
        file.u64(self.tensors.len() as u64);
        file.u64(self.keys.len() as u64);
        for (key, value) in &self.keys {
            file.string(key);
            file.u32(value.value_type().id());
            file.value(value);
        }
        let mut offsets = Vec::new();
        let mut end = 0_u64;
        for tensor in &self.tensors {
            let offset = end.next_multiple_of(u64::from(self.alignment));
            file.string(&tensor.name);
            file.u32(tensor.dims.len() as u32);
            for &dim in &tensor.dims {
                file.u64(dim);
            }
            file.u32(tensor.tensor_type.0);
            file.u64(offset);
            offsets.push(offset);
            end = offset + tensor.n_bytes();
        }
        if !self.tensors.is_empty() {
            file.bytes.resize(file.bytes.len().next_multiple_of(self.alignment as usize), 0);
        }
        (file.bytes, offsets)
    }
}

impl NewTensor {
    fn n_bytes(&self) -> u64 {
        match &self.data {
            Some(data) => data.len() as u64,
            None => self.tensor_type.bytes(self.dims.iter().product()).unwrap_or(0),
        }
    }
}

struct Writer {
    bytes: Vec<u8>,
    endian: Endian,
}

impl Writer {
    fn number<const N: usize>(&mut self, little: [u8; N]) {
        match self.endian {
            Endian::Little => self.bytes.extend(little),
            Endian::Big => self.bytes.extend(little.iter().rev()),
        }
    }

    fn u32(&mut self, value: u32) {
        self.number(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.number(value.to_le_bytes());
    }

    fn string(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::U8(value) => self.number(value.to_le_bytes()),
            Value::I8(value) => self.number(value.to_le_bytes()),
            Value::U16(value) => self.number(value.to_le_bytes()),
            Value::I16(value) => self.number(value.to_le_bytes()),
            Value::U32(value) => self.u32(*value),
            Value::I32(value) => self.number(value.to_le_bytes()),
            Value::F32(value) => self.number(value.to_le_bytes()),
            Value::Bool(value) => self.bytes.push((*value).into()),
            Value::String(text) => self.string(text),
            Value::Array(array) => {
                self.u32(array.element.id());
                self.u64(array.count);
                for item in array.items.iter().flatten() {
                    self.value(item);
                }
            }
            Value::U64(value) => self.u64(*value),
            Value::I64(value) => self.number(value.to_le_bytes()),
            Value::F64(value) => self.number(value.to_le_bytes()),
            Value::LongString { bytes } => {
                self.u64(*bytes);
                self.bytes.resize(self.bytes.len() + *bytes as usize, b'x');
            }
        }
    }
}
