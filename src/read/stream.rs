//! A dump as a stream of chunks of records.

use std::io::{self, Read};

use super::Limits;
use super::layout::Layout;
use super::scan::{Found, Scanner};

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Start in the chunk's bytes.
    pub start: usize,
    /// End (exclusive) in the chunk's bytes.
    pub end: usize,
    /// 1-based: line of a line format, data row of a table, element of a list.
    pub ordinal: u64,
}

/// Bytes that could not be read as a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// 1-based place among the records.
    pub ordinal: u64,
    /// Offset in the (decompressed) dump.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// The first bytes, at most 64 KiB.
    pub bytes: Vec<u8>,
    /// What is wrong.
    pub reason: String,
}

/// Most bytes of an unreadable place that are kept in rejects.
pub const KEEP: usize = 64 << 10;

/// Consecutive records of one dump.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Offset of `bytes[0]` in the (decompressed) dump.
    pub offset: u64,
    /// The records.
    pub spans: Vec<Span>,
    /// What lies between them and cannot be read.
    pub problems: Vec<Problem>,
}

/// Reads a dump chunk by chunk.
pub struct Records<R> {
    inner: R,
    scanner: Scanner,
    limits: Limits,
    /// Bytes read and not yet handed out.
    rest: Vec<u8>,
    rest_offset: u64,
    ordinal: u64,
    eof: bool,
    ended: bool,
}

impl<R: Read> Records<R> {
    /// Reads from `inner`, which stands behind `head`; `head` is cut to where records begin.
    pub fn new(inner: R, head: Vec<u8>, layout: &Layout, limits: Limits) -> Self {
        let start = layout.start().min(head.len());
        Self {
            inner,
            scanner: Scanner::new(layout),
            limits,
            rest: head[start..].to_vec(),
            rest_offset: start as u64,
            ordinal: 0,
            eof: false,
            ended: false,
        }
    }

    /// Shifts the offsets by bytes that stand before `head` (a byte order mark).
    #[must_use]
    pub fn after(mut self, bytes: usize) -> Self {
        self.rest_offset += bytes as u64;
        self
    }

