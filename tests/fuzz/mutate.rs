//! Changed copies of what is stored, as a fuzzer makes them, but always the same for a seed.

/// Longest copy, in bytes.
const MOST: usize = 16 << 10;
/// What breaks programs that count, split or encode.
const ODD: [&[u8]; 16] = [
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"-1",
    b"9223372036854775808",
    b"1e400",
    b"79228162514264337593543950336",
    b"{{",
    b"}}",
    b"((((((((",
    b"[[[[[[[[",
    b"\r\n",
    b"\xe3\x80\x80",                                 // U+3000
    b"\xe2\x80\xae",                                 // right to left
    b"\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9", // joined
    b"\xe5\x88\x98",                                 // 刘
];

pub(crate) struct Mutator<'c> {
    seeds: &'c [&'c [u8]],
    words: &'c [Vec<u8>],
    state: u64,
}

impl<'c> Mutator<'c> {
    pub(crate) fn new(seeds: &'c [&'c [u8]], words: &'c [Vec<u8>], seed: u64) -> Self {
        Self { seeds, words, state: seed.wrapping_mul(0x5851_f42d_4c95_7f2d) }
    }

    /// splitmix64, below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % n.max(1) as u64).unwrap()
    }

    fn seed(&mut self) -> &'c [u8] {
        self.seeds[self.below(self.seeds.len())]
    }

    /// Some bytes of it, at most 64.
    fn part(&mut self, of: &[u8]) -> std::ops::Range<usize> {
        let from = self.below(of.len() + 1);
        from..(from + self.below(64)).min(of.len())
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut data = self.seed().to_vec();
        for _ in 0..1 + self.below(4) {
            self.change(&mut data);
        }
        data.truncate(MOST);
        data
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let at = self.below(data.len() + 1);
        let inside = self.below(data.len());
        match self.below(9) {
            0 if !data.is_empty() => data[inside] ^= 1 << self.below(8),
            1 if !data.is_empty() => data[inside] = u8::try_from(self.below(256)).unwrap(),
            2 => {
                let part = self.part(data);
                data.drain(part);
            }
            3 => {
                let part = self.part(data);
                let again = data[part].to_vec();
                data.splice(at..at, again);
            }
            4 => {
                let other = self.seed();
                let part = self.part(other);
                data.splice(at..at, other[part].iter().copied());
            }
            5 => {
                let other = self.seed();
                let from = self.below(other.len());
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
            6 => {
                let odd = ODD[self.below(ODD.len())];
                data.splice(at..at, odd.iter().copied());
            }
            7 => data.truncate(at),
            _ if !self.words.is_empty() => {
                let word = &self.words[self.below(self.words.len())];
                let gone = self.part(data);
                let gone = if self.below(2) == 0 { at..at } else { gone };
                data.splice(gone, word.iter().copied());
            }
            _ => data.insert(at, u8::try_from(self.below(256)).unwrap()),
        }
    }
}
