//! Reads gzip: how a long list of policies fits into a Kubernetes object (docs/formats.md, "Filter configuration", `candidate.gzip`).
//!
//! Implemented here because the filter must stay small. The input is a few hundred kB, once for each configuration, so
//! reading it bit by bit is fast enough. The output is bounded, and the time is linear in the input and that bound.
//!
//! RFC 1951 (deflate) and RFC 1952 (gzip); one member, no preset dictionary, the checksum must be right.

use alloc::{string::String, vec::Vec};
use core::fmt;
use gnomon_engine::{
    base64,
    slices::{self, AtOnce, Pace},
};

/// Why it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// Not base64.
    Base64,
    /// Another format.
    NotGzip,
    /// The end is missing.
    Short,
    /// A code that no gzip writer writes.
    Code,
    /// The output is longer than the limit.
    TooLong,
    /// The checksum does not match.
    Altered,
    /// More comes out than the last four bytes say: these are not the length, or it was altered.
    Longer,
    /// Bytes follow the end.
    Trailing,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broken::Base64 => "it is not base64",
            Broken::NotGzip => "it is not gzip",
            Broken::Short => "the gzip data are cut off",
            Broken::Code => "the gzip data hold an impossible code",
            Broken::TooLong => "more comes out of the gzip data than is allowed",
            Broken::Longer => "the gzip data are cut off or altered: they hold more than they say",
            Broken::Altered => "the gzip data were altered: their checksum is another",
            Broken::Trailing => "something follows the gzip data",
        })
    }
}

impl core::error::Error for Broken {}

/// Reads what `gzip | base64` writes. Line breaks are skipped, padding may be missing, both alphabets are taken.
///
/// # Errors
///
/// The first thing that is wrong; `limit` is the most bytes of output.
pub fn unpack(text: &[u8], limit: usize) -> Result<Vec<u8>, Broken> {
    slices::all(unpack_in_slices(text, limit, &AtOnce))
}

/// As [`unpack`], with pauses.
///
/// # Errors
///
/// As [`unpack`].
pub async fn unpack_in_slices(text: &[u8], limit: usize, pace: &dyn Pace) -> Result<Vec<u8>, Broken> {
    let bytes = base64::decode_either(text, pace).await.ok_or(Broken::Base64)?;
    gunzip_in_slices(&bytes, limit, pace).await
}

/// The text that [`unpack`] reads.
pub fn to_text(gzip: &[u8]) -> String {
    base64::encode_standard(gzip)
}

/// Reads one gzip member.
///
/// # Errors
///
/// The first thing that is wrong; `limit` is how many bytes may come out.
pub fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Broken> {
    slices::all(gunzip_in_slices(bytes, limit, &AtOnce))
}

async fn gunzip_in_slices(bytes: &[u8], limit: usize, pace: &dyn Pace) -> Result<Vec<u8>, Broken> {
    // How long the text is stands at the end, modulo 2³²; what is not so long is not the same.
    let declared = bytes.last_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    slices::need(pace, declared.min(limit)).await;
    let out = Vec::with_capacity(declared.min(limit));
    let mut reader = Reader { bytes, at: 0, held: 0, count: 0, out, declared, limit, broken: None };
    reader.member(pace).await;
    match reader.broken {
        Some(broken) => Err(broken),
        None => Ok(reader.out),
    }
}

/// CRC-32 as gzip has it.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, crc)
}

/// Goes on with one byte, by halves: a table of whole ones would be sixteen times as long.
fn crc(sum: u32, byte: &u8) -> u32 {
    const HALVES: [u32; 16] = [
        0x0000_0000,
        0x1db7_1064,
        0x3b6e_20c8,
        0x26d9_30ac,
        0x76dc_4190,
        0x6b6b_51f4,
        0x4db2_6158,
        0x5005_713c,
        0xedb8_8320,
        0xf00f_9344,
        0xd6d6_a3e8,
        0xcb61_b38c,
        0x9b64_c2b0,
        0x86d3_d2d4,
        0xa00a_e278,
        0xbdbd_f21c,
    ];
    let half = |sum: u32| sum >> 4 ^ HALVES.get((sum & 15) as usize).copied().unwrap_or(0);
    half(half(sum ^ u32::from(*byte)))
}

