//! How a snapshot carries votes.

/// Votes with the whole of their time.
pub(crate) mod votes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::lab::race::rating::{Contender, Vote};
    use crate::moment::Moment;

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
