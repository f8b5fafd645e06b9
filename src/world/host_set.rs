//! A set of hosts, taken out in the order of their numbers. It makes and frees nothing from one turn to the next.

use crate::world::engine::HostId;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct HostSet {
    /// One bit for each host that there is.
    words: Vec<u64>,
    len: usize,
}

impl HostSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn insert(&mut self, host: HostId) {
        let (word, bit) = place(host);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.len += usize::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    pub(crate) fn remove(&mut self, host: HostId) {
        let (word, bit) = place(host);
        if let Some(word) = self.words.get_mut(word) {
            self.len -= usize::from(*word & bit != 0);
            *word &= !bit;
        }
    }

    /// Takes out the host with the lowest number.
    pub(crate) fn pop_first(&mut self) -> Option<HostId> {
        if self.is_empty() {
            return None;
        }
        let (at, word) = self.words.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
        let first = word.trailing_zeros();
        *word &= *word - 1;
        self.len -= 1;
        let number =
            u16::try_from(at * BITS).expect("no more hosts than numbers") + u16::try_from(first).expect("a bit");
        Some(HostId::numbered(number))
    }

    /// Takes everything out of another set.
    pub(crate) fn append(&mut self, other: &mut Self) {
        while let Some(host) = other.pop_first() {
            self.insert(host);
        }
    }
}

const BITS: usize = u64::BITS as usize;

fn place(host: HostId) -> (usize, u64) {
    (host.index() / BITS, 1 << (host.index() % BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(set: &mut HostSet) -> Vec<usize> {
        std::iter::from_fn(|| set.pop_first()).map(HostId::index).collect()
    }

    fn set_of(hosts: &[u16]) -> HostSet {
        let mut set = HostSet::default();
        hosts.iter().for_each(|host| set.insert(HostId::numbered(*host)));
        set
    }

    #[test]
    fn hosts_come_out_in_order_and_once() {
        let mut set = set_of(&[200, 63, 64, 0, 64, u16::MAX]);
        set.remove(HostId::numbered(63));
        set.remove(HostId::numbered(7));
        set.append(&mut set_of(&[0, 5]));
        assert_eq!(take_all(&mut set), [0, 5, 64, 200, usize::from(u16::MAX)]);
        assert!(set.is_empty() && set.pop_first().is_none());
    }
}
