//! The names of the fields that a type reads itself from, as serde's derive tells them.
//!
//! Refuses to read anything: it only listens to what is asked for.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

/// The fields of a struct; none of a type that is no struct, or one that takes any key.
pub(crate) fn fields_of<'d, T: Deserialize<'d>>() -> Option<&'static [&'static str]> {
    T::deserialize(FieldsProbe).err().and_then(|asked| asked.0)
}

struct FieldsProbe;

/// What was asked for; it is told as an error, because there is nothing to give.
#[derive(Debug)]
struct AskedFields(Option<&'static [&'static str]>);

impl std::fmt::Display for AskedFields {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

impl std::error::Error for AskedFields {}

impl Error for AskedFields {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        AskedFields(None)
    }
}

impl<'de> Deserializer<'de> for FieldsProbe {
    type Error = AskedFields;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, AskedFields> {
        Err(AskedFields(None))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, AskedFields> {
        Err(AskedFields(Some(fields)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its fields' names matter")]
    struct Interval {
        every: u32,
        #[serde(rename = "watch-dog")]
        watchdog: bool,
    }

    #[test]
    fn a_struct_tells_its_fields_and_nothing_else_does() {
        assert_eq!(fields_of::<Interval>(), Some(&["every", "watch-dog"][..]));
        assert_eq!(fields_of::<()>(), None);
        assert_eq!(fields_of::<std::collections::BTreeMap<String, u32>>(), None);
    }
}
