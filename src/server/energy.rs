//! What answers took of energy, for clients that want to know: `usage.energy`.
//!
//! A client asks for it by a header, or the user has it told to all by `server.usage_energy`. What an answer took since the
//! last reading of the sensors is booked with the next one, so the end of such an answer waits for that, for a bounded time.

use axum::http::{HeaderMap, HeaderName};
use serde::Serialize;
use serde_json::{Value, json};

use domain::energy::{EnergyAccount, Report};
use domain::figure::Figure;
use domain::record::Provenance;
use domain::request::Figures;
use domain::settings;
use domain::units::Joules;

/// The header by which a client asks for it, or asks for nothing of the kind.
const HEADER: HeaderName = HeaderName::from_static("x-taffrail-energy");

/// Whether a client is told what its answers took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Wanted {
    /// It is not.
    #[default]
    No,
    /// It is, wherever its answers have figures of usage.
    InUsage,
    /// It has asked for it.
    Asked,
}

impl Wanted {
    /// What a request wants by its headers, where the settings tell all or none.
    pub(super) fn of(headers: &HeaderMap, tells_all: bool) -> Self {
        match headers.get(HEADER).map(|value| value.as_bytes().trim_ascii()) {
            Some(b"1" | b"true" | b"yes" | b"on") => Self::Asked,
            None if tells_all => Self::InUsage,
            Some(_) | None => Self::No,
        }
    }
}

/// What answers took.
#[derive(Debug, Clone, PartialEq)]
pub struct Metered {
    account: EnergyAccount,
    /// Why it is unknown, where it is.
    energy: Figure<Joules>,
    settings: settings::Energy,
    /// Whether the client has asked for it.
    is_asked: bool,
}

/// `usage.energy`.
#[derive(Debug, Serialize)]
struct Document {
    /// Gross joules, of prompt and generation.
    joules: Option<f64>,
    /// Of generation, per generated token.
    joules_per_token: Option<f64>,
    #[serde(flatten)]
    provenance: Provenance,
}

impl Metered {
    /// The whole of an answer.
    pub(super) fn of(figures: Figures, settings: settings::Energy, is_asked: bool) -> Self {
        Self { account: figures.energy_account, energy: figures.energy, settings, is_asked }
    }

    /// Of an answer whose energy is not known, for this reason.
    pub(super) fn unknown(reason: &str, settings: settings::Energy, is_asked: bool) -> Self {
        Self { account: EnergyAccount::default(), energy: Figure::unknown(reason), settings, is_asked }
    }

    /// What these took together.
    fn plus(&self, other: &Self) -> Self {
        let tokens = |one: &EnergyAccount| one.tokens.unwrap_or_default();
        let (one, two) = (tokens(&self.account), tokens(&other.account));
        let mut account = self.account.plus(&other.account);
        account.tokens = Some((one.0 + two.0, one.1 + two.1));
        // A part of an energy is not the energy.
        let energy = match (&self.energy, &other.energy) {
            (unknown @ Figure::Unknown { .. }, _) | (_, unknown @ Figure::Unknown { .. }) => {
                account = EnergyAccount::default();
                unknown.clone()
            }
            (known @ Figure::Known { .. }, Figure::Known { .. }) => known.clone(),
        };
        Self { account, energy, settings: self.settings.clone(), is_asked: self.is_asked }
    }

    fn document(&self) -> Document {
        let report = Report::of(&self.account, 0, 0, &self.energy, &self.settings);
        let value = |figure: &Figure<domain::figure::Uncertain>| figure.value().map(|quantity| quantity.value);
        Document {
            joules: value(&report.energy),
            joules_per_token: value(&report.per_token),
            provenance: Provenance::of(&report),
        }
    }
}

/// What the answers to one request took, as they end.
#[derive(Debug, Clone, Default)]
pub(super) struct UsageEnergy(Option<Metered>);

impl UsageEnergy {
    /// An answer ended.
    pub(super) fn ended(&mut self, metered: Option<&Metered>) {
        let Some(metered) = metered else { return };
        self.0 = Some(self.0.as_ref().map_or_else(|| metered.clone(), |sum| sum.plus(metered)));
    }

    /// Of one answer.
    pub(super) fn of(metered: Option<&Metered>) -> Self {
        Self(metered.cloned())
    }

    /// Whether the client has asked for it, so that it is told where usage is not.
    pub(super) fn is_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|metered| metered.is_asked)
    }

    /// Put it into figures of usage, where it is wanted.
    pub(super) fn tell(&self, usage: &mut Value) {
        if let Some(metered) = &self.0 {
            usage["energy"] = json!(metered.document());
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_header_holds_over_the_setting() {
        for (header, tells_all, expected) in [
            (None, false, Wanted::No),
            (None, true, Wanted::InUsage),
            (Some("1"), false, Wanted::Asked),
            (Some(" true "), true, Wanted::Asked),
            (Some("0"), true, Wanted::No),
            (Some("nonsense"), false, Wanted::No),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|text| (HEADER, HeaderValue::from_static(text))));
            assert_eq!(Wanted::of(&headers, tells_all), expected, "{header:?} {tells_all}");
        }
    }

    #[test]
    fn what_is_not_known_is_null_with_its_reason_and_so_is_a_sum_of_it() {
        let known = Figure::measured(Joules(3.0), "rapl");
        let of = |energy| Metered {
            account: EnergyAccount::default(),
            energy,
            settings: settings::Energy::default(),
            is_asked: true,
        };
        for (one, other) in [(known.clone(), Figure::unknown("no sensor")), (Figure::unknown("no sensor"), known)] {
            let mut energy = UsageEnergy::default();
            let mut usage = json!({"prompt_tokens": 1});
            energy.tell(&mut usage);
            assert_eq!(usage, json!({"prompt_tokens": 1}), "nobody wants it");
            for figure in [one, other] {
                energy.ended(Some(&of(figure)));
            }
            energy.tell(&mut usage);
            let expected = json!({
                "joules": null, "joules_per_token": null, "grade": "unknown", "reason": "no sensor", "remedy": null,
            });
            assert_eq!((&usage["energy"], energy.is_asked()), (&expected, true));
        }
    }
}
