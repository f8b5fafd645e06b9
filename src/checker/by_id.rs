//! Messages by their ids, which nearly always come in ascending order: a vector, where a tree would be looked through for
//! every message by every judge.
//!
//! Refuses to know what is kept of a message.

use crate::channel::MessageId;

/// See the module.
#[derive(Debug)]
pub(crate) struct ById<V>(Vec<(MessageId, V)>);

impl<V> Default for ById<V> {
    fn default() -> Self {
        ById::new()
    }
}

impl<V> ById<V> {
    pub(crate) const fn new() -> Self {
        ById(Vec::new())
    }

    /// Where an id is, or where it belongs. The newest is asked for most.
    fn place(&self, id: MessageId) -> Result<usize, usize> {
        match self.0.last() {
            None => Err(0),
            Some((last, _)) if *last < id => Err(self.0.len()),
            Some((last, _)) if *last == id => Ok(self.0.len() - 1),
            Some(_) => self.0.binary_search_by_key(&id, |(id, _)| *id),
        }
    }

    /// Keeps a message; what was kept of that id before goes.
    pub(crate) fn insert(&mut self, id: MessageId, message: V) {
        match self.place(id) {
            Ok(at) => self.0[at].1 = message,
            Err(at) => self.0.insert(at, (id, message)),
        }
    }

    /// Keeps a message, unless one of that id is there.
    pub(crate) fn insert_first(&mut self, id: MessageId, message: V) {
        if let Err(at) = self.place(id) {
            self.0.insert(at, (id, message));
        }
    }

    pub(crate) fn get(&self, id: MessageId) -> Option<&V> {
        self.place(id).ok().map(|at| &self.0[at].1)
    }

    pub(crate) fn remove(&mut self, id: MessageId) {
        if let Ok(at) = self.place(id) {
            self.0.remove(at);
        }
    }

    /// The highest id.
    pub(crate) fn last(&self) -> Option<MessageId> {
        self.0.last().map(|(id, _)| *id)
    }

    /// What comes after an id, ascending.
    pub(crate) fn after(&self, id: MessageId) -> &[(MessageId, V)] {
        let from = match self.place(id) {
            Ok(at) => at + 1,
            Err(at) => at,
        };
        &self.0[from..]
    }

    /// All of it, ascending.
    pub(crate) fn all(&self) -> &[(MessageId, V)] {
        &self.0
    }

    /// Lets go of what is not to be kept.
    pub(crate) fn retain(&mut self, keeps: impl FnMut(&(MessageId, V)) -> bool) {
        self.0.retain(keeps);
    }

    /// Takes out what is asked for.
    pub(crate) fn extract_if(&mut self, asked: impl Fn(&V) -> bool) -> impl Iterator<Item = (MessageId, V)> {
        self.0.extract_if(.., move |(_, message)| asked(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kept: &[(MessageId, char)]) -> String {
        kept.iter().map(|(id, what)| format!("{}{what}", id.0)).collect()
    }

    #[test]
    fn it_is_a_map_in_whatever_order_ids_come() {
        let mut kept = ById::new();
        for (id, what) in [(4, 'a'), (9, 'b'), (2, 'c'), (6, 'd'), (9, 'e'), (2, 'f')] {
            kept.insert(MessageId(id), what);
        }
        assert_eq!((told(kept.all()), kept.last()), ("2f4a6d9e".to_owned(), Some(MessageId(9))));
        kept.insert_first(MessageId(6), 'x');
        kept.insert_first(MessageId(5), 'g');
        kept.remove(MessageId(4));
        kept.remove(MessageId(7));
        assert_eq!(told(kept.all()), "2f5g6d9e");
        assert_eq!([2, 3, 9, 10].map(|id| kept.get(MessageId(id)).copied()), [Some('f'), None, Some('e'), None]);
        assert_eq!(
            [0, 2, 3, 9, 10].map(|id| told(kept.after(MessageId(id)))),
            ["2f5g6d9e", "5g6d9e", "5g6d9e", "", ""]
        );
        assert_eq!(told(&kept.extract_if(|what| *what == 'g').collect::<Vec<_>>()), "5g");
        kept.retain(|(_, what)| *what != 'e');
        assert_eq!((told(kept.all()), kept.last()), ("2f6d".to_owned(), Some(MessageId(6))));
    }

    #[test]
    fn nothing_has_no_last() {
        let nothing: ById<char> = ById::default();
        assert_eq!((nothing.last(), nothing.get(MessageId(1)), nothing.after(MessageId(0)).len()), (None, None, 0));
    }
}
