//! What a reader asks of a text: which keys it knows, and which forms their values may have.
//!
//! Refuses to know what the text answers. Whoever wants to know what a sim may say hands its reader texts, and listens;
//! so nobody keeps a second list of keys.

use crate::grammar::quantity::QuantityForm;

/// A form that a value may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// A text that says something, and what: goes after "write".
    Text(String),
    /// A quantity with a unit.
    Quantity(QuantityForm),
    /// A whole number of such a range.
    Number {
        /// The least.
        least: i64,
        /// The most.
        most: u64,
    },
    /// True or false.
    Boolean,
    /// One of these words.
    Word(Vec<String>),
    /// An array. Its elements are asked for by themselves, under the array's key and their number.
    Array,
    /// A table. Its keys are asked for by themselves.
    Table,
}

/// One question of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedKey {
    /// The full name of the key, such as `client.watchdog` or `fault.1.at`; empty for the file as a whole.
    pub key: String,
    /// What is asked of it.
    pub question: KeyQuestion,
}

/// What a reader asks of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyQuestion {
    /// Whether it is there.
    Presence {
        /// Whether it must be.
        required: bool,
    },
    /// Whether its value has this form.
    Form(ValueForm),
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::sample::select;
    use proptest::{prop_assert, proptest};

    use super::*;
    use crate::grammar::quantity::{self, BadQuantity, Rate};

    /// What quantities, and what is nearly one, are made of.
    const PIECES: [&str; 26] = [
        "0",
        "1",
        "20",
        "999",
        "h",
        "m",
        "s",
        "ms",
        "1s",
        "2m",
        "1ms",
        "B",
        "KiB",
        "MiB",
        "b",
        "/",
        "/s",
        "..",
        " ",
        "%",
        ".",
        "+",
        "-",
        "long-tailed",
        ",",
        "99999999999999999999",
    ];

    /// A text that is a quantity fits its pattern, and one that fits it is a quantity but for its size and order.
    fn hold<T>(form: QuantityForm, text: &str, read: Result<T, BadQuantity>) -> bool {
        let pattern = serde_json::json!({ "pattern": form.pattern });
        let fits = jsonschema::validator_for(&pattern).expect("a pattern").is_valid(&text.into());
        match read.err() {
            None => fits,
            Some(BadQuantity::TooLarge(_) | BadQuantity::Backwards(_) | BadQuantity::NoTail(_)) => true,
            Some(
                BadQuantity::NoNumber(_)
                | BadQuantity::Negative(_)
                | BadQuantity::Fraction(_)
                | BadQuantity::NoUnit(_)
                | BadQuantity::UnknownUnit { .. }
                | BadQuantity::Order(_)
                | BadQuantity::NoPeriod(_)
                | BadQuantity::NotPerSecond(_)
                | BadQuantity::NoPercent(_)
                | BadQuantity::Decimals(_)
                | BadQuantity::NoSign(_)
                | BadQuantity::NoRange(_),
            ) => !fits,
        }
    }

    /// Whether that holds of every sort of quantity.
    fn holds_for_all(text: &str) -> bool {
        hold(quantity::DURATION_FORM, text, quantity::duration(text))
            && hold(quantity::LATENCY_FORM, text, quantity::latency(text))
            && hold(quantity::DURATION_RANGE_FORM, text, quantity::duration_range(text))
            && hold(quantity::RATE_FORM, text, text.parse::<Rate>())
            && hold(quantity::SIZE_FORM, text, quantity::size(text))
            && hold(quantity::BANDWIDTH_FORM, text, quantity::bandwidth(text))
            && hold(quantity::PERCENT_FORM, text, quantity::percent(text))
            && hold(quantity::STEP_FORM, text, quantity::step(text))
    }

    #[test]
    fn the_patterns_fit_the_quantities_that_people_write() {
        for text in [
            "",
            "0",
            "0 ",
            " 0",
            "1h30m",
            "1h 30m",
            "30m1h",
            "1m1m",
            "26h3m4s5ms",
            "1ms..20ms",
            " 1ms .. 2s long-tailed ",
            "10/m",
            "10 /m",
            "10/ms",
            "1KiB/s",
            "16 KiB",
            "2.5%",
            "2.5 %",
            "2.555%",
            "+5m",
            "-30s",
            "- 30s",
            "5m",
            "long-tailed",
        ] {
            assert!(holds_for_all(text), "`{text}`");
        }
    }

    proptest! {
        #[test]
        fn the_patterns_fit_what_chance_makes(pieces in vec(select(&PIECES[..]), 0..8)) {
            let text = pieces.concat();
            prop_assert!(holds_for_all(&text), "`{}`", text);
        }
    }
}
