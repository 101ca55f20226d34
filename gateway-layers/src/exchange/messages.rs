//! [`Messages`]: counts the messages of a gRPC stream as its bytes go by.

/// Each message has five bytes before it: a flag and its length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Messages {
    begun: u64,
    /// Bytes of the prefix that have come.
    prefix: u8,
    /// The length as far as it has come; then the bytes of the message that are still to come.
    left: u32,
}

const PREFIX: u8 = 5;

impl Messages {
    pub(super) const fn count(&self) -> u64 {
        self.begun
    }

    pub(super) fn add(&mut self, mut data: &[u8]) {
        while let Some((first, rest)) = data.split_first() {
            if self.prefix < PREFIX {
                // The flag is shifted out by the four bytes of the length.
                self.left = self.left << 8 | u32::from(*first);
                self.prefix += 1;
                data = rest;
                self.begun += u64::from(self.prefix == PREFIX);
            } else {
                let skip = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
                self.left -= u32::try_from(skip).unwrap_or(self.left);
                data = data.get(skip..).unwrap_or_default();
            }
            if self.prefix == PREFIX && self.left == 0 {
                self.prefix = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_their_bytes_come() {
        let message = |length: u32| [&[1][..], &length.to_be_bytes(), &vec![b'x'; length as usize]].concat();
        for lengths in [&[][..], &[0], &[3], &[0, 0, 1], &[300, 0, 70_000]] {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            for cut in [1, 2, 4, 7, 100_000] {
                let mut messages = Messages::default();
                bytes.chunks(cut).for_each(|piece| messages.add(piece));
                assert_eq!(messages.count(), lengths.len() as u64, "{lengths:?} by {cut}");
            }
        }
    }
}
