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

/// A vote for no column, which in JSON is the same as no vote.
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
    use crate::lab::race::rating::{Contender, Vote};
    use crate::machine::Sample;
    use crate::openness::Table;
    use crate::record::trace::Frame;
    use crate::record::{Body, Entry, Kind, Latest, Measured, Reading, Record};
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
            Event::History(HistoryEvent::Deleted { id: 1, vote: Some(vote) }),
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