    /// The next chunk, `None` at the end.
    ///
    /// # Errors
    /// What the underlying reader says; records before the fault have been handed out, and the
    /// next call hands out what was read up to it.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let mut chunk = Chunk {
            bytes: std::mem::take(&mut self.rest),
            offset: self.rest_offset,
            ..Chunk::default()
        };
        let mut target = self.limits.chunk;
        loop {
            if let Err(error) = self.fill(&mut chunk.bytes, target) {
                // What was read so far is still good: hand it out on the next call.
                self.rest = chunk.bytes;
                self.eof = true;
                return Err(error);
            }
            let done = self.scan(&mut chunk);
            if !chunk.spans.is_empty() || !chunk.problems.is_empty() {
                self.keep_rest(&mut chunk, done);
                return Ok(Some(chunk));
            }
            if self.ended || (self.eof && done >= chunk.bytes.len()) {
                self.drain()?;
                return Ok(None);
            }
            if self.eof {
                self.ended = true;
                return Ok(None);
            }
            if chunk.bytes.len() - done >= self.limits.max_record {
                let problem = self.skip_record(&mut chunk, done)?;
                chunk.problems.push(problem);
                self.keep_rest(&mut chunk, 0);
                return Ok(Some(chunk));
            }
            if done > 0 {
                chunk.bytes.drain(..done);
                chunk.offset += done as u64;
            }
            target = chunk.bytes.len() * 2;
            target = target.clamp(self.limits.chunk, self.limits.max_record + 1);
        }
    }

    fn fill(&mut self, bytes: &mut Vec<u8>, target: usize) -> io::Result<()> {
        if self.eof || self.ended || bytes.len() >= target {
            return Ok(());
        }
        let want = (target - bytes.len()) as u64;
        bytes.reserve(target - bytes.len());
        let read = (&mut self.inner).take(want).read_to_end(bytes)?;
        self.eof = (read as u64) < want;
        Ok(())
    }

    /// Finds all whole records; gives the offset behind the last one.
    fn scan(&mut self, chunk: &mut Chunk) -> usize {
        let mut at = 0;
        while !self.ended {
            match self.scanner.next(&chunk.bytes, at, self.eof) {
                Found::Record { start, end, next } => {
                    self.ordinal += 1;
                    if end - start > self.limits.max_record {
                        let problem = self.too_large(chunk, start, (end - start) as u64);
                        chunk.problems.push(problem);
                    } else {
                        chunk.spans.push(Span {
                            start,
                            end,
                            ordinal: self.ordinal,
                        });
                    }
                    at = next;
                }
                Found::Blank { next, counts } => {
                    self.ordinal += u64::from(counts);
                    at = next;
                }
                Found::Stray {
                    start,
                    end,
                    next,
                    reason,
                } => {
                    self.ordinal += 1;
                    chunk.problems.push(Problem {
                        ordinal: self.ordinal,
                        offset: chunk.offset + start as u64,
                        length: (end - start) as u64,
                        bytes: chunk.bytes[start..end.min(start + KEEP)].to_vec(),
                        reason: reason.to_owned(),
                    });
                    at = next;
                }
                Found::More => break,
                Found::End => {
                    self.ended = true;
                    at = chunk.bytes.len();
                }
            }
        }
        at
    }

    fn too_large(&self, chunk: &Chunk, start: usize, length: u64) -> Problem {
        let end = chunk.bytes.len().min(start + KEEP);
        Problem {
            ordinal: self.ordinal,
            offset: chunk.offset + start as u64,
            length,
            bytes: chunk.bytes[start..end].to_vec(),
            reason: format!(
                "the record is {length} bytes long, more than the limit of {} (see --max-record)",
                self.limits.max_record
            ),
        }
    }

    /// Skips a record that is larger than the limit without holding it.
    fn skip_record(&mut self, chunk: &mut Chunk, start: usize) -> io::Result<Problem> {
        self.ordinal += 1;
        let mut length = (chunk.bytes.len() - start) as u64;
        let head = chunk.bytes[start..chunk.bytes.len().min(start + KEEP)].to_vec();
        let offset = chunk.offset + start as u64;
        let mut block = vec![0; 1 << 20];
        let mut next = Vec::new();
        loop {
            let read = self.inner.read(&mut block)?;
            if read == 0 {
                self.eof = true;
                break;
            }
            if let Some(at) = self.scanner.resync(&block[..read]) {
                length += at as u64;
                next = block[at..read].to_vec();
                break;
            }
            length += read as u64;
        }
        chunk.bytes = next;
        chunk.offset = offset + length;
        let reason = format!(
            "the record is {length} bytes long, more than the limit of {} (see --max-record)",
            self.limits.max_record
        );
        Ok(Problem {
            ordinal: self.ordinal,
            offset,
            length,
            bytes: head,
            reason,
        })
    }

    fn keep_rest(&mut self, chunk: &mut Chunk, done: usize) {
        self.rest = chunk.bytes.split_off(done);
        self.rest_offset = chunk.offset + done as u64;
    }

    /// Reads what stands behind the last record, so that the dump's digest covers it.
    fn drain(&mut self) -> io::Result<()> {
        if !self.eof {
            io::copy(&mut self.inner, &mut io::sink())?;
            self.eof = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &[u8], layout: &Layout, limits: Limits) -> (Vec<String>, Vec<Problem>) {
        let mut records = Records::new(text, Vec::new(), layout, limits);
        let (mut out, mut problems) = (Vec::new(), Vec::new());
        while let Some(chunk) = records.next_chunk().unwrap() {
            for span in &chunk.spans {
                let at = chunk.offset as usize + span.start;
                let record = &chunk.bytes[span.start..span.end];
                assert_eq!(
                    &text[at..at + record.len()],
                    record,
                    "offset of {}",
                    span.ordinal
                );
                out.push(format!(
                    "{}:{}",
                    span.ordinal,
                    String::from_utf8_lossy(record)
                ));
            }
            problems.extend(chunk.problems);
        }
        (out, problems)
    }

    #[test]
    fn every_chunk_size_gives_the_same_records() {
        let text = b"{\"a\":1}\n\n{\"bb\":2}\r\n{\"c\":3}";
        for chunk in 1..30 {
            let limits = Limits {
                chunk,
                ..Limits::default()
            };
            let (out, problems) = read_all(text, &Layout::JsonLines, limits);
            assert_eq!(
                out,
                ["1:{\"a\":1}", "3:{\"bb\":2}", "4:{\"c\":3}"],
                "chunk {chunk}"
            );
            assert!(problems.is_empty());
        }
    }

    #[test]
    fn a_line_over_the_limit_is_named_and_skipped() {
        let mut text = b"{\"a\":1}\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 << 20));
        text.extend(b"\n{\"b\":2}\n");
        let limits = Limits {
            chunk: 1 << 16,
            max_record: 1 << 20,
            ..Limits::default()
        };
        let (out, problems) = read_all(&text, &Layout::JsonLines, limits);
        assert_eq!(out, ["1:{\"a\":1}", "3:{\"b\":2}"]);
        assert_eq!(problems.len(), 1);
        assert_eq!((problems[0].ordinal, problems[0].offset), (2, 8));
        assert_eq!(problems[0].bytes.len(), KEEP);
        assert_eq!(problems[0].length, (3 << 20) + 1);
    }

    #[test]
    fn the_list_of_an_envelope() {
        let text = b"[ {\"a\":1}, {\"b\":[1,2]} ] trailing";
        let layout = Layout::JsonList {
            start: 1,
            envelope: None,
        };
        for chunk in [3, 1 << 20] {
            let limits = Limits {
                chunk,
                ..Limits::default()
            };
            let mut records = Records::new(&text[4..], text[..4].to_vec(), &layout, limits);
            let mut found = Vec::new();
            while let Some(chunk) = records.next_chunk().unwrap() {
                for span in &chunk.spans {
                    found.push((chunk.offset as usize + span.start, span.ordinal));
                }
            }
            assert_eq!(found, [(2, 1), (11, 2)]);
        }
    }
}
