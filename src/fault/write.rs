//! Plans as text: the `[[fault]]` tables that the reader of a sim reads back equal.

use std::fmt;

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value};

use crate::cast::HostName;
use crate::fault::{Clause, Origin, Plan};
use crate::grammar::spell;

/// Some hosts, as a sim file names them.
pub(crate) fn hosts<'h>(names: impl IntoIterator<Item = &'h HostName>) -> Value {
    Value::Array(names.into_iter().map(|name| name.to_string()).collect::<Array>())
}

impl Clause {
    /// The clause as one table of a sim file.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        let mut set = |key: &str, value: Value| _ = table.insert(key, Item::Value(value));
        set("at", spell(self.at).into());
        set("for", spell(self.lasts).into());
        set("kind", self.fault.name().into());
        self.fault.keys().into_iter().for_each(|(key, value)| set(key, value));
        set("number", i64::from(self.number).into());
        match self.origin {
            Origin::File => {}
            Origin::Storm => set("drawn", true.into()),
        }
        table
    }
}

impl fmt::Display for Plan {
    /// The plan as the `[[fault]]` tables of a sim.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut document = DocumentMut::new();
        if !self.clauses.is_empty() {
            let tables: ArrayOfTables = self.clauses.iter().map(Clause::table).collect();
            document.insert("fault", Item::ArrayOfTables(tables));
        }
        document.fmt(formatter)
    }
}
