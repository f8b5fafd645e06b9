//! Where gRPC messages begin and end in one direction of a stream: the five bytes before each, and nothing else of them.
//!
//! Refuses to know what a message says. Of a body that is not gRPC it finds borders that mean nothing, and harms nothing.
//!
//! ```text
//!            5 bytes: a flag, then the length (gRPC over HTTP/2)         so many bytes
//! Prefix ------------------------------------------------------> Body ----------------> Prefix
//! ```

/// The bytes before a message.
const PREFIX: usize = 5;

/// Follows the messages of one direction as their bytes go by.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    prefix: [u8; PREFIX],
    /// Of the prefix.
    read: usize,
    /// Of the body.
    left: usize,
    ended: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// So many bytes that belong to the message that has begun.
    Within(usize),
    /// A message of that size, without its prefix.
    Begins(u32),
    /// A message whose prefix is not there yet.
    Unknown,
}

impl Framing {
    /// How many messages have gone by whole.
    pub(crate) fn ended(&self) -> u64 {
        self.ended
    }

    /// What `bytes`, which come next, begin with.
    pub(crate) fn ahead(&self, bytes: &[u8]) -> Ahead {
        if self.left > 0 {
            return Ahead::Within(self.left);
        }
        if self.read > 0 {
            return Ahead::Within(PREFIX - self.read);
        }
        match bytes {
            [_flag, a, b, c, d, ..] => Ahead::Begins(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => Ahead::Unknown,
        }
    }

    /// These bytes went by, passed or dropped.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match self.left {
                0 => {
                    let taken = bytes.len().min(PREFIX - self.read);
                    self.prefix[self.read..self.read + taken].copy_from_slice(&bytes[..taken]);
                    self.read += taken;
                    taken
                }
                left => {
                    let taken = bytes.len().min(left);
                    self.left -= taken;
                    if self.left == 0 {
                        self.ended += 1;
                    }
                    taken
                }
            };
            if self.read == PREFIX {
                let [_flag, length @ ..] = self.prefix;
                self.read = 0;
                self.left = u32::from_be_bytes(length) as usize;
                if self.left == 0 {
                    self.ended += 1;
                }
            }
            bytes = &bytes[taken..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of 2, 0 and 1 bytes.
    const BODY: &[u8] = b"\0\0\0\0\x02hi\0\0\0\0\0\0\0\0\0\x01!";

    #[test]
    fn messages_are_counted_wherever_the_body_is_cut() {
        for cut in 0..BODY.len() {
            let mut framing = Framing::default();
            framing.take(&BODY[..cut]);
            framing.take(&BODY[cut..]);
            assert_eq!((framing.ended(), framing.ahead(b"")), (3, Ahead::Unknown), "{cut}");
        }
    }

    #[test]
    fn what_comes_next_is_told_at_borders_and_between_them() {
        let mut framing = Framing::default();
        for (bytes, ahead) in [(&BODY[..4], Ahead::Unknown), (BODY, Ahead::Begins(2))] {
            assert_eq!(framing.ahead(bytes), ahead);
        }
        framing.take(&BODY[..3]);
        assert_eq!(framing.ahead(&BODY[3..]), Ahead::Within(2));
        framing.take(&BODY[3..6]);
        assert_eq!(framing.ahead(&BODY[6..]), Ahead::Within(1));
        framing.take(&BODY[6..7]);
        assert_eq!((framing.ahead(&BODY[7..]), framing.ended()), (Ahead::Begins(0), 1));
    }

    #[test]
    fn the_largest_length_is_no_trouble() {
        let mut framing = Framing::default();
        assert_eq!(framing.ahead(b"\x01\xff\xff\xff\xff"), Ahead::Begins(u32::MAX));
        framing.take(b"\x01\xff\xff\xff\xffbody");
        assert_eq!((framing.ahead(b"x"), framing.ended()), (Ahead::Within(u32::MAX as usize - 4), 0));
    }
}
