//! How a snapshot carries what has the shape of a document.
//!
//! Owned here: the ways by which serde writes fields whose own form leaves something out, or needs a format that describes
//! itself. Absent: documents, whose form stays as it is.

/// A document: as it is where the format describes itself, else as JSON text.
pub(crate) mod document {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return value.serialize(serializer);
        }
        let text = serde_json::to_string(value).map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }

    pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        if deserializer.is_human_readable() {
            return T::deserialize(deserializer);
        }
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(D::Error::custom)
    }
}

/// A sample with its time, which a recording has elsewhere.
pub(crate) mod sample {
    use serde::{Deserializer, Serialize, Serializer};

    use super::document;
    use crate::machine::Sample;
    use crate::moment::Moment;

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

/// A map whose keys are no texts.
pub(crate) mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Votes with the whole of their time.
pub(crate) mod votes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::moment::Moment;
    use crate::race::rating::{Contender, Vote};

    #[derive(Serialize, Deserialize)]
    struct Whole(u64, Moment, Vec<Contender>, Option<usize>, bool);

    impl From<&Vote> for Whole {
        fn from(vote: &Vote) -> Self {
            Self(vote.race, vote.at, vote.models.clone(), vote.winner, vote.blind)
        }
    }

    impl From<Whole> for Vote {
        fn from(Whole(race, at, models, winner, blind): Whole) -> Self {
            Self { race, at, models, winner, blind }
        }
    }

    pub(crate) fn serialize<'a, T, S: Serializer>(votes: &'a T, serializer: S) -> Result<S::Ok, S::Error>
    where
        &'a T: IntoIterator<Item = &'a Vote>,
    {
        votes.into_iter().map(Whole::from).collect::<Vec<_>>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: FromIterator<Vote>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        Ok(Vec::<Whole>::deserialize(deserializer)?.into_iter().map(Vote::from).collect())
    }

    /// The same of a vote that may be missing.
    pub(crate) mod one {
        use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

        use super::{Vote, Whole};

        #[expect(clippy::ref_option, reason = "serde's signature")]
        pub(crate) fn serialize<S: Serializer>(vote: &Option<Vote>, serializer: S) -> Result<S::Ok, S::Error> {
            vote.as_ref().map(Whole::from).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vote>, D::Error> {
            Ok(Option::<Whole>::deserialize(deserializer)?.map(Vote::from))
        }
    }
}

/// Repetitions of a bench with their whole bills.
pub(crate) mod repetitions {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::bench::Repetition;
    use crate::energy::Bill;

    #[derive(Serialize, Deserialize)]
    struct Whole(f64, f64, u64, Bill, Option<f64>, Option<f32>, Option<f64>);

    #[expect(clippy::ptr_arg, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(all: &Vec<Repetition>, serializer: S) -> Result<S::Ok, S::Error> {
        let whole =
            |one: &Repetition| Whole(one.rate, one.seconds, one.id, one.bill.clone(), one.mhz, one.celsius, one.others);
        serializer.collect_seq(all.iter().map(whole))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Repetition>, D::Error> {
        let read = |Whole(rate, seconds, id, bill, mhz, celsius, others)| Repetition {
            rate,
            seconds,
            id,
            bill,
            mhz,
            celsius,
            others,
        };
        Ok(Vec::<Whole>::deserialize(deserializer)?.into_iter().map(read).collect())
    }
}

/// A vote for none of the columns, which JSON can't tell from none.
pub(crate) mod nested {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::option_option, clippy::ref_option, reason = "what is written, and serde's signature")]
    pub(crate) fn serialize<S: Serializer>(vote: &Option<Option<usize>>, serializer: S) -> Result<S::Ok, S::Error> {
        vote.map(|winner| [winner]).serialize(serializer)
    }

    #[expect(clippy::option_option, reason = "what is read")]
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<usize>>, D::Error> {
        Ok(Option::<[Option<usize>; 1]>::deserialize(deserializer)?.map(|[winner]| winner))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use crate::command::{EFFECTIVE, Value};
    use crate::event::{HistoryEvent, LibraryEvent};
    use crate::figure::Grade;
    use crate::history::{Entry, Kind, Latest, Measured, Reading, Record};
    use crate::machine::Sample;
    use crate::openness::Table;
    use crate::race::rating::{Contender, Vote};
    use crate::record::Body;
    use crate::trace::Frame;
    use crate::{Event, Moment};

    fn events() -> Vec<Event> {
        let at = Moment { uptime: Duration::from_millis(1234), unix: 1_800_000_000 };
        let vote =
            Vote { race: 7, at, models: vec![Contender::new("m", &BTreeMap::new(), "m")], winner: None, blind: true };
        let reading = Reading { watts: Some(0.1 + 0.2), watts_grade: Some(Grade::Estimated), ..Reading::default() };
        let record = Record {
            figures: vec![Measured::default()],
            samples: vec![reading],
            ..Record::new(1, "t".into(), Body::from_value(Kind::Run, json!({ "text": "a", "load_ms": 0.1 })).unwrap())
        };
        let entry = Entry {
            id: 1,
            kind: Kind::Vote,
            at: 2,
            models: Vec::new(),
            title: "t".into(),
            rate: Some(1.5),
            joules: None,
            is_sealed: true,
        };
        let sample = Box::new(Sample { at, ..Sample::default() });
        let frame = Frame { uptime_ms: 1, unix: 2, sample: sample.clone(), sessions: vec![], baselines: vec![] };
        vec![
            Event::Sample(sample),
            Event::Frame(Box::new(frame)),
            Event::Library(LibraryEvent::Openness(Table::embedded())),
            Event::Library(LibraryEvent::Found(vec![Arc::new(crate::testing::model("m"))])),
            Event::History(HistoryEvent::Votes(vec![vote.clone()])),
            Event::History(HistoryEvent::Forgotten { id: 1, vote: Some(vote) }),
            Event::History(HistoryEvent::Record(Some(Box::new(record)))),
            Event::History(HistoryEvent::Listed { generation: 1, entries: vec![entry], more: true }),
            Event::History(HistoryEvent::Measured(vec![("m".into(), Latest::default())])),
        ]
    }

    #[test]
    fn events_that_hold_documents_are_read_back_whole() {
        for event in events() {
            let json: Event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
            let packed: Event = postcard::from_bytes(&postcard::to_stdvec(&event).unwrap()).unwrap();
            for read in [json, packed] {
                let (one, other) = (format!("{event:?}"), format!("{read:?}"));
                // A recording has its time elsewhere, and a table's index has no order.
                match &event {
                    Event::Frame(_) | Event::Library(LibraryEvent::Openness(_)) => {
                        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&event).unwrap());
                    }
                    _ => assert_eq!(other, one),
                }
            }
        }
    }

    #[test]
    fn a_value_is_one_that_there_is() {
        for effective in EFFECTIVE {
            let value = Value::Effective(effective);
            assert_eq!(serde_json::from_value::<Value>(serde_json::to_value(value).unwrap()).unwrap(), value);
        }
        assert!(serde_json::from_value::<Value>(json!({ "Effective": "never" })).is_err());
    }
}
