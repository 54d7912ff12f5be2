//! The energy figures of an answer or a session: the same in the chat, in the tab of figures and in documents.

use super::account::{EnergyAccount, Step};
use super::estimate::FACTOR;
use super::footprint::{carbon, cost, watt_hours};
use crate::figure::{Figure, Grade, Uncertain};
use crate::request::Figures;
use crate::session::Session;
use crate::settings;
use crate::units::{Joules, digits};

/// The figures. Each is unknown, with a reason, if it can't be determined.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Gross joules per generated token, the headline: dynamic energy and the share of idle energy, of generation
    /// alone, reasoning included.
    pub per_token: Figure<Uncertain>,
    /// The dynamic part of it.
    pub dynamic_per_token: Figure<Uncertain>,
    /// Gross joules per evaluated prompt token; those that the context had already are not counted.
    pub per_prompt_token: Figure<Uncertain>,
    /// Gross joules, prompt and generation.
    pub energy: Figure<Uncertain>,
    /// The same in watt-hours.
    pub watt_hours: Figure<Uncertain>,
    /// Grams of CO₂ equivalent.
    pub carbon: Figure<Uncertain>,
    /// In the user's currency.
    pub cost: Figure<Uncertain>,
    /// What was metered, as `[gpu+cpu]`.
    pub boundary: String,
    /// How well each part was: `GPU measured · CPU apportioned · DRAM —`.
    pub coverage: String,
    /// Seconds that were metered.
    pub metered: f64,
}

impl Report {
    /// Over a bill for so many prompt tokens evaluated and tokens generated, unless the bill knows which it is for.
    /// `energy` says why, where it is unknown.
    pub fn of(
        energy_account: &EnergyAccount,
        n_prompt: u64,
        n_generated: u64,
        energy: &Figure<Joules>,
        settings: &settings::Energy,
    ) -> Self {
        let why = match energy {
            Figure::Unknown { reason, remedy } => Figure::Unknown { reason: reason.clone(), remedy: remedy.clone() },
            Figure::Known { .. } => Figure::unknown("it was not metered"),
        };
        let per = |step, is_dynamic, count: u64| match count {
            0 => Figure::unknown("no token yet"),
            count => {
                energy_account.step(step, is_dynamic, settings, &why).map(|joules| joules.times(1.0 / count as f64))
            }
        };
        let (n_prompt, n_generated) = energy_account.tokens.unwrap_or((n_prompt, n_generated));
        let energy = energy_account.answer(settings, &why);
        Self {
            per_token: per(Step::Generation, false, n_generated),
            dynamic_per_token: per(Step::Generation, true, n_generated),
            per_prompt_token: per(Step::Prompt, false, n_prompt),
            watt_hours: watt_hours(energy.clone()),
            carbon: carbon(energy.clone(), settings),
            cost: cost(energy.clone(), settings),
            energy,
            boundary: energy_account.boundary(),
            coverage: energy_account.coverage(),
            metered: energy_account.metered(),
        }
    }

    /// Over one answer.
    pub fn of_answer(figures: &Figures, settings: &settings::Energy) -> Self {
        let counters = &figures.counters;
        let (n_prompt, n_generated) = (u64::from(counters.n_prompt), u64::from(counters.n_generated));
        let metered = Self::of(&figures.energy_account, n_prompt, n_generated, &figures.energy, settings);
        match &figures.energy {
            Figure::Known { value, grade: Grade::Estimated, source } if metered.energy.value().is_none() => {
                metered.estimated(figures, *value, source, settings)
            }
            _ => metered,
        }
    }

