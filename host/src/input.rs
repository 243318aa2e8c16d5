//! Input: events from files, one JSON object a line, gzipped or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// Bytes of a line that are read. What is longer is refused, and skipped without being kept.
const LINE_BYTES_MAX: usize = 16 << 20;

/// A line of input.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The file it stands in.
    pub(crate) file: Arc<PathBuf>,
    /// Its number there, from 1.
    pub(crate) number: u64,
    /// What stands there, without the line's end; what is wrong if that could not be read.
    pub(crate) text: Result<Vec<u8>, String>,
}

/// The lines of some files, one file after the other.
pub(crate) struct Lines {
    files: std::vec::IntoIter<PathBuf>,
    open: Option<Open>,
    read: Arc<AtomicU64>,
}

struct Open {
    file: Arc<PathBuf>,
    number: u64,
    reader: Box<dyn BufRead + Send>,
    ended: bool,
}

impl Lines {
    /// Returns the lines of files; `-` is standard input. `read` counts the bytes that were read of the files.
    pub(crate) fn new(files: Vec<PathBuf>, read: Arc<AtomicU64>) -> Self {
        Self { files: files.into_iter(), open: None, read }
    }

    fn open(&self, path: PathBuf) -> io::Result<Open> {
        let file: Box<dyn Read + Send> =
            if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(&path)?) };
        let mut reader = BufReader::with_capacity(1 << 18, Counted { file, read: Arc::clone(&self.read) });
        let gzipped = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead + Send> = if gzipped {
            Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(reader)))
        } else {
            Box::new(reader)
        };
        Ok(Open { file: Arc::new(path), number: 0, reader, ended: false })
    }
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.open.as_mut().and_then(Open::next) {
                return Some(Ok(line));
            }
            let path = self.files.next()?;
            let cannot =
                |error: io::Error| io::Error::new(error.kind(), format!("open {}: {error}", path.display()));
            match self.open(path.clone()) {
                Ok(open) => self.open = Some(open),
                Err(error) => return Some(Err(cannot(error))),
            }
        }
    }
}

impl Open {
    /// Returns the next line that is not blank. After one that cannot be read there are no more.
    fn next(&mut self) -> Option<Line> {
        while !self.ended {
            self.number = self.number.saturating_add(1);
            let text = self.read_line();
            if !matches!(&text, Ok(text) if text.trim_ascii().is_empty()) {
                return Some(Line { file: Arc::clone(&self.file), number: self.number, text });
            }
        }
        None
    }

    fn read_line(&mut self) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = (&mut self.reader).take(limit).read_until(b'\n', &mut text);
        if let Err(error) = read {
            self.ended = true;
            return Err(format!("the file ends in the middle or is damaged here: {error}"));
        }
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() == LINE_BYTES_MAX {
            self.skip_line();
            return Err(format!("is longer than {LINE_BYTES_MAX} bytes; it was skipped"));
        } else {
            self.ended = true;
        }
        Ok(text)
    }

    fn skip_line(&mut self) {
        self.ended = !self.reader.skip_until(b'\n').is_ok_and(|bytes| bytes > 0);
    }
}

/// Counts what is read.
struct Counted {
    file: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.read.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
        Ok(bytes)
    }
}
