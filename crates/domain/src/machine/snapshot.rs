//! How a snapshot carries a sample with its time, which a recording has elsewhere.

/// A sample with its time, which a recording has elsewhere.
pub(crate) mod sample {
    use serde::{Deserializer, Serialize, Serializer};

    use crate::machine::Sample;
    use crate::moment::Moment;
    use crate::portable::document;

    #[derive(Serialize)]
    struct Timed<'a>(Moment, &'a Sample);

    pub(crate) fn serialize<S: Serializer>(sample: &Sample, serializer: S) -> Result<S::Ok, S::Error> {
        document::serialize(&Timed(sample.at, sample), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Sample>, D::Error> {
        let (at, sample): (Moment, Box<Sample>) = document::deserialize(deserializer)?;
        Ok(Box::new(Sample { at, ..*sample }))
    }
}

/// The same where there may be none.
pub(crate) mod last_sample {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::sample;
    use crate::machine::Sample;

    #[derive(Serialize)]
    struct Out<'a>(#[serde(serialize_with = "sample::serialize")] &'a Sample);
    #[derive(Deserialize)]
    struct In(#[serde(deserialize_with = "sample::deserialize")] Box<Sample>);

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(last: &Option<Box<Sample>>, serializer: S) -> Result<S::Ok, S::Error> {
        last.as_deref().map(Out).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Sample>>, D::Error> {
        Ok(Option::<In>::deserialize(deserializer)?.map(|In(sample)| sample))
    }
}