    /// Of an answer from elsewhere, which no meter saw: its energy is an estimate, and goes to the prompt and to the
    /// generation as its time does.
    fn estimated(self, figures: &Figures, energy: Joules, source: &str, settings: &settings::Energy) -> Self {
        let counters = &figures.counters;
        let prompt = if counters.prompt_us > 0 { Some(counters.prompt_us) } else { counters.ttft_us }.unwrap_or(0);
        let all = prompt.saturating_add(counters.generation_us);
        let figure = |joules: f64| {
            let value = Uncertain { value: joules, relative: FACTOR - 1.0 };
            Figure::Known { value, grade: Grade::Estimated, source: source.to_owned() }
        };
        let per_token = |micros: u64, count: u32| match (all, count) {
            (0, _) | (_, 0) => Figure::unknown("no token yet"),
            _ => figure(energy.0 * micros as f64 / all as f64 / f64::from(count)),
        };
        let energy = figure(energy.0);
        Self {
            per_token: per_token(counters.generation_us, counters.n_generated),
            dynamic_per_token: Figure::unknown("what its machine draws while idle is not known"),
            per_prompt_token: per_token(prompt, counters.n_prompt),
            watt_hours: watt_hours(energy.clone()),
            carbon: carbon(energy.clone(), settings),
            cost: cost(energy.clone(), settings),
            energy,
            boundary: "[its machine]".to_owned(),
            coverage: "its machine estimated".to_owned(),
            ..self
        }
    }

    /// In one line: `≈812 J · ≈2.76 J/tok · ≈0.23 Wh · ≈0.09 gCO2e [gpu+cpu]`. What the user has not set a price for is
    /// left out, for this is not the place to say how.
    pub fn line(&self, settings: &settings::Energy) -> String {
        let Figure::Known { grade, source, .. } = &self.energy else { return "energy —".to_owned() };
        let brief = |figure: &Figure<Uncertain>, unit: &str| {
            let plain = figure.value().map(|quantity| format!("{}{} {unit}", grade.mark(), digits(quantity.value)));
            plain.unwrap_or_else(|| format!("— {unit}"))
        };
        // An estimate is always shown as a range.
        let is_range = *grade == Grade::Estimated;
        let energy = if is_range { self.energy.graded("J") } else { brief(&self.energy, "J") };
        let mut parts = vec![energy, self.per_token.graded("J/tok"), brief(&self.watt_hours, "Wh")];
        if self.carbon.value().is_some() {
            parts.push(brief(&self.carbon, "gCO2e"));
        }
        if self.cost.value().is_some() {
            parts.push(brief(&self.cost, &settings.currency));
        }
        let line = parts.join(" · ");
        if is_range { format!("{line} · {source}") } else { format!("{line} {}", self.boundary) }
    }
}

/// The report over all of a session's answers.
pub fn per_session(session: &Session, settings: &settings::Energy) -> Report {
    let energy = match &session.figures().energy {
        // That of its last answer alone.
        Figure::Known { .. } if session.model.remote.is_some() => Figure::unknown("it is estimated answer by answer"),
        energy => energy.clone(),
    };
    Report::of(&session.energy_account, session.n_prompt, session.n_generated, &energy, settings)
}

impl Session {
    /// Gross joules per generated token of the last answer; of all answers together where the last one was too short for
    /// the sensor.
    pub fn joules_per_token(&self) -> Figure<Joules> {
        self.per_token(&settings::Energy::default()).map(|joules| Joules(joules.value))
    }

    /// The same with its uncertainty.
    pub fn per_token(&self, settings: &settings::Energy) -> Figure<Uncertain> {
        self.per_token_of(self.figures(), settings)
    }

    /// The same of one of its answers.
    pub fn per_token_of(&self, figures: &Figures, settings: &settings::Energy) -> Figure<Uncertain> {
        match Report::of_answer(figures, settings).per_token {
            known @ Figure::Known { .. } => known,
            unknown => match per_session(self, settings).per_token {
                Figure::Known { value, grade, source } if figures.counters.n_generated > 0 => {
                    Figure::Known { value, grade, source: format!("{source}, all answers together") }
                }
                _ => unknown,
            },
        }
    }
}