/// A canonical Huffman code.
struct Code {
    /// How many symbols have each length.
    counts: [u16; 16],
    /// Ordered by length, then by symbol.
    symbols: Vec<u16>,
}

/// Bits in, bytes out. What is wrong first is kept; from then on zeros are read and nothing is written, so that every
/// loop must look whether something is wrong.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u32,
    count: u32,
    out: Vec<u8>,
    declared: usize,
    limit: usize,
    broken: Option<Broken>,
}

impl Reader<'_> {
    fn fail(&mut self, why: Broken) {
        self.broken.get_or_insert(why);
    }

    /// The next bits, lowest first; at most 16 of them.
    fn bits(&mut self, wanted: u32) -> u32 {
        while self.count < wanted {
            let Some(byte) = self.bytes.get(self.at) else {
                self.fail(Broken::Short);
                return 0;
            };
            self.at += 1;
            self.held |= u32::from(*byte) << self.count;
            self.count += 8;
        }
        let bits = self.held & ((1 << wanted) - 1);
        self.held >>= wanted;
        self.count -= wanted;
        bits
    }

    /// Skips what is left of a byte. No whole byte is ever held.
    fn skip_to_byte(&mut self) {
        (self.held, self.count) = (0, 0);
    }

    fn word(&mut self) -> u32 {
        self.bits(16) | self.bits(16) << 16
    }

    fn push(&mut self, byte: u8) {
        if self.out.len() >= self.limit {
            self.fail(Broken::TooLong);
        } else if self.out.len() >= self.declared {
            self.fail(Broken::Longer);
        } else if self.broken.is_none() {
            self.out.push(byte);
        }
    }

    async fn member(&mut self, pace: &dyn Pace) {
        if self.word() & 0x00ff_ffff != 0x08_8b1f {
            return self.fail(if self.bytes.len() < 4 { Broken::Short } else { Broken::NotGzip });
        }
        self.header();
        while self.broken.is_none() && !self.block(pace).await {}
        self.skip_to_byte();
        let (sum, length) = (self.word(), self.word());
        if self.at != self.bytes.len() {
            self.fail(Broken::Trailing);
        }
        let mut own = !0;
        for part in self.out.chunks(4096) {
            slices::step(pace).await;
            own = part.iter().fold(own, crc);
        }
        if self.broken.is_none() && (sum != !own || length as usize != self.out.len()) {
            self.fail(Broken::Altered);
        }
    }

    /// A time, a file's name and the like; none of it matters.
    fn header(&mut self) {
        let flags = self.bytes.get(3).copied().unwrap_or_default();
        let (_time, _system) = (self.word(), self.bits(16));
        if flags & 4 != 0 {
            for _ in 0..self.bits(16) {
                self.bits(8);
            }
        }
        // A name, then a comment: both end in a NUL.
        for flag in [8, 16] {
            while flags & flag != 0 && self.bits(8) != 0 {}
        }
        if flags & 2 != 0 {
            self.bits(16);
        }
    }

    /// One block; true for the last.
    async fn block(&mut self, pace: &dyn Pace) -> bool {
        let last = self.bits(1) == 1;
        match self.bits(2) {
            0 => self.stored(),
            1 => {
                let lengths = [(144, 8), (112, 9), (24, 7), (8, 8)];
                let lengths: Vec<u8> =
                    lengths.into_iter().flat_map(|(count, length)| (0..count).map(move |_| length)).collect();
                self.compressed(&lengths, &[5; 30], pace).await;
            }
            2 => self.dynamic(pace).await,
            _ => self.fail(Broken::Code),
        }
        last
    }

    fn stored(&mut self) {
        self.skip_to_byte();
        let length = self.bits(16);
        if self.bits(16) != length ^ 0xffff {
            self.fail(Broken::Code);
        }
        for _ in 0..length {
            let byte = self.bits(8) as u8;
            self.push(byte);
        }
    }

    /// A block that begins with its codes, themselves in code.
    async fn dynamic(&mut self, pace: &dyn Pace) {
        const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let literals = self.bits(5) as usize + 257;
        let all = literals + self.bits(5) as usize + 1;
        let given = self.bits(4) as usize + 4;
        let mut lengths = [0; 19];
        for place in ORDER.iter().take(given) {
            if let Some(length) = lengths.get_mut(usize::from(*place)) {
                *length = self.bits(3) as u8;
            }
        }
        let code = self.code(&lengths);
        let mut lengths = Vec::with_capacity(all);
        while lengths.len() < all && self.broken.is_none() {
            let symbol = self.symbol(&code);
            let (length, repeat) = match symbol {
                16 => (lengths.last().copied(), 3 + self.bits(2)),
                17 => (Some(0), 3 + self.bits(3)),
                18 => (Some(0), 11 + self.bits(7)),
                length => (Some(length as u8), 1),
            };
            match length {
                Some(length) => lengths.extend((0..repeat).map(|_| length)),
                None => self.fail(Broken::Code),
            }
        }
        // A run may cross from one code into the other, but not leave both.
        match lengths.split_at_checked(literals) {
            Some((literals, distances)) if lengths.len() == all => {
                self.compressed(literals, distances, pace).await;
            }
            _ => self.fail(Broken::Code),
        }
    }

    async fn compressed(&mut self, literals: &[u8], distances: &[u8], pace: &dyn Pace) {
        let literals = self.code(literals);
        let distances = self.code(distances);
        let mut pause = self.out.len();
        while self.broken.is_none() {
            if self.out.len() >= pause {
                pause = self.out.len() + 1024;
                slices::step(pace).await;
            }
            match self.symbol(&literals) {
                256 => return,
                symbol @ 257.. => {
                    let length = self.length(symbol - 257);
                    let symbol = self.symbol(&distances);
                    let distance = self.distance(symbol);
                    self.copy(length, distance as usize);
                }
                literal => self.push(literal as u8),
            }
        }
    }

    fn copy(&mut self, length: u32, distance: usize) {
        let start = self.out.len().wrapping_sub(distance);
        for place in 0..length as usize {
            match self.out.get(start.wrapping_add(place)) {
                Some(byte) => self.push(*byte),
                None => self.fail(Broken::Code),
            }
        }
    }

    /// Four lengths to each number of extra bits, but for the first eight and the last.
    fn length(&mut self, symbol: u32) -> u32 {
        match symbol {
            0..=7 => 3 + symbol,
            8..=27 => {
                let extra = symbol / 4 - 1;
                3 + ((4 + symbol % 4) << extra) + self.bits(extra)
            }
            28 => 258,
            _ => {
                self.fail(Broken::Code);
                0
            }
        }
    }

    /// Two distances to each number of extra bits, but for the first four.
    fn distance(&mut self, symbol: u32) -> u32 {
        match symbol {
            0..=3 => 1 + symbol,
            4..=29 => {
                let extra = symbol / 2 - 1;
                1 + ((2 + symbol % 2) << extra) + self.bits(extra)
            }
            _ => {
                self.fail(Broken::Code);
                0
            }
        }
    }

    /// The code with these lengths.
    fn code(&mut self, lengths: &[u8]) -> Code {
        let mut code = Code { counts: [0; 16], symbols: Vec::with_capacity(lengths.len()) };
        let mut free = 1;
        for (wanted, count) in (0_u8..).zip(&mut code.counts).skip(1) {
            for (symbol, length) in (0_u16..).zip(lengths) {
                if *length == wanted {
                    code.symbols.push(symbol);
                    *count += 1;
                }
            }
            free = 2 * free - i32::from(*count);
            // More symbols than there are codes. Fewer are harmless: what has no symbol is an error when it is met.
            if free < 0 {
                self.fail(Broken::Code);
                break;
            }
        }
        code
    }

    fn symbol(&mut self, code: &Code) -> u32 {
        let (mut value, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for count in code.counts.iter().skip(1) {
            let count = u32::from(*count);
            value |= self.bits(1);
            if value < first + count {
                let symbol = code.symbols.get((index + value - first) as usize);
                return symbol.copied().map_or(0, u32::from);
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        self.fail(Broken::Code);
        0
    }
}
