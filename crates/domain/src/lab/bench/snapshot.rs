//! How a snapshot carries repetitions of a bench.

/// Repetitions of a bench with their whole bills.
pub(crate) mod repetitions {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::energy::EnergyAccount;
    use crate::lab::bench::repetition::Repetition;

    #[derive(Serialize, Deserialize)]
    struct Whole(f64, f64, u64, EnergyAccount, Option<f64>, Option<f32>, Option<f64>, (Option<u64>, Option<u64>));

    #[expect(clippy::ptr_arg, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(all: &Vec<Repetition>, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = |one: &Repetition| {
            let first = (one.ttft_us, one.engine_ttft_us);
            Whole(one.rate, one.seconds, one.id, one.energy_account.clone(), one.mhz, one.celsius, one.others, first)
        };
        serializer.collect_seq(all.iter().map(whole))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Repetition>, D::Error> {
        let read = |Whole(rate, seconds, id, energy_account, mhz, celsius, others, first)| Repetition {
            rate,
            seconds,
            id,
            energy_account,
            mhz,
            celsius,
            others,
            ttft_us: first.0,
            engine_ttft_us: first.1,
        };
        Ok(Vec::<Whole>::deserialize(deserializer)?.into_iter().map(read).collect())
    }
}
